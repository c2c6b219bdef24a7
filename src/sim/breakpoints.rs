//! A cache that is written at markers, and read there and some positions below.

use std::time::Duration;

use super::request::Table;
use super::rules::{Rules, Warming};
use super::store::{Key, New, Store};
use super::{Moment, scope};
use crate::model::{Limits, Ttl, Usage};

/// One request at the cache.
pub(super) struct Visit<'a> {
    scope: u128,
    table: &'a Table,
    rules: &'a Rules,
    limits: Limits,
    markers: Vec<(usize, Ttl)>,
    when: Moment,
}

/// An entry that was found.
#[derive(Clone, Copy, Debug)]
struct Hit {
    block: usize,
    key: Key,
    /// How long it lives unused.
    life: Duration,
}

impl<'a> Visit<'a> {
    /// A request with these markers. A prefix below the minimum is silently not cached, and so is
    /// one beyond the most that is cached: whether its first tokens would be is not documented, and
    /// that they are not saves less.
    pub(super) fn new(
        table: &'a Table,
        rules: &'a Rules,
        mut markers: Vec<(usize, Ttl)>,
        workspace: &str,
        when: Moment,
    ) -> Self {
        let mut limits = table.limits;
        rules.put_into(&mut limits);
        let is_cached = |tokens| tokens >= limits.min_tokens && !limits.is_beyond(tokens);
        markers.retain(|(block, _)| {
            table
                .slot(*block)
                .is_some_and(|slot| is_cached(slot.tokens))
        });
        for (_, ttl) in &mut markers {
            *ttl = rules.granted(*ttl);
        }
        Self {
            scope: scope(workspace, &table.row) ^ table.facts.apart,
            table,
            rules,
            limits,
            markers,
            when,
        }
    }

    /// Reads and writes what it may, and counts it.
    pub(super) fn serve(&self, store: &mut Store) -> Usage {
        let hit = self.hit(store);
        self.refresh(store, hit);
        self.write(store, hit);
        self.usage(hit.map(|hit| hit.block))
    }

    /// The deepest block whose prefix is found: from the last marker 20 positions back, then from
    /// the marker before it, and so on.
    fn hit(&self, store: &Store) -> Option<Hit> {
        if self.table.facts.cold {
            return None;
        }
        let markers = self.markers.iter().rev();
        markers
            .filter_map(|marker| self.look_back(store, *marker))
            .next()
    }

    fn look_back(&self, store: &Store, (from, class): (usize, Ttl)) -> Option<Hit> {
        let start = self.table.slot(from)?.position;
        (0..=from)
            .rev()
            .map_while(|block| Some((block, self.table.slot(block)?)))
            .take_while(|(_, slot)| start - slot.position < self.limits.lookback)
            .find_map(|(block, _)| {
                let key = self.key(block, class)?;
                let life = store.life(self.rules, key, self.when.at)?;
                Some(Hit { block, key, life })
            })
    }

    fn refresh(&self, store: &mut Store, hit: Option<Hit>) {
        let warming = self.table.max_tokens == Some(0);
        let reads_only = warming && self.rules.warming == Warming::ReadOnly;
        let Some(hit) = hit.filter(|_| self.rules.renews && !reads_only) else {
            return;
        };
        store.refresh(hit.key, self.when.at);
        let below = |block: usize, class: Ttl| {
            let key = self.key(block, class)?;
            (block < hit.block && store.holds(self.rules, key, self.when.at)).then_some(key)
        };
        let own = self.markers.iter().filter_map(|(at, ttl)| below(*at, *ttl));
        let mut keys: Vec<Key> = own.collect();
        if self.rules.renews_below {
            let all = [Ttl::FiveMinutes, Ttl::OneHour];
            let all = (0..hit.block).flat_map(|block| all.map(|ttl| (block, ttl)));
            keys.extend(all.filter_map(|(block, ttl)| below(block, ttl)));
        }
        for key in keys {
            store.refresh(key, self.when.at);
        }
    }

    /// Every part lives as long as its own class says, and an entry as long as all its parts.
    fn write(&self, store: &mut Store, hit: Option<Hit>) {
        let below = self.markers.iter().filter(|(block, _)| {
            let is_below = hit.is_some_and(|hit| *block < hit.block);
            self.rules.writes_below && is_below
        });
        for (block, ttl) in below {
            self.enter(store, (*block, *ttl), hit.map(|hit| hit.life));
        }
        let mut life = hit.map(|hit| hit.life);
        for marker in self.beyond(hit.map(|hit| hit.block)) {
            life = self.enter(store, marker, life);
        }
    }

    fn enter(
        &self,
        store: &mut Store,
        (block, ttl): (usize, Ttl),
        below: Option<Duration>,
    ) -> Option<Duration> {
        let key = self.key(block, ttl)?;
        let new = New {
            ttl,
            tokens: self.table.slot(block)?.tokens,
            below,
            visible: self.when.readable(self.table).plus(self.rules.delay),
        };
        Some(store.write(self.rules, key, self.when.at, new))
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

    fn key(&self, block: usize, class: Ttl) -> Option<Key> {
        let slot = self.table.slot(block)?;
        Some((self.scope ^ self.rules.class_key(class), slot.prefix))
    }
}
