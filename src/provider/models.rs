//! The rows of models: what one model of one provider allows and costs.

use std::time::Duration;

use super::fields::{Fields, Flag, suggestion};
use super::rows::{date, needs, small};
use super::{Model, Provider, ids};
use crate::error::Error;
use crate::model::{Limits, Lives, PriceTier, Prices, Regime, Ttl};

pub(super) const KEYS: [&str; 41] = [
    "provider",
    "name",
    "aliases",
    "like",
    "min_tokens",
    "max_cached",
    "input",
    "write_5m",
    "write_30m",
    "write_1h",
    "read",
    "output",
    "short",
    "storage_hour",
    "storage_min",
    "unpriced",
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
    "lookback",
    "life_5m",
    "life_30m",
    "life_1h",
    "renews",
    "revives",
    "written_at_end",
    "regional_percent",
    "lacks",
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
    /// By how many percent a regional endpoint is dearer, where it is not the provider's rule.
    pub(super) regional_percent: Option<u32>,
    /// Positions searched back, where they are not the provider's.
    pub(super) lookback: Option<u32>,
    pub(super) model: Model,
}

/// Reads one row. With `like`, what the row leaves out is as in that earlier row.
pub(super) fn read(
    fields: &Fields<'_>,
    providers: &[Provider],
    earlier: &[ModelRow],
) -> Result<ModelRow, Error> {
    let name = fields.required("name")?;
    let owner = owner(fields, providers)?;
    let like = like(fields, earlier)?;
    let base = like.map_or_else(|| blank(name, owner), |row| row.model.clone());
    let (residual_text, residual_result) = fields.pair("residual", base.residual)?;
    let flag = |key: &str, absent: bool| fields.flag(key, Flag::from(absent));
    let limits = limits(fields, &base.limits)?;
    let storage_hour = match fields.has("storage_hour") {
        true => Some(fields.price("storage_hour")?),
        false => base.storage_hour,
    };
    // What a row says of the minimum holds for both, unless it says more.
    let storage_min = match fields.has("min_tokens") {
        true => limits.min_tokens,
        false => base.storage_min,
    };
    let model = Model {
        name: name.into(),
        limits,
        prices: prices(fields, owner, &limits, base.prices)?,
        storage_hour,
        storage_min: fields.number("storage_min", storage_min)?,
        granularity: fields.number("granularity", base.granularity)?.max(1),
        bytes_per_ktok: bytes_per_ktok(fields, base.bytes_per_ktok)?,
        residual: (residual_text, residual_result),
        tool_instructions: fields.number("tool_instructions", base.tool_instructions)?,
        prefix_check: flag("prefix_check", base.prefix_check)?,
        keeps_thinking: flag("keeps_thinking", base.keeps_thinking)?,
        system_messages: flag("system_messages", base.system_messages)?,
        day_retention: flag("day_retention", base.day_retention)?,
        regional_percent: 0,
        lacks: if fields.has("lacks") {
            needs(fields)?
        } else {
            base.lacks
        },
        source: fields.required("source")?.into(),
        as_of: date(fields)?,
    };
    let own = small(fields, "regional_percent")?;
    Ok(ModelRow {
        provider: owner.name.clone(),
        keys: keys(fields, name, like)?,
        regional_percent: own.or_else(|| like.and_then(|row| row.regional_percent)),
        lookback: small(fields, "lookback")?.or_else(|| like.and_then(|row| row.lookback)),
        model,
    })
}

/// What the row allows. The provider's own limits are put around these when the model is asked for.
fn limits(fields: &Fields<'_>, base: &Limits) -> Result<Limits, Error> {
    let flag = |key: &str, absent: bool| fields.flag(key, Flag::from(absent));
    let max_cached = match fields.has("max_cached") {
        true => Some(fields.number("max_cached", 0)?),
        false => base.max_cached,
    };
    Ok(Limits {
        max_cached,
        min_tokens: fields.number("min_tokens", base.min_tokens)?,
        regime: regime(fields)?.unwrap_or(base.regime),
        one_hour: flag("one_hour", base.one_hour)?,
        lives: lives(fields, base.lives)?,
        renews: flag("renews", base.renews)?,
        revives: flag("revives", base.revives)?,
        written_at_end: flag("written_at_end", base.written_at_end)?,
        marks_tools: flag("marks_tools", base.marks_tools)?,
        marks_results: flag("marks_results", base.marks_results)?,
        ..*base
    })
}

/// How long entries live, in seconds.
fn lives(fields: &Fields<'_>, absent: Lives) -> Result<Lives, Error> {
    let life = |key: &str, absent: Duration| {
        let seconds = fields.number(key, absent.as_secs());
        seconds.map(Duration::from_secs)
    };
    let mut lives = absent;
    lives.five_minutes = life("life_5m", absent.five_minutes)?;
    lives.half_hour = life("life_30m", absent.half_hour)?;
    lives.one_hour = life("life_1h", absent.one_hour)?;
    Ok(lives)
}

/// What a row says that says nothing.
fn blank(name: &str, owner: &Provider) -> Model {
    let mut model = Model::unknown(name);
    model.limits.known = true;
    model.limits.ttl = owner.ttls.first().copied().unwrap_or_default();
    model.system_messages = false;
    model
}

/// The row that `like` names as `provider/name`.
fn like<'a>(fields: &Fields<'_>, earlier: &'a [ModelRow]) -> Result<Option<&'a ModelRow>, Error> {
    let Some(wanted) = fields.text("like")? else {
        return Ok(None);
    };
    let found = wanted.split_once('/').and_then(|(provider, name)| {
        let mut rows = earlier.iter();
        rows.find(|row| *row.provider == *provider && *row.model.name == *name)
    });
    found.map(Some).ok_or_else(|| {
        let message =
            format!("there is no model `{wanted}`; write `provider/name` of an earlier row");
        fields.error_at("like", &message)
    })
}

/// Every spelling is folded to its key; `match` is another word for `aliases`. A row like another
/// of the same name answers to the other's ids too.
fn keys(fields: &Fields<'_>, name: &str, like: Option<&ModelRow>) -> Result<Vec<String>, Error> {
    let same = like.filter(|row| *row.model.name == *name);
    let mut keys: Vec<String> = fields
        .texts("aliases")?
        .iter()
        .chain(&fields.texts("match")?)
        .map(AsRef::as_ref)
        .chain([name])
        .flat_map(|id: &str| [Some(id.to_ascii_lowercase()), ids::key(id)])
        .flatten()
        .chain(same.into_iter().flat_map(|row| row.keys.iter().cloned()))
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

/// A row without any price has those of the row it is like, if any; a row with some must have those
/// of input, read and output, and of the writes that are on sale for it. A class that is not on
/// sale costs what the one before it costs, plain input being the first.
fn prices(
    fields: &Fields<'_>,
    owner: &Provider,
    limits: &Limits,
    absent: Option<Prices>,
) -> Result<Option<Prices>, Error> {
    if fields.flag("unpriced", Flag::No)? {
        return Ok(None);
    }
    let short = fields.table("short", &SHORT)?;
    if short.is_none() && !PRICES.iter().any(|key| fields.has(key)) {
        return Ok(absent);
    }
    let is_sold = |ttl: &Ttl| match limits.regime {
        Regime::Automatic => false,
        Regime::Exact => *ttl == Ttl::HalfHour,
        Regime::Breakpoints => match ttl {
            Ttl::FiveMinutes => true,
            Ttl::HalfHour => false,
            Ttl::OneHour => limits.one_hour,
        },
    };
    let sold: Vec<Ttl> = owner.ttls.iter().copied().filter(is_sold).collect();
    let short = short
        .map(|fields| Ok::<_, Error>((fields.number("max_prompt", 0)?, tier(&fields, &sold)?)))
        .transpose()?;
    Ok(Some(Prices {
        standard: tier(fields, &sold)?,
        short,
    }))
}

fn tier(fields: &Fields<'_>, sold: &[Ttl]) -> Result<PriceTier, Error> {
    let write = |ttl: Ttl, key: &str, absent| {
        if fields.has(key) || sold.contains(&ttl) {
            fields.price(key)
        } else {
            Ok(absent)
        }
    };
    let input = fields.price("input")?;
    // A write of which nobody says the class counts as one of this class.
    let unsaid = if fields.has("write_30m") {
        fields.price("write_30m")?
    } else {
        input
    };
    let write_5m = write(Ttl::FiveMinutes, "write_5m", unsaid)?;
    let write_30m = write(Ttl::HalfHour, "write_30m", write_5m)?;
    let write_1h = write(Ttl::OneHour, "write_1h", write_30m)?;
    let read = fields.price("read")?;
    let output = fields.price("output")?;
    let mut tier = PriceTier::new([input, write_5m, write_1h, read, output]);
    tier.write_30m = write_30m;
    Ok(tier)
}

fn regime(fields: &Fields<'_>) -> Result<Option<Regime>, Error> {
    fields
        .text("regime")?
        .map(|text| match text {
            "breakpoints" => Ok(Regime::Breakpoints),
            "exact" => Ok(Regime::Exact),
            "automatic" => Ok(Regime::Automatic),
            _ => {
                let fix = "`regime` is \"breakpoints\", \"exact\" or \"automatic\"";
                Err(fields.error_at("regime", fix))
            }
        })
        .transpose()
}

fn bytes_per_ktok(fields: &Fields<'_>, absent: u32) -> Result<u32, Error> {
    let number = fields.number("bytes_per_ktok", absent.into())?;
    match u32::try_from(number) {
        Ok(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(fields.error_at(
            "bytes_per_ktok",
            "`bytes_per_ktok` must be between 1 and 2^32",
        )),
    }
}
