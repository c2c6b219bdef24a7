//! How a text can be put into a body, as far as its dialect decides.

use super::Block;

/// How a dialect puts texts into one body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seams {
    /// What stands before the string of a text block, such as `{"type":"text","text":`; a brace
    /// closes the block.
    pub open: &'static str,
    /// What makes an array of blocks of a bare string: what stands before the string, and after it
    /// with the block's brace.
    pub wrap: fn(body: &[u8], block: &Block) -> (&'static str, &'static str),
    /// Where one more text of the user's can stand at the end of the prompt; `None` where the model
    /// or somebody else spoke last.
    pub end: Option<Ending>,
}

impl Seams {
    /// Texts that are opened so, of bare strings that are wrapped so, without an end.
    #[must_use]
    pub const fn new(
        open: &'static str,
        wrap: fn(&[u8], &Block) -> (&'static str, &'static str),
    ) -> Self {
        Self {
            open,
            wrap,
            end: None,
        }
    }
}

/// The end of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a body ends in one of these ways")]
pub enum Ending {
    /// A text with this before and after it goes in before the byte at `at`.
    Insert {
        /// The offset in the body.
        at: u32,
        /// What stands before the text's escaped characters, the quote included.
        before: String,
        /// What stands behind them, the quote included.
        after: &'static str,
    },
    /// The last block is a bare string, which must be wrapped first.
    Wrap,
}
