//! One route: `[routes.NAME]` with an `order`.

use std::time::Duration;

use super::backend::Described;
use super::table::{Said, Table};
use super::{backend, caps, offers};
use crate::error::Error;
use crate::provider::{Catalog, suggestion};
use crate::route::{Cap, CapScope, Goal, Patience, Retries, Route, Worth};

/// What makes a route one over several backends.
pub(super) const KEYS: [&str; 17] = [
    "model",
    "fallback_models",
    "order",
    "goal",
    "residency",
    "tenants",
    "cap",
    "affinity",
    "rank_worth",
    "second_worth",
    "attempts",
    "retry_percent",
    "first_byte",
    "between",
    "deadline",
    "hedge",
    "cooldown",
];

/// What the handle reads of a route: settings of the layer.
pub(super) const OVERLAY: [&str; 13] = [
    "mode",
    "markers",
    "ttl",
    "rules",
    "reshaped_from_first_turn",
    "clock_step",
    "nonces",
    "stream_usage",
    "day_retention",
    "explicit_caches",
    "keep_alive",
    "provider_diagnostics",
    "excerpts",
];

/// How long a backend must have been sound before calls without a warm prefix return to it.
const COOLDOWN: Duration = Duration::from_secs(60);

/// Whether a table is a route over backends, and not only settings of the layer.
///
/// # Errors
/// When it has keys of such a route, but no order.
pub(super) fn is_served(table: Table<'_>) -> Result<bool, Error> {
    let known: Vec<&str> = KEYS.into_iter().chain(OVERLAY).collect();
    table.knows(&known)?;
    if table.has("order") {
        return Ok(true);
    }
    match table.keys().find(|(key, _)| KEYS.contains(key)) {
        None => Ok(false),
        Some((key, at)) => {
            let message = format!(
                "`{key}` is for a route over backends; add order = [\"…\"], the backends to ask"
            );
            Err(table.text.error(at, &message))
        }
    }
}

/// Reads the table of the route of this name.
pub(super) fn read(
    name: &str,
    table: Table<'_>,
    backends: &[Described],
    catalog: &Catalog,
) -> Result<(Route, Vec<(Cap, usize)>), Error> {
    named(name, &table)?;
    let order = order(&table, backends)?;
    let model = table.required("model", "\"claude-sonnet-5.5\"")?;
    let fallbacks = table.strings("fallback_models")?.unwrap_or_default();
    let residency = backend::residency(&table)?;
    meets(&table, &residency, (&order, backends))?;
    let offers = offers::resolve(&table, (&model, &fallbacks), (&order, backends), catalog)?;
    let scope = CapScope::Route(name.into());
    let caps = caps::list(&table, "cap", &scope)?;
    let route = Route {
        name: name.into(),
        residency,
        tenants: table.names("tenants")?,
        goal: goal(&table)?,
        affinity: table.flag("affinity")?.unwrap_or(true),
        worth: worth(&table)?,
        offers,
        retries: retries(&table)?,
        patience: patience(&table)?,
        hedge: waited(&table, "hedge")?,
        cooldown: table.duration("cooldown")?.unwrap_or(COOLDOWN),
    };
    Ok((route, caps))
}

/// The name is the first part of a path, and what bodies may name as their model.
fn named(name: &str, table: &Table<'_>) -> Result<(), Error> {
    let plain = |ch: char| ch.is_ascii_alphanumeric() || "-_.".contains(ch);
    if name.is_empty() || !name.chars().all(plain) {
        let message = format!(
            "a route cannot be named {name:?}: its name is the first part of a path, so use \
             letters, digits, dashes and dots"
        );
        return Err(table.error(&message));
    }
    if ["v1", "healthz"].contains(&name) {
        let message = format!(
            "a route cannot be named {name:?}: requests to /{name} mean something else; give it \
             another name"
        );
        return Err(table.error(&message));
    }
    Ok(())
}

/// Places of the backends of `order`.
fn order(table: &Table<'_>, backends: &[Described]) -> Result<Vec<usize>, Error> {
    let names: Vec<&str> = backends.iter().map(|one| &*one.backend.name).collect();
    let mut order = Vec::new();
    for said in table.strings("order")?.unwrap_or_default() {
        let refused = |message: &str| table.text.error(said.at, message);
        let place = names.iter().position(|name| **name == said.value);
        let place = place.ok_or_else(|| {
            let fix = match names.is_empty() {
                true => format!("add [providers.{}]", said.written),
                false => suggestion(&said.written, &names),
            };
            refused(&format!("no backend is named `{}`; {fix}", said.written))
        })?;
        if order.contains(&place) {
            let message = format!("`{}` stands in the order twice; take one out", said.written);
            return Err(refused(&message));
        }
        order.push(place);
    }
    if order.is_empty() {
        return Err(table.error_at("order", "`order` names no backend; add one of [providers]"));
    }
    Ok(order)
}

/// Refuses a residency that none of the backends meets.
fn meets(
    table: &Table<'_>,
    residency: &[Box<str>],
    (order, backends): (&[usize], &[Described]),
) -> Result<(), Error> {
    if residency.is_empty() {
        return Ok(());
    }
    let mut reasons = Vec::new();
    for backend in order.iter().filter_map(|place| backends.get(*place)) {
        let (name, zones) = (&backend.backend.name, &backend.backend.zones);
        if zones.is_empty() {
            reasons.push(format!("{name} promises no zone"));
        } else if let Some(zone) = zones.iter().find(|zone| !residency.contains(zone)) {
            reasons.push(format!("{name} may process in {zone:?}"));
        } else {
            return Ok(());
        }
    }
    let message = format!(
        "no backend stays within residency {:?}: {}; add one that does to `order`, or say what \
         they keep with residency under [providers.NAME]",
        residency,
        reasons.join(", ")
    );
    Err(table.error_at("residency", &message))
}

fn goal(table: &Table<'_>) -> Result<Goal, Error> {
    let Some(said) = table.string("goal")? else {
        return Ok(Goal::Order);
    };
    match said.value.as_str() {
        "order" => Ok(Goal::Order),
        "latency" => Ok(Goal::Latency),
        "cost" => Ok(Goal::Cost),
        _ => {
            let fix = suggestion(&said.written, &["order", "latency", "cost"]);
            let message = format!("`{}` is no goal; {fix}", said.written);
            Err(table.text.error(said.at, &message))
        }
    }
}

fn worth(table: &Table<'_>) -> Result<Worth, Error> {
    let absent = Worth::default();
    Ok(Worth {
        rank: table.money("rank_worth")?.unwrap_or(absent.rank),
        second: table.money("second_worth")?.unwrap_or(absent.second),
    })
}

fn retries(table: &Table<'_>) -> Result<Retries, Error> {
    let absent = Retries::default();
    let percent = table.number("retry_percent", (0, 100))?;
    Ok(Retries {
        attempts: table
            .number("attempts", (1, 20))?
            .unwrap_or(absent.attempts),
        percent: percent.unwrap_or(absent.percent),
    })
}

fn patience(table: &Table<'_>) -> Result<Patience, Error> {
    let absent = Patience::default();
    Ok(Patience {
        first_byte: waited(table, "first_byte")?.unwrap_or(absent.first_byte),
        between: waited(table, "between")?.unwrap_or(absent.between),
        deadline: waited(table, "deadline")?.unwrap_or(absent.deadline),
    })
}

/// A time that must pass before something is done.
fn waited(table: &Table<'_>, key: &str) -> Result<Option<Duration>, Error> {
    let waited = table.duration(key)?;
    if waited.is_some_and(|waited| waited.is_zero()) {
        let message =
            format!("`{key}` would be over at once; write a longer time, such as \"30s\"");
        return Err(table.error_at(key, &message));
    }
    Ok(waited)
}

/// The model as somebody wrote it.
pub(super) type Named<'a> = (&'a Said, &'a [Said]);
