//! The commands, one file each.

mod admin;
mod audit;
mod bound;
mod demo;
mod explain;
mod export;
mod follow;
mod ledger;
mod lint;
mod models;
mod parquet;
mod probe;
mod proxy;
mod replay;
mod report;
mod route;
mod sim;
mod tune;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cachewright::error::Error;
use cachewright::provider::Catalog;

use crate::args::{Cli, Command};
use crate::exit::Failure;

/// Runs the command that was asked for.
pub(crate) fn run(cli: &Cli) -> Result<(), Failure> {
    // The configuration of the proxy, and of what reads its ledger, is settings; that of every other
    // command is rows.
    let rows = || Ok::<_, Error>(Arc::new(catalog(&cli.config)?));
    match &cli.command {
        Command::Audit(args) => audit::run(args, &rows()?),
        Command::Report(args) => report::run(args, &cli.config),
        Command::Explain(args) => explain::run(args, &cli.config, rows),
        Command::Lint(args) => lint::run(args, &rows()?),
        Command::Tune(args) => tune::run(args, &cli.config),
        Command::Ledger(args) => ledger::run(args, &cli.config),
        Command::Proxy(args) => proxy::run(args, &cli.config),
        Command::Route(args) => route::run(args, &cli.config),
        Command::Replay(args) => replay::run(args, &rows()?),
        Command::Demo(args) => {
            // Its traffic runs on built-in rows, but a mistake in the user's is still one.
            rows()?;
            demo::run(args)
        }
        Command::Bound(args) => bound::run(args, &rows()?),
        Command::Probe(args) => probe::run(args, &rows()?),
        Command::Sim(args) => sim::run(args, &rows()?),
        Command::Models(args) => models::run(args, rows()?.as_ref()),
    }
}

/// The built-in rows and the user's.
fn catalog(files: &[PathBuf]) -> Result<Catalog, Error> {
    files.iter().try_fold(Catalog::builtin(), |rows, path| {
        let (name, text) = text(path)?;
        rows.with_toml(&name, &text)
    })
}

/// A configuration file's name and text.
pub(crate) fn text(path: &Path) -> Result<(String, String), Error> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(Error::config(format!("{name}: {error}"))),
    }
}

/// A variable of the environment; the AWS SDKs know the region by two names.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is where configuration enters"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match name {
        "AWS_REGION" => set(name).or_else(|| set("AWS_DEFAULT_REGION")),
        _ => set(name),
    }
}
