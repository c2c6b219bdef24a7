//! The comparison of policies with each other and with the bound: nothing here adds up or divides.

use cachewright::adapter::replay::{Estimate, Row, Score};
use serde_json::{Value, json};

use crate::render::{decimal, grouped, percent, table};

const HEADER: [&str; 11] = [
    "policy",
    "input cost",
    "of no caching",
    "of the bound",
    "saved of what could be",
    "gap closed",
    "95 % of draws",
    "hit rate",
    "pings",
    "ping cost",
    "never read",
];

/// Columns of a CSV line beyond the workload's own.
pub(crate) const COLUMNS: [&str; 12] = [
    "policy",
    "input_usd",
    "of_no_caching",
    "of_the_bound",
    "saved",
    "gap_closed",
    "gap_closed_low",
    "gap_closed_high",
    "pings",
    "pings_usd",
    "never_read_tokens",
    "bound_usd",
];

/// A table of one workload's policies; nothing where there is nothing to compare.
pub(crate) fn text(row: &Row) -> String {
    let scores = row.scores();
    if scores.len() < 2 {
        return String::new();
    }
    let lines = scores.iter().map(|score| {
        let tally = &score.tally;
        let wasted = Some(tally.wasted).filter(|_| row.traced);
        vec![
            score.policy.to_string(),
            tally.input_cost.to_string(),
            fraction(score.relative),
            fraction(score.over_bound),
            share(score.saved),
            share(score.closure),
            score.closure.map_or_else(String::new, interval),
            tally.hit_rate().map_or_else(String::new, percent),
            grouped(tally.pings),
            tally.ping_cost.to_string(),
            wasted.map_or_else(String::new, grouped),
        ]
    });
    let bound = row.least();
    let bound = bound.map_or_else(String::new, |bound| format!(", at least {bound}"));
    let table = table(&HEADER, lines, 1..HEADER.len());
    format!(
        "\n{}: what input costs under each policy{bound}\n{table}\n",
        row.name
    )
}

/// The same as JSON, one object per policy.
pub(crate) fn json(row: &Row) -> Vec<Value> {
    let object = |score: &Score| {
        json!({
            "policy": score.policy.to_string(),
            "requests": score.tally.requests,
            "rejected": score.tally.rejected,
            "input_usd": decimal(score.tally.input_cost),
            "cost_usd": decimal(score.tally.cost),
            "of_no_caching": estimate(score.relative),
            "of_the_bound": estimate(score.over_bound),
            "saved": estimate(score.saved),
            "gap_closed": estimate(score.closure),
            "hit_rate": score.tally.hit_rate(),
            "pings": score.tally.pings,
            "pings_usd": decimal(score.tally.ping_cost),
            "never_read_tokens": row.traced.then_some(score.tally.wasted),
        })
    };
    row.scores().iter().map(object).collect()
}

/// The columns of one policy.
pub(crate) fn columns(row: &Row, score: &Score) -> Vec<String> {
    let number = |one: Option<f64>| one.map_or_else(String::new, |one| format!("{one:.6}"));
    let value = |one: Option<Estimate>| number(one.map(|one| one.value));
    let ends = score.closure.and_then(|one| one.interval);
    let wasted = row.traced.then(|| score.tally.wasted.to_string());
    vec![
        score.policy.to_string(),
        decimal(score.tally.input_cost),
        value(score.relative),
        value(score.over_bound),
        value(score.saved),
        value(score.closure),
        number(ends.map(|(low, _)| low)),
        number(ends.map(|(_, high)| high)),
        score.tally.pings.to_string(),
        decimal(score.tally.ping_cost),
        wasted.unwrap_or_default(),
        row.least().map_or_else(String::new, decimal),
    ]
}

fn estimate(one: Option<Estimate>) -> Value {
    one.map_or(Value::Null, |one| {
        let interval = one.interval.map(|(low, high)| [low, high]);
        json!({"value": one.value, "interval": interval})
    })
}

fn fraction(one: Option<Estimate>) -> String {
    one.map_or_else(String::new, |one| format!("{:.4}", one.value))
}

fn share(one: Option<Estimate>) -> String {
    one.map_or_else(String::new, |one| percent(one.value))
}

fn interval(one: Estimate) -> String {
    let ends = one.interval;
    ends.map_or_else(String::new, |(low, high)| {
        format!("{} to {}", percent(low), percent(high))
    })
}
