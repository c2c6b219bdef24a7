//! A cache that is written at markers and at an end of its own choosing, and read only where
//! exactly such a place was written before (OpenAI from GPT-5.6 on).
//!
//! Source: developers.openai.com/api/docs/guides/prompt-caching, 2026-09-23. An entry that an
//! implicit end wrote is not found by a marker on the same block, nor the other way round: the page
//! says that switching between the two loses what was written.

use super::rejection::Rejection;
use super::request::{Request, Table};
use super::store::{Key, Store};
use super::{Moment, scope};
use crate::model::{Ttl, Usage};

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
    request: &Request,
) -> Result<Usage, Rejection> {
    let table = request.table();
    let marked: Vec<usize> = request.effective()?.into_iter().map(|(at, _)| at).collect();
    let scope = scope(workspace, &table.row) ^ table.facts.apart;
    let visit = Visit { scope, table };
    let held = |(_, key): &Place| store.holds(*key, when.at);
    let hit = visit.looked_up(&marked).into_iter().filter(held).max();
    if let Some((_, key)) = hit {
        store.refresh(key, when.at);
    }
    let read = hit.map_or(0, |(block, _)| visit.tokens(block));
    let mut written = read;
    for (block, key) in visit.writable(&marked) {
        if visit.tokens(block) > read {
            store.write(key, Ttl::HalfHour, when.at, when.first_byte);
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
}

impl Visit<'_> {
    fn looked_up(&self, marked: &[usize]) -> Vec<Place> {
        let (first, rest) = marked.split_at(marked.len().min(FIRST));
        let explicit = first.iter().chain(latest(rest, LATEST));
        let facts = &self.table.facts;
        let ends = latest(&facts.ends, EARLIER + 1).chain(&facts.opening);
        self.places(explicit, ends)
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
            let long = slot.tokens >= self.table.limits.min_tokens;
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
