//! The finished figures of a replay: sums, ratios and nothing that prints.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;

use super::policy::Policy;
use crate::model::{Money, Prices, Usage};

/// Sums over the requests of one policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Requests, rejected ones included.
    pub requests: u64,
    /// Requests that the provider would refuse; they are costed as plain input of estimated length.
    pub rejected: u64,
    /// Requests for whose model no row has prices; they cost nothing here.
    pub unpriced: u64,
    /// Input tokens neither read nor written.
    pub plain: u64,
    /// Input tokens read from the cache.
    pub read: u64,
    /// Input tokens written with the five-minute class.
    pub write_5m: u64,
    /// Input tokens written with the half-hour class.
    pub write_30m: u64,
    /// Input tokens written with the one-hour class.
    pub write_1h: u64,
    /// Output tokens, where recorded.
    pub output: u64,
    /// What all of it costs, pings included.
    pub cost: Money,
    /// What the input costs, pings included: what bounds and policies are compared by.
    pub input_cost: Money,
    /// Pings; they are no requests, and their tokens are no input.
    pub pings: u64,
    /// What the pings cost.
    pub ping_cost: Money,
    /// Tokens that were written and never read before they were gone; counted for traces alone.
    pub wasted: u64,
}

impl Tally {
    /// All input tokens.
    #[must_use]
    pub const fn input(&self) -> u64 {
        self.plain
            .saturating_add(self.read)
            .saturating_add(self.write_5m)
            .saturating_add(self.write_30m)
            .saturating_add(self.write_1h)
    }

    /// Tokens read from the cache ÷ all input tokens; `None` while there are none.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        reason = "a ratio for reports"
    )]
    pub fn hit_rate(&self) -> Option<f64> {
        let input = self.input();
        (input > 0).then(|| self.read as f64 / input as f64)
    }

    /// Books one request at these prices.
    pub(super) fn book(&mut self, usage: &Usage, prices: Option<&Prices>) {
        self.requests += 1;
        self.plain += usage.plain.unwrap_or(0);
        self.read += usage.read.unwrap_or(0);
        self.write_5m += usage.write_5m.unwrap_or(0);
        self.write_30m += usage.write_30m.unwrap_or(0);
        self.write_1h += usage.write_1h.unwrap_or(0);
        self.output += usage.output.unwrap_or(0);
        match prices {
            Some(prices) => {
                let tier = prices.tier(usage.input().unwrap_or(0));
                let input = Usage {
                    output: None,
                    ..*usage
                };
                self.cost += tier.cost(usage);
                self.input_cost += tier.cost(&input);
            }
            None => self.unpriced += 1,
        }
    }

    /// Books one ping at these prices.
    pub(super) fn book_ping(&mut self, usage: &Usage, prices: Option<&Prices>) {
        self.pings += 1;
        if let Some(prices) = prices {
            let cost = prices.tier(usage.input().unwrap_or(0)).cost(usage);
            self.cost += cost;
            self.input_cost += cost;
            self.ping_cost += cost;
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.rejected += other.rejected;
        self.unpriced += other.unpriced;
        self.plain += other.plain;
        self.read += other.read;
        self.write_5m += other.write_5m;
        self.write_30m += other.write_30m;
        self.write_1h += other.write_1h;
        self.output += other.output;
        self.cost += other.cost;
        self.input_cost += other.input_cost;
        self.pings += other.pings;
        self.ping_cost += other.ping_cost;
        self.wasted += other.wasted;
    }
}

/// What one policy came to, in all and by session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compared {
    /// Who placed the markers.
    pub policy: Policy,
    /// The sums.
    pub tally: Tally,
    /// What the input of each session cost, pings included.
    pub sessions: BTreeMap<Arc<str>, Money>,
}

impl Compared {
    pub(super) fn of(policy: Policy) -> Self {
        Self {
            policy,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, session: &Arc<str>, one: Tally) {
        self.tally += one;
        *self.sessions.entry(Arc::clone(session)).or_default() += one.input_cost;
    }
}

/// What the same requests cost when others place the markers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Baselines {
    /// No caching at all.
    pub none: Tally,
    /// Five-minute markers on the system prompt's end and on the tail.
    pub default: Tally,
    /// The automatic top-level marker alone.
    pub automatic: Tally,
    /// The caller's own markers, the body as it was recorded.
    pub own: Tally,
    /// What the provider billed, over the requests where that was recorded.
    pub recorded: Tally,
}

impl AddAssign for Baselines {
    fn add_assign(&mut self, other: Self) {
        self.none += other.none;
        self.default += other.default;
        self.automatic += other.automatic;
        self.own += other.own;
        self.recorded += other.recorded;
    }
}

/// One workload's line of the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The workload's name: its file name without the endings.
    pub name: String,
    /// Bytes of the bodies that were replayed.
    pub bytes: u64,
    /// Whether it holds traces of hashes, of which it is known what was written in vain.
    pub traced: bool,
    /// The policy under test.
    pub main: Tally,
    /// The others, for comparison.
    pub baselines: Baselines,
    /// Every policy by itself, the one under test first.
    pub compared: Vec<Compared>,
    /// The least that the input of each session can cost, where that was asked for.
    pub bound: Option<BTreeMap<Arc<str>, Money>>,
}

impl Row {
    /// The least that its input can cost.
    #[must_use]
    pub fn least(&self) -> Option<Money> {
        let bound = self.bound.as_ref()?;
        Some(bound.values().fold(Money::ZERO, |mut sum, cost| {
            sum += *cost;
            sum
        }))
    }
}

/// The whole report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// One row per workload, in the order given.
    pub rows: Vec<Row>,
}

impl Report {
    /// The sum of all rows.
    #[must_use]
    pub fn total(&self) -> Row {
        let mut total = Row {
            name: "total".to_owned(),
            ..Row::default()
        };
        for row in &self.rows {
            total.bytes += row.bytes;
            total.main += row.main;
            total.baselines += row.baselines;
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PriceTier;

    #[test]
    fn sums_and_ratios_are_exact() {
        let prices = Prices::flat(PriceTier::new([10, 12, 20, 1, 50].map(Money::from_pico)));
        let mut tally = Tally::default();
        tally.book(&Usage::reported(1, 90, 4, 5, 2), Some(&prices));
        tally.book(&Usage::default(), None);
        assert_eq!(tally.cost, Money::from_pico(10 + 90 + 48 + 100 + 100));
        assert_eq!((tally.requests, tally.unpriced), (2, 1));
        assert_eq!(tally.hit_rate(), Some(0.9));
        let row = Row {
            main: tally,
            ..Row::default()
        };
        let report = Report {
            rows: vec![row.clone(), row],
        };
        assert_eq!(report.total().main.cost, Money::from_pico(696));
        assert_eq!(Tally::default().hit_rate(), None);
    }
}
