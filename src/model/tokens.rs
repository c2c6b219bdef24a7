//! Token counts and the trait that estimates them.

use super::{Block, Digest};

/// A number of tokens.
pub type Tokens = u64;

/// Counts the tokens of one block.
///
/// Estimates decide placement only; money always comes from what the provider reported.
pub trait CountTokens: std::fmt::Debug + Send + Sync {
    /// Tokens in `content`, the bytes of `block` in its body.
    fn count(&self, block: &Block, content: &[u8]) -> Tokens;

    /// Tokens of the block with this digest, if they are already known without counting.
    fn known(&self, _digest: &Digest) -> Option<Tokens> {
        None
    }
}
