//! The commands, one file each.

mod demo;
mod models;
mod replay;
mod sim;

use std::sync::Arc;

use cachewright::error::Error;
use cachewright::provider::Catalog;

use crate::args::{Cli, Command};
use crate::exit::Failure;

/// Runs the command that was asked for.
pub(crate) fn run(cli: &Cli) -> Result<(), Failure> {
    let catalog = Arc::new(catalog(cli)?);
    match &cli.command {
        Command::Replay(args) => replay::run(args, &catalog),
        Command::Demo(args) => demo::run(args),
        Command::Sim(args) => sim::run(args, &catalog),
        Command::Models(args) => models::run(args, &catalog),
    }
}

/// The built-in rows and the user's.
fn catalog(cli: &Cli) -> Result<Catalog, Error> {
    cli.config
        .iter()
        .try_fold(Catalog::builtin(), |rows, path| {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error::config(format!("{name}: {error}")))?;
            rows.with_toml(&name, &text)
        })
}
