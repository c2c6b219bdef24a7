//! One workload through engine and simulator, its responses settled in the order of time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::baseline::Bench;
use super::emit::Emitter;
use super::policy::Policy;
use super::report::{Row, Tally};
use crate::adapter::memory::InProcess;
use crate::adapter::workload::{Options, Timed, Workload};
use crate::engine::{Content, End, Engine, Exchange, Meta, Placement, Settings};
use crate::error::Error;
use crate::model::{Change, Timestamp, Usage};
use crate::provider::{Catalog, Model};
use crate::sim::Sim;

/// Requests that may wait between two threads: enough to even out their speeds, few enough that
/// the longest bodies on record stay within some tens of megabytes.
const WAITING: usize = 16;

/// What to replay a workload with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Job {
    /// Rows of providers and models.
    pub catalog: Arc<Catalog>,
    /// The engine's settings.
    pub settings: Settings,
    /// Who places the markers.
    pub policy: Policy,
    /// How recordings are read.
    pub reading: Options,
}

impl Job {
    /// The engine's default settings over these rows.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            settings: Settings::default(),
            policy: Policy::default(),
            reading: Options::default(),
        }
    }

    /// A fresh engine: every workload starts with an empty state.
    fn engine(&self) -> Engine {
        Engine::new(Arc::clone(&self.catalog), self.settings.clone())
            .remembering(Arc::new(InProcess::default()))
    }
}

/// One request as it was sent.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) timed: &'a Timed,
    pub(super) body: &'a [u8],
    pub(super) placements: Vec<Placement>,
    pub(super) changes: Vec<Change>,
}

/// Replays one file. `progress` is told how many of its requests are done and how many there are.
///
/// # Errors
/// Names the file and the position when it cannot be read; emitted lines are taken back then.
pub fn replay(
    path: &Path,
    job: &Job,
    emitters: &mut [Emitter],
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Row, Error> {
    let workload = Workload::open(path, job.reading.clone())?;
    let total = workload.requests();
    let mut marks = Vec::new();
    for emitter in emitters.iter_mut() {
        marks.push(emitter.position()?);
    }
    let mut row = Row {
        name: name(path),
        ..Row::default()
    };
    let done = thread::scope(|scope| {
        let (to_main, from_main) = sync_channel(WAITING);
        let (to_bench, from_bench) = sync_channel(WAITING);
        let reader = scope.spawn(move || read(workload, &to_main, &to_bench));
        let bench = scope.spawn(move || compare(&from_bench, Arc::clone(&job.catalog)));
        let mut desk = Desk::new(job, emitters);
        let mut outcome = Ok(());
        for timed in &from_main {
            row.bytes += timed.body.len() as u64;
            outcome = desk.take(&timed, path);
            if outcome.is_err() {
                break;
            }
            progress(desk.tally.requests, total);
        }
        drop(from_main);
        row.main = desk.close();
        let read = reader.join().unwrap_or_else(|_| Err(fallen()));
        row.baselines = bench.join().map_err(|_| fallen())?;
        outcome.and(read)
    });
    if let Err(error) = done {
        for (emitter, mark) in emitters.iter_mut().zip(marks) {
            emitter.rewind(mark)?;
        }
        return Err(error);
    }
    Ok(row)
}

/// A thread of ours died, which only a fault of this crate can do.
fn fallen() -> Error {
    Error::io("a replay thread failed")
}

/// The workload's name: its file name without the endings.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bare = name.strip_suffix(".xz").unwrap_or(&name);
    bare.strip_suffix(".jsonl").unwrap_or(bare).to_owned()
}

/// Hands every request to both sides, until one of them hangs up.
fn read(
    workload: Workload,
    main: &SyncSender<Timed>,
    bench: &SyncSender<Timed>,
) -> Result<(), Error> {
    for timed in workload {
        let timed = timed?;
        if main.send(timed.clone()).is_err() || bench.send(timed).is_err() {
            break;
        }
    }
    Ok(())
}

fn compare(requests: &Receiver<Timed>, catalog: Arc<Catalog>) -> super::report::Baselines {
    let mut bench = Bench::new(catalog);
    for timed in requests {
        bench.take(&timed);
    }
    bench.finish()
}

/// Model rows by provider and model, looked up once each.
#[derive(Debug)]
pub(super) struct Rates {
    catalog: Arc<Catalog>,
    rows: BTreeMap<(Arc<str>, Arc<str>), Model>,
}

impl Rates {
    pub(super) const fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            rows: BTreeMap::new(),
        }
    }

    /// The row of the model that this request asks for.
    pub(super) fn of(&mut self, timed: &Timed) -> &Model {
        let key = (Arc::clone(&timed.provider), Arc::clone(&timed.model));
        self.rows
            .entry(key)
            .or_insert_with(|| self.catalog.model(&timed.provider, &timed.model))
    }
}

/// One simulator per provider row, since providers do not see each other's entries.
#[derive(Debug)]
pub(super) struct Sims {
    catalog: Arc<Catalog>,
    open: BTreeMap<Arc<str>, Sim>,
}

impl Sims {
    pub(super) const fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            open: BTreeMap::new(),
        }
    }

    /// The simulator of this request's provider.
    pub(super) fn of(&mut self, timed: &Timed) -> &mut Sim {
        self.open
            .entry(Arc::clone(&timed.provider))
            .or_insert_with(|| Sim::of(Arc::clone(&self.catalog), &timed.provider))
    }
}

/// What is booked for a request that was refused: all of it plain, its length estimated.
pub(super) fn uncached(timed: &Timed, row: &Model) -> Usage {
    let bytes = timed.body.len() as u64;
    Usage {
        plain: Some(bytes.saturating_mul(1000) / u64::from(row.bytes_per_ktok.max(1))),
        output: timed.output,
        ..Usage::default()
    }
}

/// What happens to an open exchange next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    FirstByte,
    End,
}

/// The policy under test with its open exchanges.
#[derive(Debug)]
struct Desk<'a> {
    policy: Policy,
    engine: Engine,
    sims: Sims,
    rates: Rates,
    emitters: &'a mut [Emitter],
    events: BinaryHeap<Reverse<(Timestamp, u64, Event)>>,
    open: BTreeMap<u64, (Exchange, Usage)>,
    tally: Tally,
}

impl<'a> Desk<'a> {
    fn new(job: &Job, emitters: &'a mut [Emitter]) -> Self {
        Self {
            policy: job.policy,
            engine: job.engine(),
            sims: Sims::new(Arc::clone(&job.catalog)),
            rates: Rates::new(Arc::clone(&job.catalog)),
            emitters,
            events: BinaryHeap::new(),
            open: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    fn take(&mut self, timed: &Timed, path: &Path) -> Result<(), Error> {
        let known = self.engine.catalog().provider(&timed.provider);
        if known.is_none_or(|row| &*row.dialect != "messages") {
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

    fn through_engine(&mut self, timed: &Timed) -> Result<(), Error> {
        let mut meta = Meta::of(&timed.provider);
        meta.tenant = timed.tenant.as_deref().unwrap_or_default();
        let prepared = self.engine.prepare(timed.at, &meta, &timed.body);
        let body = prepared.body.as_ref().unwrap_or(&timed.body);
        if !self.emitters.is_empty() {
            let sent = Sent {
                timed,
                body,
                placements: prepared.placements(),
                changes: prepared.changes(),
            };
            emit(self.emitters, &sent)?;
        }
        let usage = self.serve(timed, body);
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
                exchange.on_response(timed.at, status, Content::Opaque);
                let _ = exchange.finish(timed.at, End::Failed);
            }
        }
        Ok(())
    }

    fn directly(&mut self, timed: &Timed) -> Result<(), Error> {
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
        let _ = self.serve(timed, &body);
        Ok(())
    }

    /// Serves a body and books it; tenants share one account, as they do behind one key.
    fn serve(&mut self, timed: &Timed, body: &[u8]) -> Result<Usage, u16> {
        let sim = self.sims.of(timed);
        let served = sim
            .read(body)
            .and_then(|request| sim.serve("", timed.at, timed.first_byte, &request));
        let row = self.rates.of(timed);
        match served {
            Ok(mut usage) => {
                usage.output = timed.output;
                self.tally.book(&usage, row.prices.as_ref());
                Ok(usage)
            }
            Err(rejection) => {
                self.tally.rejected += 1;
                self.tally.book(&uncached(timed, row), row.prices.as_ref());
                Err(rejection.status)
            }
        }
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

    fn close(mut self) -> Tally {
        self.settle(None);
        self.tally
    }
}

fn emit(emitters: &mut [Emitter], sent: &Sent<'_>) -> Result<(), Error> {
    emitters
        .iter_mut()
        .try_for_each(|emitter| emitter.write(sent))
}
