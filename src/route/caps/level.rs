//! How full caps are, for reports and for whoever keeps that over restarts.

use std::sync::Arc;

use super::{Amount, CapScope, Hardness, Period};
use crate::model::Timestamp;

/// How full one cap is, in one period.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Level {
    /// The cap's name.
    pub cap: Arc<str>,
    /// Whose calls are counted.
    pub holder: Holder,
    /// Whether calls beyond it are refused.
    pub hardness: Hardness,
    /// How much it allows.
    pub most: Amount,
    /// What was settled.
    pub spent: Amount,
    /// What is reserved by calls that are still under way.
    pub reserved: Amount,
    /// Calls in the period that a cap in dollars could not count: their model has no price, and
    /// their provider told none.
    pub unpriced: u64,
    /// In which period.
    pub per: Period,
    /// When the period began.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

/// Whose calls are counted, within a cap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth")]
pub enum Holder {
    /// All that the cap counts.
    All,
    /// Those of one tenant of a cap on each.
    Tenant(Box<str>),
    /// Those of the tenants of a cap on each that came after as many as are told apart.
    OtherTenants,
}

/// What was spent of one thing in one period, whatever caps are on it: what must be kept for caps to
/// hold over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Whose calls are counted.
    pub scope: CapScope,
    /// Which of them.
    pub holder: Holder,
    /// In which period.
    pub per: Period,
    /// When the period began.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// How much counts as spent.
    pub spent: Amount,
}

impl Tally {
    /// So much was spent by everybody in this scope in the period from `span.0` until `span.1`.
    #[must_use]
    pub const fn new(
        scope: CapScope,
        holder: Holder,
        per: Period,
        span: (Timestamp, Timestamp),
        spent: Amount,
    ) -> Self {
        Self {
            scope,
            holder,
            per,
            from: span.0,
            until: span.1,
            spent,
        }
    }
}

/// What a tally says of calls under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Figures {
    /// They have cost what was reserved; nothing else.
    Exact,
    /// The same, and some more, so that it need not be written again for each call.
    Ahead,
}
