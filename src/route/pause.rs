//! How long is waited before somebody is asked again, spread so that callers do not come back all at
//! once.

use std::time::Duration;

/// Before the first repetition; doubled for each further one.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause that no provider asked for.
const MOST: Duration = Duration::from_secs(8);

/// Spreads waits; the same seed spreads them the same way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread(u64);

impl Spread {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The wait after a failure that followed `before` others: what the provider asks for and up to
    /// an eighth more, or else between half of our own pause and the whole of it.
    pub(super) fn pause(&mut self, before: u32, asked: Option<Duration>) -> Duration {
        match asked.filter(|asked| !asked.is_zero()) {
            Some(asked) => asked.saturating_add(self.part(asked / 8)),
            None => {
                let whole = FIRST.saturating_mul(1 << before.min(16)).min(MOST);
                whole / 2 + self.part(whole / 2)
            }
        }
    }

    /// Some part of a stretch of time.
    fn part(&mut self, of: Duration) -> Duration {
        let of = u64::try_from(of.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.step() % of.saturating_add(1).max(1))
    }

    /// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    const fn step(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_are_spread_over_their_upper_half() {
        for (before, whole) in [(0, 500), (1, 1000), (2, 2000), (4, 8000), (40, 8000)] {
            let whole = Duration::from_millis(whole);
            let pauses: Vec<_> = (0..200)
                .map(|seed| Spread::new(seed).pause(before, None))
                .collect();
            assert!(
                pauses
                    .iter()
                    .all(|pause| (whole / 2..=whole).contains(pause))
            );
            let low = pauses.iter().filter(|pause| **pause < whole * 3 / 4);
            assert!((60..140).contains(&low.count()), "they are spread");
        }
    }

    #[test]
    fn a_provider_is_never_asked_before_it_said() {
        let asked = Duration::from_secs(4);
        for seed in 0..200 {
            let pause = Spread::new(seed).pause(9, Some(asked));
            assert!((asked..=asked * 9 / 8).contains(&pause));
        }
        let none_asked = Spread::new(1).pause(0, Some(Duration::ZERO));
        assert_eq!(none_asked, Spread::new(1).pause(0, None));
    }

    #[test]
    fn the_same_seed_waits_the_same() {
        let mut one = Spread::new(5);
        let mut two = Spread::new(5);
        let pauses = |spread: &mut Spread| [0, 1, 2].map(|before| spread.pause(before, None));
        assert_eq!(pauses(&mut one), pauses(&mut two));
    }

    #[test]
    fn the_longest_wait_does_not_overflow() {
        assert_eq!(Spread::new(1).pause(0, Some(Duration::MAX)), Duration::MAX);
    }
}
