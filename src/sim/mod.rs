//! Anthropic's prompt cache as a pure state machine: the judge of the planner.
//!
//! Built from provider rows only; it shares no code with `plan`, `ledger`, `wire` or `engine`, and
//! reads bodies with a reader of its own.
//!
//! Where the documentation is silent, the simulator takes the answer that saves less: a marker
//! below a hit writes nothing, a read refreshes the entry it found and those under the request's
//! own markers below it, and two spellings of one text are two texts. It sees bodies only: beta
//! headers are not part of the key, signatures of thinking are not verified, and what a server tool
//! adds to the prompt by itself is not counted.

mod block;
mod piece;
mod read;
mod recall;
mod rejection;
mod request;
mod scan;
mod store;

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::model::{Timestamp, Ttl, Usage};
use crate::provider::Catalog;
use read::Memory;
pub use rejection::Rejection;
pub use request::Request;
use request::Table;
use store::{Key, Store};

/// The cache of one provider.
#[derive(Clone, Debug)]
pub struct Sim {
    catalog: Arc<Catalog>,
    provider: Box<str>,
    memory: Memory,
    store: Store,
}

impl Sim {
    /// An empty cache that follows the rows of `anthropic`.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self::of(catalog, "anthropic")
    }

    /// An empty cache that follows the rows of this provider.
    #[must_use]
    pub fn of(catalog: Arc<Catalog>, provider: &str) -> Self {
        Self {
            catalog,
            provider: provider.into(),
            memory: Memory::default(),
            store: Store::default(),
        }
    }

    /// Reads and validates a body.
    ///
    /// # Errors
    /// The provider's refusal, word for word where it was recorded.
    pub fn read(&mut self, body: &[u8]) -> Result<Request, Rejection> {
        let request = self.parse(body)?;
        self.check(&request)?;
        Ok(request)
    }

    /// Counts the input tokens of a body, as the endpoint for counting does: markers are accepted
    /// and ignored, and nothing is asked about the answer.
    ///
    /// # Errors
    /// The provider's refusal.
    pub fn count_tokens(&mut self, body: &[u8]) -> Result<u64, Rejection> {
        self.parse(body).map(|request| request.input_tokens())
    }

    /// Validates what may have been edited since the body was read.
    ///
    /// # Errors
    /// The provider's refusal, word for word where it was recorded.
    pub fn check(&self, request: &Request) -> Result<(), Rejection> {
        if request.max_tokens().is_none() {
            return Err(Rejection::missing("max_tokens"));
        }
        request.effective().map(drop)
    }

    /// Serves a request that arrives at `at` in `workspace` and whose response begins at
    /// `first_byte`: from then on what it wrote can be read. Output tokens are the caller's to add.
    ///
    /// # Errors
    /// The provider's refusal; nothing is read or written then.
    pub fn serve(
        &mut self,
        workspace: &str,
        at: Timestamp,
        first_byte: Timestamp,
        request: &Request,
    ) -> Result<Usage, Rejection> {
        self.check(request)?;
        self.store.sweep(at);
        let table = request.table();
        let visit = Visit {
            scope: scope(workspace, &table.row),
            table,
            markers: cacheable(request.effective()?, table),
            at,
        };
        let hit = visit.hit(&self.store);
        visit.refresh(&mut self.store, hit);
        visit.write(&mut self.store, hit, first_byte);
        Ok(visit.usage(hit))
    }

    /// How many entries are kept, those included that expired in the last two minutes.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.store.len()
    }

    /// Forgets every entry.
    pub fn clear(&mut self) {
        self.store = Store::default();
    }

    fn parse(&mut self, body: &[u8]) -> Result<Request, Rejection> {
        read::request(&mut self.memory, &self.catalog, &self.provider, body)
    }
}

fn scope(workspace: &str, model: &str) -> u128 {
    xxh3_128(format!("{}:{workspace}{model}", workspace.len()).as_bytes())
}

/// Markers whose prefix is long enough; a shorter one is silently not cached.
fn cacheable(mut markers: Vec<(usize, Ttl)>, table: &Table) -> Vec<(usize, Ttl)> {
    let min = table.limits.min_tokens;
    markers.retain(|(block, _)| table.slot(*block).is_some_and(|slot| slot.tokens >= min));
    markers
}

/// One request at the cache.
struct Visit<'a> {
    scope: u128,
    table: &'a Table,
    markers: Vec<(usize, Ttl)>,
    at: Timestamp,
}

impl Visit<'_> {
    /// The deepest block whose prefix is found: from the last marker 20 positions back, then from
    /// the marker before it, and so on.
    fn hit(&self, store: &Store) -> Option<usize> {
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
            .find(|(_, slot)| store.holds((self.scope, slot.prefix), self.at))
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
            if store.holds(key, self.at) {
                store.refresh(key, self.at);
            }
        }
    }

    fn write(&self, store: &mut Store, hit: Option<usize>, first_byte: Timestamp) {
        for (block, ttl) in self.beyond(hit) {
            if let Some(key) = self.key(block) {
                store.write(key, ttl, self.at, first_byte);
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
