//! Arguments of `cachewright tune`.

use clap::Args;

/// Rank changes of settings and prompts by the dollars each would have saved.
#[derive(Debug, Args)]
pub(crate) struct Tune {}
