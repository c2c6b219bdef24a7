//! What the same requests cost when the markers are placed by others, or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bounded::Bounded;
use super::pinger::Pinger;
use super::policy::Policy;
use super::rates::{Rates, Sims, uncached};
use super::report::{Baselines, Compared, Tally};
use super::traced::{Judges, Mark, Purpose, Reads, effective};
use crate::adapter::workload::Timed;
use crate::model::{Money, Timestamp, Ttl, Usage};
use crate::provider::{Catalog, Model};
use crate::sim::Request;

/// The policies that a replay is compared with: what everybody ships, what a provider offers, and
/// pings by the clock, three of them or as many as fit an hour.
const COMPARED: [Policy; 6] = [
    Policy::Own,
    Policy::Default,
    Policy::Automatic,
    Policy::Hour,
    Policy::Keep(3),
    Policy::Keep(11),
];

/// The baselines of one workload.
#[derive(Debug)]
pub(super) struct Bench {
    reader: Sims,
    rates: Rates,
    all: Vec<Contender>,
    none: Compared,
    recorded: Tally,
    bounded: Bounded,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) sums: Baselines,
    /// Each policy by itself.
    pub(super) all: Vec<Compared>,
    /// The least that each session can cost.
    pub(super) bound: BTreeMap<Arc<str>, Money>,
}

/// One policy with caches and pings of its own.
#[derive(Debug)]
struct Contender {
    sims: Sims,
    judges: Judges,
    pinger: Pinger<Repeated>,
    sums: Compared,
    last: Timestamp,
}

/// What a ping repeats.
#[derive(Clone, Debug)]
struct Repeated {
    timed: Timed,
    request: Option<Request>,
    marks: Vec<Mark>,
    row: Arc<Model>,
}

impl Bench {
    pub(super) fn new(catalog: &Arc<Catalog>, reads: Reads) -> Self {
        let all = COMPARED.map(|policy| Contender::new(policy, catalog, reads));
        Self {
            reader: Sims::new(Arc::clone(catalog)),
            rates: Rates::new(Arc::clone(catalog)),
            all: all.into(),
            none: Compared::of(Policy::None),
            recorded: Tally::default(),
            bounded: Bounded::new(catalog),
        }
    }

    /// Serves one request under each of them.
    pub(super) fn take(&mut self, timed: &Timed) {
        let request = match timed.trace {
            Some(_) => None,
            None => self.reader.ask(timed, &timed.body, &[]).ok(),
        };
        let row = Arc::new(self.rates.of(timed).clone());
        self.bounded.take(timed, request.as_ref(), &row.limits);
        let mut plain = timed.trace.as_ref().map(|trace| trace.input_tokens());
        for contender in &mut self.all {
            let usage = contender.take(timed, request.as_ref(), &row);
            // Whoever places the markers, the prompt is as long: without caching all is plain.
            plain = plain.or_else(|| usage.and_then(|usage| usage.input()));
        }
        let none = Usage {
            plain: plain.or_else(|| uncached(timed, &row).plain),
            output: timed.output,
            ..Usage::default()
        };
        let mut one = Tally::default();
        one.book(&none, row.prices.as_ref());
        self.none.add(&timed.session, one);
        if let Some(usage) = &timed.usage {
            self.recorded.book(usage, row.prices.as_ref());
        }
    }

    /// The sums, and each policy by itself.
    pub(super) fn finish(self) -> Comparison {
        let mut all = vec![self.none];
        all.extend(self.all.into_iter().map(Contender::finish));
        let tally = |policy: Policy| {
            let mut found = all.iter().filter(|one| one.policy == policy);
            found.next().map(|one| one.tally).unwrap_or_default()
        };
        let sums = Baselines {
            none: tally(Policy::None),
            default: tally(Policy::Default),
            automatic: tally(Policy::Automatic),
            own: tally(Policy::Own),
            recorded: self.recorded,
        };
        Comparison {
            sums,
            all,
            bound: self.bounded.finish(),
        }
    }
}

impl Contender {
    fn new(policy: Policy, catalog: &Arc<Catalog>, reads: Reads) -> Self {
        Self {
            sims: Sims::new(Arc::clone(catalog)),
            judges: Judges::reading(reads),
            pinger: Pinger::new(policy.pings()),
            sums: Compared::of(policy),
            last: Timestamp::default(),
        }
    }

    fn take(
        &mut self,
        timed: &Timed,
        request: Option<&Request>,
        row: &Arc<Model>,
    ) -> Option<Usage> {
        self.settle(Some(timed.at));
        let policy = self.sums.policy;
        let marks = timed.trace.as_ref().map(|trace| {
            let placed = policy.mark(trace, &row.limits);
            effective(&placed, trace, &row.limits, policy.beside())
        });
        let sent = Repeated {
            timed: timed.clone(),
            request: request.map(|request| policy.apply(request.clone())),
            marks: marks.unwrap_or_default(),
            row: Arc::clone(row),
        };
        let usage = self.serve(&sent, timed.at, Purpose::Request);
        let mut one = Tally {
            rejected: u64::from(usage.is_none()),
            ..Tally::default()
        };
        let guess = uncached(timed, row);
        one.book(&usage.unwrap_or(guess), row.prices.as_ref());
        self.sums.add(&timed.session, one);
        if usage.is_some() && policy.pings() > 0 {
            let key = (Arc::clone(&timed.session), timed.lane.clone());
            self.pinger.used(key, timed.at, sent);
        }
        usage
    }

    fn settle(&mut self, until: Option<Timestamp>) {
        while let Some((at, sent)) = self.pinger.next(until) {
            let Some(usage) = self.serve(&sent, at, Purpose::Ping) else {
                continue;
            };
            let mut one = Tally::default();
            one.book_ping(&usage, sent.row.prices.as_ref());
            self.sums.add(&sent.timed.session, one);
        }
    }

    fn serve(&mut self, sent: &Repeated, at: Timestamp, purpose: Purpose) -> Option<Usage> {
        self.last = self.last.max(at);
        let timed = &sent.timed;
        let mut usage = match &sent.request {
            Some(request) => {
                let tenant = timed.tenant.as_deref().unwrap_or_default();
                let first_byte = at.plus(timed.first_byte.since(timed.at));
                let sim = self.sims.of(timed);
                sim.serve(tenant, at, first_byte, request).ok()?
            }
            None => self
                .judges
                .serve(timed, (at, purpose), &sent.marks, &sent.row)?,
        };
        usage.output = timed.output.filter(|_| purpose == Purpose::Request);
        Some(usage)
    }

    fn finish(mut self) -> Compared {
        self.settle(None);
        let gone = self.last.plus(Ttl::OneHour.duration());
        self.sums.tally.wasted = self.judges.wasted(gone);
        self.sums
    }
}
