//! One workload: read on one thread, compared on a second, replayed on this one.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::baseline::Bench;
use super::desk::Desk;
use super::emit::Emitter;
use super::policy::Policy;
use super::report::{Baselines, Compared, Row, Tally};
use crate::adapter::memory::{Bounds, InProcess};
use crate::adapter::workload::{Options, Timed, Workload};
use crate::engine::{Engine, Settings};
use crate::error::Error;
use crate::provider::Catalog;

/// Requests that may wait between two threads: enough to even out their speeds, few enough that
/// the longest bodies on record stay within some tens of megabytes.
const WAITING: usize = 16;

/// What an engine remembers in a replay: every session of a file at once, which a trace's sessions
/// are, and no more prefixes or scopes than elsewhere.
const REPLAYED: Bounds = Bounds {
    body_bytes: 1 << 30,
    prefixes: 200_000,
    scopes: 1_000,
};

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
        }
    }

    /// The engine that replays one workload.
    pub(super) fn engine(&self) -> Engine {
        let memory = self.memory.clone();
        let memory = memory.unwrap_or_else(|| InProcess::new(REPLAYED));
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
        let bench = scope.spawn(move || compare(&from_bench, &job.catalog));
        let mut desk = Desk::new(job, emitters);
        let mut outcome = Ok(());
        for timed in &from_main {
            row.bytes += timed.body.len() as u64;
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
        let (baselines, mut others) = bench.join().map_err(|_| fallen())?;
        others.retain(|other| other.policy != job.policy);
        row.baselines = baselines;
        row.compared.append(&mut others);
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
    let mut desk = Desk::new(job, &mut []);
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

fn compare(
    requests: &Receiver<Timed>,
    catalog: &Arc<Catalog>,
) -> (Baselines, Vec<Compared>) {
    let mut bench = Bench::new(catalog);
    for timed in requests {
        bench.take(&timed);
    }
    bench.finish()
}
