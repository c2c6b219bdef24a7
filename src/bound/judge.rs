//! A cache that follows every block, for traces that hold digests instead of text.
//!
//! Each block of each prefix has a class and an end of its own. A read reaches as far as all blocks
//! from the first one on are alive and an entry ends there; it renews the life of what it read, in
//! the class that each block was written with. So a deeper entry does not revive a shallower part
//! that has expired, which is the careful reading of providers' pages (economics.md, H1).

use crate::model::{Timestamp, Tokens, Ttl, Usage};

/// One block of a prompt: what it is after what precedes it, and its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece {
    /// Identifies the content; equal prefixes are runs of equal ids within a scope.
    pub id: u128,
    /// Its tokens.
    pub tokens: u32,
}

impl Piece {
    /// A block of so many tokens.
    #[must_use]
    pub const fn new(id: u128, tokens: u32) -> Self {
        Self { id, tokens }
    }
}

/// One request as its prefixes are told apart.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Access<'a> {
    /// Everything outside the prompt that separates caches, as a number.
    pub scope: u64,
    /// When it was sent.
    pub at: Timestamp,
    /// When its answer began: what it writes can be read from then on.
    pub visible: Timestamp,
    /// Its blocks.
    pub blocks: &'a [Piece],
    /// Tokens behind the last block that nobody can read again.
    pub tail: Tokens,
}

impl<'a> Access<'a> {
    /// A request of these blocks, sent and answered at once.
    #[must_use]
    pub const fn new(scope: u64, at: Timestamp, blocks: &'a [Piece]) -> Self {
        Self {
            scope,
            at,
            visible: at,
            blocks,
            tail: 0,
        }
    }
}

/// What holds for a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// Markers per request.
    pub max_breakpoints: usize,
    /// The shortest prefix that is cached, in tokens.
    pub min_tokens: Tokens,
    /// Positions searched back from a marker; `None` for all of them.
    pub lookback: Option<usize>,
    /// Whether an entry revives what precedes it (hypothesis H1).
    pub revives: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_breakpoints: 4,
            min_tokens: 0,
            lookback: None,
            revives: false,
        }
    }
}

/// A cache that follows every block.
#[derive(Debug, Default)]
pub struct Judge {
    rules: Rules,
}

impl Judge {
    /// An empty cache.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        Self { rules }
    }

    /// Serves a request with these markers, in block order, and says what is billed. `None` when
    /// the markers are refused: too many, or a shorter class before a longer one.
    pub fn serve(&mut self, access: &Access<'_>, marks: &[(usize, Ttl)]) -> Option<Usage> {
        let _ = (access, marks);
        let _ = self.rules;
        None
    }

    /// Tokens written that nobody has read, entries that are still alive not counted.
    #[must_use]
    pub fn wasted(&self, now: Timestamp) -> Tokens {
        let _ = now;
        0
    }
}
