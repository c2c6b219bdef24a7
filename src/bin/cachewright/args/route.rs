//! Arguments of `cachewright route`.

use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  cachewright route --config cachewright.toml --route contracts body.json
  cachewright route --config cachewright.toml --route voice --tenant acme body.json
  cachewright route --config cachewright.toml body.json --json | jq '.candidates[].bar'

Input: a request body, as an application sends it to a route.

Nothing is sent, and nothing is known of how backends do, of what is warm or of what was spent: this
is what a proxy that has just started would decide. `worst` is what it would reserve.

Exit codes: 0 somebody may serve the call, 1 nobody may or the body cannot be read, 2 the
configuration or the command line cannot be used.";

/// Say where a call would go, and what speaks against the others.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Route {
    /// The request.
    #[arg(value_name = "FILE")]
    pub(crate) body: PathBuf,
    /// The route; without it the only one that the configuration has.
    #[arg(long, value_name = "NAME")]
    pub(crate) route: Option<Box<str>>,
    /// Who asks.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) tenant: Box<str>,
    /// The dialect of the body; without it its members tell.
    #[arg(long, value_name = "NAME")]
    pub(crate) dialect: Option<Box<str>>,
    /// Rows of providers and models to add to the built-in ones (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) rows: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
