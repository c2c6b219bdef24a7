//! The tables of a report.

use cachewright::ledger::{Group, Totals};

use super::words::{grouped, name, or_dash};
use super::{Sheet, Subject};
use crate::render::{decimal, percent};

/// All tables that have rows.
pub(super) fn all(subject: &Subject<'_>) -> Vec<Sheet> {
    let sheets = [
        labels(subject),
        attempts(subject),
        causes(subject),
        verdicts(subject),
    ];
    let filled = |sheet: &Sheet| !sheet.rows.is_empty();
    sheets.into_iter().filter(filled).collect()
}

fn labels(subject: &Subject<'_>) -> Sheet {
    let by = name(subject.by);
    let sums = subject.story.by.get(&subject.by);
    let mut rows: Vec<Vec<String>> = sums
        .into_iter()
        .flatten()
        .map(|(label, totals)| line(label, totals))
        .collect();
    if rows.is_empty() && subject.by == Group::Backend {
        rows.push(line("", &subject.story.total));
    }
    if rows.len() > 1 {
        rows.push(line("total", &subject.story.total));
    }
    Sheet {
        title: format!("By {by}"),
        header: vec![
            by,
            "calls",
            "hit rate",
            "of possible",
            "cost",
            "saved",
            "wasted",
        ],
        rows,
        numbers: 1..7,
    }
}

fn line(label: &str, totals: &Totals) -> Vec<String> {
    vec![
        if label.is_empty() { "(none)" } else { label }.to_owned(),
        grouped(totals.exchanges),
        or_dash(totals.hit_rate().map(percent)),
        or_dash(totals.read_of_readable().map(percent)),
        totals.cost.to_string(),
        totals.savings().to_string(),
        totals.waste.to_string(),
    ]
}

/// What routes sent where.
fn attempts(subject: &Subject<'_>) -> Sheet {
    let row = |label: &str, totals: &Totals| {
        vec![
            label.to_owned(),
            grouped(totals.attempts),
            grouped(totals.exchanges - totals.unreported),
            grouped(totals.hops),
            totals.hops_cost.to_string(),
            totals.presumed_cost.to_string(),
        ]
    };
    let sums = subject.story.by.get(&Group::Backend);
    let named = sums.into_iter().flatten();
    let named = named.filter(|(label, _)| !label.is_empty());
    Sheet {
        title: "Attempts by backend".into(),
        header: vec![
            "backend",
            "attempts",
            "served",
            "hops",
            "cost of hops",
            "perhaps billed",
        ],
        rows: named.map(|(label, totals)| row(label, totals)).collect(),
        numbers: 1..6,
    }
}

fn causes(subject: &Subject<'_>) -> Sheet {
    let rows = subject.story.causes.iter().map(|sum| {
        vec![
            sum.cause.as_str().to_owned(),
            grouped(sum.misses),
            grouped(sum.tokens),
            sum.cost.to_string(),
            sum.cause.meaning().to_owned(),
        ]
    });
    Sheet {
        title: "Why tokens were not read".into(),
        header: vec!["cause", "calls", "tokens", "cost", "which means"],
        rows: rows.collect(),
        numbers: 1..4,
    }
}

fn verdicts(subject: &Subject<'_>) -> Sheet {
    let rows = subject
        .story
        .verdicts
        .iter()
        .map(|(verdict, count)| vec![verdict.as_str().to_owned(), grouped(*count)]);
    Sheet {
        title: "What came of it".into(),
        header: vec!["verdict", "calls"],
        rows: rows.collect(),
        numbers: 1..2,
    }
}

/// The columns of the sums by label, after the label.
const SUMS: [&str; 27] = [
    "exchanges",
    "unreported",
    "unpriced",
    "skipped",
    "plain_tokens",
    "read_tokens",
    "write_5m_tokens",
    "write_30m_tokens",
    "write_1h_tokens",
    "output_tokens",
    "hit_rate",
    "read_of_readable",
    "cost_usd",
    "cost_without_caching_usd",
    "saved_usd",
    "waste_usd",
    "pings",
    "pings_cost_usd",
    "pings_saved_usd",
    "misses",
    "missed_tokens",
    "missed_cost_usd",
    "attempts",
    "hops",
    "hops_cost_usd",
    "presumed",
    "presumed_cost_usd",
];

/// The sums by label.
pub(super) fn csv(subject: &Subject<'_>) -> String {
    let mut out = csv::Writer::from_writer(Vec::new());
    // Writing into memory cannot fail.
    let header = std::iter::once(name(subject.by)).chain(SUMS);
    let _ = out.write_record(header);
    let sums = subject.story.by.get(&subject.by);
    for (label, totals) in sums.into_iter().flatten() {
        let usage = &totals.usage;
        let rate = |rate: Option<f64>| rate.map_or_else(String::new, |rate| format!("{rate:.6}"));
        let tokens = |tokens: Option<u64>| tokens.map_or_else(String::new, |n| n.to_string());
        let _ = out.write_record([
            label.to_string(),
            totals.exchanges.to_string(),
            totals.unreported.to_string(),
            totals.unpriced.to_string(),
            totals.skipped.to_string(),
            tokens(usage.plain),
            tokens(usage.read),
            tokens(usage.write_5m),
            tokens(usage.write_30m),
            tokens(usage.write_1h),
            tokens(usage.output),
            rate(totals.hit_rate()),
            rate(totals.read_of_readable()),
            decimal(totals.cost),
            decimal(totals.cost_without_caching),
            decimal(totals.savings()),
            decimal(totals.waste),
            totals.pings.to_string(),
            decimal(totals.pings_cost),
            decimal(totals.pings_saved),
            totals.misses.to_string(),
            totals.missed.to_string(),
            decimal(totals.missed_cost),
            totals.attempts.to_string(),
            totals.hops.to_string(),
            decimal(totals.hops_cost),
            totals.presumed.to_string(),
            decimal(totals.presumed_cost),
        ]);
    }
    String::from_utf8(out.into_inner().unwrap_or_default()).unwrap_or_default()
}
