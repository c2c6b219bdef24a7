//! `cachewright models`: the rows in use, with source and date.

use std::io::{self, Write};

use cachewright::error::Error;
use cachewright::model::{Money, PriceTier, Regime};
use cachewright::provider::{Accounting, Catalog, Endpoint, Model, Provider};
use serde_json::{Value, json};

use crate::args::Models;
use crate::exit::Failure;
use crate::render;

const PROVIDERS: [&str; 7] = [
    "provider",
    "dialects",
    "markers",
    "lifetimes",
    "steered by",
    "as of",
    "source",
];
const MODELS: [&str; 13] = [
    "provider",
    "model",
    "caching",
    "minimum",
    "input",
    "write 5m",
    "write 30m",
    "write 1h",
    "read",
    "output",
    "up to",
    "as of",
    "source",
];

/// Prints every row, or those of one provider.
pub(crate) fn run(args: &Models, catalog: &Catalog) -> Result<(), Failure> {
    let wanted = args.provider.as_deref();
    let providers: Vec<&Provider> = catalog
        .providers()
        .filter(|provider| wanted.is_none_or(|name| *provider.name == *name))
        .collect();
    if let (Some(name), true) = (wanted, providers.is_empty()) {
        let known: Vec<&str> = catalog.providers().map(|row| &*row.name).collect();
        let known = known.join(", ");
        let message = format!("--provider: there is no provider `{name}`; valid are {known}");
        return Err(Error::config(message).into());
    }
    let rows: Vec<(&Provider, Model)> = providers
        .iter()
        .flat_map(|provider| {
            let served = catalog.served(provider);
            // Everybody's own rows are enough where all are printed.
            let own = served.filter(|model| {
                wanted.is_some() || {
                    let mut own = catalog.models(&provider.name);
                    own.any(|row| row.name == model.name)
                }
            });
            own.map(move |model| (*provider, model))
        })
        .collect();
    let mut out = io::stdout().lock();
    if args.json {
        let list: Vec<Value> = rows.iter().map(|(row, model)| object(row, model)).collect();
        let text = serde_json::to_string_pretty(&list).unwrap_or_default();
        writeln!(out, "{text}")?;
    } else {
        let table = providers.iter().map(|provider| line(provider));
        writeln!(out, "{}\n", render::table(&PROVIDERS, table, 0..0))?;
        let table = rows.iter().flat_map(|(row, model)| lines(row, model));
        writeln!(out, "{}", render::table(&MODELS, table, 3..11))?;
        writeln!(
            out,
            "\nPrices in US dollars per million tokens; minimum in tokens. Without prices, costs \
             are unknown."
        )?;
    }
    out.flush()?;
    Ok(())
}

/// The provider's line.
fn line(provider: &Provider) -> Vec<String> {
    let each = |describe: fn(&Endpoint) -> &str| {
        let mut said: Vec<&str> = Vec::new();
        for text in provider.endpoints.iter().map(describe) {
            if !text.is_empty() && !said.contains(&text) {
                said.push(text);
            }
        }
        said.join(", ")
    };
    let ttls: Vec<&str> = provider.ttls.iter().map(|ttl| ttl.as_str()).collect();
    vec![
        provider.name.to_string(),
        each(|endpoint| endpoint.name),
        each(|endpoint| endpoint.marker.as_str()),
        ttls.join(", "),
        each(|endpoint| steering(endpoint).unwrap_or_default()),
        provider.as_of.to_string(),
        provider.source.to_string(),
    ]
}

/// The field or header that keeps requests on one machine.
fn steering(endpoint: &Endpoint) -> Option<&str> {
    let affinity = endpoint.affinity.as_ref()?;
    affinity.field.as_deref().or(affinity.header.as_deref())
}

/// The row's lines: one per price tier.
fn lines(provider: &Provider, model: &Model) -> Vec<Vec<String>> {
    let short = model.prices.and_then(|prices| prices.short);
    let tiers = [
        short.map(|(longest, tier)| (Some(tier), longest.to_string())),
        Some((model.prices.map(|prices| prices.standard), String::new())),
    ];
    tiers
        .into_iter()
        .flatten()
        .map(|(tier, longest)| {
            let mut line = vec![
                provider.name.to_string(),
                model.name.to_string(),
                regime(model).to_owned(),
                model.limits.min_tokens.to_string(),
            ];
            line.extend(prices(tier).map(|price| price.map_or_else(String::new, per_mtok)));
            line.extend([longest, model.as_of.to_string(), model.source.to_string()]);
            line
        })
        .collect()
}

fn regime(model: &Model) -> &'static str {
    match model.limits.regime {
        Regime::Breakpoints => "breakpoints",
        Regime::Exact => "exact",
        Regime::Automatic => "automatic",
    }
}

fn object(provider: &Provider, model: &Model) -> Value {
    let tier = |tier: PriceTier| {
        let [input, write_5m, write_30m, write_1h, read, output] =
            prices(Some(tier)).map(|price| price.map(per_mtok));
        json!({"input": input, "write_5m": write_5m, "write_30m": write_30m,
               "write_1h": write_1h, "read": read, "output": output})
    };
    let endpoints: Vec<Value> = provider.endpoints.iter().map(endpoint).collect();
    let short = model.prices.and_then(|prices| prices.short);
    json!({
        "provider": &*provider.name,
        "endpoints": endpoints,
        "model": model.name,
        "caching": regime(model),
        "min_tokens": model.limits.min_tokens,
        "max_cached": model.limits.max_cached,
        "granularity": model.granularity,
        "max_breakpoints": model.limits.max_breakpoints,
        "lookback": model.limits.lookback,
        "ttl": model.limits.ttl.as_str(),
        "one_hour": model.limits.one_hour,
        "day_retention": model.day_retention,
        "regional_percent": model.regional_percent,
        "usd_per_million_tokens": model.prices.map(|prices| tier(prices.standard)),
        "usd_per_million_tokens_short":
            short.map(|(longest, short)| json!({"up_to_tokens": longest, "prices": tier(short)})),
        "usd_per_million_tokens_stored_per_hour": model.storage_hour.map(per_mtok),
        "as_of": model.as_of,
        "source": model.source,
    })
}

fn endpoint(endpoint: &Endpoint) -> Value {
    json!({
        "dialect": endpoint.name,
        "marker": endpoint.marker.as_str(),
        "input_tokens_include_cache": endpoint.accounting() == Accounting::Within,
        "steered_by": steering(endpoint),
    })
}

fn prices(tier: Option<PriceTier>) -> [Option<Money>; 6] {
    match tier {
        Some(tier) => [
            tier.input,
            tier.write_5m,
            tier.write_30m,
            tier.write_1h,
            tier.read,
            tier.output,
        ]
        .map(Some),
        None => [None; 6],
    }
}

/// The price of a million tokens, as a plain decimal.
fn per_mtok(price: Money) -> String {
    let pico = price.as_pico();
    let text = format!("{}.{:06}", pico / 1_000_000, pico % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
