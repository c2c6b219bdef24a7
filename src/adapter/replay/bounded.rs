//! The least that a workload can cost, session by session.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::adapter::bounds::{Regime, Ruler};
use crate::adapter::workload::Timed;
use crate::model::{self, Limits, Money};
use crate::provider::Catalog;
use crate::sim::Request;

/// Takes requests in the order of time and measures them once they are all there.
#[derive(Debug)]
pub(super) struct Bounded {
    catalog: Arc<Catalog>,
    /// Requests that may share prefixes with those of other sessions.
    together: Ruler,
    shared: bool,
    /// Each session by itself.
    alone: BTreeMap<Arc<str>, Ruler>,
    regime: Option<Regime>,
}

impl Bounded {
    pub(super) fn new(catalog: &Arc<Catalog>) -> Self {
        Self {
            catalog: Arc::clone(catalog),
            together: Ruler::new(Arc::clone(catalog)),
            shared: false,
            alone: BTreeMap::new(),
            regime: None,
        }
    }

    pub(super) fn take(&mut self, timed: &Timed, request: Option<&Request>, limits: &Limits) {
        self.regime.get_or_insert(match limits.regime {
            model::Regime::Breakpoints => Regime::Pings,
            model::Regime::Exact => Regime::HalfHour,
            model::Regime::Automatic => Regime::NoFee,
        });
        let own = timed.trace.as_ref().is_some_and(|trace| trace.scope > 0);
        if !own {
            self.shared = true;
            self.together.take(timed, request);
        }
        let catalog = &self.catalog;
        let alone = self.alone.entry(Arc::clone(&timed.session));
        let alone = alone.or_insert_with(|| Ruler::new(Arc::clone(catalog)));
        alone.take(timed, request);
    }

    /// The least that each session costs. Where sessions share prefixes, what all of them cost at
    /// least is less than the sum; each bears of it as much as it would cost by itself.
    pub(super) fn finish(self) -> BTreeMap<Arc<str>, Money> {
        let regime = self.regime.unwrap_or(Regime::Pings);
        let alone = self.alone.into_iter();
        let mut alone: BTreeMap<Arc<str>, Money> = alone
            .map(|(session, ruler)| (session, ruler.finish().lower(regime).cost))
            .collect();
        if self.shared {
            let together = self.together.finish().lower(regime).cost.as_pico();
            let sum: i128 = alone.values().map(|cost| cost.as_pico()).sum();
            for cost in alone.values_mut() {
                // In millionths first: the product of two sums of picodollars may be too long.
                let share = (cost.as_pico() << 20) / sum.max(1);
                *cost = Money::from_pico((together * share) >> 20);
            }
        }
        alone
    }
}
