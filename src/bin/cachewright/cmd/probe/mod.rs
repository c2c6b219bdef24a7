//! `cachewright probe`: what the rules of an endpoint's cache really are.

mod show;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cachewright::adapter::probe::{
    Key, Options, Pace, Plan, Probe, Progress, RealTime, Remote, Report, SimulatedTime,
};
use cachewright::error::Error;
use cachewright::provider::{Catalog, Provider};

use super::variable;
use crate::args::{self, Style};
use crate::exit::Failure;

/// Runs the command.
pub(crate) fn run(args: &args::Probe, catalog: &Arc<Catalog>) -> Result<(), Failure> {
    let style = match args.json {
        true => Style::Json,
        false => Style::Table,
    };
    if args.list {
        return Ok(show::list(style)?);
    }
    let (provider, model) = (args.provider.as_deref(), args.model.as_deref());
    let (Some(provider), Some(model)) = (provider, model) else {
        return Err(Error::config("--provider and --model: name what is to be probed").into());
    };
    let mut options = Options::new(provider, model);
    options.dialect = args.dialect.as_str().into();
    options.only.clone_from(&args.only);
    options.budget = args.budget;
    let probe = Probe::new(Arc::clone(catalog), options)?;
    let row = catalog.provider(provider);
    let row = row.ok_or_else(|| Error::config("--provider: there is no such provider"))?;
    let remote = remote(args, row, &probe)?;
    let files = Files::of(args, provider, probe.id())?;
    let plan = probe.plan()?;
    show::plan(&plan, (&remote.endpoint(), probe.id()), args.budget)?;
    agree(args, &plan)?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Error::io(format!("cannot start: {error}")))?;
    let report = runtime.block_on(async {
        match (args.simulated, args.endpoint.as_deref()) {
            (true, Some(base)) => probed(&probe, &remote, &SimulatedTime::new(base)?, &files).await,
            _ => probed(&probe, &remote, &RealTime, &files).await,
        }
    })?;
    std::fs::write(&files.rows, &report.rows)
        .map_err(|error| Error::io(format!("{}: {error}", files.rows.display())))?;
    show::report(&report, (&files.rows, &files.state), style)?;
    if report.unfinished.is_empty() {
        // What was found stands in the row, with its evidence.
        Ok(std::fs::remove_file(&files.state).or_else(absent)?)
    } else {
        Err(Failure::Inputs)
    }
}

async fn probed<P: Pace>(
    probe: &Probe,
    remote: &Remote,
    pace: &P,
    files: &Files,
) -> Result<Report, Error> {
    let endpoint = remote.endpoint();
    let bar = show::Bar::new();
    let mut tell = |progress: &Progress| bar.tell(progress, pace.now());
    let asked = (remote, endpoint.as_str());
    let report = probe.run(asked, pace, Some(&files.state), &mut tell).await;
    bar.end();
    report
}

/// Where the row and the state go.
struct Files {
    rows: PathBuf,
    state: PathBuf,
}

impl Files {
    /// Two runs are never mixed, and what was paid for is not overwritten.
    fn of(args: &args::Probe, provider: &str, id: &str) -> Result<Self, Error> {
        let plain = |ch: char| {
            if ch.is_ascii_alphanumeric() || "-._".contains(ch) {
                ch
            } else {
                '-'
            }
        };
        let name: String = format!("probe-{provider}-{id}")
            .chars()
            .map(plain)
            .collect();
        let rows = args.out.clone();
        let rows = rows.unwrap_or_else(|| PathBuf::from(format!("{name}.toml")));
        let state = args.resume.clone();
        let state = state.unwrap_or_else(|| rows.with_extension("state.json"));
        match (&args.resume, state.exists()) {
            (Some(_), false) => {
                let message = format!("--resume: {} is not there", state.display());
                Err(Error::config(message))
            }
            (None, true) => Err(Error::config(format!(
                "{state} is of a run that was interrupted: go on with --resume {state}, or remove it",
                state = state.display()
            ))),
            _ => Ok(Self { rows, state }),
        }
    }
}

/// The endpoint, with the key that the environment holds.
fn remote(args: &args::Probe, row: &Provider, probe: &Probe) -> Result<Remote, Error> {
    let key = key(args, row)?;
    let base = match &args.endpoint {
        Some(base) => base.clone(),
        None => row
            .access
            .base_in(args.region.as_deref().unwrap_or_default())
            .to_owned(),
    };
    if base.is_empty() {
        let message = format!("--endpoint: {} has no address of its own", row.name);
        return Err(Error::config(message));
    }
    let words: Vec<(&str, &str)> = [("region", &args.region), ("project", &args.project)]
        .into_iter()
        .filter_map(|(word, value)| Some((word, value.as_deref()?)))
        .collect();
    Remote::new(row, &base, (probe.dialect(), probe.id()), &key, &words)
}

fn key(args: &args::Probe, row: &Provider) -> Result<Key, Error> {
    if let Some(name) = &args.key_env {
        return variable(name)
            .map(|text| Key::new(text, 0))
            .ok_or_else(|| Error::config(format!("--key-env: the variable {name} is not set")));
    }
    let ways = row.access.auth.iter().enumerate();
    let mut names = ways.flat_map(|(way, auth)| auth.env.iter().map(move |name| (way, name)));
    let found = names.find_map(|(way, name)| Some(Key::new(variable(name)?, way)));
    match found {
        Some(key) => Ok(key),
        None if args.simulated => Ok(Key::new("simulated".into(), 0)),
        None => {
            let names = row.access.auth.iter().flat_map(|auth| &auth.env);
            let names: Vec<&str> = names.map(AsRef::as_ref).collect();
            Err(Error::config(format!(
                "no key: set {} or name another variable with --key-env",
                names.join(" or ")
            )))
        }
    }
}

/// Asks whether the plan is agreed to.
fn agree(args: &args::Probe, plan: &Plan) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        let message = "nobody can be asked here; --yes agrees to the plan";
        return Err(Error::config(message).into());
    }
    let mut err = io::stderr();
    write!(err, "Spend about {}? [y/N] ", plan.cost)?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Error::config("nothing was sent").into())
    }
}

/// Nothing to remove is no failure.
fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

/// The state file, where there is one to go on with.
fn resumable(state: &Path) -> Option<String> {
    state.exists().then(|| state.display().to_string())
}
