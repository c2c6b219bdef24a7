//! Token counts and the trait that estimates them.

use bytes::Bytes;

use super::Block;

/// A number of tokens.
pub type Tokens = u64;

/// As a float, for ratios and expectations.
#[expect(
    clippy::cast_precision_loss,
    reason = "token counts stay far below 2^53"
)]
pub(crate) const fn to_f64(tokens: Tokens) -> f64 {
    tokens as f64
}

/// Counts the tokens of one block.
///
/// Estimates decide placement only; money always comes from what the provider reported.
pub trait CountTokens: std::fmt::Debug + Send + Sync {
    /// Tokens in `content`, the bytes of `block` in its body.
    fn count(&self, block: &Block, content: &[u8]) -> Tokens;

    /// Tokens of a block, if they are already known without counting.
    fn known(&self, _block: &Block) -> Option<Tokens> {
        None
    }

    /// Arranges for blocks to be counted somewhere off the request's path, so that they are known
    /// when they come again; or does nothing.
    fn count_soon(&self, _blocks: Vec<(Block, Bytes)>) {}

    /// Bytes that a thousand tokens of this vocabulary usually stand for: what relates its counts
    /// to those of a model with another vocabulary.
    fn bytes_per_ktok(&self) -> u32 {
        4000
    }
}
