//! One hour against five minutes: both are followed on the real stream, whichever is paid for.

use std::time::Duration;

use crate::model::{Rates, Timestamp, Tokens, Ttl};

/// How long it takes until two thirds of a premium are held against one hour. What it buys comes
/// back over the hour after it was paid.
const EARNED_IN: f64 = 3_600.0;

/// By how many deviations one hour must be ahead.
const SURE: f64 = 0.1;

/// The share of what five minutes would have cost that one hour may be behind before it is given up.
const MOST_BEHIND: f64 = 0.007;

/// A pause that has ended, as both classes are judged by it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Bout {
    /// How long it lasted; `None` for the first request of a conversation.
    pub gap: Option<Duration>,
    /// Tokens of the request after it.
    pub tokens: Tokens,
    /// Those of them that the one before it had as well.
    pub shared: Tokens,
    /// Pings that would have been sent at most, with five minutes.
    pub planned: u32,
}

/// What a bout came to, in tokens of plain input.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Score {
    /// What one hour saved against five minutes, its premium left out.
    pub saved: f64,
    /// What it costs more to write.
    pub premium: f64,
    /// What five minutes without pings would have cost.
    pub usual: f64,
}

#[expect(
    clippy::float_arithmetic,
    reason = "expectations decide what is written, never money"
)]
impl Bout {
    /// What it came to at these prices. Pings are `step` apart; [`Duel::pings`] bills them.
    #[must_use]
    pub fn score(&self, rates: &Rates, step: Duration) -> Score {
        let extra = rates.write_1h - rates.write_5m;
        let all = as_f64(self.tokens);
        let Some(gap) = self.gap else {
            return Score {
                saved: 0.0,
                premium: extra * all,
                usual: rates.write_5m * all,
            };
        };
        let shared = as_f64(self.shared.min(self.tokens));
        let again = shared * (rates.write_5m - rates.read);
        let five = Ttl::FiveMinutes.duration();
        let kept_5m = gap <= five + step * self.planned;
        let kept_1h = gap <= Ttl::OneHour.duration();
        let written = if kept_1h { all - shared } else { all };
        let read_5m = if gap <= five { again } else { 0.0 };
        Score {
            saved: again * (f64::from(u8::from(kept_1h)) - f64::from(u8::from(kept_5m))),
            premium: extra * written,
            usual: rates.write_5m * all - read_5m,
        }
    }
}

/// How one hour stands against five minutes in one kind of conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Duel {
    /// What one hour has saved so far, less the premiums that are held against it already.
    ahead: f64,
    /// The sum, over conversations, of the square of what each has come to.
    squares: f64,
    /// Premiums that are not held against it yet.
    pending: f64,
    /// The same of what was paid for in earnest: saved less held, and not held yet.
    earnest: [f64; 2],
    /// What five minutes without pings would have cost.
    usual: f64,
    since: Timestamp,
}

#[expect(
    clippy::float_arithmetic,
    reason = "expectations decide what is written, never money"
)]
impl Duel {
    /// Takes in what a bout came to; `net` is what its conversation has come to before and after,
    /// and `paid` says whether it is written with one hour in earnest.
    pub fn take(&mut self, now: Timestamp, score: &Score, [before, after]: [f64; 2], paid: Paid) {
        self.age(now);
        self.ahead += score.saved;
        self.pending += score.premium;
        self.squares = (self.squares + after * after - before * before).max(0.0);
        self.usual += score.usual;
        if paid == Paid::OneHour {
            let [ahead, pending] = &mut self.earnest;
            *ahead += score.saved;
            *pending += score.premium;
        }
    }

    /// What pings are expected to cost with five minutes in a pause that begins. Expected, and not
    /// what they will have cost: a pause that never ends would never be billed.
    pub const fn pings(&mut self, cost: f64, paid: Paid) {
        self.ahead += cost;
        if matches!(paid, Paid::OneHour) {
            self.earnest[0] += cost;
        }
    }

    /// What is due of the premiums is held against one hour.
    fn age(&mut self, now: Timestamp) {
        let passed = now.since(self.since).as_secs_f64();
        self.since = self.since.max(now);
        let due = 1.0 - (-passed / EARNED_IN).exp();
        self.ahead -= self.pending * due;
        self.pending -= self.pending * due;
        let [ahead, pending] = &mut self.earnest;
        *ahead -= *pending * due;
        *pending -= *pending * due;
    }

    /// How far one hour is ahead, and how far it must be; `prior` is what it is thought to be ahead
    /// before anything was seen.
    #[must_use]
    pub fn standing(&self, now: Timestamp, prior: f64) -> Standing {
        let mut aged = *self;
        aged.age(now);
        let [earnest, pending] = aged.earnest;
        let most_behind = MOST_BEHIND * aged.usual + prior.max(0.0);
        Standing {
            ahead: aged.ahead + prior,
            needed: SURE * aged.squares.sqrt(),
            held_back: earnest + most_behind < 0.0
                || pending > EAGER * aged.usual + 2.0 * prior.max(0.0),
        }
    }
}

/// Premiums that may be out at once, as a share of what five minutes would have cost so far.
const EAGER: f64 = 0.5;

/// How one hour stands against five minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Standing {
    /// How far it is ahead, in tokens of plain input.
    pub ahead: f64,
    /// How far it must be.
    pub needed: f64,
    /// Whether it has cost too much already, or too much of it is out.
    pub held_back: bool,
}

impl Standing {
    /// Whether a conversation that begins now should be written with one hour.
    #[must_use]
    pub fn favours_the_hour(&self) -> bool {
        !self.held_back && self.ahead > self.needed
    }
}

/// What a conversation is written with in earnest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Paid {
    /// Five minutes, or nothing.
    #[default]
    FiveMinutes,
    /// One hour.
    OneHour,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "token counts stay far below 2^53"
)]
const fn as_f64(tokens: Tokens) -> f64 {
    tokens as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(280);

    fn bout(gap: u64, planned: u32) -> Score {
        let bout = Bout {
            gap: Some(Duration::from_secs(gap)),
            tokens: 1_100,
            shared: 1_000,
            planned,
        };
        bout.score(&Rates::USUAL, STEP)
    }

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-6
    }

    #[test]
    fn a_pause_of_ten_minutes_is_what_the_hour_is_for() {
        let score = bout(600, 0);
        assert!(near(score.saved, 1_150.0) && near(score.premium, 75.0));
        assert!(near(score.usual, 1_375.0));
    }

    #[test]
    fn short_and_very_long_pauses_only_cost_it() {
        assert!(near(bout(60, 0).saved, 0.0));
        assert!(near(bout(4_000, 0).saved, 0.0));
        assert!(near(bout(4_000, 0).premium, 825.0));
    }

    #[test]
    fn pings_that_keep_the_prefix_leave_it_nothing_to_save() {
        assert!(near(bout(600, 3).saved, 0.0));
        assert!(near(bout(2_000, 3).saved, 1_150.0));
    }

    #[test]
    fn the_hour_is_chosen_once_it_is_ahead_and_given_up_when_behind() {
        let at = |secs: f64| Timestamp::from_secs_f64(secs);
        let mut duel = Duel::default();
        assert!(!duel.standing(at(0.0), 0.0).favours_the_hour());
        let mut now = 0.0;
        for _ in 0..20 {
            now += 600.0;
            duel.take(at(now), &bout(600, 0), [0.0, 1_075.0], Paid::OneHour);
        }
        assert!(duel.standing(at(now), 0.0).favours_the_hour());
        for _ in 0..400 {
            now += 600.0;
            duel.take(at(now), &bout(4_000, 0), [0.0, -825.0], Paid::OneHour);
        }
        assert!(!duel.standing(at(now), 0.0).favours_the_hour());
    }
}
