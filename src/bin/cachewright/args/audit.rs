//! Arguments of `cachewright audit`.

use clap::Args;

/// Read logs you already have and tell what caching cost and lost there.
#[derive(Debug, Args)]
pub(crate) struct Audit {}
