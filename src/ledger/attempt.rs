//! One attempt of a call that a route sent on its way, and what may be billed without a word.

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
}

/// Whether a provider that reported no usage may have billed the prompt all the same, by the status
/// of its answer; zero where none came although the request may have left.
///
/// No answer, an answer that broke off before its usage, and the errors of servers that may come
/// after the work (a timeout, a fault within, a gateway that lost what stands behind it) leave it
/// open. What refuses a request does not: every other 4xx, and 501, 503, 505 and 529, by which a
/// server says that it did not begin.
///
/// ```
/// use cachewright::ledger::may_be_billed;
///
/// assert!(may_be_billed(0) && may_be_billed(200) && may_be_billed(504));
/// assert!(!may_be_billed(400) && !may_be_billed(429) && !may_be_billed(529));
/// ```
#[must_use]
pub const fn may_be_billed(status: u16) -> bool {
    match status {
        0 | 200..300 | 408 => true,
        501 | 503 | 505 | 529 => false,
        500.. => true,
        _ => false,
    }
}
