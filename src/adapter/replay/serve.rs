//! Serves what was sent: bodies by the simulator, traces by a judge that follows every block.

use std::sync::Arc;

use bytes::Bytes;

use super::rates::{Rates, Sims, uncached};
use super::report::Tally;
use super::traced::{Judges, Mark, Purpose, Reads};
use crate::adapter::workload::Timed;
use crate::model::{Timestamp, Usage};
use crate::provider::{Catalog, Model};

/// One call of the provider as it was made, and as a ping repeats it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) timed: Timed,
    /// Empty for a trace.
    pub(super) body: Bytes,
    pub(super) headers: Vec<(Box<str>, Box<str>)>,
    /// What reaches the provider of a trace's markers.
    pub(super) marks: Vec<Mark>,
}

/// The provider side of one policy.
#[derive(Debug)]
pub(super) struct Service {
    sims: Sims,
    judges: Judges,
    rates: Rates,
}

impl Service {
    pub(super) fn new(catalog: &Arc<Catalog>, reads: Reads) -> Self {
        Self {
            sims: Sims::new(Arc::clone(catalog)),
            judges: Judges::reading(reads),
            rates: Rates::new(Arc::clone(catalog)),
        }
    }

    /// The row of the model that this request asks for.
    pub(super) fn row(&mut self, timed: &Timed) -> &Model {
        self.rates.of(timed)
    }

    /// Serves a call and says what it came to, a tally of one. Tenants do not see each other's
    /// entries: the engine keeps them apart as well.
    pub(super) fn serve(&mut self, call: &Call) -> (Result<Usage, u16>, Tally) {
        let timed = &call.timed;
        let mut served = self.at(call, timed.at, Purpose::Request);
        if let Ok(usage) = &mut served {
            usage.output = timed.output;
        }
        let row = self.rates.of(timed);
        let mut one = Tally::default();
        match &served {
            Ok(usage) => one.book(usage, row.prices.as_ref()),
            Err(_) => {
                one.rejected += 1;
                one.book(&uncached(timed, row), row.prices.as_ref());
            }
        }
        (served, one)
    }

    /// Serves a ping, which repeats a call at `at` and asks for no output.
    pub(super) fn ping(&mut self, call: &Call, at: Timestamp) -> (Result<Usage, u16>, Tally) {
        let served = self.at(call, at, Purpose::Ping);
        let mut one = Tally::default();
        if let Ok(usage) = &served {
            one.book_ping(usage, self.rates.of(&call.timed).prices.as_ref());
        }
        (served, one)
    }

    /// Tokens of traces that were written, are gone, and were never read.
    pub(super) fn wasted(&self, now: Timestamp) -> u64 {
        self.judges.wasted(now)
    }

    fn at(&mut self, call: &Call, at: Timestamp, purpose: Purpose) -> Result<Usage, u16> {
        let timed = &call.timed;
        if timed.trace.is_some() {
            let model = self.rates.of(timed);
            let usage = self.judges.serve(timed, (at, purpose), &call.marks, model);
            return usage.ok_or(400);
        }
        let tenant = timed.tenant.as_deref().unwrap_or_default();
        let first_byte = at.plus(timed.first_byte.since(timed.at));
        let asked = self.sims.ask(timed, &call.body, &call.headers);
        let served = asked.and_then(|request| {
            let sim = self.sims.of(timed);
            sim.serve(tenant, at, first_byte, &request)
        });
        served.map_err(|rejection| rejection.status)
    }
}
