//! Finished figures as a table, as JSON and as CSV: nothing here adds up or divides.

use std::ops::Range;

use cachewright::adapter::replay::{Report, Row, Tally};
use cachewright::model::Money;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::scores;

const HEADER: [&str; 10] = [
    "workload",
    "requests",
    "rejected",
    "input tokens",
    "hit rate",
    "cost",
    "no caching",
    "provider default",
    "automatic marker",
    "own markers",
];

/// A table whose columns in `numbers` are aligned to the right.
pub(crate) fn table(
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    numbers: Range<usize>,
) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::ASCII_MARKDOWN)
        .set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// The report as a table, with a line of totals where there is more than one workload.
///
/// `elsewhere` is where requests of traces were sent instead of to the model they name.
pub(crate) fn text(report: &Report, elsewhere: Option<&str>) -> String {
    let total = (report.rows.len() > 1).then(|| report.total());
    let rows = report.rows.iter().chain(&total).map(|row| {
        let others = &row.baselines;
        vec![
            row.name.clone(),
            row.main.requests.to_string(),
            row.main.rejected.to_string(),
            grouped(row.main.input()),
            row.main.hit_rate().map_or_else(String::new, percent),
            row.main.cost.to_string(),
            others.none.cost.to_string(),
            others.default.cost.to_string(),
            others.automatic.cost.to_string(),
            others.own.cost.to_string(),
        ]
    });
    let mut text = table(&HEADER, rows, 1..HEADER.len());
    text.push('\n');
    for row in &report.rows {
        text.push_str(&scores::text(row));
    }
    text.push_str(&remarks(report));
    if let Some(elsewhere) = elsewhere.filter(|_| report.rows.iter().any(|row| row.traced)) {
        text.push_str(&format!("\nTraces were sent to {elsewhere}.\n"));
    }
    text
}

/// What a reader must know to trust the table; nothing when there is nothing to say.
fn remarks(report: &Report) -> String {
    let unpriced = report.total().main.unpriced;
    if unpriced == 0 {
        return String::new();
    }
    format!("\n{unpriced} requests went to models without prices and cost nothing here.\n")
}

/// The report as JSON.
pub(crate) fn json(report: &Report, policy: &str, elsewhere: Option<&str>) -> String {
    let rows: Vec<Value> = report.rows.iter().map(object).collect();
    let mut all = json!({"policy": policy, "workloads": rows, "total": object(&report.total())});
    if let (Some(elsewhere), Some(all)) = (elsewhere, all.as_object_mut()) {
        all.insert("traces_as".to_owned(), Value::from(elsewhere));
    }
    let mut text = serde_json::to_string_pretty(&all).unwrap_or_default();
    text.push('\n');
    text
}

fn object(row: &Row) -> Value {
    let others = &row.baselines;
    let mut object = tally(&row.main);
    if let Some(object) = object.as_object_mut() {
        object.insert("workload".to_owned(), Value::from(row.name.as_str()));
        object.insert("body_bytes".to_owned(), Value::from(row.bytes));
        let baselines = json!({
            "none": tally(&others.none),
            "default": tally(&others.default),
            "auto": tally(&others.automatic),
            "own": tally(&others.own),
            "recorded": tally(&others.recorded),
        });
        object.insert("baselines".to_owned(), baselines);
        if row.compared.len() > 1 {
            object.insert("policies".to_owned(), Value::from(scores::json(row)));
        }
        if let Some(bound) = row.least() {
            object.insert("bound_usd".to_owned(), Value::from(decimal(bound)));
        }
    }
    object
}

fn tally(tally: &Tally) -> Value {
    json!({
        "requests": tally.requests,
        "rejected": tally.rejected,
        "unpriced": tally.unpriced,
        "input_tokens": tally.input(),
        "plain_tokens": tally.plain,
        "read_tokens": tally.read,
        "write_5m_tokens": tally.write_5m,
        "write_30m_tokens": tally.write_30m,
        "write_1h_tokens": tally.write_1h,
        "output_tokens": tally.output,
        "hit_rate": tally.hit_rate(),
        "cost_picodollars": i64::try_from(tally.cost.as_pico()).unwrap_or(i64::MAX),
        "cost_usd": decimal(tally.cost),
    })
}

/// The report as CSV: a line per workload and policy, the policy under test first.
pub(crate) fn csv(report: &Report) -> String {
    let mut out = csv::Writer::from_writer(Vec::new());
    let header = [
        "workload",
        "requests",
        "rejected",
        "input_tokens",
        "hit_rate",
        "cost_usd",
        "none_usd",
        "default_usd",
        "auto_usd",
        "own_usd",
    ];
    // Writing into memory cannot fail.
    let _ = out.write_record(header.iter().chain(&scores::COLUMNS));
    for row in &report.rows {
        let others = &row.baselines;
        for score in row.scores() {
            let tally = &score.tally;
            let rate = tally.hit_rate();
            let mut line = vec![
                row.name.clone(),
                tally.requests.to_string(),
                tally.rejected.to_string(),
                tally.input().to_string(),
                rate.map_or_else(String::new, |rate| format!("{rate:.6}")),
                decimal(tally.cost),
                decimal(others.none.cost),
                decimal(others.default.cost),
                decimal(others.automatic.cost),
                decimal(others.own.cost),
            ];
            line.extend(scores::columns(row, &score));
            let _ = out.write_record(line);
        }
    }
    String::from_utf8(out.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// Dollars with all twelve decimals that an amount has.
pub(crate) fn decimal(amount: Money) -> String {
    let pico = amount.as_pico();
    let sign = if pico < 0 { "-" } else { "" };
    let size = pico.unsigned_abs();
    let (whole, rest) = (size / 1_000_000_000_000, size % 1_000_000_000_000);
    format!("{sign}{whole}.{rest:012}")
}

#[expect(clippy::float_arithmetic, reason = "rendering of a ratio")]
pub(crate) fn percent(rate: f64) -> String {
    format!("{:.1} %", rate * 100.0)
}

/// A number with a comma between groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
