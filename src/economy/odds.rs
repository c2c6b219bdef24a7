//! How likely a pause is to end, and when.

use std::time::Duration;

/// Where the bins of pauses end, in seconds; what is longer than the last is one bin more.
pub const EDGES: [u32; 14] = [
    60, 300, 600, 900, 1_200, 1_500, 1_800, 2_700, 3_600, 7_200, 14_400, 36_000, 86_400, 259_200,
];

/// The survival of a pause: the chance that it is still going on at the end of each bin. What never
/// ends is part of it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Odds {
    alive: [f64; EDGES.len()],
}

#[expect(
    clippy::float_arithmetic,
    reason = "chances decide what is worth paying for, never money"
)]
impl Odds {
    /// From the chance that a pause which outlasted the bins before ends in each one.
    #[must_use]
    pub fn of_hazards(hazards: &[f64; EDGES.len()]) -> Self {
        let mut left = 1.0;
        let alive = hazards.map(|hazard| {
            left *= 1.0 - hazard.clamp(0.0, 1.0);
            left
        });
        Self { alive }
    }

    /// The chance that the pause lasts longer than `age`: straight lines between the edges.
    #[must_use]
    pub fn alive(&self, age: Duration) -> f64 {
        let age = age.as_secs_f64();
        let (mut from, mut above) = (0.0, 1.0);
        for (edge, alive) in EDGES.iter().zip(self.alive) {
            let edge = f64::from(*edge);
            if age < edge {
                return above - (above - alive) * (age - from) / (edge - from);
            }
            (from, above) = (edge, alive);
        }
        above
    }

    /// The chance that a pause which lasts for `from` already ends by `to`.
    #[must_use]
    pub fn ends_by(&self, from: Duration, to: Duration) -> f64 {
        let now = self.alive(from);
        if now <= 0.0 {
            return 0.0;
        }
        (1.0 - self.alive(to) / now).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survival_falls_from_one_and_is_straight_between_edges() {
        let mut hazards = [0.0; EDGES.len()];
        hazards[0] = 0.5;
        hazards[1] = 0.5;
        let odds = Odds::of_hazards(&hazards);
        let alive = |secs| odds.alive(Duration::from_secs(secs));
        assert!((alive(0) - 1.0).abs() < 1e-12);
        assert!((alive(30) - 0.75).abs() < 1e-12);
        assert!((alive(60) - 0.5).abs() < 1e-12);
        assert!((alive(300) - 0.25).abs() < 1e-12);
        assert!((alive(1_000_000) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn what_lasts_already_is_taken_for_granted() {
        let mut hazards = [0.0; EDGES.len()];
        hazards[0] = 0.8;
        hazards[2] = 0.5;
        let odds = Odds::of_hazards(&hazards);
        let chance = odds.ends_by(Duration::from_secs(300), Duration::from_secs(600));
        assert!((chance - 0.5).abs() < 1e-12);
    }
}
