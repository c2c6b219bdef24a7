//! Which ledger a command means.

use std::path::{Path, PathBuf};

use cachewright::adapter::store::{Query, Store, StoreOptions};
use cachewright::error::Error;

use crate::args::Span;
use crate::cmd;

/// The file in the state directory, where nothing else is named.
const FILE: &str = "cachewright/ledger.db";
/// The variable that names a ledger.
const VARIABLE: &str = "CACHEWRIGHT_LEDGER";

/// The ledger that the flag names, or the variable, or the settings, or the default one.
pub(crate) fn options(flag: Option<&str>, settings: &[PathBuf]) -> Result<StoreOptions, Error> {
    let named = flag.map(str::to_owned).or_else(|| cmd::variable(VARIABLE));
    let usual = state().map(|dir| dir.join(FILE).display().to_string());
    let first = named
        .clone()
        .or(usual)
        .unwrap_or_else(|| FILE.replace('/', "-"));
    let mut options = StoreOptions::at(&first)?;
    for path in settings {
        let (name, text) = cmd::text(path)?;
        options = options.config((&name, &text), &cmd::variable)?;
    }
    match named {
        Some(named) => options.elsewhere(&named),
        None => Ok(options),
    }
}

/// The ledger to read from.
pub(crate) fn existing(flag: Option<&str>, settings: &[PathBuf]) -> Result<Store, Error> {
    Store::existing(options(flag, settings)?)
}

/// Where the secret stands of a ledger that is no file.
pub(crate) fn secret() -> PathBuf {
    let dir = state().unwrap_or_default();
    dir.join(Path::new(FILE).with_extension("secret"))
}

/// The user's directory for what programs keep.
fn state() -> Option<PathBuf> {
    let named = cmd::variable("XDG_STATE_HOME").map(PathBuf::from);
    let named = named.filter(|dir| dir.is_absolute());
    named.or_else(|| Some(PathBuf::from(cmd::variable("HOME")?).join(".local/state")))
}

/// The exchanges of this time.
pub(crate) fn query(span: &Span) -> Query {
    let mut query = Query::default();
    if let Some(since) = span.since {
        query = query.since(since.at());
    }
    if let Some(until) = span.until {
        query = query.until(until.at());
    }
    query
}
