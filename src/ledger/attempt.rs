//! One attempt of a call that a route sent on its way.

use crate::model::Money;

/// One attempt of a call that a route sent on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The backend it went to.
    pub backend: Box<str>,
    /// What the attempts of one call have in common, within one run.
    pub call: u64,
    /// One for the first, and so on.
    pub number: u32,
    /// What it was expected to cost above what it would have where its prefix is warm; `None` where
    /// nothing was left behind.
    pub hop: Option<Money>,
    /// Why it went there, in one line without prompt text.
    pub why: Box<str>,
    /// What the provider may have billed for it without a word: its prompt was sent, and no usage
    /// came back. `None` where it said what it billed, or that it served nothing.
    pub presumed: Option<Money>,
}
