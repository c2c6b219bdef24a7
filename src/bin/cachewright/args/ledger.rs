//! Arguments of `cachewright ledger`, and those that name a ledger.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::times::Moment;

const EXAMPLES: &str = "\
Examples:
  cachewright ledger info
  cachewright ledger export --format csv -o october.csv --since 2026-10-01 --until 2026-11-01
  cachewright ledger export --format parquet -o ledger.parquet
  cachewright ledger export --ledger postgres://reader@db/cachewright --format jsonl | head";

/// Look after the ledger: export its rows.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Ledger {
    #[command(subcommand)]
    pub(crate) command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Write every row as JSON Lines, CSV or Parquet, oldest first.
    Export(Export),
    /// Print how many rows there are, from when, how large the ledger is, and what is missing.
    Info(Info),
}

/// Which ledger is meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// The ledger: a file, or the URL of a Postgres database. Without it the one that --config
    /// names, or `$CACHEWRIGHT_LEDGER`, or the default file in the state directory.
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) ledger: Option<String>,
}

/// Which time is meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct Span {
    /// Not before: 7d, 12h, 30m ago, a date, or a date and time.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    pub(crate) since: Option<Moment>,
    /// Before this time, likewise.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    pub(crate) until: Option<Moment>,
}

/// Write every row as JSON Lines, CSV or Parquet, oldest first, in constant memory.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) span: Span,
    /// The form: JSON Lines and CSV have amounts in picodollars and times in microseconds.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ExportFormat,
    /// The file to write instead of the standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object per line.
    #[default]
    Jsonl,
    /// Comma-separated, with a header.
    Csv,
    /// Apache Parquet, compressed.
    Parquet,
}

/// Print how many rows there are, from when, how large the ledger is, and what is missing.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Info {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
