//! `cachewright models`: the rows in use, with source and date.

use std::io::{self, Write};

use cachewright::model::{Money, PriceTier};
use cachewright::provider::{Catalog, Model};
use serde_json::{Value, json};

use crate::args::Models;
use crate::exit::Failure;
use crate::render;

const HEADER: [&str; 11] = [
    "provider", "model", "minimum", "input", "write 5m", "write 1h", "read", "output", "up to",
    "as of", "source",
];

/// Prints every row.
pub(crate) fn run(args: &Models, catalog: &Catalog) -> Result<(), Failure> {
    let rows: Vec<(&str, &Model)> = catalog
        .providers()
        .flat_map(|provider| {
            let models = catalog.models(&provider.name);
            models.map(|model| (provider.name.as_ref(), model))
        })
        .collect();
    let mut out = io::stdout().lock();
    if args.json {
        let list: Vec<Value> = rows
            .iter()
            .map(|(name, model)| object(name, model))
            .collect();
        let text = serde_json::to_string_pretty(&list).unwrap_or_default();
        writeln!(out, "{text}")?;
    } else {
        let lines = rows.iter().flat_map(|(name, model)| lines(name, model));
        writeln!(out, "{}", render::table(&HEADER, lines, 2..9))?;
        writeln!(
            out,
            "\nPrices in US dollars per million tokens; minimum in tokens."
        )?;
    }
    out.flush()?;
    Ok(())
}

/// The row's lines: one per price tier.
fn lines(provider: &str, model: &Model) -> Vec<Vec<String>> {
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
                provider.to_owned(),
                model.name.to_string(),
                model.limits.min_tokens.to_string(),
            ];
            line.extend(prices(tier).map(|price| price.map_or_else(String::new, per_mtok)));
            line.extend([longest, model.as_of.to_string(), model.source.to_string()]);
            line
        })
        .collect()
}

fn object(provider: &str, model: &Model) -> Value {
    let tier = |tier: PriceTier| {
        let [input, write_5m, write_1h, read, output] =
            prices(Some(tier)).map(|price| price.map(per_mtok));
        json!({"input": input, "write_5m": write_5m, "write_1h": write_1h, "read": read,
               "output": output})
    };
    let short = model.prices.and_then(|prices| prices.short);
    json!({
        "provider": provider,
        "model": model.name,
        "min_tokens": model.limits.min_tokens,
        "max_breakpoints": model.limits.max_breakpoints,
        "lookback": model.limits.lookback,
        "one_hour": model.limits.one_hour,
        "usd_per_million_tokens": model.prices.map(|prices| tier(prices.standard)),
        "usd_per_million_tokens_short":
            short.map(|(longest, short)| json!({"up_to_tokens": longest, "prices": tier(short)})),
        "as_of": model.as_of,
        "source": model.source,
    })
}

fn prices(tier: Option<PriceTier>) -> [Option<Money>; 5] {
    match tier {
        Some(tier) => [
            tier.input,
            tier.write_5m,
            tier.write_1h,
            tier.read,
            tier.output,
        ]
        .map(Some),
        None => [None; 5],
    }
}

/// The price of a million tokens, as a plain decimal.
fn per_mtok(price: Money) -> String {
    let pico = price.as_pico();
    let text = format!("{}.{:06}", pico / 1_000_000, pico % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
