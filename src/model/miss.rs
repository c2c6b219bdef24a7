//! One miss: why, where, and what it cost.

use super::{Cause, Money, Pattern, Section};

/// Tokens that an earlier request had sent and that this one paid for again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Miss {
    /// Why.
    pub cause: Cause,
    /// Input tokens that could have been read and were not; for [`Cause::FirstUse`] and
    /// [`Cause::BelowMinimum`], the whole prompt that was not read.
    pub tokens: u64,
    /// What they cost above the price of a read; `None` without prices.
    pub cost: Option<Money>,
    /// The first place that differs from the nearest earlier request of the same lineage; `None`
    /// where nothing differs or no earlier request is at hand.
    pub place: Option<Place>,
    /// The kind of volatile text recognised there.
    pub pattern: Option<Pattern>,
    /// The provider's own word for the cause, where it gave one.
    pub reported: Option<Box<str>>,
}

impl Miss {
    /// A miss of this many tokens with nothing else known.
    #[must_use]
    pub const fn new(cause: Cause, tokens: u64) -> Self {
        Self {
            cause,
            tokens,
            cost: None,
            place: None,
            pattern: None,
            reported: None,
        }
    }
}

/// Where two requests part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The part of the prompt.
    pub section: Section,
    /// Index of the first block that differs, over all blocks of the later request.
    pub block: u32,
    /// Byte within that block's JSON value at which the two part.
    pub byte: u32,
    /// JSON pointer of that block in the later request.
    pub pointer: Box<str>,
    /// What stood there before and what stands there now, a line of text each; only where the user
    /// asked for excerpts.
    pub excerpts: Option<[Box<str>; 2]>,
}

impl Place {
    /// A place without excerpts.
    #[must_use]
    pub fn new(section: Section, block: u32, byte: u32, pointer: impl Into<Box<str>>) -> Self {
        Self {
            section,
            block,
            byte,
            pointer: pointer.into(),
            excerpts: None,
        }
    }
}
