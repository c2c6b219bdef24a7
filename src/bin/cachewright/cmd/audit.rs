//! `cachewright audit`.

use cachewright::error::Error;

use crate::args::Audit;
use crate::exit::Failure;

pub(crate) fn run(_args: &Audit) -> Result<(), Failure> {
    Err(Error::config("`audit` is not there yet").into())
}
