//! The policy under test: requests served, their responses settled in the order of time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::Path;
use std::sync::Arc;

use super::emit::Emitter;
use super::policy::Policy;
use super::rates::{Rates, Sims, endpoint, uncached};
use super::report::Tally;
use super::run::Job;
use bytes::Bytes;

use crate::adapter::workload::Timed;
use crate::engine::{End, Engine, Exchange, Framing, Meta, Placement};
use crate::error::Error;
use crate::model::{Change, Timestamp, Usage};

/// One request as it was sent.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) timed: &'a Timed,
    pub(super) body: &'a [u8],
    pub(super) placements: Vec<Placement>,
    pub(super) changes: Vec<Change>,
}

/// What happens to an open exchange next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    FirstByte,
    End,
}

/// The policy under test with its open exchanges.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    policy: Policy,
    engine: Engine,
    sims: Sims,
    rates: Rates,
    emitters: &'a mut [Emitter],
    events: BinaryHeap<Reverse<(Timestamp, u64, Event)>>,
    open: BTreeMap<u64, (Exchange, Usage)>,
    tally: Tally,
    /// The request taken last.
    last: Tally,
}

impl<'a> Desk<'a> {
    pub(super) fn new(job: &Job, emitters: &'a mut [Emitter]) -> Self {
        Self {
            policy: job.policy,
            engine: job.engine(),
            sims: Sims::new(Arc::clone(&job.catalog)),
            rates: Rates::new(Arc::clone(&job.catalog)),
            emitters,
            events: BinaryHeap::new(),
            open: BTreeMap::new(),
            tally: Tally::default(),
            last: Tally::default(),
        }
    }

    /// Takes one request, which must not be earlier than the one before, and returns the body that
    /// was sent.
    pub(super) fn take(&mut self, timed: &Timed, path: &Path) -> Result<Bytes, Error> {
        if endpoint(self.engine.catalog(), timed).is_none() {
            let (file, number) = (path.display(), self.tally.requests + 1);
            return Err(Error::input(format!(
                "{file}: request {number} in time order goes to provider `{}`, which cannot be replayed",
                timed.provider
            )));
        }
        self.settle(Some(timed.at));
        match self.policy {
            Policy::Engine => self.through_engine(timed),
            Policy::Default | Policy::Automatic | Policy::Own | Policy::None => {
                self.directly(timed)
            }
        }
    }

    fn through_engine(&mut self, timed: &Timed) -> Result<Bytes, Error> {
        let mut meta = Meta::of(&timed.provider);
        meta.tenant = timed.tenant.as_deref().unwrap_or_default();
        meta.route = timed.route.as_deref().unwrap_or_default();
        meta.model = timed.named.as_deref().unwrap_or_default();
        let endpoint = endpoint(self.engine.catalog(), timed);
        meta.dialect = endpoint.map_or("", |endpoint| endpoint.name);
        let prepared = self.engine.prepare(timed.at, &meta, &timed.body);
        let body = prepared.body.clone().unwrap_or_else(|| timed.body.clone());
        if !self.emitters.is_empty() {
            let sent = Sent {
                timed,
                body: &body,
                placements: prepared.placements(),
                changes: prepared.changes(),
            };
            emit(self.emitters, &sent)?;
        }
        let usage = self.serve(timed, &body, &prepared.headers);
        let number = self.tally.requests;
        let mut exchange = prepared.exchange;
        match usage {
            Ok(usage) => {
                self.open.insert(number, (exchange, usage));
                let first = timed.first_byte;
                self.events.push(Reverse((first, number, Event::FirstByte)));
                self.events.push(Reverse((timed.end, number, Event::End)));
            }
            Err(status) => {
                let _ = exchange.on_response(timed.at, status, Framing::Opaque);
                let _ = exchange.finish(timed.at, End::Failed);
            }
        }
        Ok(body)
    }

    fn directly(&mut self, timed: &Timed) -> Result<Bytes, Error> {
        let (body, placements) = match self.policy.rewrite(&timed.body) {
            Some((body, placements)) => (body, placements),
            None => (timed.body.clone(), Vec::new()),
        };
        let changes = placements.iter().map(|placed| {
            let what = format!("breakpoint {} at {}", placed.ttl, placed.why.as_str());
            Change::new(placed.pointer.clone(), what)
        });
        let sent = Sent {
            timed,
            body: &body,
            changes: changes.collect(),
            placements,
        };
        emit(self.emitters, &sent)?;
        // A refusal is booked by `serve`; there is no exchange to tell.
        let _ = self.serve(timed, &body, &[]);
        Ok(body)
    }

    /// Serves a body and books it. Tenants do not see each other's entries: the engine keeps them
    /// apart as well.
    fn serve(
        &mut self,
        timed: &Timed,
        body: &[u8],
        headers: &[(Box<str>, Box<str>)],
    ) -> Result<Usage, u16> {
        let tenant = timed.tenant.as_deref().unwrap_or_default();
        let asked = self.sims.ask(timed, body, headers);
        let served = asked.and_then(|request| {
            let sim = self.sims.of(timed);
            sim.serve(tenant, timed.at, timed.first_byte, &request)
        });
        let row = self.rates.of(timed);
        let mut one = Tally::default();
        let outcome = match served {
            Ok(mut usage) => {
                usage.output = timed.output;
                one.book(&usage, row.prices.as_ref());
                Ok(usage)
            }
            Err(rejection) => {
                one.rejected += 1;
                one.book(&uncached(timed, row), row.prices.as_ref());
                Err(rejection.status)
            }
        };
        self.tally += one;
        self.last = one;
        outcome
    }

    /// What the request taken last came to.
    pub(super) const fn last(&self) -> Tally {
        self.last
    }

    /// Tells open exchanges what happened up to and including `until`, or all of it.
    fn settle(&mut self, until: Option<Timestamp>) {
        while let Some(Reverse((at, number, event))) = self.events.peek().copied() {
            if until.is_some_and(|until| at > until) {
                return;
            }
            self.events.pop();
            match event {
                Event::FirstByte => {
                    if let Some((exchange, usage)) = self.open.get_mut(&number) {
                        exchange.on_usage(at, *usage);
                    }
                }
                Event::End => {
                    if let Some((exchange, _)) = self.open.remove(&number) {
                        let _ = exchange.finish(at, End::Complete);
                    }
                }
            }
        }
    }

    /// How many requests were taken.
    pub(super) const fn done(&self) -> u64 {
        self.tally.requests
    }

    /// Settles what is open and returns the sums.
    pub(super) fn close(mut self) -> Tally {
        self.settle(None);
        self.tally
    }
}

fn emit(emitters: &mut [Emitter], sent: &Sent<'_>) -> Result<(), Error> {
    emitters
        .iter_mut()
        .try_for_each(|emitter| emitter.write(sent))
}
