//! `cachewright probe`.

use std::sync::Arc;

use cachewright::error::Error;
use cachewright::provider::Catalog;

use crate::args::Probe;
use crate::exit::Failure;

/// Runs the command.
pub(crate) fn run(args: &Probe, catalog: &Arc<Catalog>) -> Result<(), Failure> {
    let _ = (args, catalog);
    Err(Error::config("not built yet").into())
}
