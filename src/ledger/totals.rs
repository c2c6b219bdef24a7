//! Sums over exchanges.

use super::Record;
use crate::model::{Cause, Money, Usage};

/// The kind of an errand that keeps an idle prefix warm.
pub const PING: &str = "ping";

/// What totals are kept by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Group {
    /// By provider row.
    Provider,
    /// By model row.
    Model,
    /// By the user's route.
    Route,
    /// By the user's tenant.
    Tenant,
    /// By the backend that a route sent it to; empty where no route decided.
    Backend,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Provider,
        Self::Model,
        Self::Route,
        Self::Tenant,
        Self::Backend,
    ];

    /// The label of `record` in this grouping.
    #[must_use]
    pub fn label(self, record: &Record) -> &str {
        match self {
            Self::Provider => &record.provider,
            Self::Model => &record.model,
            Self::Route => &record.route,
            Self::Tenant => &record.tenant,
            Self::Backend => record.backend(),
        }
    }

    /// Whether these sums are worth telling: those by backend where there are backends.
    pub(crate) fn is_told(self, sums: &[(Box<str>, Totals)]) -> bool {
        self != Self::Backend || sums.iter().any(|(label, _)| !label.is_empty())
    }
}

/// Sums over a set of exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Exchanges; errands are counted apart.
    pub exchanges: u64,
    /// Exchanges whose usage was not reported.
    pub unreported: u64,
    /// Exchanges with usage but without a price row: their tokens count, their dollars do not.
    pub unpriced: u64,
    /// Exchanges passed on untouched.
    pub skipped: u64,
    /// Tokens by kind; a kind stays `None` until it was reported once.
    pub usage: Usage,
    /// What they cost.
    pub cost: Money,
    /// What they would have cost without caching.
    pub cost_without_caching: Money,
    /// Premiums paid for writes that nobody read before they expired.
    pub waste: Money,
    /// Errands on the user's behalf, such as renting an explicit cache.
    pub errands: u64,
    /// What they cost, which is part of `cost`.
    pub errands_cost: Money,
    /// Pings among the errands.
    pub pings: u64,
    /// What they cost, which is part of `errands_cost`.
    pub pings_cost: Money,
    /// What was saved at most by reading what they had kept; see
    /// [`Record::kept_saved`](super::Record::kept_saved). Part of no other sum.
    pub pings_saved: Money,
    /// Input tokens by which the estimates were off, in either direction.
    pub misestimated: u64,
    /// Input tokens that could have been read at best, over exchanges with usage whose body was
    /// read.
    pub readable: u64,
    /// What was read of them.
    pub readable_read: u64,
    /// Exchanges that missed, other than for being the first of their kind.
    pub misses: u64,
    /// Tokens they could have read and did not.
    pub missed: u64,
    /// What those cost above the price of a read.
    pub missed_cost: Money,
    /// Time that this crate added, in microseconds.
    pub overhead_micros: u64,
    /// Exchanges that were attempts of a route.
    pub attempts: u64,
    /// Attempts that left a warm prefix and were served.
    pub hops: u64,
    /// What those were reckoned to cost above a read where the prefix was warm.
    pub hops_cost: Money,
    /// Exchanges that may have been billed without a word; see
    /// [`Record::presumed`](super::Record::presumed).
    pub presumed: u64,
    /// What for: part of no other sum.
    pub presumed_cost: Money,
}

impl Totals {
    /// Cost without caching minus cost: what the premiums of all writes left over.
    #[must_use]
    pub fn savings(&self) -> Money {
        self.cost_without_caching - self.cost
    }

    /// Savings ÷ cost without caching; `None` while there is none.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "a ratio for reports")]
    pub fn saved_share(&self) -> Option<f64> {
        let without = self.cost_without_caching.as_usd();
        (without > 0.0).then(|| self.savings().as_usd() / without)
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

    /// Tokens read ÷ tokens that could have been read at best; `None` while nothing could.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        reason = "a ratio for reports"
    )]
    pub fn read_of_readable(&self) -> Option<f64> {
        (self.readable > 0).then(|| self.readable_read as f64 / self.readable as f64)
    }

    /// Tokens by which the estimates were off ÷ tokens reported; `None` while there are none.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        reason = "a ratio for reports"
    )]
    pub fn estimate_error(&self) -> Option<f64> {
        let input = self.usage.input()?;
        (input > 0).then(|| self.misestimated as f64 / input as f64)
    }

    /// Adds one exchange or errand.
    pub fn add(&mut self, record: &Record) {
        if record.errand {
            self.add_errand(record);
            return;
        }
        self.exchanges += 1;
        self.skipped += u64::from(record.skip.is_some());
        let overhead = u64::try_from(record.overhead.as_micros()).unwrap_or(u64::MAX);
        self.overhead_micros = self.overhead_micros.saturating_add(overhead);
        self.add_miss(record);
        self.add_attempt(record);
        self.pings_saved += record.kept_saved.unwrap_or_default();
        let Some(usage) = &record.usage else {
            self.unreported += 1;
            return;
        };
        self.add_usage(usage);
        if let (Some(readable), Some(read)) = (record.readable, usage.read) {
            self.readable += readable.max(read);
            self.readable_read += read;
        }
        if let (Some(input), None) = (usage.input(), record.skip) {
            self.misestimated += input.abs_diff(record.estimated_input);
        }
        match (record.cost, record.cost_without_caching) {
            (Some(cost), Some(without)) => {
                self.cost += cost;
                self.cost_without_caching += without;
            }
            _ => self.unpriced += 1,
        }
    }

    /// Adds the sums over another set of exchanges.
    pub fn merge(&mut self, other: &Self) {
        self.exchanges += other.exchanges;
        self.unreported += other.unreported;
        self.unpriced += other.unpriced;
        self.skipped += other.skipped;
        self.add_usage(&other.usage);
        self.cost += other.cost;
        self.cost_without_caching += other.cost_without_caching;
        self.waste += other.waste;
        self.errands += other.errands;
        self.errands_cost += other.errands_cost;
        self.pings += other.pings;
        self.pings_cost += other.pings_cost;
        self.pings_saved += other.pings_saved;
        self.misestimated = self.misestimated.saturating_add(other.misestimated);
        self.readable = self.readable.saturating_add(other.readable);
        self.readable_read = self.readable_read.saturating_add(other.readable_read);
        self.misses += other.misses;
        self.missed = self.missed.saturating_add(other.missed);
        self.missed_cost += other.missed_cost;
        self.overhead_micros = self.overhead_micros.saturating_add(other.overhead_micros);
        self.attempts += other.attempts;
        self.hops += other.hops;
        self.hops_cost += other.hops_cost;
        self.presumed += other.presumed;
        self.presumed_cost += other.presumed_cost;
    }

    fn add_attempt(&mut self, record: &Record) {
        self.attempts += u64::from(record.attempt.is_some());
        if let Some(cost) = record.hop() {
            self.hops += 1;
            self.hops_cost += cost;
        }
        if let Some(cost) = record.presumed {
            self.presumed += 1;
            self.presumed_cost += cost;
        }
    }

    fn add_miss(&mut self, record: &Record) {
        let Some(miss) = &record.miss else { return };
        if miss.cause == Cause::FirstUse {
            return;
        }
        self.misses += 1;
        self.missed = self.missed.saturating_add(miss.tokens);
        self.missed_cost += miss.cost.unwrap_or(Money::ZERO);
    }

    /// Nobody waited for it, so that it counts for tokens and money only.
    fn add_errand(&mut self, record: &Record) {
        self.errands += 1;
        let is_ping = record.errand_kind == PING;
        self.pings += u64::from(is_ping);
        if let Some(usage) = &record.usage {
            self.add_usage(usage);
        }
        if let Some(cost) = record.cost {
            self.errands_cost += cost;
            self.cost += cost;
            if is_ping {
                self.pings_cost += cost;
            }
        }
    }

    fn add_usage(&mut self, usage: &Usage) {
        let sum = &mut self.usage;
        for (total, one) in [
            (&mut sum.plain, usage.plain),
            (&mut sum.read, usage.read),
            (&mut sum.write_5m, usage.write_5m),
            (&mut sum.write_30m, usage.write_30m),
            (&mut sum.write_1h, usage.write_1h),
            (&mut sum.output, usage.output),
        ] {
            if let Some(tokens) = one {
                *total = Some(total.unwrap_or(0).saturating_add(tokens));
            }
        }
    }
}
