//! One workload: read on one thread, compared on a second, replayed on this one.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::baseline::{Bench, Comparison};
use super::desk::Desk;
use super::emit::Emitter;
use super::policy::Policy;
use super::report::{Row, Tally};
use super::traced::Reads;
use crate::adapter::memory::{Bounds, InProcess};
use crate::adapter::workload::{Options, Timed, Workload};
use crate::engine::{Engine, Settings};
use crate::error::Error;
use crate::provider::Catalog;

/// Requests that may wait between two threads: enough to even out their speeds, few enough that
/// the longest bodies on record stay within some tens of megabytes.
const WAITING: usize = 16;

/// Bytes of conversations that an engine remembers of traces: they hold no text, and sessions of a
/// trace without a common clock all run at once.
const OF_TRACES: u64 = 1 << 30;

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
    /// The memory to start from and to go on in; without one every workload starts with an empty
    /// memory of its own.
    pub memory: Option<InProcess>,
    /// Whether the other policies and the bound are left out.
    pub alone: bool,
    /// Where a read of a trace may end.
    pub reads: Reads,
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
            memory: None,
            alone: false,
            reads: Reads::default(),
        }
    }

    /// The engine that replays one workload.
    pub(super) fn engine(&self, bounds: Bounds) -> Engine {
        let memory = self.memory.clone();
        let memory = memory.unwrap_or_else(|| InProcess::new(bounds));
        Engine::new(Arc::clone(&self.catalog), self.settings.clone()).remembering(Arc::new(memory))
    }
}

/// Whoever wants to know how a replay goes on; `()` does not.
pub trait Watch {
    /// `body` was sent for the request `timed`.
    fn sent(&mut self, timed: &Timed, body: &[u8]) {
        let _ = (timed, body);
    }

    /// What the request `timed` came to, a tally of one.
    fn booked(&mut self, timed: &Timed, one: &Tally) {
        let _ = (timed, one);
    }

    /// So many requests of so many are done.
    fn progress(&mut self, done: u64, total: u64) {
        let _ = (done, total);
    }
}

impl Watch for () {}

/// Replays one file under the eyes of `watch`.
///
/// # Errors
/// Names the file and the position when it cannot be read; emitted lines are taken back then.
pub fn replay(
    path: &Path,
    job: &Job,
    emitters: &mut [Emitter],
    watch: &mut dyn Watch,
) -> Result<Row, Error> {
    let mut reading = job.reading.clone();
    reading.traces = true;
    let workload = Workload::open(path, reading)?;
    let total = workload.requests();
    let mut bounds = Bounds::default();
    if workload.is_traced() {
        bounds.body_bytes = OF_TRACES;
    }
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
        let bench = scope.spawn(move || compare(&from_bench, job));
        let mut desk = Desk::new(job, bounds, emitters);
        let mut outcome = Ok(());
        for timed in &from_main {
            row.bytes += timed.body.len() as u64;
            row.traced |= timed.trace.is_some();
            match desk.take(&timed, path) {
                Ok(body) => {
                    watch.sent(&timed, &body);
                    watch.booked(&timed, &desk.last());
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            watch.progress(desk.done(), total);
        }
        drop(from_main);
        let main = desk.close()?;
        row.main = main.tally;
        row.compared.push(main);
        let read = reader.join().unwrap_or_else(|_| Err(fallen()));
        if let Some(comparison) = bench.join().map_err(|_| fallen())? {
            let mut others = comparison.all;
            others.retain(|other| other.policy != job.policy);
            row.compared.append(&mut others);
            row.baselines = comparison.sums;
            row.bound = Some(comparison.bound);
        }
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

/// Replays requests in the order of time on this thread, with nothing beside them for comparison.
///
/// `path` is the name that errors carry.
///
/// # Errors
/// Passes on what `requests` says, and names the request whose provider cannot be replayed.
pub fn replay_alone(
    requests: impl Iterator<Item = Result<Timed, Error>>,
    path: &Path,
    job: &Job,
    watch: &mut dyn Watch,
) -> Result<Tally, Error> {
    let mut desk = Desk::new(job, Bounds::default(), &mut []);
    for timed in requests {
        let timed = timed?;
        let body = desk.take(&timed, path)?;
        watch.sent(&timed, &body);
        watch.booked(&timed, &desk.last());
    }
    Ok(desk.close()?.tally)
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

fn compare(requests: &Receiver<Timed>, job: &Job) -> Option<Comparison> {
    if job.alone {
        requests.iter().for_each(drop);
        return None;
    }
    let mut bench = Bench::new(&job.catalog, job.reads);
    for timed in requests {
        bench.take(&timed);
    }
    Some(bench.finish())
}
