//! Arguments of `cachewright explain`.

use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  cachewright explain monday.json tuesday.json
  cachewright explain A.json B.json --json
  cachewright explain A.json B.json --path /model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/converse
  cachewright explain next.json --state history.json
  cachewright explain 1z141z3-5f --ledger ledger.db
  cachewright explain 1z141z3-5f --config cachewright.toml

The two files are request bodies as they were sent, the earlier one first. Cache markers in them do
not count as a difference. Excerpts of both prompts are printed: mind who reads along. One file alone
is planned, and the numbers behind the plan are told; nothing of its prompt is printed.

Exit codes: 0 explained, 1 an input failed, 2 unusable command line.";

/// Say why one request did not read what another had written, or what decides where one is written.
///
/// With one file: where its breakpoints go, by which chances, thresholds and expected costs, and
/// whether a ping would keep it warm. With two files: what moved, where, what it costs, and what to change. With the id of an exchange:
/// the same from the ledger, with why a route sent it where it went, all attempts of its call, and
/// what came of each.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    /// One request body; two, the earlier one first; or the id of an exchange in the ledger.
    #[arg(required = true, num_args = 1..=2, value_name = "A.json [B.json]|ID")]
    pub(crate) what: Vec<String>,
    /// The provider that both were sent to, where the bodies do not show it.
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// The dialect of both bodies, where they do not show it.
    #[arg(long, value_name = "NAME")]
    pub(crate) dialect: Option<String>,
    /// The path or URL that both were sent to: it tells provider, dialect and model.
    #[arg(long, value_name = "PATH", conflicts_with = "dialect")]
    pub(crate) path: Option<String>,
    /// The model, where it stands in the path rather than in the body.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// The ledger in which the id is looked up: a file, or the URL of a database. Without it the one
    /// that --config names, or `$CACHEWRIGHT_LEDGER`, or the default file in the state directory.
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) ledger: Option<String>,
    /// The history that one body is planned by, as `replay --state` leaves it.
    #[arg(long, value_name = "FILE", conflicts_with = "ledger")]
    pub(crate) state: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
