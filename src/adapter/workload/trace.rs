//! Traced requests: digests of blocks and token counts, no text.

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
    /// Tokens of every block but the last.
    pub per_block: u32,
    /// Tokens of the last block.
    pub last: u32,
    /// Tokens behind the last block, which no later request can share.
    pub tail: Tokens,
    /// What the request ended with.
    pub input: Input,
    /// Why the model stopped; `None` where nobody recorded it.
    pub stop: Option<Stop>,
}

impl Trace {
    /// Tokens of the block with this index; zero when there is none.
    #[must_use]
    pub fn tokens_of(&self, block: usize) -> u32 {
        match (block + 1).cmp(&self.blocks.len()) {
            std::cmp::Ordering::Less => self.per_block,
            std::cmp::Ordering::Equal => self.last,
            std::cmp::Ordering::Greater => 0,
        }
    }

    /// Input tokens of the whole request.
    #[must_use]
    pub fn input_tokens(&self) -> Tokens {
        let whole = self.blocks.len().saturating_sub(1) as u64;
        let last = if self.blocks.is_empty() { 0 } else { self.last };
        whole * u64::from(self.per_block) + u64::from(last) + self.tail
    }
}
