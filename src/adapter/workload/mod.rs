//! Recorded traffic as a stream of timed requests, in time order over a whole file.
//!
//! Four formats are read, plain or compressed with xz, and told apart by their first line: neutral
//! lines (one request each, `{"t", "request", …}`), session files (one session per line, each
//! message stored once), and two forms of traces that hold hashes of blocks instead of text. A file is scanned once to check it and to index its lines, then read by
//! offset as requests come due, so memory holds only the sessions that are open at the same time.

mod clock;
mod hashes;
mod input;
mod items;
mod neutral;
mod order;
mod session;
mod trace;
mod translate;

use std::sync::Arc;

use bytes::Bytes;

use crate::model::{Timestamp, Usage};

pub use order::Workload;
pub use trace::{Part, Scopes, Trace, TracedBlock};

/// How recordings are read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The model that stands in where a session ran on one that is not Claude.
    pub stand_in: Arc<str>,
    /// Provider and model that every request of a trace goes to, whatever it was recorded with;
    /// without it Anthropic's, and the model that was recorded.
    pub traces_as: Option<(Arc<str>, Arc<str>)>,
    /// Whether traces of hashes may be read, whose requests have a [`Timed::trace`] and no body.
    pub traces: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            stand_in: "claude-sonnet-4-5".into(),
            traces_as: None,
            traces: false,
        }
    }
}

impl Options {
    /// Where a request of a trace goes that was recorded with this model.
    fn traced(&self, recorded: Option<&str>) -> (Arc<str>, Arc<str>) {
        let elsewhere = self.traces_as.clone();
        elsewhere.unwrap_or_else(|| (Arc::from("anthropic"), session::model(recorded, self)))
    }
}

/// One recorded request with its moments.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Timed {
    /// When it was sent.
    pub at: Timestamp,
    /// When its response ended.
    pub end: Timestamp,
    /// When its response began.
    pub first_byte: Timestamp,
    /// The session it belongs to.
    pub session: Arc<str>,
    /// The sub-agent's lane within the session; `None` for the main one.
    pub lane: Option<Arc<str>>,
    /// The tenant, where the recording names one.
    pub tenant: Option<Arc<str>>,
    /// The user's own name for this kind of call, where the recording has one.
    pub route: Option<Arc<str>>,
    /// The dialect of the body, as rows name it; `None` where the recording does not say.
    pub dialect: Option<Arc<str>>,
    /// The model that the request's path named; `None` where the body names it.
    pub named: Option<Arc<str>>,
    /// The provider row it was sent to.
    pub provider: Arc<str>,
    /// The model it asks for, as body or path spell it.
    pub model: Arc<str>,
    /// The body as the client sent it; empty where only a trace of it is known.
    pub body: Bytes,
    /// Its blocks, where the recording holds hashes instead of a body.
    pub trace: Option<Arc<Trace>>,
    /// What the provider billed, where that was recorded.
    pub usage: Option<Usage>,
    /// Output tokens, where they were recorded.
    pub output: Option<u64>,
}

/// Reads one neutral line, which stands alone; its time is zero where it has none.
#[cfg(feature = "audit")]
pub(super) fn neutral(line: &[u8]) -> Result<Timed, String> {
    let at = neutral::start(line)?.unwrap_or_default();
    neutral::timed(line, at)
}
