//! What the same requests cost when the markers are placed by others, or not at all.

use std::sync::Arc;

use super::policy::Policy;
use super::rates::{Rates, Sims, uncached};
use super::report::{Baselines, Tally};
use crate::adapter::workload::Timed;
use crate::model::Usage;
use crate::provider::Catalog;
use crate::sim::Request;

/// The baselines of one workload. They share simulators, each in a workspace of its own, since
/// workspaces do not see each other's entries.
#[derive(Debug)]
pub(super) struct Bench {
    sims: Sims,
    rates: Rates,
    sums: Baselines,
}

impl Bench {
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            sims: Sims::new(Arc::clone(&catalog)),
            rates: Rates::new(catalog),
            sums: Baselines::default(),
        }
    }

    /// Serves one request under each of them.
    pub(super) fn take(&mut self, timed: &Timed) {
        let request = self.sims.ask(timed, &timed.body, &[]).ok();
        let own = self.serve(timed, Policy::Own, request.as_ref());
        let default = self.serve(timed, Policy::Default, request.as_ref());
        let automatic = self.serve(timed, Policy::Automatic, request.as_ref());
        let row = self.rates.of(timed);
        let guess = uncached(timed, row);
        // Whoever places the markers, the prompt is as long: without caching all of it is plain.
        let plain = own
            .or(default)
            .or(automatic)
            .and_then(|usage| usage.input());
        let none = Usage {
            plain: plain.or(guess.plain),
            output: timed.output,
            ..Usage::default()
        };
        let prices = row.prices.as_ref();
        let book = |tally: &mut Tally, usage: Option<Usage>| {
            tally.rejected += u64::from(usage.is_none());
            tally.book(&usage.unwrap_or(guess), prices);
        };
        book(&mut self.sums.own, own);
        book(&mut self.sums.default, default);
        book(&mut self.sums.automatic, automatic);
        self.sums.none.book(&none, prices);
        if let Some(usage) = &timed.usage {
            self.sums.recorded.book(usage, prices);
        }
    }

    pub(super) fn finish(self) -> Baselines {
        self.sums
    }

    fn serve(&mut self, timed: &Timed, policy: Policy, request: Option<&Request>) -> Option<Usage> {
        let request = policy.apply(request?.clone());
        let tenant = timed.tenant.as_deref().unwrap_or_default();
        let workspace = format!("{} {tenant}", policy.as_str());
        let mut usage = self
            .sims
            .of(timed)
            .serve(&workspace, timed.at, timed.first_byte, &request)
            .ok()?;
        usage.output = timed.output;
        Some(usage)
    }
}
