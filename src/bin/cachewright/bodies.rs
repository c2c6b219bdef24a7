//! Request bodies in files: which dialect they speak, whom they were sent to, what they hold.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use cachewright::adapter::target::{Target, Told, shown};
use cachewright::error::Error;
use cachewright::model::{Keyring, Skip};
use cachewright::provider::{Catalog, Endpoint, Found, Model, Provider};
use cachewright::wire::Reading;
use serde_json::Value;

/// A request body that was read.
pub(crate) struct Body<'a> {
    pub(crate) file: PathBuf,
    pub(crate) bytes: Bytes,
    pub(crate) reading: Reading,
    pub(crate) provider: &'a Provider,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) model: Model,
}

impl<'a> Body<'a> {
    /// Reads a file of which this is told, with the path or URL that it was sent to. Two bodies that
    /// are to be compared need one keyring.
    pub(crate) fn open(
        file: &Path,
        told: (&Told, Option<&str>),
        catalog: &'a Catalog,
        keyring: &Keyring,
    ) -> Result<Self, Error> {
        let name = file.display();
        let bytes = std::fs::read(file).map_err(|error| Error::io(format!("{name}: {error}")))?;
        let bytes = Bytes::from(bytes);
        let json: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Error::input(format!("{name}: not JSON: {error}")))?;
        let target = target(told, &json, catalog);
        let target = target.map_err(|what| Error::input(format!("{name}: {what}")))?;
        let endpoint = target.endpoint;
        let reading = endpoint
            .dialect
            .read(&bytes, keyring, &mut |_| Vec::new())
            .map_err(|why| refused(file, endpoint.name, why))?;
        Ok(Self {
            file: file.to_owned(),
            bytes,
            reading,
            provider: target.provider,
            endpoint,
            model: target.model,
        })
    }
}

fn refused(file: &Path, dialect: &str, why: Skip) -> Error {
    let name = file.display();
    let what = why.as_str().replace('_', " ");
    Error::input(format!(
        "{name}: not a request in the dialect `{dialect}` ({what}); another dialect is chosen by --dialect"
    ))
}

/// Whom a body is for; `address` is the path or URL that it was sent to.
fn target<'a>(
    (told, address): (&Told, Option<&str>),
    json: &Value,
    catalog: &'a Catalog,
) -> Result<Target<'a>, Error> {
    let Some(address) = address else {
        if told.dialect.is_none() && shown(json).is_none() {
            let what = "no dialect shows in this body; name it with --dialect or --path";
            return Err(Error::input(what));
        }
        return Target::find(catalog, told, json);
    };
    let found = served(address, told.provider.as_deref(), catalog)
        .ok_or_else(|| Error::input(format!("no provider row serves `{address}`")))?;
    let mut told = told.clone();
    told.provider = Some(found.provider.name.clone());
    told.dialect = Some(found.endpoint.name.into());
    told.model = told.model.or_else(|| found.model.map(Into::into));
    Target::find(catalog, &told, json)
}

/// The endpoint behind a URL, or behind the path alone.
fn served<'a>(address: &str, provider: Option<&str>, catalog: &'a Catalog) -> Option<Found<'a>> {
    if let Some((_, rest)) = address.split_once("://") {
        let (host, path) = rest.split_at(rest.find('/')?);
        return catalog.find(host, path);
    }
    let wanted = |row: &&Provider| provider.is_none_or(|name| name == &*row.name);
    let mut providers = catalog.providers().filter(wanted);
    providers.find_map(|row| row.behind(address))
}
