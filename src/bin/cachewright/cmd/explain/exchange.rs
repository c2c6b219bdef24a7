//! `cachewright explain ID`: one exchange, as the ledger has it.

use cachewright::error::Error;

use crate::args::Explain;
use crate::exit::Failure;

/// Explains the exchange of this id.
pub(super) fn run(_args: &Explain, id: &str) -> Result<(), Failure> {
    id.parse::<cachewright::ledger::Id>()?;
    Err(Error::config("exchanges of the ledger cannot be explained yet").into())
}
