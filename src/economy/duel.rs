//! One hour, and pings, against plain five minutes: all are followed on the real stream, whichever is
//! paid for.

use std::time::Duration;

use super::{Flatten, Tape};
use crate::model::{Rates, Timestamp, Tokens, Ttl, to_f64};

/// How long it takes until two thirds of a premium are held against one hour. What it buys comes
/// back over the hour after it was paid.
const EARNED_IN: f64 = 3_600.0;

/// The share of what five minutes would have cost that an alternative may be behind before it is given
/// up.
const MOST_BEHIND: f64 = 0.006;

/// The same for pings. Several conversations may find one out at the same time, so it is less.
const PINGS_BEHIND: f64 = 0.004;

/// Premiums that may be out at once where one hour is trusted beforehand, as a share of what five
/// minutes would have cost so far.
const EAGER: f64 = 0.5;

/// The share of the premiums not yet due that an hour must be ahead by where no trust is given.
const OWED: f64 = 0.5;

/// The share of what premiums have brought back that is counted on where no trust is given.
const CONFIDENCE: f64 = 0.7;

/// A pause that has ended, as the alternatives are judged by it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Bout {
    /// How long it lasted; `None` for the first request of a conversation.
    pub gap: Option<Duration>,
    /// Tokens of the request after it.
    pub tokens: Tokens,
    /// Those of them that the request before it had as well.
    pub shared: Tokens,
    /// Pings that would have been sent at most, with five minutes.
    pub planned: u32,
    /// Pings that were sent.
    pub pings: u32,
    /// Whether what the request before it had was kept by them.
    pub kept: bool,
}

/// What a bout came to, in tokens of plain input.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Score {
    /// What one hour saved against five minutes without pings, its premium left out.
    pub hour: f64,
    /// What one hour costs more to write.
    pub premium: f64,
    /// What pings saved, their own cost left out.
    pub planned: f64,
    /// What the pings that were sent saved, their own cost left out.
    pub pinged: f64,
    /// What five minutes without pings would have cost.
    pub usual: f64,
}

#[expect(
    clippy::float_arithmetic,
    reason = "expectations decide what is written, never money"
)]
impl Bout {
    /// What it came to at these prices, with pings that are `step` apart.
    #[must_use]
    pub fn score(&self, rates: &Rates, step: Duration) -> Score {
        let extra = rates.write_1h - rates.write_5m;
        let all = to_f64(self.tokens);
        let Some(gap) = self.gap else {
            return Score {
                premium: extra * all,
                usual: rates.write_5m * all,
                ..Score::default()
            };
        };
        let shared = to_f64(self.shared.min(self.tokens));
        let again = shared * (rates.write_5m - rates.read);
        let five = Ttl::FiveMinutes.duration();
        let lost = gap > five;
        let in_time = gap <= five + step * self.planned;
        let in_hour = gap <= Ttl::OneHour.duration();
        let written = if in_hour { all - shared } else { all };
        let if_so = |so: bool| if so { again } else { 0.0 };
        Score {
            hour: if_so(lost && in_hour),
            premium: extra * written,
            planned: if_so(lost && in_time),
            pinged: if_so(lost && self.kept && self.pings > 0),
            usual: rates.write_5m * all - if_so(!lost),
        }
    }
}

/// How one hour and pings stand against plain five minutes in one kind of conversations, in tokens of
/// plain input.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Duel {
    /// What one hour would have saved so far.
    saved: f64,
    /// The premiums that are held against it already.
    held: f64,
    /// Premiums that are not held against it yet.
    pending: f64,
    /// The same two of what was paid for in earnest.
    paid: [f64; 2],
    /// What pings would have saved, less what they would have cost.
    planned: f64,
    /// What pings have saved in earnest, less what they have cost.
    pinged: f64,
    /// What plain five minutes would have cost.
    usual: f64,
    since: Timestamp,
}

#[expect(
    clippy::float_arithmetic,
    reason = "expectations decide what is written, never money"
)]
impl Duel {
    /// Takes in what a bout came to in a conversation that is written with `class` in earnest.
    pub fn take(&mut self, now: Timestamp, score: &Score, class: Ttl) {
        self.age(now);
        self.saved += score.hour;
        self.pending += score.premium;
        self.planned += score.planned;
        self.pinged += score.pinged;
        self.usual += score.usual;
        if class == Ttl::OneHour {
            let [saved, pending] = &mut self.paid;
            *saved += score.hour;
            *pending += score.premium;
        }
    }

    /// What pings are expected to cost with five minutes in a pause that begins. Expected, and not
    /// what they will have cost: a pause that never ends would never be billed.
    pub const fn plan(&mut self, cost: f64) {
        self.planned -= cost;
    }

    /// What a ping has cost.
    pub const fn ping(&mut self, cost: f64) {
        self.pinged -= cost;
    }

    /// What is due of the premiums is held against one hour.
    fn age(&mut self, now: Timestamp) {
        let passed = now.since(self.since).as_secs_f64();
        self.since = self.since.max(now);
        let due = 1.0 - (-passed / EARNED_IN).exp();
        self.held += self.pending * due;
        self.pending -= self.pending * due;
        let [saved, pending] = &mut self.paid;
        *saved -= *pending * due;
        *pending -= *pending * due;
    }

    /// How one hour stands at `now`, where another `stake` would be paid for it; `trust` is what it may
    /// cost before anything was seen.
    #[must_use]
    pub fn hour(&self, now: Timestamp, stake: f64, trust: f64) -> Standing {
        let mut aged = *self;
        aged.age(now);
        let [saved, pending] = aged.paid;
        let spare = MOST_BEHIND * aged.usual + trust;
        let too_dear = if trust > 0.0 {
            saved + spare < 0.0 || pending + stake > EAGER * aged.usual + 2.0 * trust
        } else {
            // What is out should come back as it has come back so far, or most of that.
            let returned = aged.saved / aged.held.max(f64::MIN_POSITIVE);
            let at_risk = 1.0 - CONFIDENCE * returned.min(1.0);
            saved - (pending + stake) * at_risk + spare < 0.0
        };
        Standing {
            ahead: aged.saved - aged.held + trust,
            // What it saves shows at once and what it costs by and by. Without trust that would be
            // a lead for as long as the stream is young.
            needed: if trust > 0.0 {
                0.0
            } else {
                OWED * aged.pending
            },
            held_back: too_dear,
        }
    }

    /// How far pings would be ahead by now.
    #[must_use]
    pub const fn planned(&self) -> f64 {
        self.planned
    }

    /// Whether the pings that were sent have earned so much that another one may cost `stake`; `trust`
    /// is what they may cost before anything was seen.
    #[must_use]
    pub fn may_ping(&self, stake: f64, trust: f64) -> bool {
        self.pinged - stake + PINGS_BEHIND * self.usual + trust >= 0.0
    }
}

/// How an alternative stands against plain five minutes.
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
    /// Whether a conversation should go by it from now on.
    #[must_use]
    pub fn leads(&self) -> bool {
        !self.held_back && self.ahead > self.needed
    }
}

impl Flatten for Duel {
    fn pass(&mut self, tape: &mut Tape) {
        let [hour, pings] = &mut self.paid;
        let numbers = [
            &mut self.saved,
            &mut self.held,
            &mut self.pending,
            hour,
            pings,
            &mut self.planned,
            &mut self.pinged,
            &mut self.usual,
        ];
        numbers.into_iter().for_each(|number| tape.number(number));
        tape.time(&mut self.since);
    }
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
            ..Bout::default()
        };
        bout.score(&Rates::USUAL, STEP)
    }

    fn at(secs: f64) -> Timestamp {
        Timestamp::from_secs_f64(secs)
    }

    #[expect(clippy::float_arithmetic, reason = "a distance")]
    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-6
    }

    #[test]
    fn a_pause_of_ten_minutes_is_what_the_hour_is_for() {
        let score = bout(600, 0);
        assert!(near(score.hour, 1_150.0) && near(score.premium, 75.0));
        assert!(near(score.usual, 1_375.0));
    }

    #[test]
    fn short_and_very_long_pauses_only_cost_it() {
        assert!(near(bout(60, 0).hour, 0.0));
        assert!(near(bout(4_000, 0).hour, 0.0));
        assert!(near(bout(4_000, 0).premium, 825.0));
    }

    #[test]
    fn pings_save_what_returns_in_their_time() {
        assert!(near(bout(600, 3).planned, 1_150.0));
        assert!(near(bout(2_000, 3).planned, 0.0));
        assert!(near(bout(200, 3).planned, 0.0));
    }

    #[test]
    fn the_hour_is_chosen_once_it_is_ahead_and_given_up_when_behind() {
        let mut duel = Duel::default();
        assert!(!duel.hour(at(0.0), 0.0, 0.0).leads());
        let mut now = 0.0;
        for _ in 0..20 {
            now += 600.0;
            duel.take(at(now), &bout(600, 0), Ttl::OneHour);
        }
        assert!(duel.hour(at(now), 825.0, 0.0).leads());
        for _ in 0..400 {
            now += 600.0;
            duel.take(at(now), &bout(4_000, 0), Ttl::OneHour);
        }
        assert!(!duel.hour(at(now), 825.0, 0.0).leads());
    }

    #[test]
    fn late_returns_are_no_lead_over_premiums_that_are_not_due_yet() {
        let mut duel = Duel::default();
        let begun = Bout {
            tokens: 1_100,
            ..Bout::default()
        };
        for number in 0..100 {
            let score = if number % 5 == 0 {
                bout(600, 0)
            } else {
                begun.score(&Rates::USUAL, STEP)
            };
            duel.take(at(f64::from(number)), &score, Ttl::FiveMinutes);
        }
        assert!(!duel.hour(at(100.0), 825.0, 0.0).leads());
        assert!(duel.hour(at(100.0), 825.0, 10_000.0).leads());
    }

    #[test]
    fn pings_that_nobody_returns_to_are_held_back() {
        let mut duel = Duel::default();
        let mut sent = 0;
        for number in 0..1_000 {
            duel.take(at(f64::from(number)), &bout(30, 1), Ttl::FiveMinutes);
            if duel.may_ping(100.0, 500.0) {
                duel.ping(100.0);
                sent += 1;
            }
        }
        // Five on trust, and six in a thousand of what it costs anyway.
        assert!((5..25).contains(&sent), "{sent}");
    }
}
