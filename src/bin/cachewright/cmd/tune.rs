//! `cachewright tune`: what to change, by replay of what was sent.

mod apply;
mod show;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use cachewright::adapter::handle::{Builder, Cachewright};
use cachewright::adapter::store::Query;
use cachewright::adapter::tune::{Progress, Task, check, tune};
use cachewright::engine::Settings;
use cachewright::error::Error;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Tune;
use crate::exit::Failure;
use crate::{inputs, ledgers};

pub(crate) fn run(args: &Tune, configs: &[PathBuf]) -> Result<(), Failure> {
    if let Some(ledger) = &args.ledger {
        return by_figures(args, ledger, configs);
    }
    let target = (!args.apply.is_empty())
        .then(|| apply::target(configs))
        .transpose()?;
    let task = task(args, configs)?;
    let bar = Bar::new();
    if args.check {
        let proof = check(&task, &bar);
        bar.0.finish_and_clear();
        let proof = proof?;
        let held = proof.held();
        say(&if args.json {
            show::proof_json(&proof, args.top)
        } else {
            show::proof(&proof, args.top)
        })?;
        return if held { Ok(()) } else { Err(Failure::Inputs) };
    }
    let finding = tune(&task, &bar);
    bar.0.finish_and_clear();
    let finding = finding?;
    match target {
        Some(target) => apply::apply(&finding, &args.apply, &target),
        None if args.json => say(&show::json(&finding, args.top)),
        None => say(&show::text(&finding, args.top)),
    }
}

/// What the ledger alone can tell.
fn by_figures(args: &Tune, ledger: &str, configs: &[PathBuf]) -> Result<(), Failure> {
    let store = ledgers::existing(Some(ledger), configs)?;
    let story = store.story(&Query::default())?;
    say(&if args.json {
        show::figures_json(&story, args.top)
    } else {
        show::figures(&story, &store.place(), args.top)
    })
}

fn task(args: &Tune, configs: &[PathBuf]) -> Result<Task, Failure> {
    let builder = configured(configs)?;
    let mut files = Vec::new();
    for input in &args.inputs {
        files.extend(inputs::files(input)?);
    }
    if args.inputs.is_empty() {
        let journal = builder.journals().ok_or_else(|| {
            Error::config(
                "nothing to tune by: name files of requests, a --ledger, or a --config whose \
                 [journal] keeps requests",
            )
        })?;
        files = journal.existing();
        if files.is_empty() {
            let path = journal.path.display();
            let what = format!("{path}: the journal that the configuration names is not there yet");
            return Err(Error::input(what).into());
        }
    }
    let mut task = Task::new(files, Arc::new(super::catalog(&args.rows)?));
    task.settings = builder.settings().clone();
    // A replay must come out the same every time, and needs no secret.
    let usual = Settings::default();
    task.settings.keyring = usual.keyring;
    task.reading.stand_in = args.model.as_str().into();
    Ok(task)
}

/// The settings to improve on; a file that is not there yet is an empty one.
fn configured(configs: &[PathBuf]) -> Result<Builder, Failure> {
    let mut builder = Cachewright::builder();
    for path in configs {
        let (name, text) = match apply::read(path)? {
            Some(text) => (path.display().to_string(), text),
            None => continue,
        };
        builder = builder.config(&name, &text)?;
    }
    Ok(builder)
}

fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// A progress bar, which shows itself on a terminal only.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let style = ProgressStyle::with_template("replaying {bar:40} {pos}/{len} {elapsed}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(0).with_style(style))
    }
}

impl Progress for Bar {
    fn replayed(&self, done: u64, expected: u64) {
        self.0.set_length(expected);
        self.0.set_position(done);
    }
}
