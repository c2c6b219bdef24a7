//! The policy under test: requests served, their responses settled in the order of time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::emit::Emitter;
use super::pinger::Pinger;
use super::policy::Policy;
use super::rates::endpoint;
use super::report::{Compared, Tally};
use super::run::Job;
use super::serve::{Call, Service};
use super::traced::{Beside, effective, planned};
use super::vigils::Vigils;
use crate::adapter::memory::Bounds;
use crate::adapter::workload::Timed;
use crate::engine::{End, Engine, Exchange, Framing, Meta, Pinged, Placement, Prepared};
use crate::error::Error;
use crate::model::{Breakpoint, Change, Timestamp, Usage};

/// What a call was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Ping,
}

/// One call as it was sent.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) kind: Kind,
    pub(super) at: Timestamp,
    /// The request, or the one that a ping repeats.
    pub(super) timed: &'a Timed,
    pub(super) body: &'a [u8],
    pub(super) placements: Vec<Placement>,
    /// Where markers stand in a trace.
    pub(super) marks: Vec<Breakpoint>,
    pub(super) changes: Vec<Change>,
}

impl Sent<'_> {
    /// When the answer ended; a ping has no output to wait for.
    pub(super) fn end(&self) -> Timestamp {
        match self.kind {
            Kind::Request => self.timed.end,
            Kind::Ping => self.at.plus(self.timed.first_byte.since(self.timed.at)),
        }
    }
}

/// What happens to an open exchange next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    FirstByte,
    End,
}

/// What was sent, with its markers.
#[derive(Clone, Debug)]
struct Made {
    call: Arc<Call>,
    marks: Arc<[Breakpoint]>,
}

/// An exchange that was answered and has not ended.
#[derive(Debug)]
struct Open {
    exchange: Exchange,
    usage: Usage,
    call: Arc<Call>,
}

/// The policy under test with its open exchanges.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    engine: Engine,
    service: Service,
    emitters: &'a mut [Emitter],
    events: BinaryHeap<Reverse<(Timestamp, u64, Event)>>,
    open: BTreeMap<u64, Open>,
    vigils: Vigils,
    pinger: Pinger<Made>,
    sums: Compared,
    /// The request taken last.
    last: Tally,
    now: Timestamp,
}

impl<'a> Desk<'a> {
    pub(super) fn new(job: &Job, bounds: Bounds, emitters: &'a mut [Emitter]) -> Self {
        Self {
            engine: job.engine(bounds),
            service: Service::new(&job.catalog, job.reads),
            emitters,
            events: BinaryHeap::new(),
            open: BTreeMap::new(),
            vigils: Vigils::default(),
            pinger: Pinger::new(job.policy.pings()),
            sums: Compared::of(job.policy),
            last: Tally::default(),
            now: Timestamp::default(),
        }
    }

    /// Takes one request, which must not be earlier than the one before, and returns the body that
    /// was sent.
    pub(super) fn take(&mut self, timed: &Timed, path: &Path) -> Result<Bytes, Error> {
        if endpoint(self.engine.catalog(), timed).is_none() {
            let (file, number) = (path.display(), self.sums.tally.requests + 1);
            return Err(Error::input(format!(
                "{file}: request {number} in time order goes to provider `{}`, which cannot be replayed",
                timed.provider
            )));
        }
        self.settle(Some(timed.at))?;
        self.now = timed.at;
        match self.sums.policy {
            Policy::Engine => self.through_engine(timed),
            Policy::Default
            | Policy::Automatic
            | Policy::Own
            | Policy::None
            | Policy::Hour
            | Policy::Keep(_) => self.directly(timed),
        }
    }

    fn through_engine(&mut self, timed: &Timed) -> Result<Bytes, Error> {
        let endpoint = endpoint(self.engine.catalog(), timed);
        let meta = meta(timed, endpoint.map_or("", |endpoint| endpoint.name));
        let limits = self.service.row(timed).limits;
        let prepared = match &timed.trace {
            Some(trace) => {
                let traced = planned(trace, &timed.model, &limits);
                self.engine.prepare_traced(timed.at, &meta, traced)
            }
            None => self.engine.prepare(timed.at, &meta, &timed.body),
        };
        if let Some(conversation) = prepared.exchange.record().lineage {
            self.vigils.end(&conversation);
        }
        let marks = timed.trace.as_ref().map(|trace| {
            let placed = prepared.breakpoints();
            let beside = if prepared.is_explicit_only() {
                Beside::Nobody
            } else {
                Beside::Provider
            };
            effective(placed, trace, &limits, beside)
        });
        let call = Call {
            timed: timed.clone(),
            body: prepared.body.clone().unwrap_or_else(|| timed.body.clone()),
            headers: prepared.headers.clone(),
            marks: marks.unwrap_or_default(),
        };
        if !self.emitters.is_empty() {
            let sent = sent(&call, &prepared);
            emit(self.emitters, &sent)?;
        }
        let usage = self.serve(&call);
        let number = self.sums.tally.requests;
        let mut exchange = prepared.exchange;
        let body = call.body.clone();
        match usage {
            Ok(usage) => {
                let call = Arc::new(call);
                let open = Open {
                    exchange,
                    usage,
                    call,
                };
                self.open.insert(number, open);
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
        let policy = self.sums.policy;
        let limits = self.service.row(timed).limits;
        let rewritten = match timed.trace {
            Some(_) => None,
            None => policy.rewrite(&timed.body),
        };
        let (body, placements) = rewritten.unwrap_or_else(|| (timed.body.clone(), Vec::new()));
        let trace = timed.trace.as_ref();
        let placed = trace.map_or_else(Vec::new, |trace| policy.mark(trace, &limits));
        let marks = trace.map(|trace| effective(&placed, trace, &limits, policy.beside()));
        let call = Call {
            timed: timed.clone(),
            body: body.clone(),
            headers: Vec::new(),
            marks: marks.unwrap_or_default(),
        };
        let changes = placements.iter().map(|placed| {
            let what = format!("breakpoint {} at {}", placed.ttl, placed.why.as_str());
            Change::new(placed.pointer.clone(), what)
        });
        let sent = Sent {
            kind: Kind::Request,
            at: timed.at,
            timed,
            body: &body,
            changes: changes.collect(),
            placements,
            marks: placed.clone(),
        };
        emit(self.emitters, &sent)?;
        // A refusal is booked by `serve`; there is no exchange to tell.
        let served = self.serve(&call);
        if served.is_ok() && policy.pings() > 0 {
            let key = (Arc::clone(&timed.session), timed.lane.clone());
            let made = Made {
                call: Arc::new(call),
                marks: placed.into(),
            };
            self.pinger.used(key, timed.at, made);
        }
        Ok(body)
    }

    /// Serves a call and books it.
    fn serve(&mut self, call: &Call) -> Result<Usage, u16> {
        let (served, one) = self.service.serve(call);
        self.sums.add(&call.timed.session, one);
        self.last = one;
        served
    }

    /// What the request taken last came to.
    pub(super) const fn last(&self) -> Tally {
        self.last
    }

    /// Tells open exchanges what happened up to and including `until`, or all of it, and pings
    /// who is to be pinged.
    fn settle(&mut self, until: Option<Timestamp>) -> Result<(), Error> {
        loop {
            let event = self.events.peek().map(|Reverse((at, ..))| *at);
            let ping = self.vigils.next_at();
            let event_first = match (event, ping) {
                (Some(event), Some(ping)) => event <= ping,
                (event, _) => event.is_some(),
            };
            let next = if event_first { event } else { ping };
            let Some(at) = next.filter(|at| until.is_none_or(|until| *at <= until)) else {
                break;
            };
            self.now = self.now.max(at);
            if event_first {
                self.happen();
            } else {
                self.keep_warm(at)?;
            }
        }
        while let Some((at, made)) = self.pinger.next(until) {
            self.now = self.now.max(at);
            let _ = self.ping(&made.call, at, &made.marks)?;
        }
        Ok(())
    }

    fn happen(&mut self) {
        let Some(Reverse((at, number, event))) = self.events.pop() else {
            return;
        };
        match event {
            Event::FirstByte => {
                if let Some(open) = self.open.get_mut(&number) {
                    open.exchange.on_usage(at, open.usage);
                }
            }
            Event::End => {
                let Some(mut open) = self.open.remove(&number) else {
                    return;
                };
                let trace = open.call.timed.trace.as_ref();
                if let Some(stop) = trace.and_then(|trace| trace.stop) {
                    open.exchange.on_stop(stop);
                }
                let record = open.exchange.finish(at, End::Complete);
                if let Some(vigil) = record.vigil {
                    self.vigils.keep(*vigil, open.call);
                }
            }
        }
    }

    /// Pings the conversation that is due, if that still pays.
    fn keep_warm(&mut self, at: Timestamp) -> Result<(), Error> {
        let Some((vigil, call)) = self.vigils.take() else {
            return Ok(());
        };
        let endpoint = endpoint(self.engine.catalog(), &call.timed);
        let dialect = endpoint.map_or("", |endpoint| endpoint.name);
        let meta = meta(&call.timed, dialect);
        if !self.engine.still_pays(at, &meta, &vigil) {
            return Ok(());
        }
        let marks = call.marks.iter();
        let marks: Vec<Breakpoint> = marks
            .map(|(block, ttl)| Breakpoint::new(*block, *ttl, crate::model::Why::Warm))
            .collect();
        let served = self.ping(&call, at, &marks)?;
        let status = served.err().unwrap_or(200);
        let what = Pinged::new(at, status, served.ok());
        let (_, next) = self.engine.pinged(at, &meta, &vigil, &what);
        if let Some(next) = next {
            self.vigils.keep(next, call);
        }
        Ok(())
    }

    fn ping(
        &mut self,
        call: &Call,
        at: Timestamp,
        marks: &[Breakpoint],
    ) -> Result<Result<Usage, u16>, Error> {
        let sent = Sent {
            kind: Kind::Ping,
            at,
            timed: &call.timed,
            body: &call.body,
            placements: Vec::new(),
            marks: marks.to_vec(),
            changes: Vec::new(),
        };
        emit(self.emitters, &sent)?;
        let (served, one) = self.service.ping(call, at);
        self.sums.add(&call.timed.session, one);
        Ok(served)
    }

    /// How many requests were taken.
    pub(super) const fn done(&self) -> u64 {
        self.sums.tally.requests
    }

    /// Settles what is open and returns the sums.
    pub(super) fn close(mut self) -> Result<Compared, Error> {
        self.settle(None)?;
        let gone = self.now.plus(crate::model::Ttl::OneHour.duration());
        self.sums.tally.wasted = self.service.wasted(gone);
        Ok(self.sums)
    }
}

fn meta<'a>(timed: &'a Timed, dialect: &'a str) -> Meta<'a> {
    let mut meta = Meta::of(&timed.provider);
    meta.tenant = timed.tenant.as_deref().unwrap_or_default();
    meta.route = timed.route.as_deref().unwrap_or_default();
    meta.session = &timed.session;
    meta.model = timed.named.as_deref().unwrap_or_default();
    meta.dialect = dialect;
    meta
}

fn sent<'a>(call: &'a Call, prepared: &Prepared) -> Sent<'a> {
    let (placements, changes) = match call.timed.trace {
        Some(_) => (Vec::new(), Vec::new()),
        None => (prepared.placements(), prepared.changes()),
    };
    Sent {
        kind: Kind::Request,
        at: call.timed.at,
        timed: &call.timed,
        body: &call.body,
        placements,
        marks: prepared.breakpoints().to_vec(),
        changes,
    }
}

fn emit(emitters: &mut [Emitter], sent: &Sent<'_>) -> Result<(), Error> {
    emitters
        .iter_mut()
        .try_for_each(|emitter| emitter.write(sent))
}
