//! What the history expects of one request: the planner's whole view of the past.

use super::{Tokens, Ttl};

/// What the history expects of one request.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Outlook {
    /// Estimated tokens of the prefix up to and including each block, one per block.
    pub prefix_tokens: Vec<Tokens>,
    /// The deepest block whose prefix should be warm, with its lifetime class.
    pub warm: Option<(usize, Ttl)>,
    /// The block on which the previous request of this conversation ended, if it is known.
    pub previous_top: Option<usize>,
    /// Candidate positions with the probability that a later request reuses the prefix that ends
    /// there within the entry's life; block order.
    pub reuse: Vec<(usize, f64)>,
    /// The lifetime class to write with.
    pub ttl: Ttl,
}
