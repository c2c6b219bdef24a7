//! Prepare, observe, finish: one exchange as a state machine. The only room adapters call.

mod announced;
mod chain;
mod estimate;
mod exchange;
mod expected;
mod explore;
mod flight;
mod ground;
mod holdout;
mod inquiry;
mod judge;
mod keep;
mod kept;
mod kin;
mod lead;
mod lifetime;
mod lineage;
mod marks;
mod memory;
mod miss;
mod numbers;
mod overlay;
mod path;
mod pauses;
mod prepare;
mod reading;
mod refusal;
mod reshape;
mod settings;
mod steer;
mod survey;
mod traced;
mod trail;
mod vault;

pub use exchange::{End, Exchange, Order};
pub use flight::{Flight, Shared};
pub use keep::Pinged;
pub use memory::{Conversation, Forgetful, Memory};
pub use numbers::{Numbers, Weighed};
pub use overlay::{Overlay, Wishes};
pub use prepare::ahead::Opened;
pub use settings::{Meta, Settings};
pub use traced::Traced;
pub use trail::{Trail, Turn};
pub use vault::{Errand, ErrandKind, Outcome, RENT};

use std::sync::Arc;

use bytes::Bytes;

use crate::economy::Behaviour;
pub use crate::ledger::history::Held;
use crate::ledger::{Attempt, Record};
use crate::model::{Breakpoint, Change, Plan, Skip, Timestamp, Ttl, Why};
use crate::provider::Catalog;
use crate::wire::Dialect;
pub use crate::wire::Framing;

/// The engine: cheap to clone, shared by all requests of one wrapped client.
#[derive(Clone, Debug)]
pub struct Engine {
    catalog: Arc<Catalog>,
    settings: Arc<Settings>,
    memory: Arc<dyn Memory>,
}

impl Engine {
    /// An engine over these rows and settings that remembers nothing; see [`Engine::remembering`].
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, settings: Settings) -> Self {
        Self {
            catalog,
            settings: Arc::new(settings),
            memory: Arc::new(Forgetful),
        }
    }

    /// The same engine with a memory.
    #[must_use]
    pub fn remembering(mut self, memory: Arc<dyn Memory>) -> Self {
        self.memory = memory;
        self
    }

    /// The rows in use.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The settings in use.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Reads, plans and rewrites one request. Never fails: what is not understood is passed on.
    #[must_use]
    pub fn prepare(&self, now: Timestamp, meta: &Meta<'_>, body: &Bytes) -> Prepared {
        prepare::prepare(self, now, meta, body)
    }

    /// Takes in what came of an errand, and returns the row that books its cost.
    #[must_use]
    pub fn errand_done(
        &self,
        now: Timestamp,
        meta: &Meta<'_>,
        errand: &Errand,
        outcome: &Outcome,
    ) -> Record {
        vault::done(self, now, meta, errand, outcome)
    }

    /// How the cache of this provider, model and place was seen to behave.
    #[must_use]
    pub fn behaviour(&self, meta: &Meta<'_>, model: &str) -> Behaviour {
        let model = self.catalog.model(meta.provider, model);
        let key = meta.behaviour(&self.settings.keyring, &model.name);
        let mut seen = Behaviour::default();
        self.memory
            .behaviour(&key, &mut |known| seen.clone_from(known));
        seen
    }

    /// An empty buffer for an adapter that gathers a body of this many bytes, used again where the
    /// memory can: a fresh megabyte costs more in page faults than in copying.
    #[must_use]
    pub fn buffer(&self, capacity: usize) -> Vec<u8> {
        self.memory.buffer(capacity)
    }

    /// The bytes of such a buffer, which comes back when the last reference to them is dropped.
    #[must_use]
    pub fn lend(&self, buffer: Vec<u8>) -> Bytes {
        self.memory.lend(buffer)
    }

    /// An exchange whose body was never seen, to be accounted for all the same.
    #[must_use]
    pub fn skipped(&self, now: Timestamp, meta: &Meta<'_>, why: Skip) -> Exchange {
        Exchange::skipped(self, now, meta, why)
    }
}

impl Exchange {
    /// What is known of it so far.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Says which attempt of a routed call it is.
    pub fn attempted(&mut self, attempt: Attempt) {
        self.record.attempt = Some(Box::new(attempt));
    }

    /// What is asked of the provider, by OpenTelemetry's name.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.dialect.map_or("chat", Dialect::operation)
    }
}

/// One request, ready to be sent.
#[derive(Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// The body to send instead of the caller's; `None` when it goes through as it is.
    pub body: Option<Bytes>,
    /// Why the body was not touched, if it was not understood.
    pub skip: Option<Skip>,
    /// The rest of the exchange.
    pub exchange: Exchange,
    /// Headers to add, each only where the caller has none of its name.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// What is worth asking of the provider beside this call; see [`Engine::errand_done`].
    pub errand: Option<Errand>,
    pub(crate) placed: Option<Placed>,
    pub(crate) changes: Vec<Change>,
    pub(crate) numbers: Option<Numbers>,
}

/// What a plan was made for.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) turn: Arc<Conversation>,
    pub(crate) plan: Plan,
    pub(crate) dialect: &'static dyn Dialect,
}

impl Prepared {
    /// Whether the provider is told to write at markers alone.
    #[must_use]
    pub fn is_explicit_only(&self) -> bool {
        let plan = self.placed.as_ref().map(|placed| &placed.plan);
        plan.is_some_and(|plan| plan.explicit_only)
    }

    /// Where markers were placed, by the block that each stands on.
    #[must_use]
    pub fn breakpoints(&self) -> &[Breakpoint] {
        let plan = self.placed.as_ref().map(|placed| &placed.plan);
        plan.map_or(&[], |plan| &plan.breakpoints)
    }

    /// Where markers were placed, as JSON pointers into the body that is sent.
    #[must_use]
    pub fn placements(&self) -> Vec<Placement> {
        let Some(Placed {
            turn,
            plan,
            dialect,
        }) = &self.placed
        else {
            return Vec::new();
        };
        plan.breakpoints
            .iter()
            .map(|breakpoint| Placement {
                pointer: dialect.pointer(&turn.remembered.prompt, breakpoint.block),
                ttl: breakpoint.ttl,
                why: breakpoint.why,
            })
            .collect()
    }

    /// Every change to the body, with its reason; placements included.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let placed = self.placements().into_iter().map(|placement| {
            let what = format!("breakpoint {} at {}", placement.ttl, placement.why.as_str());
            Change::new(placement.pointer, what)
        });
        let members = self.placed.iter().flat_map(|placed| &placed.plan.members);
        let members = members.map(|member| {
            let what = format!("member {} added", member.value);
            Change::new(format!("/{}", member.name), what)
        });
        let changes = self.changes.iter().cloned();
        changes.chain(members).chain(placed).collect()
    }
}

/// One marker as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placement {
    /// JSON pointer of the object that carries the marker.
    pub pointer: String,
    /// Lifetime class.
    pub ttl: Ttl,
    /// Why it stands there.
    pub why: Why,
}
