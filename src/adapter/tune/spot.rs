//! A place in the prompts of one route where requests part.

use crate::model::{Cause, Pattern, Section, Span};

/// A place in the prompts of one route where requests part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spot {
    /// The part of the prompt.
    pub section: Section,
    /// JSON pointer of the block, in the last request that differed there.
    pub pointer: Box<str>,
    /// The bytes that differ, within the block's JSON value, in that request.
    pub span: Span,
    /// The kind of text recognised there.
    pub pattern: Option<Pattern>,
    /// What the difference did to the cache.
    pub cause: Cause,
    /// Requests that differed there from one before them.
    pub requests: u64,
}
