//! `cachewright demo`: what the layer saves, shown without a key.

use std::io::{self, Write};

use cachewright::adapter::demo::{self, Outcome, Row};
use cachewright::error::Error;
use cachewright::ledger::Totals;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::args::Demo;
use crate::exit::Failure;
use crate::render;

const HEADER: [&str; 8] = [
    "traffic",
    "requests",
    "no markers",
    "provider default",
    "hit rate",
    "cachewright",
    "hit rate",
    "saved",
];

/// Sends the traffic and prints the table.
pub(crate) fn run(args: &Demo) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::io("cannot start a runtime").caused_by(error))?;
    // Drawn on a terminal only.
    let bar = ProgressBar::new(demo::requests());
    let outcome = runtime.block_on(demo::run(|| bar.inc(1)))?;
    bar.finish_and_clear();
    let mut out = io::stdout().lock();
    let text = match args.json {
        true => json(&outcome),
        false => table(&outcome),
    };
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn json(outcome: &Outcome) -> String {
    let rows: Vec<Value> = outcome.rows.iter().map(object).collect();
    let text = serde_json::to_string_pretty(&json!({"traffic": rows}));
    text.unwrap_or_default() + "\n"
}

fn table(outcome: &Outcome) -> String {
    let table = render::table(&HEADER, outcome.rows.iter().map(line), 1..HEADER.len());
    format!(
        "{table}\n\nSimulated provider over loopback HTTP, virtual time, Claude Sonnet 4.5 prices. \
         Saved: against no markers.\n"
    )
}

fn line(row: &Row) -> Vec<String> {
    let rate = |totals: &Totals| totals.hit_rate().map_or_else(String::new, render::percent);
    vec![
        row.name.to_owned(),
        row.wrapped.exchanges.to_string(),
        row.unmarked.cost.to_string(),
        row.default.cost.to_string(),
        rate(&row.default),
        row.wrapped.cost.to_string(),
        rate(&row.wrapped),
        (row.unmarked.cost - row.wrapped.cost).to_string(),
    ]
}

fn object(row: &Row) -> Value {
    json!({
        "name": row.name,
        "none": totals(&row.unmarked),
        "default": totals(&row.default),
        "cachewright": totals(&row.wrapped),
    })
}

fn totals(totals: &Totals) -> Value {
    json!({
        "requests": totals.exchanges,
        "plain_tokens": totals.usage.plain,
        "read_tokens": totals.usage.read,
        "write_5m_tokens": totals.usage.write_5m,
        "write_1h_tokens": totals.usage.write_1h,
        "output_tokens": totals.usage.output,
        "hit_rate": totals.hit_rate(),
        "cost_usd": render::decimal(totals.cost),
        "cost_without_caching_usd": render::decimal(totals.cost_without_caching),
        "waste_usd": render::decimal(totals.waste),
    })
}
