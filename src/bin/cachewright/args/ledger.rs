//! Arguments of `cachewright ledger`.

use clap::Args;

/// Look after the ledger: export its rows.
#[derive(Debug, Args)]
pub(crate) struct Ledger {}
