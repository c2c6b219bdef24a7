//! The one TOML form of rows, for those built in and for the user's own.

use toml::de::DeTable;

use super::fields::{Fields, File, Flag, suggestion};
use super::{Affinity, AffinityPer, Endpoint, Model, Provider, ids};
use crate::error::Error;
use crate::model::{Limits, PriceTier, Prices, Regime, Ttl};
use crate::wire::{self, MarkerStyle};

const PROVIDER: [&str; 19] = [
    "name",
    "dialect",
    "marker",
    "endpoints",
    "hosts",
    "paths",
    "ttls",
    "max_breakpoints",
    "lookback",
    "collapse_runs",
    "automatic_marker",
    "known_models_only",
    "messages_last",
    "affinity",
    "models_from",
    "regional_percent",
    "source",
    "as_of",
    "note",
];
const ENDPOINT: [&str; 3] = ["dialect", "marker", "paths"];
const AFFINITY: [&str; 5] = ["field", "header", "per", "per_minute", "automatic_only"];
const MODEL: [&str; 27] = [
    "provider",
    "name",
    "aliases",
    "min_tokens",
    "input",
    "write_5m",
    "write_30m",
    "write_1h",
    "read",
    "output",
    "short",
    "regime",
    "granularity",
    "day_retention",
    "marks_tools",
    "marks_results",
    "bytes_per_ktok",
    "residual",
    "tool_instructions",
    "prefix_check",
    "keeps_thinking",
    "system_messages",
    "one_hour",
    "match",
    "source",
    "as_of",
    "note",
];
const SHORT: [&str; 7] = [
    "max_prompt",
    "input",
    "write_5m",
    "write_30m",
    "write_1h",
    "read",
    "output",
];
const PRICES: [&str; 6] = [
    "input",
    "write_5m",
    "write_30m",
    "write_1h",
    "read",
    "output",
];

/// One model row: whose it is, the ids it answers to, and what it says.
#[derive(Clone, Debug)]
pub(super) struct ModelRow {
    pub(super) provider: Box<str>,
    pub(super) keys: Vec<String>,
    pub(super) model: Model,
}

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
    for fields in root.tables("model", &MODEL)? {
        let row = model(&fields, providers)?;
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
    Ok(Provider {
        name: fields.required("name")?.into(),
        hosts: fields.texts("hosts")?,
        endpoints: endpoints(fields)?,
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
        affinity: affinity(fields)?,
        models_from: fields.texts("models_from")?,
        regional_percent: small(fields, "regional_percent")?.unwrap_or(0),
        source: fields.required("source")?.into(),
        as_of: date(fields)?,
    })
}

/// The endpoints of a row: a list of them, or one spelled by `dialect` and `paths` of the row.
fn endpoints(fields: &Fields<'_>) -> Result<Vec<Endpoint>, Error> {
    let listed = fields.tables("endpoints", &ENDPOINT)?;
    let mut found: Vec<Endpoint> = listed.iter().map(endpoint).collect::<Result<_, _>>()?;
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
    Ok(Some(Affinity {
        field: fields.text("field")?.map(Into::into),
        header: fields.text("header")?.map(Into::into),
        per,
        automatic_only: fields.flag("automatic_only", Flag::No)?,
        per_minute: small(&fields, "per_minute")?,
    }))
}

fn small(fields: &Fields<'_>, key: &str) -> Result<Option<u32>, Error> {
    if !fields.has(key) {
        return Ok(None);
    }
    let number = fields.number(key, 0)?;
    let number = u32::try_from(number);
    let number = number.map_err(|_| fields.error_at(key, &format!("`{key}` is too large")));
    number.map(Some)
}

fn model(fields: &Fields<'_>, providers: &[Provider]) -> Result<ModelRow, Error> {
    let name = fields.required("name")?;
    let owner = owner(fields, providers)?;
    let (residual_text, residual_result) = fields.pair("residual", (3, 1))?;
    let model = Model {
        name: name.into(),
        // The provider's own limits are put around these when the model is asked for.
        limits: Limits {
            min_tokens: fields.number("min_tokens", Limits::CONSERVATIVE.min_tokens)?,
            regime: regime(fields)?,
            one_hour: fields.flag("one_hour", Flag::No)?,
            marks_tools: fields.flag("marks_tools", Flag::Yes)?,
            marks_results: fields.flag("marks_results", Flag::Yes)?,
            known: true,
            ..Limits::CONSERVATIVE
        },
        prices: prices(fields, owner)?,
        granularity: fields.number("granularity", 1)?.max(1),
        bytes_per_ktok: bytes_per_ktok(fields)?,
        residual: (residual_text, residual_result),
        tool_instructions: fields.number("tool_instructions", 0)?,
        prefix_check: fields.flag("prefix_check", Flag::Yes)?,
        keeps_thinking: fields.flag("keeps_thinking", Flag::Yes)?,
        system_messages: fields.flag("system_messages", Flag::No)?,
        day_retention: fields.flag("day_retention", Flag::No)?,
        source: fields.required("source")?.into(),
        as_of: date(fields)?,
    };
    Ok(ModelRow {
        provider: owner.name.clone(),
        keys: keys(fields, name)?,
        model,
    })
}

/// Every spelling is folded to its key; `match` is another word for `aliases`.
fn keys(fields: &Fields<'_>, name: &str) -> Result<Vec<String>, Error> {
    let mut keys: Vec<String> = fields
        .texts("aliases")?
        .iter()
        .chain(&fields.texts("match")?)
        .map(AsRef::as_ref)
        .chain([name])
        .flat_map(|id: &str| [Some(id.to_ascii_lowercase()), ids::key(id)])
        .flatten()
        .collect();
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

fn owner<'a>(fields: &Fields<'_>, providers: &'a [Provider]) -> Result<&'a Provider, Error> {
    let wanted = fields.required("provider")?;
    let found = providers.iter().find(|row| row.name.as_ref() == wanted);
    found.ok_or_else(|| {
        let known: Vec<&str> = providers.iter().map(|row| row.name.as_ref()).collect();
        let fix = suggestion(wanted, &known);
        let message = format!("there is no provider `{wanted}`; {fix}");
        fields.error_at("provider", &message)
    })
}

/// A row without any price has none; a row with some must have those of input, read and output, and
/// of the writes that its provider sells. A class that is not on sale costs what plain input costs.
fn prices(fields: &Fields<'_>, owner: &Provider) -> Result<Option<Prices>, Error> {
    let short = fields.table("short", &SHORT)?;
    if short.is_none() && !PRICES.iter().any(|key| fields.has(key)) {
        return Ok(None);
    }
    let sold = match regime(fields)? {
        Regime::Automatic => &[][..],
        Regime::Breakpoints | Regime::Exact => &owner.ttls,
    };
    let short = short
        .map(|fields| Ok::<_, Error>((fields.number("max_prompt", 0)?, tier(&fields, sold)?)))
        .transpose()?;
    Ok(Some(Prices {
        standard: tier(fields, sold)?,
        short,
    }))
}

fn tier(fields: &Fields<'_>, sold: &[Ttl]) -> Result<PriceTier, Error> {
    let input = fields.price("input")?;
    let write = |ttl: Ttl, key: &str| {
        if fields.has(key) || sold.contains(&ttl) {
            fields.price(key)
        } else {
            Ok(input)
        }
    };
    let write_5m = write(Ttl::FiveMinutes, "write_5m")?;
    let write_1h = write(Ttl::OneHour, "write_1h")?;
    let mut tier = PriceTier::new([
        input,
        write_5m,
        write_1h,
        fields.price("read")?,
        fields.price("output")?,
    ]);
    if fields.has("write_30m") || sold.contains(&Ttl::HalfHour) {
        tier.write_30m = fields.price("write_30m")?;
    }
    Ok(tier)
}

fn regime(fields: &Fields<'_>) -> Result<Regime, Error> {
    match fields.text("regime")? {
        None | Some("breakpoints") => Ok(Regime::Breakpoints),
        Some("exact") => Ok(Regime::Exact),
        Some("automatic") => Ok(Regime::Automatic),
        Some(_) => {
            let fix = "`regime` is \"breakpoints\", \"exact\" or \"automatic\"";
            Err(fields.error_at("regime", fix))
        }
    }
}

fn bytes_per_ktok(fields: &Fields<'_>) -> Result<u32, Error> {
    let number = fields.number("bytes_per_ktok", super::DEFAULT_BYTES_PER_KTOK.into())?;
    match u32::try_from(number) {
        Ok(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(fields.error_at(
            "bytes_per_ktok",
            "`bytes_per_ktok` must be between 1 and 2^32",
        )),
    }
}

fn size(fields: &Fields<'_>, key: &str, absent: usize) -> Result<usize, Error> {
    let number = fields.number(key, absent as u64)?;
    usize::try_from(number).map_err(|_| fields.error_at(key, &format!("`{key}` is too large")))
}

/// A row without a date cannot be checked against its source, so it is refused.
fn date(fields: &Fields<'_>) -> Result<Box<str>, Error> {
    let text = fields.required("as_of")?;
    let shape: Vec<usize> = text.split('-').map(str::len).collect();
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if shape == [4, 2, 2] && digits {
        Ok(text.into())
    } else {
        Err(fields.error_at("as_of", "`as_of` must be a date such as \"2026-11-22\""))
    }
}
