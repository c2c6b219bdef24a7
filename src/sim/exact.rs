//! A cache that is written at markers and at an end of its own choosing, and read only where
//! exactly such a place was written before (OpenAI from GPT-5.6 on).
//!
//! Source: developers.openai.com/api/docs/guides/prompt-caching, 2026-09-23. An entry that an
//! implicit end wrote is not found by a marker on the same block, nor the other way round: the page
//! says that switching between the two loses what was written.

use super::rejection::Rejection;
use super::request::{Request, Table};
use super::rules::Rules;
use super::store::{Key, New, Store};
use super::{Moment, scope};
use crate::model::{Limits, Ttl, Usage};

/// Explicit markers that are looked up: the first ones and the latest. Texts of the SDK say the
/// latest 80 instead; the smaller window saves less.
const FIRST: usize = 2;
const LATEST: usize = 50;
/// Earlier message ends that are looked up beside the implicit one.
const EARLIER: usize = 20;
/// Entries that one request can write.
const WRITES: usize = 4;

/// A place where an entry can end: its block, and its key.
type Place = (usize, Key);

/// Reads and writes what `request` may, and counts it.
pub(super) fn serve(
    store: &mut Store,
    workspace: &str,
    when: Moment,
    (request, rules): (&Request, &Rules),
) -> Result<Usage, Rejection> {
    let table = request.table();
    let marked: Vec<usize> = request.effective()?.into_iter().map(|(at, _)| at).collect();
    let scope = scope(workspace, &table.row) ^ table.facts.apart;
    let mut limits = table.limits;
    rules.put_into(&mut limits);
    let visit = Visit {
        scope,
        table,
        limits,
        rules,
    };
    let held = |(_, key): &Place| store.holds(rules, *key, when.at);
    let hit = visit.looked_up(&marked).into_iter().filter(held).max();
    if let Some((deepest, key)) = hit.filter(|_| rules.renews) {
        store.refresh(key, when.at);
        let below = (0..deepest).filter(|_| rules.renews_below);
        for key in below.flat_map(|block| visit.keys(block)) {
            if store.holds(rules, key, when.at) {
                store.refresh(key, when.at);
            }
        }
    }
    let read = hit.map_or(0, |(block, _)| visit.tokens(block));
    let mut written = read;
    for (block, key) in visit.writable(&marked) {
        if visit.tokens(block) > read {
            let new = New {
                ttl: Ttl::HalfHour,
                tokens: visit.tokens(block),
                below: None,
                visible: when.first_byte.plus(rules.delay),
            };
            store.write(rules, key, when.at, new);
            written = written.max(visit.tokens(block));
        }
    }
    Ok(Usage {
        plain: Some(table.total().saturating_sub(written)),
        read: Some(read),
        write_30m: Some(written - read),
        ..Usage::default()
    })
}

struct Visit<'a> {
    scope: u128,
    table: &'a Table,
    limits: Limits,
    rules: &'a Rules,
}

impl Visit<'_> {
    fn looked_up(&self, marked: &[usize]) -> Vec<Place> {
        let (first, rest) = marked.split_at(marked.len().min(FIRST));
        let explicit = first.iter().chain(latest(rest, LATEST));
        let facts = &self.table.facts;
        let ends = latest(&facts.ends, EARLIER + 1).chain(&facts.opening);
        let mut places = self.places(explicit, ends);
        if !self.rules.resends {
            let all: Vec<usize> = (0..self.table.len()).collect();
            places.extend(self.places(all.iter(), [].iter()));
        }
        places
    }

    /// What entries that end with this block can be kept under.
    fn keys(&self, block: usize) -> impl Iterator<Item = Key> + '_ {
        let slot = self.table.slot(block).into_iter();
        slot.flat_map(|slot| [0, 1].map(|implicit| (self.scope ^ implicit, slot.prefix)))
    }

    fn writable(&self, marked: &[usize]) -> Vec<Place> {
        let facts = &self.table.facts;
        let own = latest(&facts.ends, 1);
        let implicit = usize::from(facts.implicit && !facts.ends.is_empty());
        self.places(latest(marked, WRITES - implicit), own)
    }

    /// Places long enough to be cached; implicit ones only where the provider sets any.
    fn places<'b>(
        &self,
        explicit: impl Iterator<Item = &'b usize>,
        ends: impl Iterator<Item = &'b usize>,
    ) -> Vec<Place> {
        let implicit = self.table.facts.implicit;
        let ends = ends.filter(|_| implicit).map(|block| (*block, true));
        let places = explicit.map(|block| (*block, false)).chain(ends);
        let places = places.filter_map(|(block, implicit)| {
            let slot = self.table.slot(block)?;
            let long = slot.tokens >= self.limits.min_tokens;
            let key = (self.scope ^ u128::from(implicit), slot.prefix);
            long.then_some((block, key))
        });
        places.collect()
    }

    fn tokens(&self, block: usize) -> u64 {
        self.table.slot(block).map_or(0, |slot| slot.tokens)
    }
}

/// The last `count` of them.
fn latest(all: &[usize], count: usize) -> std::slice::Iter<'_, usize> {
    all.get(all.len().saturating_sub(count)..)
        .unwrap_or_default()
        .iter()
}
