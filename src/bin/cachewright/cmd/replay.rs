//! `cachewright replay`: recorded traffic in virtual time.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use cachewright::adapter::clock::{Clock, SystemClock};
use cachewright::adapter::replay::{Detail, Emitter, Job, Policy, Report, Row, Watch, replay};
use cachewright::adapter::snapshot::Snapshot;
use cachewright::error::Error;
use cachewright::model::{KeepAlive, Money, Regime};
use cachewright::provider::Catalog;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{Replay, Style};
use crate::exit::{Failure, complain};
use crate::{inputs, render};

/// Replays every input and prints one report.
pub(crate) fn run(args: &Replay, catalog: &Arc<Catalog>) -> Result<(), Failure> {
    let mut job = job(args, catalog)?;
    let (files, mut failed) = inputs::all(&args.inputs);
    let state = state(args, &job, files.len())?;
    job.memory = state.as_ref().map(|state| state.memory().clone());
    let mut emitters = emitters(args)?;
    let clock = SystemClock;
    let begun = clock.now();
    let mut report = Report::default();
    for path in &files {
        let label = (files.len() > 1).then(|| path.display().to_string());
        for emitter in &mut emitters {
            emitter.label(label.as_deref());
        }
        match one(path, &job, &mut emitters) {
            Ok(row) => report.rows.push(row),
            Err(error) => {
                complain(&error);
                failed = true;
            }
        }
    }
    if !report.rows.is_empty() {
        for emitter in emitters {
            emitter.publish()?;
        }
        if let Some(state) = state {
            state.save()?;
        }
        let mut out = io::stdout().lock();
        out.write_all(print(&report, args, &job).as_bytes())?;
        out.flush()?;
        let took = clock.now().since(begun).as_micros();
        speed(report.total().bytes, took);
    }
    if failed { Err(Failure::Inputs) } else { Ok(()) }
}

fn job(args: &Replay, catalog: &Arc<Catalog>) -> Result<Job, Failure> {
    let catalog = match args.read {
        Some(share) => Arc::new(Catalog::clone(catalog).with_reads_at(share)),
        None => Arc::clone(catalog),
    };
    let mut job = Job::new(catalog);
    job.settings.mode = args.mode.into();
    job.settings.markers = args.markers.into();
    job.settings.ttl = args.ttl.map(Into::into);
    job.settings.keep_alive = args.keep_alive.then(wide);
    job.policy = args.policy;
    job.alone = args.alone;
    job.reads = args.reads.into();
    match args.model.split_once('/') {
        Some((provider, model)) => job.reading.traces_as = Some((provider.into(), model.into())),
        None => job.reading.stand_in = args.model.as_str().into(),
    }
    if let Some(regime) = args.regime {
        job.reading.traces_as = Some(first(&job.catalog, regime.into())?);
    }
    if let Some((provider, model)) = &job.reading.traces_as {
        let row = job.catalog.model(provider, model);
        if !row.limits.known || row.prices.is_none() {
            let what = format!("no row of provider `{provider}` has prices of `{model}`");
            return Err(Error::config(what).into());
        }
    }
    Ok(job)
}

/// Budgets that bind nobody: what a replay shall tell is what pays.
fn wide() -> KeepAlive {
    let mut wide = KeepAlive::default();
    for most in [&mut wide.per_ping, &mut wide.per_session, &mut wide.per_day] {
        *most = Money::from_pico(1_000_000_000_000_000_000);
    }
    wide
}

/// The first model with prices that caches in this way: Anthropic's or OpenAI's.
fn first(catalog: &Catalog, regime: Regime) -> Result<(Arc<str>, Arc<str>), Error> {
    let found = ["anthropic", "openai"].into_iter().find_map(|provider| {
        let mut models = catalog.models(provider);
        let model = models.find(|row| row.limits.regime == regime && row.prices.is_some())?;
        Some((provider.into(), Arc::from(&*model.name)))
    });
    found.ok_or_else(|| Error::config("no row of the catalogue caches in this way"))
}

/// The history to start from, read before anything is replayed.
fn state(args: &Replay, job: &Job, files: usize) -> Result<Option<Snapshot>, Failure> {
    let Some(path) = &args.state else {
        return Ok(None);
    };
    if args.inputs.len() > 1 || files > 1 {
        let what = "--state takes one input: a history belongs to one stream of traffic";
        return Err(Error::config(what).into());
    }
    if job.policy != Policy::Engine {
        let what = "--state needs --policy engine: the others keep no history";
        return Err(Error::config(what).into());
    }
    Ok(Some(Snapshot::open(path)?))
}

fn emitters(args: &Replay) -> Result<Vec<Emitter>, Failure> {
    let bodies = args.emit.as_deref().map(|path| (path, Detail::Bodies));
    let plans = args.emit_plan.as_deref().map(|path| (path, Detail::Plans));
    let wanted = bodies.into_iter().chain(plans);
    Ok(wanted
        .map(|(path, detail)| Emitter::create(path, detail))
        .collect::<Result<_, _>>()?)
}

/// Replays one file under a progress bar, which shows itself on a terminal only.
fn one(path: &Path, job: &Job, emitters: &mut [Emitter]) -> Result<Row, Error> {
    let style = ProgressStyle::with_template("{msg:24} {bar:40} {pos}/{len} {elapsed}");
    let bar = ProgressBar::new(0)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        );
    let mut shown = Shown(bar);
    let row = replay(path, job, emitters, &mut shown);
    shown.0.finish_and_clear();
    row
}

/// A progress bar that watches.
struct Shown(ProgressBar);

impl Watch for Shown {
    fn progress(&mut self, done: u64, total: u64) {
        if done.is_multiple_of(64) || done == total {
            self.0.set_length(total);
            self.0.set_position(done);
        }
    }
}

fn print(report: &Report, args: &Replay, job: &Job) -> String {
    let elsewhere = job.reading.traces_as.as_ref();
    let elsewhere = elsewhere.map(|(provider, model)| format!("{provider}/{model}"));
    match args.format.style() {
        Style::Table => render::text(report, elsewhere.as_deref()),
        Style::Json => render::json(report, &job.policy.to_string(), elsewhere.as_deref()),
        Style::Csv => render::csv(report),
    }
}

/// Tells on stderr how fast it went: it differs from run to run, so it is no part of the report.
fn speed(bytes: u64, micros: u128) {
    let rate = u128::from(bytes).checked_div(micros).unwrap_or(0);
    let _ = writeln!(
        io::stderr(),
        "{} MB of request bodies in {}.{:02} s, {rate} MB/s",
        bytes / 1_000_000,
        micros / 1_000_000,
        micros % 1_000_000 / 10_000,
    );
}
