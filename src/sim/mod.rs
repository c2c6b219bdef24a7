//! A provider's prompt cache as a pure state machine: the judge of the planner.
//!
//! Built from provider rows only; it shares no code with `plan`, `ledger`, `wire` or `engine`, and
//! reads bodies with readers of its own. The regime of the model's row chooses the machine:
//! `breakpoints`, `exact` or `automatic`.
//!
//! Where the documentation is silent, the simulator takes the answer that saves less: a marker
//! below a hit writes nothing, a read refreshes the entry it found and those under the request's
//! own markers below it, an entry lives no longer than the shortest-lived part that it was built on,
//! and two spellings of one text are two texts. [`Rules`] say otherwise where a test wants that. It sees bodies only: beta
//! headers are not part of the key, signatures of thinking are not verified, and what a server tool
//! adds to the prompt by itself is not counted.

mod automatic;
mod block;
mod breakpoints;
mod cached;
mod chat;
mod converse;
mod draft;
mod exact;
mod facts;
mod generate;
mod habits;
mod openai;
mod piece;
mod read;
mod recall;
mod rejection;
mod request;
mod responses;
mod ruler;
mod rules;
mod scan;
mod store;
mod trace;

use std::sync::Arc;

use serde::de::IgnoredAny;
use xxhash_rust::xxh3::xxh3_128;

use crate::model::{Regime, Timestamp, Ttl, Usage};
use crate::provider::Catalog;
use automatic::Machines;
use breakpoints::Visit;
pub use cached::CachedContent;
use cached::Caches;
use draft::Member;
use facts::{Facts, Spelled};
use read::Memory;
pub use rejection::Rejection;
pub use request::Request;
use request::Table;
use rules::Rulebook;
pub use rules::{Loss, Rules, Warming};
use store::{New, Store};
pub use trace::{Moved, Trace};

/// One call as it reaches the provider.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// The dialect's name in rows: `messages`, `chat`, `responses`, `converse` or `generate`.
    pub dialect: &'a str,
    /// The model that the path names; empty where the body does.
    pub model: &'a str,
    /// The value of a routing header such as `x-grok-conv-id`.
    pub affinity: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Ask<'a> {
    /// A call without a model in its path and without a routing header.
    #[must_use]
    pub const fn new(dialect: &'a str, body: &'a [u8]) -> Self {
        Self {
            dialect,
            model: "",
            affinity: None,
            body,
        }
    }
}

/// Prompt text stays out of debug output.
impl std::fmt::Debug for Ask<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ask")
            .field("dialect", &self.dialect)
            .field("model", &self.model)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A body taken apart, and the rows it is read by.
struct Body<'a> {
    catalog: &'a Catalog,
    provider: &'a str,
    caches: &'a Caches,
    fields: Vec<Member<'a>>,
}

/// When a request arrives and when its response begins.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Timestamp,
    first_byte: Timestamp,
}

impl Moment {
    /// From when on what it writes can be read.
    fn readable(self, table: &Table) -> Timestamp {
        self.first_byte.max(self.at).plus(table.facts.habit.build)
    }
}

/// The cache of one provider.
#[derive(Clone, Debug)]
pub struct Sim {
    catalog: Arc<Catalog>,
    provider: Box<str>,
    memory: Memory,
    store: Store,
    machines: Machines,
    caches: Caches,
    rules: Rulebook,
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
            machines: Machines::default(),
            caches: Caches::default(),
            rules: Rulebook::default(),
        }
    }

    /// Makes one model, or all without rules of their own, behave otherwise than documented. What is
    /// kept already stays as it was written.
    pub fn set_rules(&mut self, model: Option<&str>, rules: Rules) {
        let row = model.map(|id| self.catalog.model(&self.provider, id).name);
        self.rules.set(row, rules);
    }

    /// Reads and validates a call in any dialect.
    ///
    /// # Errors
    /// The provider's refusal, word for word where it was recorded; a 404 for a dialect that does
    /// not exist.
    pub fn ask(&mut self, ask: &Ask<'_>) -> Result<Request, Rejection> {
        let spelled = Spelled::parse(ask.dialect).ok_or_else(Rejection::no_such_dialect)?;
        let refused = |refused: Rejection| refused.of_kind(Facts::kind(spelled, ask.body));
        let request = self.parse(spelled, ask).map_err(refused)?;
        self.check(&request)?;
        Ok(request)
    }

    /// Reads and validates a body of Messages.
    ///
    /// # Errors
    /// The provider's refusal, word for word where it was recorded.
    pub fn read(&mut self, body: &[u8]) -> Result<Request, Rejection> {
        self.ask(&Ask::new("messages", body))
    }

    /// Counts the input tokens of a body, as the endpoint for counting does: markers are accepted
    /// and ignored, and nothing is asked about the answer.
    ///
    /// # Errors
    /// The provider's refusal.
    pub fn count_tokens(&mut self, body: &[u8]) -> Result<u64, Rejection> {
        let request = self.parse(Spelled::Messages, &Ask::new("messages", body));
        request.map(|request| request.input_tokens())
    }

    /// Validates what may have been edited since the body was read.
    ///
    /// # Errors
    /// The provider's refusal, word for word where it was recorded.
    pub fn check(&self, request: &Request) -> Result<(), Rejection> {
        let facts = &request.table().facts;
        let refused = |refused: Rejection| refused.of_kind(facts.kind);
        if facts.spelled == Spelled::Messages && request.max_tokens().is_none() {
            return Err(refused(Rejection::missing("max_tokens")));
        }
        let rules = self.rules.of(&request.table().row);
        if request.max_tokens() == Some(0) && rules.warming == Warming::Refused {
            return Err(refused(Rejection::invalid(
                "max_tokens: Input should be greater than or equal to 1",
            )));
        }
        request.effective().map(drop).map_err(refused)
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
        let when = Moment { at, first_byte };
        let table = request.table();
        if let Some(name) = &table.facts.cached {
            let row = |model: &str| self.catalog.model(&self.provider, model).name;
            return self.caches.serve((workspace, at), (name, row), table);
        }
        match table.limits.regime {
            Regime::Breakpoints => {
                let markers = request.effective()?;
                let rules = self.rules.of(&table.row);
                Ok(Visit::new(table, rules, markers, workspace, when).serve(&mut self.store))
            }
            Regime::Exact => {
                let rules = self.rules.of(&table.row);
                exact::serve(&mut self.store, workspace, when, (request, rules))
            }
            Regime::Automatic => match request.markers.last() {
                Some((block, _)) if table.facts.habit.last_marker => {
                    Ok(self.by_last_marker(workspace, when, (table, *block)))
                }
                _ => Ok(self.machines.serve(workspace, when, table)),
            },
        }
    }

    /// The last marker makes an explicit cache of five minutes that no read prolongs.
    fn by_last_marker(
        &mut self,
        workspace: &str,
        when: Moment,
        (table, block): (&Table, usize),
    ) -> Usage {
        let slot = table.slot(block).copied();
        let slot = slot.filter(|slot| slot.tokens >= table.limits.min_tokens);
        let total = table.total();
        let Some(slot) = slot else {
            return Usage {
                output: None,
                ..Usage::reported(total, 0, 0, 0, 0)
            };
        };
        let key = (scope(workspace, &table.row), slot.prefix);
        let rules = *self.rules.of(&table.row);
        let held = self.store.holds(&rules, key, when.at);
        if !held {
            let new = New {
                ttl: Ttl::FiveMinutes,
                tokens: slot.tokens,
                below: None,
                visible: when.readable(table).plus(rules.delay),
            };
            self.store.write(&rules, key, when.at, new);
        }
        let (read, written) = if held {
            (slot.tokens, 0)
        } else {
            (0, slot.tokens)
        };
        Usage {
            output: None,
            ..Usage::reported(total - slot.tokens, read, written, 0, 0)
        }
    }

    /// How many entries are kept, those included that expired in the last two minutes, and
    /// explicit caches until they are deleted.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.store.len() + self.machines.len() + self.caches.len()
    }

    /// Forgets every entry.
    pub fn clear(&mut self) {
        self.store = Store::default();
        self.machines = Machines::default();
        self.caches = Caches::default();
    }

    fn parse(&mut self, spelled: Spelled, ask: &Ask<'_>) -> Result<Request, Rejection> {
        if spelled == Spelled::Messages {
            return read::request(&mut self.memory, &self.catalog, &self.provider, ask);
        }
        serde_json::from_slice::<IgnoredAny>(ask.body).map_err(|_| Rejection::not_json())?;
        let body = Body {
            catalog: &self.catalog,
            provider: &self.provider,
            caches: &self.caches,
            fields: scan::members(ask.body).ok_or_else(Rejection::not_json)?,
        };
        match spelled {
            Spelled::Chat => chat::request(&body, ask),
            Spelled::Responses => responses::request(&body, ask),
            Spelled::Converse => converse::request(&body, ask),
            Spelled::Generate | Spelled::Messages => generate::request(&body, ask),
        }
    }
}

fn scope(workspace: &str, model: &str) -> u128 {
    xxh3_128(format!("{}:{workspace}{model}", workspace.len()).as_bytes())
}
