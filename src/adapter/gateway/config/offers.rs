//! Which models of a route are where, under which id, at what price.

use super::backend::Described;
use super::route::Named;
use super::table::{Said, Table};
use crate::adapter::gateway::Site;
use crate::adapter::gateway::site::Delivery;
use crate::error::Error;
use crate::provider::{Catalog, Model, Provider, suggestion};
use crate::route::Offer;

/// The route's model at each backend in order, then its fallback models.
///
/// # Errors
/// When a backend does not have the route's own model, or no backend has a fallback model.
pub(super) fn resolve(
    table: &Table<'_>,
    (model, fallbacks): Named<'_>,
    (order, backends): (&[usize], &[Described]),
    catalog: &Catalog,
) -> Result<Vec<Offer>, Error> {
    let mut offers = Vec::new();
    for (fallback, said) in std::iter::once(model).chain(fallbacks).enumerate() {
        let mut missing = None;
        let before = offers.len();
        for (place, backend) in order
            .iter()
            .filter_map(|place| Some((*place, backends.get(*place)?)))
        {
            match offer(said, backend, catalog) {
                Ok(found) => offers.push(Offer {
                    backend: place,
                    fallback,
                    ..found
                }),
                Err(why) => missing = missing.or(Some(why)),
            }
        }
        // A fallback model need not be everywhere.
        let enough = fallback > 0 && offers.len() > before;
        if let Some(why) = missing.filter(|_| !enough) {
            return Err(table.text.error(said.at, &why));
        }
    }
    Ok(offers)
}

/// A model at a backend, or why it is not there and what to do about it.
fn offer(said: &Said, backend: &Described, catalog: &Catalog) -> Result<Offer, String> {
    let (facts, id) = found(said, backend, catalog)?;
    let dialects = dialects(&backend.site, &backend.row, &id);
    let (model, name) = (&said.written, &backend.backend.name);
    if dialects.is_empty() {
        return Err(format!(
            "backend {name} speaks none of messages, chat and responses for `{model}` (there {id:?}); \
             take it out of `order`, or give another id with models under [providers.{name}]"
        ));
    }
    Ok(Offer {
        backend: 0,
        model: said.value.as_str().into(),
        fallback: 0,
        id: id.into(),
        dialects,
        reads_count: backend.row.access.counts_reads(&facts.name),
        facts,
    })
}

/// What is known of a model at a backend, and its id there.
fn found(said: &Said, backend: &Described, catalog: &Catalog) -> Result<(Model, String), String> {
    let (model, kind) = (&said.value, &backend.row.name);
    let name = &backend.backend.name;
    if let Some(id) = backend.id_of(model, catalog) {
        let by_id = catalog.model(kind, &id.value);
        let facts = match by_id.limits.known {
            true => by_id,
            false => Some(catalog.model(kind, model))
                .filter(|found| found.limits.known)
                .unwrap_or(by_id),
        };
        return Ok((facts, id.value.clone()));
    }
    let fix = format!(
        "add models = {{ \"{}\" = \"ID\" }} under [providers.{name}]",
        said.written
    );
    if let Some(profile) = &backend.profile
        && let Some(offer) = catalog.offer(kind, model, profile)
    {
        return Ok(offer);
    }
    let facts = catalog.model(kind, model);
    if !facts.limits.known {
        let served: Vec<Box<str>> = catalog.served(&backend.row).map(|one| one.name).collect();
        let served: Vec<&str> = served.iter().map(AsRef::as_ref).collect();
        let near = suggestion(&said.written, &served);
        let near = match near.starts_with("did you mean") {
            true => format!("{near} Otherwise "),
            false => String::new(),
        };
        return Err(format!(
            "no row knows `{}` at backend {name} ({kind}); {near}{fix}",
            said.written
        ));
    }
    if backend.profile.is_none() {
        return Err(format!(
            "no inference profile of backend {name} ({kind}) stays within {:?}; {fix}, with an id \
             that does",
            backend.backend.zones
        ));
    }
    Err(format!(
        "how `{}` is spelled at backend {name} ({kind}) is not known; {fix}",
        said.written
    ))
}

/// The dialects of the doors that take this id.
fn dialects(site: &Site, row: &Provider, id: &str) -> Vec<Box<str>> {
    let doors = site.doors().iter();
    doors
        .filter(|door| {
            let uri = site.uri(door, id, Delivery::Whole);
            let found = uri.as_ref().and_then(|uri| row.behind(uri.path()));
            found.is_some_and(|found| *found.endpoint.name == *door.dialect)
        })
        .map(|door| door.dialect.clone())
        .collect()
}

/// Whether calls to this id are those of a regional endpoint, as the layer will price them.
pub(super) fn is_regional(site: &Site, (row, catalog): (&Provider, &Catalog), id: &str) -> bool {
    site.doors().iter().any(|door| {
        let Some(uri) = site.uri(door, id, Delivery::Whole) else {
            return false;
        };
        let by_host = catalog.find(site.host(), uri.path());
        let found = by_host.filter(|found| found.provider.name == row.name);
        let found = found.or_else(|| row.behind(uri.path()));
        found.is_some_and(|found| found.regional)
    })
}
