//! What the history expects of one request: the planner's whole view of the past.

use super::{Tokens, Ttl, Why};

/// A block on which a marker could earn money.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Candidate {
    /// Index into the prompt's blocks.
    pub block: usize,
    /// Why it is a candidate.
    pub why: Why,
    /// Probability that a later request reads the prefix that ends here, or a deeper one, within
    /// the entry's life.
    pub reuse: f64,
}

impl Candidate {
    /// A candidate of which nothing is expected yet.
    #[must_use]
    pub const fn new(block: usize, why: Why) -> Self {
        Self {
            block,
            why,
            reuse: 0.0,
        }
    }
}

/// What the history expects of one request.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Outlook {
    /// Candidates in block order, each block at most once.
    pub candidates: Vec<Candidate>,
    /// Estimated tokens of the prefix up to and including each block, one per block.
    pub prefix_tokens: Vec<Tokens>,
    /// The deepest block whose prefix should be warm, with the class of its entry.
    pub warm: Option<(usize, Ttl)>,
    /// The deepest block beyond the warm one whose prefix a request under way is writing: it will be
    /// there whether or not this one pays for it as well.
    pub pending: Option<usize>,
    /// The class to write with.
    pub ttl: Ttl,
    /// The last block of the part that is written with one hour, where what follows it is not.
    pub hour_to: Option<usize>,
}

impl Outlook {
    /// Estimated tokens of the prefix that ends with `block`.
    #[must_use]
    pub fn tokens_to(&self, block: usize) -> Tokens {
        self.prefix_tokens.get(block).copied().unwrap_or(0)
    }

    /// Whether any of it is written with one hour.
    #[must_use]
    pub const fn asks_for_the_hour(&self) -> bool {
        self.hour_to.is_some() || matches!(self.ttl, Ttl::OneHour)
    }

    /// The class with which the prefix that ends with `block` is written.
    #[must_use]
    pub fn class_at(&self, block: usize) -> Ttl {
        match self.hour_to {
            Some(last) if block <= last => Ttl::OneHour,
            _ => self.ttl,
        }
    }
}
