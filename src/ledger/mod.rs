//! What happened and what it cost.

use crate::model::{Money, Skip, Timestamp, Usage};

/// One exchange as it is accounted for. Never holds prompt text or keys.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Record {
    /// When the request was sent.
    pub at: Timestamp,
    /// Provider row.
    pub provider: Box<str>,
    /// Model row, or the caller's spelling when no row matched.
    pub model: Box<str>,
    /// Whether a model row matched; a guess is priced at `None`.
    pub model_known: bool,
    /// The user's route.
    pub route: Box<str>,
    /// The user's tenant.
    pub tenant: Box<str>,
    /// HTTP status; zero when no response arrived.
    pub status: u16,
    /// Whether the usage is final (the stream ended) or partial (cut, dropped).
    pub complete: bool,
    /// What the provider reported; `None` when nothing was seen.
    pub usage: Option<Usage>,
    /// What it cost; `None` without usage or without prices.
    pub cost: Option<Money>,
    /// What it would have cost without caching.
    pub cost_without_caching: Option<Money>,
    /// Estimated input tokens, for the estimate's error.
    pub estimated_input: u64,
    /// Markers sent, the caller's own included.
    pub breakpoints: u32,
    /// Why the body was passed on untouched.
    pub skip: Option<Skip>,
}

/// Running totals over records, per provider, model, route and tenant.
#[derive(Clone, Debug, Default)]
pub struct Ledger {}

/// Sums over a set of exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Exchanges.
    pub exchanges: u64,
    /// Exchanges whose usage was not reported.
    pub unreported: u64,
    /// Exchanges passed on untouched.
    pub skipped: u64,
    /// Tokens by kind.
    pub usage: Usage,
    /// What they cost.
    pub cost: Money,
    /// What they would have cost without caching.
    pub cost_without_caching: Money,
    /// Premiums paid for writes that nobody read before they expired.
    pub waste: Money,
}

impl Totals {
    /// Cost without caching minus cost.
    #[must_use]
    pub fn savings(&self) -> Money {
        self.cost_without_caching - self.cost
    }

    /// Tokens read from the cache ÷ all input tokens; `None` while there are none.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        reason = "a ratio for reports"
    )]
    pub fn hit_rate(&self) -> Option<f64> {
        let input = self.usage.input()?;
        (input > 0).then(|| self.usage.read.unwrap_or(0) as f64 / input as f64)
    }
}

impl Ledger {
    /// Books one exchange.
    pub fn record(&mut self, _record: &Record) {}

    /// Sums over everything.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals::default()
    }
}
