//! What the reader has to know about a dialect.

use super::earlier::Message;
use super::parameters::Parameters;
use super::scan::Scanner;
use crate::model::{Block, Keyring, Prompt, Section, Skip};

/// What bodies of one dialect consist of: parameters, tools, perhaps a system prompt of its own,
/// and an array that grows from turn to turn.
pub(super) trait Grammar: Copy {
    /// Key of the array that grows.
    const HISTORY: &'static str;

    /// The same key in its usual spelling, quotes included.
    const QUOTED: &'static [u8];

    /// Key of a system prompt outside the history.
    const SYSTEM: Option<&'static str>;

    /// Reads an element of `tools` or of the system prompt; its fingerprint is not sealed yet.
    fn element(
        self,
        source: Source<'_>,
        scan: &mut Scanner<'_>,
        section: Section,
    ) -> Result<Block, Skip>;

    /// Reads the system prompt where it is a string.
    fn system(self, source: Source<'_>, scan: &mut Scanner<'_>) -> Result<Block, Skip>;

    /// Reads an element of the history; its blocks are added to `out`, at least one where a later
    /// one may belong to the system prompt still.
    fn message(
        self,
        source: Source<'_>,
        scan: &mut Scanner<'_>,
        turn: Turn,
        out: &mut Vec<Block>,
    ) -> Result<Message, Skip>;

    /// Reads a history that is a string.
    ///
    /// # Errors
    /// Most dialects have none.
    fn history(self, _: Source<'_>, _: &mut Scanner<'_>) -> Result<Block, Skip> {
        Err(Skip::NotARequest)
    }

    /// What the parameters say; the reader fills in blocks and model, and knows signed thinking
    /// when it sees it.
    fn prompt(self, parameters: &Parameters<'_>) -> Prompt;

    /// The block on which the provider itself writes.
    fn implicit(self, _: &Parameters<'_>, _: &Prompt) -> Option<usize> {
        None
    }
}

/// A body and the keys that its fingerprints are made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) body: &'a [u8],
    pub(super) keyring: &'a Keyring,
}

/// Where an element of the history stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Its index.
    pub(super) outer: usize,
    /// Whether nothing but the system prompt stands before it.
    pub(super) opening: bool,
}

/// Whether what follows this block may belong to the system prompt still.
pub(super) fn in_system(last: Option<&Block>) -> bool {
    last.is_none_or(|block| block.section == Section::System)
}
