//! Arguments of `bound`.

use std::path::PathBuf;

use clap::Args;

use super::Format;

/// Print what recorded traffic costs at least, and what a clairvoyant would pay.
#[derive(Debug, Args)]
pub(crate) struct Bound {
    /// Files of requests, sessions or traces, or directories of such files (*.jsonl, *.jsonl.xz).
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) inputs: Vec<PathBuf>,
    /// How the report is printed.
    #[command(flatten)]
    pub(crate) format: Format,
}
