//! The proxy's admin port, as far as the command line decides on it.

use cachewright::adapter::admin::{Admin, AdminHandle, AdminOptions, Scrape};
use cachewright::adapter::store::{Query, Store};
use cachewright::error::Error;
use cachewright::ledger::Group;

use crate::args::Proxy;
use crate::exit::{Failure, complain};
use crate::story::{self, Subject};

/// Where it listens: as the command line says, or the configuration.
pub(crate) fn options(args: &Proxy, configured: AdminOptions) -> Result<AdminOptions, Error> {
    match &args.admin {
        Some(place) => configured.at(place),
        None => Ok(configured),
    }
}

/// Opens it. Nobody asked for the default port: where that is taken, the proxy goes on without.
pub(crate) async fn open(admin: Option<Admin>) -> Result<Option<AdminHandle>, Failure> {
    let Some(admin) = admin else {
        return Ok(None);
    };
    let by_default = admin.is_default();
    match admin.bind().await {
        Ok(handle) => Ok(Some(handle)),
        Err(error) if by_default => {
            complain(&error);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// What Prometheus is shown, the ledger's drops included.
pub(crate) fn scrape(store: Option<&Store>) -> Result<Scrape, Error> {
    let store = store.cloned();
    Scrape::new(|metrics| match store {
        Some(store) => metrics.ledger_dropped(move || store.dropped()),
        None => metrics,
    })
}

/// Tells the report from the ledger, where there is one, and spells it as `report --json` does.
pub(crate) fn telling(admin: Admin, store: Option<&Store>) -> Admin {
    let place = store.map_or_else(|| "none".into(), Store::place);
    let admin = admin.json(move |story| {
        let by = Group::Model;
        let place = &place;
        story::json(&Subject { place, story, by })
    });
    let Some(store) = store.cloned() else {
        return admin;
    };
    admin.story(move || {
        store.flush()?;
        match store.story(&Query::default()) {
            Ok(story) => Ok(Some(story)),
            // Before the first exchange there is no ledger.
            Err(error) if error.is_input() => Ok(None),
            Err(error) => Err(error),
        }
    })
}
