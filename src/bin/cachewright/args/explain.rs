//! Arguments of `cachewright explain`.

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  cachewright explain monday.json tuesday.json
  cachewright explain A.json B.json --json
  cachewright explain A.json B.json --path /model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/converse
  cachewright explain 1z141z3-5f --ledger ledger.db
  cachewright explain 1z141z3-5f --config cachewright.toml

The two files are request bodies as they were sent, the earlier one first. Cache markers in them do
not count as a difference. Excerpts of both prompts are printed: mind who reads along.

Exit codes: 0 explained, 1 an input failed, 2 unusable command line.";

/// Say why one request did not read what another had written.
///
/// With two files: what moved, where, what it costs, and what to change. With the id of an exchange:
/// the same from the ledger, with why a route sent it where it went, all attempts of its call, and
/// what came of each.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    /// Two request bodies, the earlier one first; or the id of an exchange in the ledger.
    #[arg(required = true, num_args = 1..=2, value_name = "A.json B.json|ID")]
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
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
