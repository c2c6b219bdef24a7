//! The one TOML form of rows, for those built in and for the user's own.

use toml::de::DeTable;

use super::fields::{Fields, File, Flag, suggestion};
use super::{Model, Provider, ids};
use crate::error::Error;
use crate::model::{Limits, Money, PriceTier, Prices, Ttl};

const PROVIDER: [&str; 11] = [
    "name",
    "dialect",
    "hosts",
    "paths",
    "ttls",
    "max_breakpoints",
    "lookback",
    "collapse_runs",
    "automatic_marker",
    "source",
    "as_of",
];
const MODEL: [&str; 20] = [
    "provider",
    "name",
    "aliases",
    "min_tokens",
    "input",
    "write_5m",
    "write_1h",
    "read",
    "output",
    "short",
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
];
const SHORT: [&str; 6] = [
    "max_prompt",
    "input",
    "write_5m",
    "write_1h",
    "read",
    "output",
];
const PRICES: [&str; 5] = ["input", "write_5m", "write_1h", "read", "output"];

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
            Ttl::parse(text).ok_or_else(|| fields.error_at("ttls", "a ttl is \"5m\" or \"1h\""))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Provider {
        name: fields.required("name")?.into(),
        dialect: fields.required("dialect")?.into(),
        hosts: fields.texts("hosts")?,
        paths: fields.texts("paths")?,
        ttls,
        max_breakpoints: size(
            fields,
            "max_breakpoints",
            Limits::CONSERVATIVE.max_breakpoints,
        )?,
        lookback: size(fields, "lookback", Limits::CONSERVATIVE.lookback)?,
        collapse_runs: fields.flag("collapse_runs", Flag::No)?,
        automatic_marker: fields.flag("automatic_marker", Flag::No)?,
        source: fields.required("source")?.into(),
        as_of: date(fields)?,
    })
}

fn model(fields: &Fields<'_>, providers: &[Provider]) -> Result<ModelRow, Error> {
    let name = fields.required("name")?;
    let owner = owner(fields, providers)?;
    let (residual_text, residual_result) = fields.pair("residual", (3, 1))?;
    let model = Model {
        name: name.into(),
        limits: Limits {
            max_breakpoints: owner.max_breakpoints,
            min_tokens: fields.number("min_tokens", Limits::CONSERVATIVE.min_tokens)?,
            lookback: owner.lookback,
            collapse_runs: owner.collapse_runs,
            one_hour: fields.flag("one_hour", Flag::No)? && owner.ttls.contains(&Ttl::OneHour),
            known: true,
        },
        prices: prices(fields)?,
        bytes_per_ktok: bytes_per_ktok(fields)?,
        residual: (residual_text, residual_result),
        tool_instructions: fields.number("tool_instructions", 0)?,
        prefix_check: fields.flag("prefix_check", Flag::Yes)?,
        keeps_thinking: fields.flag("keeps_thinking", Flag::Yes)?,
        system_messages: fields.flag("system_messages", Flag::No)?,
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

/// A row without any price has none; a row with some must have all five.
fn prices(fields: &Fields<'_>) -> Result<Option<Prices>, Error> {
    let short = fields.table("short", &SHORT)?;
    if short.is_none() && !PRICES.iter().any(|key| fields.has(key)) {
        return Ok(None);
    }
    let short = short
        .map(|fields| Ok::<_, Error>((fields.number("max_prompt", 0)?, tier(&fields)?)))
        .transpose()?;
    Ok(Some(Prices {
        standard: tier(fields)?,
        short,
    }))
}

fn tier(fields: &Fields<'_>) -> Result<PriceTier, Error> {
    let mut prices = [Money::ZERO; 5];
    for (price, key) in prices.iter_mut().zip(PRICES) {
        *price = fields.price(key)?;
    }
    Ok(PriceTier::new(prices))
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
