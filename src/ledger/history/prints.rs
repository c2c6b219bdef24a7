//! Which prefixes have been sent before: a bounded table of all of them, block by block.
//!
//! A request that goes on where an earlier one ended, or parts from it in the middle, is found by its
//! prefix alone, whoever sent it. What was sent once only gives way to what came back, so that a
//! flood of prompts that nobody repeats costs nobody else their place.

use std::time::Duration;

use crate::model::{Digest, Timestamp};

/// Prints that share a place in the table.
const WAYS: usize = 8;
/// Of those, the ones that may be kept because they came back.
const KEPT: usize = 7;
/// Places at the start, each of [`WAYS`] prints.
const FEWEST: usize = 128;
/// Seconds by which times are told apart.
const TICK_SECS: u16 = 2;
/// Places where requests parted that are looked up on the way down, the deepest ones.
const FORKS: usize = 6;

/// One prefix, beside the tag that names it.
#[derive(Clone, Copy, Debug, Default)]
struct Print {
    /// The request that sent it first.
    maker: u32,
    /// Blocks of that request, and how many of them had been sent before.
    end: u16,
    start: u16,
    /// Turns of that request.
    turns: u16,
    /// When it was seen last, in ticks.
    seen: u16,
    /// Whether it came back.
    kept: bool,
}

/// Prints that share a place: their tags fill one cache line, so that most searches touch no more than
/// that one and the line of what was found.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Place {
    /// Zero where nothing is.
    tags: [u64; WAYS],
    prints: [Print; WAYS],
}

impl Place {
    fn way(&self, tag: u64) -> Option<usize> {
        self.tags.iter().position(|one| *one == tag)
    }

    /// The one that gives way to another of this tag that comes `now`.
    fn gives_way(&mut self, tag: u64, now: u16) -> Option<(&mut u64, &mut Print)> {
        let kept = self.prints.iter().filter(|one| one.kept).count();
        let ways = self.tags.iter_mut().zip(&mut self.prints);
        // Of what came back the oldest may go only where there is hardly room for anything else.
        ways.max_by_key(|(here, one)| {
            let empty = **here == 0 || **here == tag;
            let spared = one.kept && kept <= KEPT;
            (empty, !spared, now.wrapping_sub(one.seen))
        })
    }
}

/// One prefix as plain numbers, for stores outside the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// Its place in the table.
    pub place: usize,
    /// Names it.
    pub tag: u64,
    /// The request that sent it first, by [`name_of`] of its tail.
    pub maker: u32,
    /// Blocks of that request.
    pub end: u16,
    /// Those of them that had been sent before.
    pub start: u16,
    /// Turns of that request.
    pub turns: u16,
    /// When it was seen last, by a clock that wraps.
    pub seen: u16,
    /// Whether it came back.
    pub kept: bool,
}

/// A request as its prints tell of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maker {
    /// Its name, by [`name_of`] of its tail.
    pub name: u32,
    /// Its turns: runs of blocks of the model's, or of anybody else's.
    pub turns: usize,
}

impl Maker {
    /// A request of this name and so many turns.
    #[must_use]
    pub const fn new(name: u32, turns: usize) -> Self {
        Self { name, turns }
    }
}

/// What is known of the path that a request takes.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Passed {
    /// Leading blocks that had been sent before.
    pub known: usize,
    /// Whether nobody before this one went on from there or parted there.
    pub first: bool,
    /// The request that sent the last of them first, by [`name_of`] of its tail.
    pub maker: u32,
    /// Blocks of that request.
    pub end: usize,
    /// Turns of that request.
    pub turns: usize,
    /// Leading blocks after which that request had itself left an earlier one in the middle; `None`
    /// where it went on from its end.
    pub parted: Option<usize>,
    /// How long ago the last of them was seen, give or take two seconds.
    pub gap: Duration,
    /// Leading blocks at which the requests before parted from one another, deepest first.
    pub forks: Vec<usize>,
}

impl From<&Stored> for Print {
    fn from(stored: &Stored) -> Self {
        Self {
            maker: stored.maker,
            end: stored.end,
            start: stored.start,
            turns: stored.turns,
            seen: stored.seen,
            kept: stored.kept,
        }
    }
}

/// A bounded table of prefixes.
#[derive(Clone, Debug)]
pub struct Prints {
    table: Vec<Place>,
    used: usize,
    most: usize,
}

impl Prints {
    /// A table of at most about this many prefixes, of 24 bytes each.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let most = (most / WAYS).max(FEWEST).next_power_of_two();
        Self {
            table: Vec::new(),
            used: 0,
            most,
        }
    }

    /// How many prefixes there is room for.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.most * WAYS
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.table.capacity() * size_of::<Place>()
    }

    /// What was stored of a table of so many places, in a table that is bounded as [`Prints::new`]
    /// says. Where it is smaller, or what was stored does not lie where it belongs, the rest finds
    /// room as if it came now.
    #[must_use]
    pub fn from_parts(most: usize, places: usize, stored: &[Stored]) -> Self {
        let mut prints = Self::new(most);
        if !places.is_power_of_two() || !(FEWEST..=prints.most).contains(&places) {
            stored
                .iter()
                .for_each(|one| prints.put(one.tag, one.into()));
            return prints;
        }
        prints.table = vec![Place::default(); places];
        for one in stored {
            if !prints.put_back(one) {
                prints.put(one.tag, one.into());
            }
        }
        prints
    }

    /// Puts it where it lay; whether it belongs there and there is room.
    fn put_back(&mut self, stored: &Stored) -> bool {
        let tag = named(stored.tag);
        let belongs = self.place(tag) == stored.place / WAYS;
        let place = self.table.get_mut(stored.place / WAYS);
        let Some(place) = place.filter(|_| belongs) else {
            return false;
        };
        let way = stored.place % WAYS;
        match (place.tags.get_mut(way), place.prints.get_mut(way)) {
            (Some(here), Some(one)) if *here == 0 => {
                (*here, *one) = (tag, stored.into());
                self.used += 1;
                true
            }
            _ => false,
        }
    }

    /// The places of the table and what lies there, in their order: what [`Prints::from_parts`] takes.
    #[must_use]
    pub fn parts(&self) -> (usize, Vec<Stored>) {
        let ways = |place: &'_ Place| place.tags.into_iter().zip(place.prints);
        let all = self.table.iter().flat_map(ways).enumerate();
        let all = all.filter(|(_, (tag, _))| *tag != 0);
        let stored = all.map(|(place, (tag, one))| Stored {
            place,
            tag,
            maker: one.maker,
            end: one.end,
            start: one.start,
            turns: one.turns,
            seen: one.seen,
            kept: one.kept,
        });
        (self.table.len(), stored.collect())
    }

    /// Follows a request, given as a tag for each of its prefixes from the shortest on, and keeps
    /// what is new of it.
    pub fn pass(&mut self, path: &[u64], maker: Maker, now: Timestamp) -> Passed {
        let tick = tick_of(now);
        let known = self.known(path);
        let mut passed = Passed {
            known,
            ..Passed::default()
        };
        let last = known.checked_sub(1).and_then(|at| path.get(at));
        if let Some(seal) = last.and_then(|tag| self.find(*tag)).copied() {
            passed.first = !seal.kept;
            passed.maker = seal.maker;
            passed.end = usize::from(seal.end);
            passed.turns = usize::from(seal.turns);
            let ticks = tick.wrapping_sub(seal.seen);
            passed.gap = Duration::from_secs(u64::from(ticks) * u64::from(TICK_SECS));
            passed.parted = self.parted(path, usize::from(seal.start));
            self.keep(path, known, tick);
            passed.forks = self.forks(path, usize::from(seal.start));
        }
        let fresh = Print {
            maker: maker.name,
            turns: short(maker.turns),
            end: short(path.len()),
            start: short(known),
            seen: tick,
            ..Print::default()
        };
        for tag in path.iter().skip(known) {
            self.put(*tag, fresh);
        }
        passed
    }

    /// How many leading prefixes are known. Whoever sent one sent all shorter ones.
    fn known(&self, path: &[u64]) -> usize {
        if path.last().is_some_and(|tag| self.find(*tag).is_some()) {
            return path.len();
        }
        path.partition_point(|tag| self.find(*tag).is_some())
    }

    /// Where a request that had its first `start` blocks in common with an earlier one left that, if
    /// it was before its end.
    fn parted(&self, path: &[u64], start: usize) -> Option<usize> {
        let last = start.checked_sub(1).and_then(|at| path.get(at))?;
        let before = self.find(*last)?;
        (start < usize::from(before.end)).then_some(start)
    }

    /// Marks as come back what the maker of the last known prefix had sent first.
    fn keep(&mut self, path: &[u64], known: usize, tick: u16) {
        for tag in path.iter().take(known).rev() {
            let Some(seal) = self.find_mut(*tag) else {
                break;
            };
            seal.seen = tick;
            let was = seal.kept;
            seal.kept = true;
            if was {
                break;
            }
        }
    }

    /// Where the request that sent `start` blocks first had itself parted from an earlier one, and
    /// so on downwards.
    fn forks(&self, path: &[u64], mut start: usize) -> Vec<usize> {
        let mut forks = Vec::new();
        while start > 0 && forks.len() < FORKS {
            forks.push(start);
            let before = path.get(start - 1).and_then(|tag| self.find(*tag));
            let Some(next) = before.map(|seal| usize::from(seal.start)) else {
                break;
            };
            if next >= start {
                break;
            }
            start = next;
        }
        forks
    }

    fn place(&self, tag: u64) -> usize {
        let mixed = tag.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        usize::try_from(mixed).unwrap_or(0) & self.table.len().saturating_sub(1)
    }

    fn find(&self, tag: u64) -> Option<&Print> {
        let tag = named(tag);
        let place = self.table.get(self.place(tag))?;
        place.prints.get(place.way(tag)?)
    }

    fn find_mut(&mut self, tag: u64) -> Option<&mut Print> {
        let tag = named(tag);
        let at = self.place(tag);
        let place = self.table.get_mut(at)?;
        let way = place.way(tag)?;
        place.prints.get_mut(way)
    }

    fn put(&mut self, tag: u64, new: Print) {
        if self.used >= self.table.len() * WAYS * 3 / 8 && self.table.len() < self.most {
            self.grow();
        }
        let tag = named(tag);
        let at = self.place(tag);
        let Some(place) = self.table.get_mut(at) else {
            return;
        };
        if let Some((here, old)) = place.gives_way(tag, new.seen) {
            self.used += usize::from(*here == 0);
            (*here, *old) = (tag, new);
        }
    }

    fn grow(&mut self) {
        let places = (self.table.len() * 2).clamp(FEWEST, self.most);
        let old = std::mem::replace(&mut self.table, vec![Place::default(); places]);
        self.used = 0;
        for place in old {
            let ways = place.tags.into_iter().zip(place.prints);
            ways.filter(|(tag, _)| *tag != 0)
                .for_each(|(tag, one)| self.put(tag, one));
        }
    }
}

/// The name of the request whose tail has this digest.
#[must_use]
pub const fn name_of(tail: &Digest) -> u32 {
    let [a, b, c, d, ..] = *tail.as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Ticks wrap after 36 hours: what was not seen for so long may pass for something newer.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a clock that wraps"
)]
const fn tick_of(now: Timestamp) -> u16 {
    (now.as_micros() / 1_000_000 / TICK_SECS as i64) as u16
}

fn short(blocks: usize) -> u16 {
    u16::try_from(blocks).unwrap_or(u16::MAX)
}

/// A tag as it is kept; zero means that nothing is.
const fn named(tag: u64) -> u64 {
    if tag == 0 { 1 } else { tag }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: f64) -> Timestamp {
        Timestamp::from_secs_f64(secs)
    }

    /// A path of `blocks` blocks that parts from path `trunk` after `shared`.
    fn path(trunk: u64, shared: u64, own: u64, blocks: u64) -> Vec<u64> {
        let mut seed = 7;
        let mut next = |n: u64| {
            seed = (seed ^ n)
                .wrapping_mul(0x2545_f491_4f6c_dd1d)
                .rotate_left(23)
                | 1;
            seed
        };
        (0..blocks)
            .map(|n| next(if n < shared { trunk } else { own } * 1000 + n))
            .collect()
    }

    #[test]
    fn a_request_is_found_by_what_it_shares() {
        let mut prints = Prints::new(1 << 12);
        let question = |own| path(1, 57, own, 60);
        assert_eq!(
            prints.pass(&question(2), Maker::new(2, 1), at(0.0)).known,
            0
        );
        let second = prints.pass(&question(3), Maker::new(3, 1), at(60.0));
        assert_eq!((second.known, second.end, second.first), (57, 60, true));
        assert_eq!((second.maker, second.gap), (2, Duration::from_secs(60)));
        let third = prints.pass(&question(4), Maker::new(4, 1), at(460.0));
        assert_eq!((third.known, third.first), (57, false));
        assert_eq!(third.gap, Duration::from_secs(400));
        // Goes on where the third one ended: it parted from the trunk at 57.
        let mut longer = question(4);
        longer.extend([11, 12, 13]);
        let fourth = prints.pass(&longer, Maker::new(5, 1), at(500.0));
        assert_eq!((fourth.known, fourth.end, fourth.maker), (60, 60, 4));
        assert_eq!(fourth.forks, [57]);
        assert_eq!(fourth.parted, Some(57));
        longer.extend([14, 15]);
        let fifth = prints.pass(&longer, Maker::new(6, 1), at(510.0));
        assert_eq!((fifth.known, fifth.maker, fifth.parted), (63, 5, None));
    }

    #[test]
    fn what_was_stored_is_what_is_found_and_keeps_its_bounds() {
        let mut prints = Prints::new(1 << 12);
        for own in 0..400 {
            let now = at(f64::from(u32::try_from(own).unwrap()));
            prints.pass(&path(own % 7, 9, own, 12), Maker::new(1, 2), now);
        }
        let (places, stored) = prints.parts();
        let mut same = Prints::from_parts(1 << 12, places, &stored);
        assert_eq!(same.parts(), (places, stored.clone()));
        for own in 400..800 {
            let one = path(own % 9, 9, own, 12);
            let now = at(500.0 + f64::from(u32::try_from(own).unwrap()));
            let went_on = prints.pass(&one, Maker::new(3, 1), now);
            assert_eq!(same.pass(&one, Maker::new(3, 1), now), went_on);
        }
        assert_eq!(same.parts(), prints.parts());
        // In a smaller table, and where the places are wrong, no more is kept than there is room for.
        let small = Prints::from_parts(1 << 10, 1 << 30, &stored);
        assert!(small.bytes() <= (1 << 10) * 24 && small.used > 500);
        let mut moved = stored;
        moved.iter_mut().for_each(|one| one.place = usize::MAX);
        assert!(Prints::from_parts(1 << 12, places, &moved).used > 1_000);
    }

    #[test]
    fn a_million_prompts_that_nobody_repeats_push_nothing_out() {
        let mut prints = Prints::new(1 << 16);
        let steady: Vec<Vec<u64>> = (0..500).map(|own| path(own, 40, own, 40)).collect();
        for one in &steady {
            prints.pass(one, Maker::default(), at(0.0));
            prints.pass(one, Maker::default(), at(10.0));
        }
        for n in 0..1_000_000_u64 {
            let now = Timestamp::from_micros(11_000_000 + i64::try_from(n).unwrap() * 1000);
            prints.pass(&path(5000 + n, 3, 0, 3), Maker::default(), now);
        }
        let known = steady.iter().filter(|one| prints.known(one) == one.len());
        assert!(known.count() >= 480);
        assert!(prints.bytes() <= (1 << 16) * 24, "{}", prints.bytes());
    }
}
