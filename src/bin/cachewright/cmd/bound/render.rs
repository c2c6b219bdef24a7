//! Measured traffic as tables, as JSON and as CSV.

use cachewright::bound::Bill;
use cachewright::model::Money;
use serde_json::{Value, json};

use super::Row;
use crate::render::{decimal, grouped, percent, table};

const HEADER: [&str; 9] = [
    "regime",
    "at least",
    "of no caching",
    "hit rate",
    "clairvoyant",
    "of no caching",
    "of the bound",
    "hit rate",
    "pings",
];

/// A table per file.
pub(super) fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    let lines = || rows.iter().flat_map(|row| &row.regimes);
    let all = lines().any(|line| line.clairvoyant.is_some());
    let columns = if all { HEADER.len() } else { 4 };
    for row in rows {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&headline(row));
        let lines = row.regimes.iter().map(|line| {
            let (lower, far) = (&line.lower, line.clairvoyant.unwrap_or_default());
            let mut line = vec![
                line.regime.as_str().to_owned(),
                lower.cost.to_string(),
                ratio(lower.cost, row.uncached),
                lower.hit_rate().map_or_else(String::new, percent),
                far.cost.to_string(),
                ratio(far.cost, row.uncached),
                ratio(far.cost, lower.cost),
                far.hit_rate().map_or_else(String::new, percent),
                grouped(far.pings),
            ];
            line.truncate(columns);
            line
        });
        let header = HEADER.get(..columns).unwrap_or(&HEADER);
        text.push_str(&table(header, lines, 1..columns));
        text.push('\n');
    }
    text
}

fn headline(row: &Row) -> String {
    let read = row
        .read
        .map_or_else(String::new, |read| format!(", reads at {}", share(read)));
    format!(
        "{}: {} requests, {} input tokens{read}\n\
         no caching {}, five minutes on the system prompt's end and the tail {} ({}, hit rate {})\n",
        row.name,
        grouped(row.requests as u64),
        grouped(row.tokens),
        row.uncached,
        row.documented.cost,
        ratio(row.documented.cost, row.uncached),
        row.documented.hit_rate().map_or_else(String::new, percent),
    )
}

/// Millionths as a decimal.
fn share(read: u32) -> String {
    let text = format!("{}.{:06}", read / 1_000_000, read % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The report as JSON.
pub(super) fn json(rows: &[Row]) -> String {
    let rows: Vec<Value> = rows.iter().map(object).collect();
    let mut text = serde_json::to_string_pretty(&json!({"workloads": rows})).unwrap_or_default();
    text.push('\n');
    text
}

fn object(row: &Row) -> Value {
    let regimes = row.regimes.iter().map(|line| {
        json!({
            "regime": line.regime.as_str(),
            "lower": bill(&line.lower),
            "clairvoyant": line.clairvoyant.as_ref().map(bill),
        })
    });
    json!({
        "workload": row.name,
        "read_share": row.read.map(share),
        "requests": row.requests,
        "input_tokens": row.tokens,
        "none": money(row.uncached),
        "default": bill(&row.documented),
        "regimes": regimes.collect::<Vec<_>>(),
    })
}

fn money(amount: Money) -> Value {
    json!({
        "cost_picodollars": i64::try_from(amount.as_pico()).unwrap_or(i64::MAX),
        "cost_usd": decimal(amount),
    })
}

fn bill(bill: &Bill) -> Value {
    let mut object = money(bill.cost);
    let counts = json!({
        "plain_tokens": bill.plain,
        "read_tokens": bill.read,
        "write_5m_tokens": bill.write_5m,
        "write_30m_tokens": bill.write_30m,
        "write_1h_tokens": bill.write_1h,
        "ping_tokens": bill.ping,
        "pings": bill.pings,
        "pings_usd": decimal(bill.ping_cost),
        "unread_tokens": bill.wasted,
        "hit_rate": bill.hit_rate(),
    });
    if let (Value::Object(object), Value::Object(counts)) = (&mut object, counts) {
        object.extend(counts);
    }
    object
}

/// The report as CSV: a line per file, price of a read and regime.
pub(super) fn csv(rows: &[Row]) -> String {
    let mut out = csv::Writer::from_writer(Vec::new());
    // Writing into memory cannot fail.
    let _ = out.write_record([
        "workload",
        "read_share",
        "regime",
        "requests",
        "input_tokens",
        "none_usd",
        "default_usd",
        "lower_usd",
        "lower_hit_rate",
        "clairvoyant_usd",
        "clairvoyant_hit_rate",
        "pings",
    ]);
    let rate = |bill: &Bill| {
        bill.hit_rate()
            .map_or_else(String::new, |rate| format!("{rate:.6}"))
    };
    for row in rows {
        for line in &row.regimes {
            let known = |show: &dyn Fn(&Bill) -> String| {
                line.clairvoyant.as_ref().map_or_else(String::new, show)
            };
            let _ = out.write_record([
                row.name.clone(),
                row.read.map_or_else(String::new, share),
                line.regime.as_str().to_owned(),
                row.requests.to_string(),
                row.tokens.to_string(),
                decimal(row.uncached),
                decimal(row.documented.cost),
                decimal(line.lower.cost),
                rate(&line.lower),
                known(&|bill| decimal(bill.cost)),
                known(&rate),
                known(&|bill| bill.pings.to_string()),
            ]);
        }
    }
    String::from_utf8(out.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// One amount as a share of another, with three decimals; empty where the other is nothing.
#[expect(clippy::float_arithmetic, reason = "rendering of a ratio")]
fn ratio(part: Money, whole: Money) -> String {
    if whole == Money::ZERO {
        return String::new();
    }
    format!("{:.4}", part.as_usd() / whole.as_usd())
}
