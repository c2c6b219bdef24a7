//! Arguments of `cachewright lint`.

use clap::Args;

/// Find what will break caching in a request before it is sent.
#[derive(Debug, Args)]
pub(crate) struct Lint {}
