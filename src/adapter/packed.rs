//! A bounded map from digests that forgets what was used longest ago, without much beside its values.
//!
//! A general cache takes some 300 bytes for each entry beside its value: allocations, clocks, and a
//! queue of what is to be done later. Here an entry lies in one array per shard, with the two numbers
//! that put it in order; a table of such numbers finds it.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ledger::history::{Entry, Node, Spot};
use crate::model::{Digest, Timestamp, Ttl};

/// Shards at most. Threads wait for one another only within one.
const SHARDS: u64 = 32;
/// Entries for which one more shard is worth it: each forgets by itself, and evenly only if large.
const PER_SHARD: u64 = 512;
/// Places of the smallest table.
const FEWEST: usize = 16;
/// No entry.
const NONE: u32 = u32::MAX;

/// A bounded map, shared between threads.
pub(super) struct Packed<V> {
    shards: Box<[Mutex<Shard<V>>]>,
}

impl<V: Clone> Packed<V> {
    /// A map of at most this many entries.
    pub(super) fn new(capacity: u64) -> Self {
        let count = (capacity / PER_SHARD).clamp(1, SHARDS);
        let shards = (0..count).map(|at| {
            let most = capacity / count + u64::from(at < capacity % count);
            Mutex::new(Shard::new(u32::try_from(most).unwrap_or(NONE - 1)))
        });
        Self {
            shards: shards.collect(),
        }
    }

    /// What is kept under this key, which is thereby used.
    pub(super) fn get(&self, key: &Digest) -> Option<V> {
        let hash = hash(key);
        let mut shard = self.shard(hash)?;
        let at = shard.find(key, hash)?.at;
        shard.touch(at);
        shard.slot(at).map(|slot| slot.value.clone())
    }

    /// The same; where nothing is kept yet, what `make` makes is.
    pub(super) fn get_with(&self, key: Digest, make: impl FnOnce() -> V) -> V {
        let hash = hash(&key);
        let Some(mut shard) = self.shard(hash) else {
            return make();
        };
        if let Some(Found { at, .. }) = shard.find(&key, hash) {
            shard.touch(at);
            if let Some(slot) = shard.slot(at) {
                return slot.value.clone();
            }
        }
        let value = make();
        shard.insert(key, hash, value.clone());
        value
    }

    /// Keeps a value, in place of the one before.
    pub(super) fn insert(&self, key: Digest, value: V) {
        let hash = hash(&key);
        if let Some(mut shard) = self.shard(hash) {
            shard.insert(key, hash, value);
        }
    }

    /// Forgets a key.
    pub(super) fn remove(&self, key: &Digest) {
        let hash = hash(key);
        if let Some(mut shard) = self.shard(hash) {
            shard.remove(key, hash);
        }
    }

    /// All that is kept, in no order.
    #[cfg(any(test, feature = "replay"))]
    pub(super) fn entries(&self) -> Vec<(Digest, V)> {
        let mut entries = Vec::new();
        for shard in &self.shards {
            open(shard).each(|slot| entries.push((slot.key, slot.value.clone())));
        }
        entries
    }

    fn shard(&self, hash: u64) -> Option<MutexGuard<'_, Shard<V>>> {
        let count = u64::try_from(self.shards.len()).unwrap_or(1).max(1);
        // The table of a shard goes by the lower bits.
        let at = usize::try_from((hash >> 48) % count).unwrap_or(0);
        self.shards.get(at).map(open)
    }
}

/// Only how much: keys and values are nobody's business.
impl<V> fmt::Debug for Packed<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most: usize = self.shards.iter().map(|shard| open(shard).most).sum();
        f.debug_struct("Packed")
            .field("most", &most)
            .finish_non_exhaustive()
    }
}

/// What is behind the lock, whatever happened to the thread that held it.
fn open<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Digests are evenly spread, and nobody outside can choose one: nothing more than folding is needed.
const fn hash(key: &Digest) -> u64 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *key.as_bytes();
    let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let high = u64::from_le_bytes([i, j, k, l, m, n, o, p]);
    let mixed = (low ^ high.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 32)
}

/// A part of the map.
struct Shard<V> {
    slots: Vec<Slot<V>>,
    /// Which slot is where a hash points to, or at one of the next places.
    table: Vec<u32>,
    /// The ends of the order of use.
    newest: u32,
    oldest: u32,
    /// The first of the slots that hold nothing; each names the next as its `older`.
    free: u32,
    most: usize,
}

/// An entry, between the one that was used next and the one that was used before.
struct Slot<V> {
    key: Digest,
    value: V,
    newer: u32,
    older: u32,
}

/// Where an entry is: its place in the table, and its slot.
struct Found {
    place: usize,
    at: u32,
}

impl<V: Clone> Shard<V> {
    const fn new(most: u32) -> Self {
        Self {
            slots: Vec::new(),
            table: Vec::new(),
            newest: NONE,
            oldest: NONE,
            free: NONE,
            most: most as usize,
        }
    }

    fn slot(&self, at: u32) -> Option<&Slot<V>> {
        self.slots.get(at as usize)
    }

    fn slot_mut(&mut self, at: u32) -> Option<&mut Slot<V>> {
        self.slots.get_mut(at as usize)
    }

    const fn mask(&self) -> usize {
        self.table.len().saturating_sub(1)
    }

    fn home(&self, hash: u64) -> usize {
        usize::try_from(hash & 0xffff_ffff).unwrap_or(0) & self.mask()
    }

    /// The slot at a place of the table.
    fn at(&self, place: usize) -> Option<u32> {
        self.table.get(place).copied().filter(|at| *at != NONE)
    }

    /// There is always an empty place, at which the search ends.
    fn find(&self, key: &Digest, hash: u64) -> Option<Found> {
        let mut place = self.home(hash);
        loop {
            let at = self.at(place)?;
            if self.slot(at)?.key == *key {
                return Some(Found { place, at });
            }
            place = (place + 1) & self.mask();
        }
    }

    fn insert(&mut self, key: Digest, hash: u64, value: V) {
        if let Some(Found { at, .. }) = self.find(&key, hash) {
            if let Some(slot) = self.slot_mut(at) {
                slot.value = value;
            }
            self.touch(at);
            return;
        }
        let slot = Slot {
            key,
            value,
            newer: NONE,
            older: NONE,
        };
        let Some(at) = self.place(slot) else {
            return;
        };
        self.link(at);
        self.enter(at, hash);
    }

    fn remove(&mut self, key: &Digest, hash: u64) {
        if let Some(Found { place, at }) = self.find(key, hash) {
            self.leave(place);
            self.unlink(at);
            let free = self.free;
            if let Some(slot) = self.slot_mut(at) {
                slot.older = free;
                self.free = at;
            }
        }
    }

    /// Puts an entry into an empty slot, a new one, or that of the oldest entry.
    fn place(&mut self, slot: Slot<V>) -> Option<u32> {
        if self.free == NONE && self.slots.len() < self.most {
            self.make_room();
            let at = u32::try_from(self.slots.len()).ok()?;
            self.slots.push(slot);
            return Some(at);
        }
        if self.free == NONE {
            let oldest = self.slot(self.oldest)?.key;
            self.remove(&oldest, hash(&oldest));
        }
        let at = self.free;
        let place = self.slot_mut(at)?;
        let next = place.older;
        *place = slot;
        self.free = next;
        Some(at)
    }

    /// Room for one more: slots grow by a quarter and never beyond what will be used.
    fn make_room(&mut self) {
        let held = self.slots.len();
        if held == self.slots.capacity() {
            let more = (held / 4).max(FEWEST).min(self.most - held);
            self.slots.reserve_exact(more);
        }
        if (held + 1) * 4 > self.table.len() * 3 {
            let places = (self.table.len() * 2).max(FEWEST);
            self.table.clear();
            self.table.shrink_to_fit();
            self.table.resize(places, NONE);
            let mut at = self.newest;
            while let Some(slot) = self.slot(at) {
                let (older, hash) = (slot.older, hash(&slot.key));
                self.enter(at, hash);
                at = older;
            }
        }
    }

    /// Writes a slot down in the table.
    fn enter(&mut self, at: u32, hash: u64) {
        let mut place = self.home(hash);
        while self.at(place).is_some() {
            place = (place + 1) & self.mask();
        }
        if let Some(empty) = self.table.get_mut(place) {
            *empty = at;
        }
    }

    /// Clears a place of the table, and moves up what would not be found behind it any more.
    fn leave(&mut self, place: usize) {
        let mask = self.mask();
        let (mut hole, mut next) = (place, (place + 1) & mask);
        while let Some(at) = self.at(next) {
            let home = self
                .slot(at)
                .map_or(next, |slot| self.home(hash(&slot.key)));
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(hole) & mask) {
                if let Some(empty) = self.table.get_mut(hole) {
                    *empty = at;
                }
                hole = next;
            }
            next = (next + 1) & mask;
        }
        if let Some(left) = self.table.get_mut(hole) {
            *left = NONE;
        }
    }

    fn touch(&mut self, at: u32) {
        if self.newest != at {
            self.unlink(at);
            self.link(at);
        }
    }

    /// Puts a slot first in the order of use.
    fn link(&mut self, at: u32) {
        let before = self.newest;
        if let Some(slot) = self.slot_mut(at) {
            (slot.newer, slot.older) = (NONE, before);
        }
        match self.slot_mut(before) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
    }

    /// Takes a slot out of the order of use.
    fn unlink(&mut self, at: u32) {
        let Some(Slot { newer, older, .. }) = self.slot(at) else {
            return;
        };
        let (newer, older) = (*newer, *older);
        match self.slot_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slot_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    #[cfg(any(test, feature = "replay"))]
    fn each(&self, mut show: impl FnMut(&Slot<V>)) {
        let mut at = self.newest;
        while let Some(slot) = self.slot(at) {
            show(slot);
            at = slot.older;
        }
    }
}

/// A node in half its size: nothing is lost, because no count of a node exceeds 64 visits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lean {
    last: Timestamp,
    since: Timestamp,
    counts: [u8; 4],
    spot: Spot,
    ttl: Option<Ttl>,
}

impl From<Node> for Lean {
    fn from(node: Node) -> Self {
        let mut counts = [
            node.visits,
            node.returns_5m,
            node.returns_30m,
            node.returns_1h,
        ];
        // A busy prefix forgets its older half in any case.
        while counts.iter().any(|count| *count > u32::from(u8::MAX)) {
            counts = counts.map(|count| count / 2);
        }
        Self {
            last: node.last,
            since: node.entry.map_or(node.last, |entry| entry.since),
            counts: counts.map(|count| u8::try_from(count).unwrap_or(u8::MAX)),
            spot: node.spot,
            ttl: node.entry.map(|entry| entry.ttl),
        }
    }
}

impl From<Lean> for Node {
    fn from(lean: Lean) -> Self {
        let [visits, returns_5m, returns_30m, returns_1h] = lean.counts.map(u32::from);
        let mut node = Self::first_seen(lean.spot, lean.last);
        node.visits = visits;
        node.returns_5m = returns_5m;
        node.returns_30m = returns_30m;
        node.returns_1h = returns_1h;
        node.entry = lean.ttl.map(|ttl| Entry::new(ttl, lean.since));
        node
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(number: u64) -> Digest {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&number.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Digest::from_bytes(bytes)
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let packed = Packed::new(3);
        for number in 1..=3 {
            packed.insert(key(number), number);
        }
        assert_eq!(packed.get(&key(1)), Some(1));
        packed.insert(key(2), 20);
        packed.insert(key(4), 4);
        let held = [1, 2, 3, 4].map(|number| packed.get(&key(number)));
        assert_eq!(held, [Some(1), Some(20), None, Some(4)]);
        packed.remove(&key(2));
        packed.remove(&key(2));
        packed.insert(key(5), 5);
        let held = [1, 2, 4, 5].map(|number| packed.get(&key(number)));
        assert_eq!(held, [Some(1), None, Some(4), Some(5)]);
    }

    #[test]
    fn nothing_is_held_where_nothing_may_be() {
        let packed = Packed::new(0);
        packed.insert(key(1), 1);
        packed.remove(&key(1));
        assert_eq!(packed.get_with(key(1), || 2), 2);
        assert_eq!(packed.get(&key(1)), None);
        assert_eq!(packed.entries(), []);
    }

    /// Against a list in the order of use, with keys that collide often.
    #[test]
    fn it_does_what_a_plain_list_does() {
        let packed = Packed::new(100);
        let mut list: Vec<(u64, u64)> = Vec::new();
        let mut state = 1_u64;
        for step in 0..50_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let number = (state >> 33) % 160;
            let at = list.iter().position(|(one, _)| *one == number);
            let held = at.map(|at| list.remove(at));
            match (state >> 50) % 4 {
                0 => packed.remove(&key(number)),
                1 => {
                    assert_eq!(packed.get(&key(number)), held.map(|(_, value)| value));
                    list.extend(held);
                }
                2 => {
                    let value = held.map_or(step, |(_, value)| value);
                    assert_eq!(packed.get_with(key(number), || step), value);
                    list.push((number, value));
                    if list.len() > 100 {
                        list.remove(0);
                    }
                }
                _ => {
                    packed.insert(key(number), step);
                    list.push((number, step));
                    if list.len() > 100 {
                        list.remove(0);
                    }
                }
            }
        }
        let held: BTreeMap<_, _> = packed.entries().into_iter().collect();
        let expected = list.iter().map(|(number, value)| (key(*number), *value));
        assert_eq!(held, expected.collect());
    }

    #[test]
    fn many_are_all_held_and_no_more_than_that() {
        let packed = Packed::new(10_000);
        for number in 0..40_000 {
            packed.insert(key(number), number);
        }
        assert_eq!(packed.entries().len(), 10_000);
        // Shards forget each by itself: what is well within the bound is there.
        assert!((32_000..40_000).all(|number| packed.get(&key(number)) == Some(number)));
        assert!((0..28_000).all(|number| packed.get(&key(number)).is_none()));
    }

    #[test]
    fn a_node_comes_back_as_it_was() {
        let at = Timestamp::from_secs_f64;
        let mut node = Node::first_seen(Spot::Branch, at(7.5));
        assert_eq!(Node::from(Lean::from(node)), node);
        (node.visits, node.returns_5m, node.returns_30m) = (64, 3, 40);
        node.returns_1h = 63;
        node.entry = Some(Entry::new(Ttl::OneHour, at(6.0)));

        assert_eq!(Node::from(Lean::from(node)), node);
        node.visits = 400;
        assert_eq!(Node::from(Lean::from(node)).visits, 200);
        assert_eq!(Node::from(Lean::from(node)).returns_1h, 31);
        assert_eq!(size_of::<Slot<Lean>>(), 48);
    }
}
