//! `cachewright report`.

use cachewright::error::Error;

use crate::args::Report;
use crate::exit::Failure;

pub(crate) fn run(_args: &Report) -> Result<(), Failure> {
    Err(Error::config("`report` is not there yet").into())
}
