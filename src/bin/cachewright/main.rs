//! The `cachewright` command.

mod args;
mod bodies;
mod cmd;
mod exit;
mod inputs;
mod ledgers;
mod render;
mod scores;
mod story;
mod times;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match args::Cli::try_parse() {
        Ok(cli) => exit::code(cmd::run(&cli)),
        Err(error) => exit::usage(&error),
    }
}
