//! How long pauses last, by what they began with.

use std::time::Duration;

use super::odds::{EDGES, Odds};
use super::{Input, Signs};
use crate::model::{Money, Stop, Timestamp};

/// Classes of pauses.
const CLASSES: usize = 8;

/// Pauses of a class that are counted before the older ones lose half their weight.
const MEMORY: f32 = 2_000.0;

/// How many pauses what is expected beforehand weighs.
const PRIOR: f64 = 20.0;

/// Pauses seen, by class: a statistic that a memory keeps per scope and for all of them together.
///
/// A pause is counted when it begins, and again in the bin in which it ends. One that still goes on
/// counts like one that never ends, which errs on the side of letting go.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Returns {
    classes: [Class; CLASSES],
    /// Pings are off until then: one of them wrote what it should have read.
    pub broken_until: Option<Timestamp>,
    /// The UTC day (days since the epoch) that pings were last paid for on, and what they cost.
    pub paid: (i64, Money),
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Class {
    begun: f32,
    ended: [f32; EDGES.len()],
}

impl Default for Returns {
    fn default() -> Self {
        Self {
            classes: [Class::default(); CLASSES],
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
    pub fn begin(&mut self, signs: &Signs) {
        let Some(class) = self.classes.get_mut(class(signs)) else {
            return;
        };
        class.begun += 1.0;
        if class.begun > MEMORY {
            class.begun /= 2.0;
            class.ended = class.ended.map(|ended| ended / 2.0);
        }
    }

    /// A pause that began with these signs has ended.
    pub fn end(&mut self, signs: &Signs, gap: Duration) {
        let Some(class) = self.classes.get_mut(class(signs)) else {
            return;
        };
        let bin = EDGES
            .iter()
            .position(|edge| gap.as_secs() < u64::from(*edge));
        if let Some(ended) = bin.and_then(|bin| class.ended.get_mut(bin)) {
            *ended += 1.0;
        }
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
    pub fn odds(kinds: &[&Self], signs: &Signs) -> Odds {
        let mut hazards = usual(signs);
        for returns in kinds {
            if let Some(class) = returns.classes.get(class(signs)) {
                class.sharpen(&mut hazards);
            }
        }
        Odds::of_hazards(&hazards)
    }
}

impl Class {
    /// Blends what was expected with what was seen.
    #[expect(clippy::float_arithmetic, reason = "chances")]
    fn sharpen(&self, hazards: &mut [f64; EDGES.len()]) {
        // The pause in question is counted as begun; it is not one of those that lasted.
        let mut left = (f64::from(self.begun) - 1.0).max(0.0);
        for (hazard, ended) in hazards.iter_mut().zip(self.ended) {
            let ended = f64::from(ended).min(left);
            *hazard = (ended + PRIOR * *hazard) / (left + PRIOR);
            left -= ended;
        }
    }
}

/// The UTC day, counted from the epoch.
const fn day(now: Timestamp) -> i64 {
    now.as_micros().div_euclid(86_400_000_000)
}

const fn class(signs: &Signs) -> usize {
    match (signs.stop, signs.input) {
        (Some(Stop::ToolUse), _) => 0,
        (Some(Stop::EndTurn), Input::ToolResult) => 1,
        (Some(Stop::EndTurn), _) => 2,
        (Some(_), _) => 3,
        (None, _) => 4,
    }
}

/// What is usual: an agent that called a tool goes on by itself, mostly at once; somebody who was
/// answered comes back within minutes or not for a long time.
const fn usual(signs: &Signs) -> [f64; EDGES.len()] {
    match signs.stop {
        Some(Stop::EndTurn) => [
            0.20, 0.40, 0.22, 0.12, 0.14, 0.05, 0.05, 0.13, 0.12, 0.06, 0.06, 0.05, 0.15, 0.10,
        ],
        Some(Stop::ToolUse) => [
            0.84, 0.80, 0.37, 0.40, 0.15, 0.10, 0.05, 0.15, 0.10, 0.05, 0.05, 0.02, 0.05, 0.02,
        ],
        _ => [
            0.70, 0.60, 0.22, 0.15, 0.12, 0.08, 0.05, 0.12, 0.10, 0.05, 0.05, 0.03, 0.05, 0.02,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            Returns::odds(&[seen], &ended_turn()).ends_by(from, to)
        };
        let before = chance(&seen);
        for _ in 0..200 {
            seen.begin(&ended_turn());
            seen.end(&ended_turn(), Duration::from_secs(480));
        }
        assert!(before < 0.5 && chance(&seen) > 0.9);
    }

    #[test]
    fn what_never_returns_is_let_go() {
        let mut seen = Returns::default();
        for _ in 0..500 {
            seen.begin(&ended_turn());
        }
        let odds = Returns::odds(&[&seen], &ended_turn());
        assert!(odds.ends_by(Duration::ZERO, Duration::from_secs(3_600)) < 0.1);
    }

    #[test]
    fn counts_are_bounded() {
        let mut seen = Returns::default();
        for _ in 0..100_000 {
            seen.begin(&ended_turn());
        }
        assert!(seen.classes.iter().all(|class| class.begun <= MEMORY));
    }
}
