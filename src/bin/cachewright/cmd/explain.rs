//! `cachewright explain`.

use cachewright::error::Error;

use crate::args::Explain;
use crate::exit::Failure;

pub(crate) fn run(_args: &Explain) -> Result<(), Failure> {
    Err(Error::config("`explain` is not there yet").into())
}
