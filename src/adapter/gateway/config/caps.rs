//! Caps: `cap` of a backend or a route, and the table `[caps]`.

use std::path::PathBuf;

use super::table::Table;
use crate::adapter::gateway::Zone;
use crate::error::Error;
use crate::route::{Amount, Cap, CapScope, Network, Offer};

const KEYS: [&str; 5] = ["total", "tenant", "tenants", "zone", "file"];

/// The caps of a table's member, each with where it is written.
pub(super) fn list(
    table: &Table<'_>,
    key: &str,
    scope: &CapScope,
) -> Result<Vec<(Cap, usize)>, Error> {
    let mut caps: Vec<(Cap, usize)> = Vec::new();
    for said in table.strings(key)?.unwrap_or_default() {
        // What is written, and not what a variable held, stands in the error.
        let cap = Cap::parse(&said.value).map_err(|_| {
            let help = Cap::parse(&said.written).err();
            let help = help.map_or_else(|| said.written.clone(), |error| error.to_string());
            table.text.error(said.at, &help)
        })?;
        let is_money = |cap: &Cap| matches!(cap.most, Amount::Money(_));
        let kind = |cap: &Cap| (cap.per, cap.hardness, is_money(cap));
        if caps.iter().any(|(other, _)| kind(other) == kind(&cap)) {
            let message = format!(
                "there are two such caps; take out `{}` or the other",
                said.written
            );
            return Err(table.text.error(said.at, &message));
        }
        let cap = cap.of(scope.clone());
        caps.push((cap, said.at));
    }
    Ok(caps)
}

/// What the table `[caps]` says.
#[derive(Default)]
pub(super) struct General {
    pub(super) caps: Vec<(Cap, usize)>,
    pub(super) zone: Zone,
    pub(super) file: Option<PathBuf>,
}

/// Reads the table `[caps]`.
pub(super) fn general(table: Table<'_>) -> Result<General, Error> {
    let table = table.knows(&KEYS)?;
    let mut caps = list(&table, "total", &CapScope::Total)?;
    caps.extend(list(&table, "tenant", &CapScope::EachTenant)?);
    if let Some(tenants) = table.table("tenants")? {
        for (tenant, _) in tenants.keys() {
            let scope = CapScope::Tenant(tenant.into());
            caps.extend(list(&tenants, tenant, &scope)?);
        }
    }
    let zone = table.string("zone")?.map(|said| {
        Zone::named(&said.value).map_err(|error| table.text.error(said.at, &error.to_string()))
    });
    let file = table.string("file")?;
    Ok(General {
        caps,
        zone: zone.transpose()?.unwrap_or_default(),
        file: file.map(|file| file.value.into()),
    })
}

/// A model that a cap in dollars would have to count although it has no price: it, and its backend.
pub(super) fn unpriced<'n>(cap: &Cap, network: &'n Network) -> Option<(&'n Offer, &'n str)> {
    if !matches!(cap.most, Amount::Money(_)) {
        return None;
    }
    network.routes.iter().find_map(|route| {
        let mut offers = route.offers.iter().filter_map(|offer| {
            let backend = &network.backends.get(offer.backend)?.name;
            Some((offer, &**backend))
        });
        offers.find(|(offer, backend)| {
            let counts = match &cap.scope {
                CapScope::Route(name) => *name == route.name,
                CapScope::Backend(name) => **name == **backend,
                CapScope::Total | CapScope::Tenant(_) | CapScope::EachTenant => true,
            };
            counts && offer.facts.prices.is_none()
        })
    })
}
