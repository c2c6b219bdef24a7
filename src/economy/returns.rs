//! How long pauses last, by what they began with.

use std::time::Duration;

use super::odds::{EDGES, Odds};
use super::{Duel, Flatten, Input, Kind, Overtaken, Signs, Tape};
use crate::model::{Money, Stop, Timestamp};

/// Classes of pauses. Finer ones, by rhythm, age, length, hour of the day, tool or user, choose no better
/// number of pings for sessions that were held out (338 and 186 of Claude Code's, 2026-11-30).
const CLASSES: usize = 8;

/// Pauses of a class that are counted before the older ones lose half their weight.
const MEMORY: f32 = 2_000.0;

/// How many pauses what is expected beforehand weighs.
const PRIOR: f64 = 120.0;

/// How fast young pauses fade, in seconds, for bins that begin by as many seconds.
const FADES: [f32; 4] = [300.0, 750.0, 2_100.0, 14_400.0];

/// Pauses seen, by class: a statistic that a memory keeps per scope and for all of them together.
///
/// A pause is counted when it begins, and again in the bin in which it ends. One that goes on for long
/// counts like one that never ends, which errs on the side of letting go.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Returns {
    classes: [Class; CLASSES],
    /// How one hour and pings stand against plain five minutes, by kind of conversation.
    pub duels: [Duel; Kind::COUNT],
    /// One hour is not granted until then: it was asked for, and five minutes were billed.
    pub ungranted_until: Option<Timestamp>,
    /// Pings are off until then: one of them wrote what it should have read.
    pub broken_until: Option<Timestamp>,
    /// The UTC day (days since the epoch) that pings were last paid for on, and what they cost.
    pub paid: (i64, Money),
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Class {
    begun: f32,
    ended: [f32; EDGES.len()],
    /// Pauses that have not ended, each fading with its age: those that cannot have reached a bin yet.
    young: [f32; FADES.len()],
    since: Timestamp,
}

impl Default for Returns {
    fn default() -> Self {
        Self {
            classes: [Class::default(); CLASSES],
            duels: [Duel::default(); Kind::COUNT],
            ungranted_until: None,
            broken_until: None,
            paid: (0, Money::ZERO),
        }
    }
}

#[expect(
    clippy::float_arithmetic,
    reason = "chances decide what is worth paying for, never money"
)]
impl Returns {
    /// A pause has begun.
    pub fn begin(&mut self, signs: &Signs, now: Timestamp) {
        let Some(class) = self.classes.get_mut(class(signs)) else {
            return;
        };
        class.age(now);
        class.young = class.young.map(|young| young + 1.0);
        class.begun += 1.0;
        if class.begun > MEMORY {
            class.begun /= 2.0;
            class.ended = class.ended.map(|ended| ended / 2.0);
        }
    }

    /// A pause that began with these signs has ended.
    pub fn end(&mut self, signs: &Signs, gap: Duration, now: Timestamp) {
        let Some(class) = self.classes.get_mut(class(signs)) else {
            return;
        };
        class.age(now);
        class.settle(gap);
        let bin = EDGES
            .iter()
            .position(|edge| gap.as_secs() < u64::from(*edge));
        if let Some(ended) = bin.and_then(|bin| class.ended.get_mut(bin)) {
            *ended += 1.0;
        }
    }

    /// A pause that goes on after `gap` belongs to these signs no more.
    pub fn withdraw(&mut self, signs: &Signs, gap: Duration, now: Timestamp) {
        if let Some(class) = self.classes.get_mut(class(signs)) {
            class.age(now);
            class.settle(gap);
            class.begun = (class.begun - 1.0).max(0.0);
        }
    }

    /// How one hour and pings stand in conversations of this kind.
    pub fn duel_mut(&mut self, kind: Kind) -> Option<&mut Duel> {
        self.duels.get_mut(kind.index())
    }

    /// The same, to look at.
    #[must_use]
    pub fn duel(&self, kind: Kind) -> Duel {
        self.duels.get(kind.index()).copied().unwrap_or_default()
    }

    /// A ping was paid for.
    pub fn pay(&mut self, now: Timestamp, cost: Money) {
        self.paid = (day(now), self.paid_on(now) + cost);
    }

    /// What was paid for pings on the UTC day of `now`, so far.
    #[must_use]
    pub fn paid_on(&self, now: Timestamp) -> Money {
        let (last, paid) = self.paid;
        if last == day(now) { paid } else { Money::ZERO }
    }

    /// How likely a pause that begins with these signs is to end, and when: from what was seen under
    /// each of these, the widest first, backed off to what is usual.
    #[must_use]
    pub fn odds(kinds: &[&Self], signs: &Signs, now: Timestamp) -> Odds {
        let mut hazards = usual(signs);
        // What the narrower one has seen was mostly seen by the wider one already.
        let mut weight = PRIOR;
        for returns in kinds {
            if let Some(class) = returns.classes.get(class(signs)) {
                let mut class = *class;
                class.age(now);
                class.sharpen(&mut hazards, weight);
            }
            weight *= 2.0;
        }
        Odds::of_hazards(&hazards)
    }
}

#[expect(clippy::float_arithmetic, reason = "chances")]
impl Class {
    /// Blends what was expected, which weighs as much as so many pauses, with what was seen.
    fn sharpen(&self, hazards: &mut [f64; EDGES.len()], weight: f64) {
        let mut left = f64::from(self.begun);
        let mut starts = 0;
        for ((hazard, ended), edge) in hazards.iter_mut().zip(self.ended).zip(EDGES) {
            let ended = f64::from(ended).min(left);
            let reached = (left - self.younger_than(starts)).max(ended);
            *hazard = (ended + weight * *hazard) / (reached + weight);
            left -= ended;
            starts = edge;
        }
    }

    /// About how many pauses go on that are younger than so many seconds.
    fn younger_than(&self, secs: u32) -> f64 {
        // Where ages are spread evenly, as many are younger than this as the fading ones add up to.
        let [five, ten, half_hour, hours] = self.young;
        f64::from(match secs {
            0..300 => 0.0,
            300..600 => five,
            600..1_200 => ten,
            1_200..7_200 => half_hour,
            _ => hours,
        })
    }

    /// One of the young pauses, which has lasted for `gap`, is none any more.
    fn settle(&mut self, gap: Duration) {
        for (young, fades) in self.young.iter_mut().zip(FADES) {
            *young = (*young - (-gap.as_secs_f32() / fades).exp()).max(0.0);
        }
    }

    /// Young pauses grow older.
    fn age(&mut self, now: Timestamp) {
        let passed = now.since(self.since).as_secs_f32();
        self.since = self.since.max(now);
        for (young, fades) in self.young.iter_mut().zip(FADES) {
            *young *= (-passed / fades).exp();
        }
    }
}

/// The UTC day, counted from the epoch.
const fn day(now: Timestamp) -> i64 {
    now.as_micros().div_euclid(86_400_000_000)
}

const fn class(signs: &Signs) -> usize {
    match signs.overtaken {
        Some(Overtaken::Longer) => return 6,
        Some(Overtaken::Shorter) => return 7,
        None => {}
    }
    match (signs.stop, signs.input) {
        (Some(Stop::ToolUse), Input::Text) => 5,
        (Some(Stop::ToolUse), _) => 0,
        (Some(Stop::EndTurn), Input::ToolResult) => 1,
        (Some(Stop::EndTurn), _) => 2,
        (Some(_), _) => 3,
        (None, _) => 4,
    }
}

/// What is usual: an agent that called a tool goes on by itself, mostly at once; somebody who was
/// answered comes back within minutes or not for a long time; what was overtaken seldom returns.
const fn usual(signs: &Signs) -> [f64; EDGES.len()] {
    match signs.overtaken {
        Some(Overtaken::Longer) => {
            return [
                0.10, 0.10, 0.03, 0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01,
            ];
        }
        Some(Overtaken::Shorter) => {
            return [
                0.30, 0.40, 0.12, 0.08, 0.04, 0.03, 0.02, 0.04, 0.04, 0.02, 0.02, 0.01, 0.01, 0.01,
            ];
        }
        None => {}
    }
    match (signs.stop, signs.input) {
        (Some(Stop::EndTurn), _) => [
            0.18, 0.35, 0.20, 0.12, 0.12, 0.06, 0.06, 0.13, 0.14, 0.08, 0.08, 0.05, 0.07, 0.03,
        ],
        // A call right after a user's words: more often than not it waits for a permission.
        (Some(Stop::ToolUse), Input::Text) => [
            0.75, 0.75, 0.20, 0.20, 0.08, 0.06, 0.04, 0.08, 0.08, 0.03, 0.03, 0.02, 0.02, 0.01,
        ],
        (Some(Stop::ToolUse), _) => [
            0.84, 0.75, 0.35, 0.37, 0.12, 0.09, 0.04, 0.15, 0.15, 0.03, 0.02, 0.01, 0.01, 0.01,
        ],
        _ => [
            0.70, 0.60, 0.22, 0.18, 0.15, 0.07, 0.05, 0.15, 0.14, 0.05, 0.05, 0.03, 0.03, 0.02,
        ],
    }
}

impl Flatten for Returns {
    fn pass(&mut self, tape: &mut Tape) {
        for class in &mut self.classes {
            tape.single(&mut class.begun);
            class.ended.iter_mut().for_each(|bin| tape.single(bin));
            class.young.iter_mut().for_each(|bin| tape.single(bin));
            tape.time(&mut class.since);
        }
        self.duels.iter_mut().for_each(|duel| duel.pass(tape));
        tape.time_if(&mut self.ungranted_until);
        tape.time_if(&mut self.broken_until);
        let (day, paid) = &mut self.paid;
        tape.whole(day);
        tape.money(paid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four months later.
    const LATE: Timestamp = Timestamp::from_micros(10_000_000_000_000);

    fn ended_turn() -> Signs {
        Signs {
            stop: Some(Stop::EndTurn),
            ..Signs::default()
        }
    }

    #[test]
    fn what_returns_after_eight_minutes_is_expected_to() {
        let mut seen = Returns::default();
        let window = [Duration::from_secs(300), Duration::from_secs(600)];
        let chance = |seen: &Returns| {
            let [from, to] = window;
            Returns::odds(&[seen], &ended_turn(), LATE).ends_by(from, to)
        };
        let before = chance(&seen);
        for _ in 0..1_900 {
            seen.begin(&ended_turn(), Timestamp::default());
            seen.end(
                &ended_turn(),
                Duration::from_secs(480),
                Timestamp::from_micros(480_000_000),
            );
        }
        assert!(before < 0.5 && chance(&seen) > 0.9);
    }

    #[test]
    fn what_never_returns_is_let_go() {
        let mut seen = Returns::default();
        for _ in 0..1_900 {
            seen.begin(&ended_turn(), Timestamp::default());
        }
        let odds = Returns::odds(&[&seen], &ended_turn(), LATE);
        assert!(odds.ends_by(Duration::ZERO, Duration::from_secs(3_600)) < 0.15);
    }

    #[test]
    fn what_has_only_just_begun_says_nothing() {
        let mut seen = Returns::default();
        for _ in 0..1_000 {
            seen.begin(&ended_turn(), Timestamp::default());
        }
        let soon = Timestamp::from_micros(1_000_000);
        let windows = |odds: Odds| odds.ends_by(Duration::from_secs(300), Duration::from_secs(600));
        let before = windows(Returns::odds(&[], &ended_turn(), soon));
        let after = windows(Returns::odds(&[&seen], &ended_turn(), soon));
        assert!((before - after).abs() < 0.01, "{before} {after}");
    }

    #[test]
    fn what_was_overtaken_is_counted_apart() {
        let mut seen = Returns::default();
        let mut overtaken = ended_turn();
        overtaken.overtaken = Some(Overtaken::Longer);
        let before = seen.clone();
        for _ in 0..1_000 {
            seen.begin(&ended_turn(), Timestamp::default());
            seen.withdraw(&ended_turn(), Duration::from_secs(0), Timestamp::default());
            seen.begin(&overtaken, Timestamp::default());
        }
        let hour = |seen: &Returns, signs: &Signs| {
            let hour = Duration::from_secs(3_600);
            Returns::odds(&[seen], signs, LATE).ends_by(Duration::ZERO, hour)
        };
        let signs = ended_turn();
        assert!((hour(&seen, &signs) - hour(&before, &signs)).abs() < 1e-6);
        assert!(hour(&before, &overtaken) < hour(&before, &signs) / 2.0);
        assert!(hour(&seen, &overtaken) < hour(&before, &overtaken) / 2.0);
    }

    #[test]
    fn counts_are_bounded() {
        let mut seen = Returns::default();
        for _ in 0..100_000 {
            seen.begin(&ended_turn(), LATE);
        }
        assert!(seen.classes.iter().all(|class| class.begun <= MEMORY));
    }
}
