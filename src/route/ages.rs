//! A map of bounded size that forgets what was not touched for longest, a generation at a time.

use std::collections::BTreeMap;
use std::mem;

/// How many entries of a forgotten generation are freed per touch, so that no touch pays for all.
const FREED: usize = 2;

/// Two generations of entries, each of at most `most`: when the young one is full, it becomes the old
/// one, and what was the old one is forgotten.
#[derive(Clone, Debug)]
pub(super) struct Ages<K, V> {
    young: BTreeMap<K, V>,
    old: BTreeMap<K, V>,
    forgotten: BTreeMap<K, V>,
    most: usize,
}

impl<K: Copy + Ord, V: Default> Ages<K, V> {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            young: BTreeMap::new(),
            old: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            most,
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The entry of this key, young again; a fresh one where there is none.
    pub(super) fn touch(&mut self, key: K) -> &mut V {
        for _ in 0..FREED {
            self.forgotten.pop_first();
        }
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            if self.young.len() >= self.most {
                self.forgotten = mem::replace(&mut self.old, mem::take(&mut self.young));
            }
            self.young.insert(key, value);
        }
        self.young.entry(key).or_default()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len() + self.forgotten.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_touched_stays_and_the_rest_goes() {
        let mut ages: Ages<u32, u32> = Ages::new(4);
        *ages.touch(0) = 7;
        for key in 1..40 {
            *ages.touch(key) = key;
            *ages.touch(0) += 1;
            assert!(ages.len() <= 12, "{}", ages.len());
        }
        assert_eq!(ages.get(&0), Some(&46));
        assert_eq!(ages.get(&39), Some(&39));
        // Near misses: four others came between, and then a generation more.
        assert!(ages.get(&36).is_some() && ages.get(&20).is_none());
    }

    #[test]
    fn a_forgotten_generation_is_freed_bit_by_bit() {
        let mut ages: Ages<u32, u32> = Ages::new(100);
        for key in 0..201 {
            ages.touch(key);
        }
        let before = ages.len();
        assert_eq!(before, 201);
        for _ in 0..50 {
            ages.touch(200);
        }
        assert_eq!(ages.len(), 101);
    }
}
