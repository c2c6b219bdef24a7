//! Traced requests: digests of blocks and token counts, no text.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Timed;
use crate::bound::Piece;
use crate::economy::Input;
use crate::model::{Stop, Tokens};

/// What a traced block was when it was sent, as far as the trace tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Part {
    /// A piece of the tool definitions.
    Tools,
    /// A piece of the system prompt.
    System,
    /// Words of the user.
    User,
    /// Results of tools.
    Results,
    /// What the model said.
    Assistant,
    /// A piece of the conversation of which the trace does not tell who spoke.
    Unsaid,
}

/// One block of a traced prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TracedBlock {
    /// Equal prefixes are runs of equal ids, within one scope.
    pub id: u64,
    /// What it was.
    pub part: Part,
}

impl TracedBlock {
    /// A block with this id.
    #[must_use]
    pub const fn new(id: u64, part: Part) -> Self {
        Self { id, part }
    }
}

/// A request of which only digests and token counts were recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// Ids of two scopes have nothing to do with each other.
    pub scope: u64,
    /// The prompt's blocks in order.
    pub blocks: Vec<TracedBlock>,
    /// Tokens of each block.
    pub per_block: u32,
    /// Tokens behind the last block, which no later request can share.
    pub tail: Tokens,
    /// What the request ended with.
    pub input: Input,
    /// Why the model stopped; `None` where nobody recorded it.
    pub stop: Option<Stop>,
}

impl Trace {
    /// Input tokens of the whole request.
    #[must_use]
    pub fn input_tokens(&self) -> Tokens {
        self.blocks.len() as u64 * u64::from(self.per_block) + self.tail
    }

    /// The blocks as bounds and judges tell them apart.
    #[must_use]
    pub fn pieces(&self) -> Vec<Piece> {
        let blocks = self.blocks.iter();
        blocks
            .map(|block| Piece::new(block.id.into(), self.per_block))
            .collect()
    }
}

/// What separates caches: the trace's own scope, the tenant, the provider and the model.
type Apart = (u64, Option<Arc<str>>, Arc<str>, Arc<str>);

/// Numbers for what separates caches: the trace's own scope, the tenant, the provider and the model.
#[derive(Clone, Debug, Default)]
pub struct Scopes {
    known: BTreeMap<Apart, u64>,
}

impl Scopes {
    /// The number of this request's cache.
    pub fn of(&mut self, timed: &Timed) -> u64 {
        let next = self.known.len() as u64;
        let trace = timed.trace.as_ref().map_or(0, |trace| trace.scope);
        let key = (
            trace,
            timed.tenant.clone(),
            Arc::clone(&timed.provider),
            Arc::clone(&timed.model),
        );
        *self.known.entry(key).or_insert(next)
    }
}
