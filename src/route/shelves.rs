//! A map of bounded size: each key belongs on one shelf of a few slots, and where that is full it takes
//! the place of another.
//!
//! One look finds the shelf and one the slot, however many there are; a tree of a hundred thousand
//! keys costs several times as much, which every decision would pay.

use crate::model::Timestamp;

/// Slots of a shelf.
const SLOTS: usize = 8;

/// What stands in a slot.
pub(super) trait Kept: Default {
    /// Whose it is: where a shelf is full, whoever has the most slots there makes room, so that
    /// nobody displaces others by sheer number.
    fn owner(&self) -> u64;
    /// When it was last of use.
    fn touched(&self) -> Timestamp;
}

/// Shelves, as many as a power of two.
#[derive(Clone, Debug)]
pub(super) struct Shelves<V> {
    shelves: Vec<Shelf<V>>,
}

#[derive(Clone, Debug)]
struct Shelf<V> {
    /// A part of each key's hash, so that most slots need not be looked at.
    tags: [u16; SLOTS],
    slots: Vec<V>,
}

impl<V: Kept + Clone> Shelves<V> {
    /// Room for about as many as this.
    pub(super) fn new(most: usize) -> Self {
        let empty = Shelf {
            tags: [0; SLOTS],
            slots: Vec::new(),
        };
        Self {
            shelves: vec![empty; (most / SLOTS).next_power_of_two()],
        }
    }

    /// What stands under this hash and is meant.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(&V) -> bool) -> Option<&V> {
        let shelf = self.shelves.get(self.place(hash))?;
        let mut slots = shelf.tags.iter().zip(&shelf.slots);
        let found = slots.find(|(found, kept)| **found == tag(hash) && is_it(kept));
        found.map(|(_, kept)| kept)
    }

    /// The same to be changed; a fresh one where there is none.
    pub(super) fn claim(&mut self, hash: u64, is_it: impl Fn(&V) -> bool) -> Option<&mut V> {
        let place = self.place(hash);
        let shelf = self.shelves.get_mut(place)?;
        let mut known = shelf.tags.iter().zip(&shelf.slots);
        let known = known.position(|(found, kept)| *found == tag(hash) && is_it(kept));
        let slot = match known {
            Some(slot) => slot,
            None => shelf.clear()?,
        };
        *shelf.tags.get_mut(slot)? = tag(hash);
        shelf.slots.get_mut(slot)
    }

    fn place(&self, hash: u64) -> usize {
        // The number of shelves is a power of two, and a part of the hash fits.
        let hash = usize::try_from(hash >> 32).unwrap_or(0);
        hash & self.shelves.len().wrapping_sub(1)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shelves.iter().map(|shelf| shelf.slots.len()).sum()
    }
}

impl<V: Kept> Shelf<V> {
    /// A fresh slot: the next one, or that of the least recent of whoever has the most.
    fn clear(&mut self) -> Option<usize> {
        if self.slots.len() < SLOTS {
            self.slots.push(V::default());
            return self.slots.len().checked_sub(1);
        }
        let of = |owner: u64| {
            self.slots
                .iter()
                .filter(|other| other.owner() == owner)
                .count()
        };
        let least = self
            .slots
            .iter()
            .enumerate()
            .min_by_key(|(_, kept)| (std::cmp::Reverse(of(kept.owner())), kept.touched()));
        let (slot, _) = least?;
        *self.slots.get_mut(slot)? = V::default();
        Some(slot)
    }
}

fn tag(hash: u64) -> u16 {
    u16::try_from(hash & 0xffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct One {
        key: u64,
        owner: u64,
        touched: i64,
    }

    impl Kept for One {
        fn owner(&self) -> u64 {
            self.owner
        }

        fn touched(&self) -> Timestamp {
            Timestamp::from_micros(self.touched)
        }
    }

    fn put(shelves: &mut Shelves<One>, one: One) {
        let key = one.key;
        *shelves.claim(key, |kept| kept.key == key).unwrap() = one;
    }

    fn has(shelves: &Shelves<One>, key: u64) -> bool {
        shelves.find(key, |kept| kept.key == key).is_some()
    }

    #[test]
    fn the_least_recent_makes_room() {
        let mut shelves = Shelves::new(8);
        for key in 1..=9_i64 {
            let (owner, touched) = (1, if key == 3 { 0 } else { key });
            put(
                &mut shelves,
                One {
                    key: key.unsigned_abs(),
                    owner,
                    touched,
                },
            );
        }
        let kept: Vec<u64> = (1..=9).filter(|key| has(&shelves, *key)).collect();
        assert_eq!(kept, [1, 2, 4, 5, 6, 7, 8, 9]);
        assert_eq!(shelves.len(), 8);
    }

    #[test]
    fn whoever_has_the_most_makes_room_for_others_and_for_more() {
        let mut shelves = Shelves::new(8);
        put(
            &mut shelves,
            One {
                key: 1,
                owner: 7,
                touched: 0,
            },
        );
        for key in 2..1_000_u64 {
            let touched = i64::try_from(key).unwrap();
            put(
                &mut shelves,
                One {
                    key,
                    owner: 8,
                    touched,
                },
            );
        }
        assert!(has(&shelves, 1) && has(&shelves, 999) && !has(&shelves, 2));
    }

    #[test]
    fn keys_of_one_hash_are_told_apart() {
        let mut shelves: Shelves<One> = Shelves::new(64);
        for key in 1..=3 {
            shelves.claim(42, |kept| kept.key == key).unwrap().key = key;
        }
        for key in 1..=3 {
            let found = shelves.find(42, |kept| kept.key == key).unwrap();
            assert_eq!(found.key, key);
        }
        assert!(shelves.find(42, |kept| kept.key == 4).is_none());
        assert!(shelves.find(43, |_| true).is_none());
    }
}
