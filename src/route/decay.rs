//! Sums that forget: what was added loses half its weight in each half-life.

use std::time::Duration;

use crate::model::Timestamp;

/// A sum whose parts lose half their weight in each half-life.
///
/// Between whole half-lives the weight falls in a straight line, which is at most 6 % above the
/// curve, and needs integers only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decayed {
    half_life: Duration,
    /// In units of [`ONE`].
    value: u64,
    at: Timestamp,
}

/// What one unit counts inside, so that parts of it are left after some half-lives.
pub(super) const ONE: u64 = 1024;

impl Decayed {
    pub(super) const fn new(half_life: Duration) -> Self {
        Self {
            half_life,
            value: 0,
            at: Timestamp::from_micros(0),
        }
    }

    /// What is left by now, in units of [`ONE`].
    pub(super) fn left(&self, now: Timestamp) -> u64 {
        let half_life = self.half_life.as_micros().max(1);
        let passed = now.since(self.at).as_micros();
        let halved = u32::try_from(passed / half_life)
            .ok()
            .and_then(|times| self.value.checked_shr(times))
            .unwrap_or(0);
        let lost = u128::from(halved) * (passed % half_life) / (half_life * 2);
        halved.saturating_sub(u64::try_from(lost).unwrap_or(u64::MAX))
    }

    /// Adds so many units.
    pub(super) fn add(&mut self, now: Timestamp, units: u64) {
        self.value = self.left(now).saturating_add(units.saturating_mul(ONE));
        self.at = self.at.max(now);
    }

    /// Takes back what was added lately.
    pub(super) fn take_back(&mut self, now: Timestamp, units: u64) {
        self.value = self.left(now).saturating_sub(units.saturating_mul(ONE));
        self.at = self.at.max(now);
    }

    pub(super) const fn clear(&mut self) {
        self.value = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_LIFE: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default().plus(Duration::from_secs(seconds))
    }

    #[test]
    fn half_is_left_after_each_half_life() {
        let mut sum = Decayed::new(HALF_LIFE);
        sum.add(at(100), 8);
        assert_eq!(sum.left(at(100)), 8 * ONE);
        assert_eq!(sum.left(at(115)), 6 * ONE);
        assert_eq!(sum.left(at(130)), 4 * ONE);
        assert_eq!(sum.left(at(190)), ONE);
        sum.add(at(130), 1);
        assert_eq!(sum.left(at(130)), 5 * ONE);
        sum.take_back(at(130), 2);
        assert_eq!(sum.left(at(130)), 3 * ONE);
        assert_eq!(sum.left(at(1_000_000)), 0);
    }

    #[test]
    fn a_clock_that_steps_back_takes_nothing_away() {
        let mut sum = Decayed::new(HALF_LIFE);
        sum.add(at(100), 1);
        assert_eq!(sum.left(at(40)), ONE);
        sum.add(at(40), 1);
        assert_eq!(sum.left(at(100)), 2 * ONE);
    }
}
