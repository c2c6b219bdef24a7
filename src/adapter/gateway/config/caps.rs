//! Caps: `cap` of a backend or a route, and the table `[caps]`.

use std::path::PathBuf;

use super::table::Table;
use super::units;
use crate::error::Error;
use crate::route::{Amount, Cap, CapScope, Network, Offer};

const KEYS: [&str; 5] = ["total", "tenant", "tenants", "zone", "file"];

/// The caps of a table's member, each with where it is written.
pub(super) fn list(
    table: &Table<'_>,
    key: &str,
    (name, scope): (&str, &CapScope),
) -> Result<Vec<(Cap, usize)>, Error> {
    let mut caps: Vec<(Cap, usize)> = Vec::new();
    for said in table.strings(key)?.unwrap_or_default() {
        let (most, per, hardness) = units::cap(&said.value).ok_or_else(|| {
            let message = format!(
                "`{}` is no cap; write it as \"200 USD/day\", \"soft 150 USD/day\" or \"2M \
                 tokens/minute\" (USD or tokens, per minute, day or month)",
                said.written
            );
            table.text.error(said.at, &message)
        })?;
        let is_money = |amount: &Amount| matches!(amount, Amount::Money(_));
        let twice = caps.iter().any(|(cap, _)| {
            (cap.per, cap.hardness, is_money(&cap.most)) == (per, hardness, is_money(&most))
        });
        if twice {
            let message = format!(
                "there are two such caps; take out `{}` or the other",
                said.written
            );
            return Err(table.text.error(said.at, &message));
        }
        let cap = Cap {
            name: name.into(),
            scope: scope.clone(),
            most,
            per,
            hardness,
        };
        caps.push((cap, said.at));
    }
    Ok(caps)
}

/// What the table `[caps]` says.
#[derive(Default)]
pub(super) struct General {
    pub(super) caps: Vec<(Cap, usize)>,
    pub(super) zone: Option<Box<str>>,
    pub(super) file: Option<PathBuf>,
}

/// Reads the table `[caps]`.
pub(super) fn general(table: Table<'_>) -> Result<General, Error> {
    let table = table.knows(&KEYS)?;
    let mut caps = list(&table, "total", ("caps.total", &CapScope::Total))?;
    caps.extend(list(
        &table,
        "tenant",
        ("caps.tenant", &CapScope::EachTenant),
    )?);
    if let Some(tenants) = table.table("tenants")? {
        for (tenant, _) in tenants.keys() {
            let scope = CapScope::Tenant(tenant.into());
            let name = format!("caps.tenants.{tenant}");
            caps.extend(list(&tenants, tenant, (&name, &scope))?);
        }
    }
    let zone = table.string("zone")?;
    if let Some(zone) = &zone
        && jiff::tz::TimeZone::get(&zone.value).is_err()
    {
        let message = format!(
            "no time zone is named `{}`; write one like \"Europe/Berlin\", or leave `zone` out \
             for UTC",
            zone.written
        );
        return Err(table.text.error(zone.at, &message));
    }
    let file = table.string("file")?;
    Ok(General {
        caps,
        zone: zone.map(|zone| zone.value.into()),
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
