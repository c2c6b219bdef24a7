//! One exchange as it is accounted for.

use crate::model::{Digest, Money, Skip, Timestamp, Ttl, Usage};

/// One exchange as it is accounted for. Never holds prompt text or keys.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Record {
    /// When the request was sent.
    pub at: Timestamp,
    /// Provider row.
    pub provider: Box<str>,
    /// Model row, or the caller's spelling when no row matched.
    pub model: Box<str>,
    /// Whether a model row matched; otherwise limits were conservative and there is no price.
    pub model_known: bool,
    /// The user's route.
    pub route: Box<str>,
    /// The user's tenant.
    pub tenant: Box<str>,
    /// HTTP status; zero when no response arrived.
    pub status: u16,
    /// Whether the usage is final (the response ended) or partial (cut, dropped).
    pub complete: bool,
    /// What the provider reported; `None` when nothing was seen.
    pub usage: Option<Usage>,
    /// What it cost; `None` without usage or without prices.
    pub cost: Option<Money>,
    /// What it would have cost without caching; `None` as for `cost`.
    pub cost_without_caching: Option<Money>,
    /// What its writes cost above plain input.
    pub premium: Money,
    /// Estimated input tokens, for the estimate's error.
    pub estimated_input: u64,
    /// Markers sent, the caller's own included.
    pub breakpoints: u32,
    /// Markers that were added.
    pub breakpoints_placed: u32,
    /// Whether the provider refused what was added, and the caller's own body was sent after it.
    pub resent: bool,
    /// Whether it was an errand on the user's behalf, such as renting an explicit cache, and no call
    /// of the user's.
    pub errand: bool,
    /// Why the body was passed on untouched.
    pub skip: Option<Skip>,
    /// The warm prefix that was read, as far as it was foreseen.
    pub read_prefix: Option<Digest>,
    /// What was written: prefixes with their class and estimated tokens, shortest first.
    pub written: Vec<(Digest, Ttl, u64)>,
}
