//! Arguments of `cachewright report`.

use std::path::PathBuf;

use cachewright::ledger::Group;
use clap::{Args, ValueEnum};

use super::ledger::{Place, Span};

const EXAMPLES: &str = "\
Examples:
  cachewright report
  cachewright report --since 7d --by route
  cachewright report --since 2026-11-01 --json
  cachewright report --ledger postgres://reader@db/cachewright --md > report.md
  cachewright report --html report.html

The ledger is what `cachewright proxy` writes, or a store in your own program.";

/// Tell what caching saved, wasted and could save, from the ledger.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) span: Span,
    /// What the sums are told by.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) by: By,
    #[command(flatten)]
    pub(crate) form: Form,
    /// Write the report as one self-contained page as well.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// Text unless something else is asked for.
#[derive(Clone, Copy, Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a flag of the command line is a bool"
)]
pub(crate) struct Form {
    /// Print JSON: tokens and picodollars as integers, dollars as decimal strings.
    #[arg(long)]
    json: bool,
    /// Print the sums as CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print Markdown.
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    md: bool,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Json,
    Csv,
    Markdown,
}

impl Form {
    pub(crate) const fn shape(self) -> Shape {
        match (self.json, self.csv, self.md) {
            (true, _, _) => Shape::Json,
            (false, true, _) => Shape::Csv,
            (false, false, true) => Shape::Markdown,
            (false, false, false) => Shape::Text,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Provider rows.
    Provider,
    /// Model rows.
    #[default]
    Model,
    /// The routes that you name.
    Route,
    /// The tenants that you name.
    Tenant,
    /// The backends that routes send to.
    Backend,
}

impl From<By> for Group {
    fn from(by: By) -> Self {
        match by {
            By::Provider => Self::Provider,
            By::Model => Self::Model,
            By::Route => Self::Route,
            By::Tenant => Self::Tenant,
            By::Backend => Self::Backend,
        }
    }
}
