//! How a command ends: its exit code, and errors as one line on stderr.

use std::io::{self, Write};
use std::process::ExitCode;

use cachewright::error::Error;

/// Why a command stopped.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the configuration cannot be used.
    Usage(Error),
    /// Inputs failed, and each has been reported.
    Inputs,
    /// Something else failed.
    Other(Error),
    /// Nobody reads the output any more, which is no failure.
    Hangup,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error.is_config() {
            Self::Usage(error)
        } else {
            Self::Other(error)
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Hangup
        } else {
            Self::Other(Error::io(format!("output: {error}")))
        }
    }
}

/// Says on stderr what went wrong, in one line.
pub(crate) fn complain(what: &dyn std::fmt::Display) {
    let line = what.to_string().replace('\n', " ");
    // There is nobody left to tell when stderr is closed.
    let _ = writeln!(io::stderr(), "cachewright: {line}");
}

/// The exit code: 0 done, 1 an input failed, 2 the command line cannot be used.
pub(crate) fn code(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) | Err(Failure::Hangup) => ExitCode::SUCCESS,
        Err(Failure::Inputs) => ExitCode::from(1),
        Err(Failure::Other(error)) => {
            complain(&error);
            ExitCode::from(1)
        }
        Err(Failure::Usage(error)) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

/// Answers `--help` and `--version`, and says in one line what is wrong with a command line.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let text = error.render().to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or("unusable command line");
        let rest: Vec<&str> = lines
            .take_while(|line| !line.starts_with("Usage:"))
            .collect();
        let what = first.strip_prefix("error: ").unwrap_or(first);
        complain(&format!("{what} {} (see --help)", rest.join(" ")).replace("  ", " "));
        return ExitCode::from(2);
    }
    match error.print() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => code(Err(error.into())),
    }
}
