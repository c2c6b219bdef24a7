//! The one TOML form of rows, for those built in and for the user's own.

use toml::de::DeTable;

use super::fields::{Fields, File, Flag, suggestion};
use super::models::{self, ModelRow};
use super::reached;
use super::{Affinity, AffinityPer, Endpoint, Inquiry, Provider};
use crate::error::Error;
use crate::model::{Limits, Need, Needs, Ttl};
use crate::wire::{self, MarkerStyle};

const PROVIDER: [&str; 27] = [
    "name",
    "otel",
    "dialect",
    "marker",
    "endpoints",
    "hosts",
    "regional_hosts",
    "paths",
    "ttls",
    "max_breakpoints",
    "lookback",
    "collapse_runs",
    "automatic_marker",
    "known_models_only",
    "messages_last",
    "affinity",
    "storage",
    "diagnostics",
    "ping",
    "lifetime",
    "models_from",
    "regional_percent",
    "access",
    "lacks",
    "source",
    "as_of",
    "note",
];
const ENDPOINT: [&str; 8] = [
    "dialect",
    "marker",
    "paths",
    "affinity",
    "storage",
    "diagnostics",
    "ping",
    "lifetime",
];
const AFFINITY: [&str; 6] = [
    "field",
    "header",
    "per",
    "per_minute",
    "automatic_only",
    "unless",
];
const DIAGNOSTICS: [&str; 4] = ["member", "id", "always", "exact_only"];
/// Adds the rows of one file; a row of the same name replaces the earlier one.
pub(super) fn add(
    file: File<'_>,
    providers: &mut Vec<Provider>,
    models: &mut Vec<ModelRow>,
) -> Result<(), Error> {
    let root = DeTable::parse(file.text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        file.error(offset, error.message())
    })?;
    let root = Fields::new(file, root.get_ref(), 0, &["provider", "model"])?;
    for fields in root.tables("provider", &PROVIDER)? {
        let row = provider(&fields)?;
        providers.retain(|other| other.name != row.name);
        providers.push(row);
    }
    for fields in root.tables("model", &models::KEYS)? {
        let row = models::read(&fields, providers, models)?;
        // A user's alias wins over a built-in one, so that no id has two rows.
        models.retain(|other| other.provider != row.provider || other.model.name != row.model.name);
        for other in models
            .iter_mut()
            .filter(|other| other.provider == row.provider)
        {
            other.keys.retain(|key| !row.keys.contains(key));
        }
        models.push(row);
    }
    Ok(())
}

fn provider(fields: &Fields<'_>) -> Result<Provider, Error> {
    let ttls = fields
        .texts("ttls")?
        .iter()
        .map(|text| {
            Ttl::parse(text)
                .ok_or_else(|| fields.error_at("ttls", "a ttl is \"5m\", \"30m\" or \"1h\""))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let endpoints = endpoints(fields)?;
    Ok(Provider {
        name: fields.required("name")?.into(),
        otel: fields
            .text("otel")?
            .map_or_else(|| fields.required("name"), Ok)?
            .into(),
        hosts: fields.texts("hosts")?,
        regional_hosts: fields.texts("regional_hosts")?,
        access: reached::access(fields, &endpoints)?,
        endpoints,
        ttls,
        max_breakpoints: size(
            fields,
            "max_breakpoints",
            Limits::CONSERVATIVE.max_breakpoints,
        )?,
        lookback: size(fields, "lookback", Limits::CONSERVATIVE.lookback)?,
        collapse_runs: fields.flag("collapse_runs", Flag::No)?,
        automatic_marker: fields.flag("automatic_marker", Flag::No)?,
        known_models_only: fields.flag("known_models_only", Flag::No)?,
        messages_last: fields.flag("messages_last", Flag::No)?,
        models_from: fields.texts("models_from")?,
        regional_percent: small(fields, "regional_percent")?.unwrap_or(0),
        lacks: needs(fields)?,
        source: fields.required("source")?.into(),
        as_of: date(fields)?,
    })
}

/// The endpoints of a row: a list of them, or one spelled by `dialect` and `paths` of the row.
fn endpoints(fields: &Fields<'_>) -> Result<Vec<Endpoint>, Error> {
    let listed = fields.tables("endpoints", &ENDPOINT)?;
    let mut found: Vec<Endpoint> = listed.iter().map(endpoint).collect::<Result<_, _>>()?;
    let common = affinity(fields)?;
    for (endpoint, fields) in found.iter_mut().zip(&listed) {
        if !fields.has("affinity") {
            endpoint.affinity.clone_from(&common);
        }
    }
    if found.is_empty() || fields.has("dialect") {
        found.insert(0, endpoint(fields)?);
    }
    Ok(found)
}

fn endpoint(fields: &Fields<'_>) -> Result<Endpoint, Error> {
    let wanted = fields.required("dialect")?;
    let marker = match fields.text("marker")? {
        None => MarkerStyle::of(wanted),
        Some(text) => MarkerStyle::parse(text).ok_or_else(|| {
            let fix = suggestion(text, &MarkerStyle::ALL.map(MarkerStyle::as_str));
            fields.error_at("marker", &format!("there is no marker `{text}`; {fix}"))
        })?,
    };
    let (name, dialect) = wire::dialect(wanted, marker).ok_or_else(|| {
        let fix = suggestion(wanted, &wire::DIALECTS);
        let message = format!(
            "there is no dialect `{wanted}` with marker `{}`; {fix}",
            marker.as_str()
        );
        fields.error_at("dialect", &message)
    })?;
    Ok(Endpoint {
        dialect,
        name,
        marker,
        paths: fields.texts("paths")?,
        affinity: affinity(fields)?,
        storage: fields.texts("storage")?,
        inquiry: inquiry(fields)?,
        ping: small(fields, "ping")?,
        lifetime: fields.text("lifetime")?.map(Into::into),
    })
}

fn affinity(fields: &Fields<'_>) -> Result<Option<Affinity>, Error> {
    let Some(fields) = fields.table("affinity", &AFFINITY)? else {
        return Ok(None);
    };
    let per = match fields.text("per")? {
        None | Some("prefix") => AffinityPer::Prefix,
        Some("conversation") => AffinityPer::Conversation,
        Some(_) => {
            let fix = "`per` is \"prefix\" or \"conversation\"";
            return Err(fields.error_at("per", fix));
        }
    };
    let affinity = Affinity {
        field: fields.text("field")?.map(Into::into),
        header: fields.text("header")?.map(Into::into),
        per,
        automatic_only: fields.flag("automatic_only", Flag::No)?,
        per_minute: small(&fields, "per_minute")?,
        unless: fields.texts("unless")?,
    };
    // An empty one says that there is none here.
    Ok((affinity.field.is_some() || affinity.header.is_some()).then_some(affinity))
}

fn inquiry(fields: &Fields<'_>) -> Result<Option<Inquiry>, Error> {
    let Some(fields) = fields.table("diagnostics", &DIAGNOSTICS)? else {
        return Ok(None);
    };
    Ok(Some(Inquiry {
        member: fields.required("member")?.into(),
        id: fields.required("id")?.into(),
        always: fields.flag("always", Flag::No)?,
        exact_only: fields.flag("exact_only", Flag::No)?,
    }))
}

/// What cannot be done, by name.
pub(super) fn needs(fields: &Fields<'_>) -> Result<Needs, Error> {
    let names = fields.texts("lacks")?;
    names.iter().try_fold(Needs::NONE, |all, name| {
        let need = Need::parse(name).ok_or_else(|| {
            let fix = suggestion(name, &Need::ALL.map(Need::as_str));
            fields.error_at("lacks", &format!("there is no need `{name}`; {fix}"))
        })?;
        Ok(all.with(need))
    })
}

pub(super) fn small(fields: &Fields<'_>, key: &str) -> Result<Option<u32>, Error> {
    if !fields.has(key) {
        return Ok(None);
    }
    let number = fields.number(key, 0)?;
    let number = u32::try_from(number);
    let number = number.map_err(|_| fields.error_at(key, &format!("`{key}` is too large")));
    number.map(Some)
}

fn size(fields: &Fields<'_>, key: &str, absent: usize) -> Result<usize, Error> {
    let number = fields.number(key, absent as u64)?;
    usize::try_from(number).map_err(|_| fields.error_at(key, &format!("`{key}` is too large")))
}

/// A row without a date cannot be checked against its source, so it is refused.
pub(super) fn date(fields: &Fields<'_>) -> Result<Box<str>, Error> {
    let text = fields.required("as_of")?;
    let shape: Vec<usize> = text.split('-').map(str::len).collect();
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if shape == [4, 2, 2] && digits {
        Ok(text.into())
    } else {
        Err(fields.error_at("as_of", "`as_of` must be a date such as \"2026-11-22\""))
    }
}
