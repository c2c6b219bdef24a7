//! What was expected of one request when it was sent.

use std::sync::Arc;

use super::Conversation;
use super::estimate::Uncounted;
use super::kept::Kept;
use super::lineage::Lineage;
use super::pauses::Pauses;
use super::vault::Rented;
pub(super) use crate::model::to_f64;
use crate::model::{Arm, Choice, Digest, Section, Ttl};
use crate::provider::Model;

/// A prefix that the provider should hold once it has begun to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The block it ends with.
    pub(super) block: usize,
    pub(super) prefix: Digest,
    pub(super) ttl: Ttl,
    pub(super) tokens: u64,
}

/// What was expected when the request was sent.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Expected {
    pub(super) keys: [Digest; 2],
    pub(super) marks: Vec<Mark>,
    /// The prefix on which the request ended.
    pub(super) tail: Option<Digest>,
    pub(super) estimated: [f64; 3],
    /// Estimated tokens of the prefix up to and including each block.
    pub(super) prefix_tokens: Vec<u64>,
    pub(super) uncounted: Option<Uncounted>,
    /// What the conversation's next turn will be compared with, and its key.
    pub(super) turn: (Digest, Arc<Conversation>),
    /// Where its pauses are kept.
    pub(super) pauses: Pauses,
    /// What pings have kept for it.
    pub(super) kept: Option<Kept>,
    /// The numbers behind its lifetime class.
    pub(super) choice: Option<Choice>,
    pub(super) placed: usize,
    /// Whether the body that is sent is not the caller's.
    pub(super) changed: bool,
    /// Whether the provider is asked for its diagnostics.
    pub(super) asked: bool,
    /// The prefix that the provider could keep for rent, or does.
    pub(super) rented: Option<Rented>,
    /// The requests before it.
    pub(super) lineage: Lineage,
    /// Whether a miss may quote the prompts.
    pub(super) excerpts: bool,
    /// The rules that changed the body.
    pub(super) reshaped: Vec<&'static str>,
    /// The arm of the holdout that the conversation belongs to.
    pub(super) arm: Option<Arm>,
}

impl Expected {
    /// Tokens that the provider adds between the system prompt and the conversation.
    pub(super) fn added(&self, model: &Model) -> u64 {
        let (_, turn) = &self.turn;
        let tools = turn.remembered.prompt.end_of(Section::Tools);
        if tools > 0 {
            model.tool_instructions
        } else {
            0
        }
    }

    /// Estimated tokens of the first `blocks` blocks.
    pub(super) fn tokens_of(&self, blocks: usize) -> u64 {
        let most = blocks.min(self.prefix_tokens.len());
        let tokens = most
            .checked_sub(1)
            .and_then(|at| self.prefix_tokens.get(at));
        tokens.copied().unwrap_or(0)
    }
}

pub(super) fn sum(parts: &[f64; 3]) -> u64 {
    whole(parts.iter().sum())
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and an estimate is never negative"
)]
pub(super) const fn whole(tokens: f64) -> u64 {
    tokens as u64
}
