//! `cachewright tune`.

use cachewright::error::Error;

use crate::args::Tune;
use crate::exit::Failure;

pub(crate) fn run(_args: &Tune) -> Result<(), Failure> {
    Err(Error::config("`tune` is not there yet").into())
}
