//! `cachewright bound`.

use std::sync::Arc;

use cachewright::error::Error;
use cachewright::provider::Catalog;

use crate::args::Bound;
use crate::exit::Failure;

/// Runs the command.
pub(crate) fn run(args: &Bound, catalog: &Arc<Catalog>) -> Result<(), Failure> {
    let _ = (args, catalog);
    Err(Error::config("not built yet").into())
}
