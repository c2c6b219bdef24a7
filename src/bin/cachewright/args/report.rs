//! Arguments of `cachewright report`.

use clap::Args;

/// Tell what caching saved, wasted and could save, from the ledger.
#[derive(Debug, Args)]
pub(crate) struct Report {}
