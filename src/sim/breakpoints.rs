//! A cache that is written at markers, and read there and some positions below.

use super::request::Table;
use super::store::{Key, Store};
use super::{Moment, scope};
use crate::model::{Ttl, Usage};

/// One request at the cache.
pub(super) struct Visit<'a> {
    scope: u128,
    table: &'a Table,
    markers: Vec<(usize, Ttl)>,
    when: Moment,
}

impl<'a> Visit<'a> {
    /// A request with these markers. A prefix below the minimum is silently not cached, and so is
    /// one beyond the most that is cached: whether its first tokens would be is not documented, and
    /// that they are not saves less.
    pub(super) fn new(
        table: &'a Table,
        mut markers: Vec<(usize, Ttl)>,
        workspace: &str,
        when: Moment,
    ) -> Self {
        let limits = &table.limits;
        let is_cached = |tokens| tokens >= limits.min_tokens && !limits.is_beyond(tokens);
        markers.retain(|(block, _)| {
            table
                .slot(*block)
                .is_some_and(|slot| is_cached(slot.tokens))
        });
        Self {
            scope: scope(workspace, &table.row) ^ table.facts.apart,
            table,
            markers,
            when,
        }
    }

    /// Reads and writes what it may, and counts it.
    pub(super) fn serve(&self, store: &mut Store) -> Usage {
        let hit = self.hit(store);
        self.refresh(store, hit);
        self.write(store, hit);
        self.usage(hit)
    }

    /// The deepest block whose prefix is found: from the last marker 20 positions back, then from
    /// the marker before it, and so on.
    fn hit(&self, store: &Store) -> Option<usize> {
        if self.table.facts.cold {
            return None;
        }
        let markers = self.markers.iter().rev();
        markers
            .filter_map(|(block, _)| self.look_back(store, *block))
            .next()
    }

    fn look_back(&self, store: &Store, from: usize) -> Option<usize> {
        let start = self.table.slot(from)?.position;
        (0..=from)
            .rev()
            .map_while(|block| Some((block, self.table.slot(block)?)))
            .take_while(|(_, slot)| start - slot.position < self.table.limits.lookback)
            .find(|(_, slot)| store.holds((self.scope, slot.prefix), self.when.at))
            .map(|(block, _)| block)
    }

    fn refresh(&self, store: &mut Store, hit: Option<usize>) {
        let Some(hit) = hit else { return };
        let own = self.markers.iter().map(|(block, _)| *block);
        for key in own
            .filter(|block| *block < hit)
            .chain([hit])
            .filter_map(|b| self.key(b))
        {
            if store.holds(key, self.when.at) {
                store.refresh(key, self.when.at);
            }
        }
    }

    fn write(&self, store: &mut Store, hit: Option<usize>) {
        for (block, ttl) in self.beyond(hit) {
            if let Some(key) = self.key(block) {
                store.write(key, ttl, self.when.at, self.when.readable(self.table));
            }
        }
    }

    /// Read up to A, the hit; written for an hour up to B, the last such marker beyond; written
    /// for five minutes up to C, the last marker (prompt caching, "Mixing different TTLs").
    fn usage(&self, hit: Option<usize>) -> Usage {
        let tokens = |block: usize| self.table.slot(block).map_or(0, |slot| slot.tokens);
        let read = hit.map_or(0, tokens);
        let hour = self
            .beyond(hit)
            .filter(|(_, ttl)| *ttl == Ttl::OneHour)
            .last()
            .map_or(read, |(block, _)| tokens(block));
        let last = self
            .beyond(hit)
            .last()
            .map_or(read, |(block, _)| tokens(block));
        let plain = self.table.total() - last;
        Usage {
            output: None,
            ..Usage::reported(plain, read, last - hour, hour - read, 0)
        }
    }

    fn beyond(&self, hit: Option<usize>) -> impl Iterator<Item = (usize, Ttl)> {
        let markers = self.markers.iter().copied();
        markers.filter(move |(block, _)| hit.is_none_or(|hit| *block > hit))
    }

    fn key(&self, block: usize) -> Option<Key> {
        self.table.slot(block).map(|slot| (self.scope, slot.prefix))
    }
}
