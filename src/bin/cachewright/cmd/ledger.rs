//! `cachewright ledger`.

use cachewright::error::Error;

use crate::args::Ledger;
use crate::exit::Failure;

pub(crate) fn run(_args: &Ledger) -> Result<(), Failure> {
    Err(Error::config("`ledger` is not there yet").into())
}
