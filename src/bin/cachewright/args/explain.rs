//! Arguments of `cachewright explain`.

use clap::Args;

/// Say why one request did not read what another had written.
#[derive(Debug, Args)]
pub(crate) struct Explain {}
