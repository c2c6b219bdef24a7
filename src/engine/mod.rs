//! Prepare, observe, finish: one exchange as a state machine. The only room adapters call.

use std::sync::Arc;

use bytes::Bytes;

use crate::ledger::Record;
use crate::model::{Change, Markers, Mode, Skip, Timestamp, Ttl, Usage, Why};
use crate::provider::Catalog;

/// What the user asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How far a request may be changed.
    pub mode: Mode,
    /// What happens to the caller's own markers.
    pub markers: Markers,
    /// Bodies longer than this many bytes go through untouched.
    pub max_body: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            markers: Markers::default(),
            max_body: 32 << 20,
        }
    }
}

/// Where a request goes and for whom: everything that separates caches but stands outside the body.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Meta<'a> {
    /// Name of the provider row, such as `anthropic`.
    pub provider: &'a str,
    /// Separates accounts: a digest of the key, or a name. Never stored in clear.
    pub account: &'a str,
    /// The user's own tenant.
    pub tenant: &'a str,
    /// The user's own name for this kind of call.
    pub route: &'a str,
    /// The set of beta headers, which can change the prefix.
    pub betas: &'a str,
}

impl<'a> Meta<'a> {
    /// A request to this provider, for nobody in particular.
    #[must_use]
    pub const fn of(provider: &'a str) -> Self {
        Self {
            provider,
            account: "",
            tenant: "",
            route: "",
            betas: "",
        }
    }
}

/// The engine: cheap to clone, shared by all requests of one wrapped client.
#[derive(Clone, Debug)]
pub struct Engine {
    catalog: Arc<Catalog>,
    settings: Settings,
}

impl Engine {
    /// An engine over these rows and settings, with bounded in-process state.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, settings: Settings) -> Self {
        Self { catalog, settings }
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
    pub fn prepare(&self, _now: Timestamp, _meta: &Meta<'_>, _body: &Bytes) -> Prepared {
        Prepared {
            body: None,
            skip: None,
            exchange: Exchange {},
        }
    }

    /// An exchange whose body was never seen, to be accounted for all the same.
    #[must_use]
    pub fn skipped(&self, _now: Timestamp, _meta: &Meta<'_>, _why: Skip) -> Exchange {
        Exchange {}
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
}

impl Prepared {
    /// Where markers were placed, as JSON pointers into the body that is sent.
    #[must_use]
    pub fn placements(&self) -> Vec<Placement> {
        Vec::new()
    }

    /// Every change to the body, with its reason.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        Vec::new()
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

/// How a response is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// One JSON document.
    Json,
    /// Server-sent events.
    Sse,
    /// Something whose usage cannot be seen.
    Opaque,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The response was read to its end.
    Complete,
    /// The connection or the body failed.
    Failed,
    /// The caller dropped it.
    Dropped,
}

/// One request and its response, from being sent to being accounted for.
///
/// The adapter calls `on_response` once, `on_bytes` per chunk, and `finish` exactly once.
#[derive(Debug)]
pub struct Exchange {}

impl Exchange {
    /// The response's head has arrived.
    pub fn on_response(&mut self, _now: Timestamp, _status: u16, _content: Content) {}

    /// A chunk of the response's body has arrived, whatever its borders.
    pub fn on_bytes(&mut self, _now: Timestamp, _chunk: &[u8]) {}

    /// Usage is known by other means (a recording): stands in for `on_response` and `on_bytes`.
    pub fn on_usage(&mut self, _first_byte: Timestamp, _usage: Usage) {}

    /// Settles the exchange with the history and returns its row.
    #[must_use]
    pub fn finish(self, _now: Timestamp, _end: End) -> Record {
        Record::default()
    }
}
