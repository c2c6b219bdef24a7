//! `cachewright lint`.

use cachewright::error::Error;

use crate::args::Lint;
use crate::exit::Failure;

pub(crate) fn run(_args: &Lint) -> Result<(), Failure> {
    Err(Error::config("`lint` is not there yet").into())
}
