//! Where the next request leaves the one before it, counted from that one's end: in blocks while
//! only the user has spoken, in turns and blocks of a turn from then on.
//!
//! Most go on where it ended. Some ask about the same document with another question, and some
//! clients replace what is so many turns old. None of that shows in the shape of a single prompt, and
//! all of it shows in how far the next one agrees.

/// A turn, in distances; those below it are blocks of one turn.
pub const TURN: usize = 64;
/// Distances that are told apart; the rarest gives way.
const KINDS: usize = 8;
/// What one more parting leaves of the weight of those before.
const FADES: f64 = 0.985;
/// Partings that the expectation to go on at the end weighs.
const PRIOR: f64 = 10.0;
/// Distances that are rarer than this are not worth a place of their own.
const RARE: f64 = 0.05;
/// Distances beyond this are a new beginning, not a habit.
const FAR: usize = 512 * TURN;

/// How far before their ends requests were left, and how often.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Partings {
    kinds: Vec<(usize, f64)>,
    total: f64,
}

#[expect(clippy::float_arithmetic, reason = "probabilities")]
impl Partings {
    /// What was stored earlier: distances with their weights, and the weight of all partings. More
    /// distances than are told apart are left out.
    #[must_use]
    pub fn from_parts(mut kinds: Vec<(usize, f64)>, total: f64) -> Self {
        kinds.truncate(KINDS);
        kinds.sort_by_key(|(at, _)| *at);
        Self { kinds, total }
    }

    /// The parts that [`Partings::from_parts`] takes.
    #[must_use]
    pub fn parts(&self) -> (&[(usize, f64)], f64) {
        (&self.kinds, self.total)
    }

    /// One was left so long before its end.
    pub fn observe(&mut self, before_end: usize) {
        for (_, weight) in &mut self.kinds {
            *weight *= FADES;
        }
        self.total = self.total * FADES + 1.0;
        if before_end > FAR {
            return;
        }
        match self.kinds.iter_mut().find(|(at, _)| *at == before_end) {
            Some((_, weight)) => *weight += 1.0,
            None => {
                if self.kinds.len() >= KINDS {
                    let least = (0..self.kinds.len())
                        .min_by(|one, other| self.weight(*one).total_cmp(&self.weight(*other)));
                    let (_, weight) = self.kinds.remove(least.unwrap_or(0));
                    // Whoever prepared for the next longer one was prepared for it as well.
                    if let Some((_, longer)) = self.kinds.get_mut(least.unwrap_or(0)) {
                        *longer += weight;
                    }
                }
                let at = self.kinds.partition_point(|(at, _)| *at < before_end);
                self.kinds.insert(at, (before_end, 1.0));
            }
        }
    }

    /// The chance that a request which is gone on from is left at most so long before its end,
    /// shrunk towards `prior`, the same chance by what is known more widely.
    #[must_use]
    pub fn within(&self, before_end: usize, prior: f64) -> f64 {
        let near = self.kinds.iter().take_while(|(at, _)| *at <= before_end);
        let near: f64 = near.map(|(_, weight)| weight).sum();
        (near + PRIOR * prior) / (self.total + PRIOR)
    }

    /// Distances that are common enough to be prepared for, the shortest first.
    pub fn usual(&self) -> impl Iterator<Item = usize> + '_ {
        let common = |weight: f64| weight >= 1.5 && weight >= RARE * self.total;
        let usual = self.kinds.iter().filter(move |(_, weight)| common(*weight));
        usual.map(|(at, _)| *at)
    }

    fn weight(&self, kind: usize) -> f64 {
        self.kinds.get(kind).map_or(0.0, |(_, weight)| *weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_replaces_what_is_ten_blocks_old_is_found_out() {
        let mut partings = Partings::default();
        assert!(partings.within(0, 1.0) > 0.99);
        for _ in 0..200 {
            partings.observe(10);
        }
        assert!(partings.within(9, 1.0) < 0.15);
        assert!(partings.within(10, 1.0) > 0.99);
        assert_eq!(partings.usual().collect::<Vec<_>>(), [10]);
    }

    #[test]
    fn what_gives_way_is_counted_with_the_next_longer_one() {
        let mut partings = Partings::default();
        for turns in 0..60 {
            partings.observe(0);
            partings.observe(20 * TURN);
            partings.observe((turns % 15 + 1) * TURN);
        }
        assert!(partings.kinds.len() <= KINDS);
        let chance = |before_end| partings.within(before_end, 0.0);
        assert!(chance(20 * TURN) > 0.8, "{partings:?}");
        assert!(chance(TURN - 1) < 0.4, "{partings:?}");
    }

    #[test]
    fn distances_are_bounded_and_what_is_new_takes_over() {
        let mut partings = Partings::default();
        for n in 0..10_000 {
            partings.observe(n % 100);
        }
        assert!(partings.kinds.len() <= KINDS);
        for _ in 0..200 {
            partings.observe(2);
        }
        assert_eq!(partings.usual().collect::<Vec<_>>(), [2]);
    }
}
