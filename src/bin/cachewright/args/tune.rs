//! Arguments of `cachewright tune`.

use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  cachewright tune requests.jsonl
  cachewright tune --config cachewright.toml          (the journal that it names)
  cachewright tune logs/ --config cachewright.toml --apply 1,2
  cachewright tune logs/ --check
  cachewright tune --ledger ledger.db

Input as `cachewright replay` takes it. --config is the proxy's file: its settings are what is
improved on, and what --apply writes into. Savings are found by replaying the same requests, so they
hold for traffic like this. Not tried, because a replay cannot show it: renting explicit caches, and
keeping entries alive by pings, which this crate does not do.

A ledger holds no prompts: from it alone nothing can be replayed. To keep prompts, put
  [journal]
  path = \"requests.jsonl\"
into the proxy's file. The journal holds prompt text.

Exit codes: 0 done, 1 an input failed or a promise of --check did not hold, 2 unusable command line.";

/// Rank changes of settings and prompts by the dollars each would have saved.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a flag of the command line is a bool"
)]
pub(crate) struct Tune {
    /// Files of timed requests or sessions, or directories of such files (*.jsonl, *.jsonl.xz);
    /// without any, the journal that the configuration names.
    #[arg(value_name = "FILE|DIR")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Rank by the figures of this ledger (a file, or a URL) instead of by replay.
    #[arg(long, value_name = "LEDGER", conflicts_with_all = ["inputs", "apply", "check"])]
    pub(crate) ledger: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// How many changes are listed.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub(crate) top: usize,
    /// Write the changes of these ranks into the configuration file.
    #[arg(
        long,
        value_name = "RANK",
        value_delimiter = ',',
        conflicts_with = "check"
    )]
    pub(crate) apply: Vec<usize>,
    /// Choose changes on the first half of the traffic, and measure them on the second.
    #[arg(long)]
    pub(crate) check: bool,
    /// Rows of providers and models to add to the built-in ones (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) rows: Vec<PathBuf>,
    /// The model that stands in where a session ran on one that is not Claude.
    #[arg(long, value_name = "MODEL", default_value = "claude-sonnet-4-5")]
    pub(crate) model: String,
}
