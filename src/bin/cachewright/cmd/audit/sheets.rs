//! The tables of an audit: rows of finished figures, for text, Markdown and CSV alike.

use cachewright::adapter::audit::Report;
use cachewright::ledger::{Group, Totals};
use cachewright::model::{Cause, Money};

use crate::args::{Audit, AuditBy};
use crate::render::decimal;

/// One line of a table by label.
pub(super) struct Row<'a> {
    pub(super) label: String,
    pub(super) totals: &'a Totals,
    pub(super) worst: Option<Cause>,
    /// Premiums of writes that nobody read; not told apart by session.
    pub(super) waste: Option<Money>,
}

/// The rows that were asked for, those that lost or cost most first.
pub(super) fn rows(report: &Report, by: AuditBy) -> Vec<Row<'_>> {
    let group = match by {
        AuditBy::Session | AuditBy::Cause => {
            let sessions = report.sessions.iter();
            return sessions
                .map(|session| Row {
                    label: session.name.to_string(),
                    totals: &session.totals,
                    worst: session.worst,
                    waste: None,
                })
                .collect();
        }
        AuditBy::Model => Group::Model,
        AuditBy::Route => Group::Route,
    };
    let sums = report.story.by.get(&group).into_iter().flatten();
    sums.map(|(label, totals)| Row {
        label: label.to_string(),
        totals,
        worst: None,
        waste: Some(totals.waste),
    })
    .collect()
}

/// The table as CSV, all of it: what `--top` leaves out of the text stands here.
pub(super) fn csv(report: &Report, args: &Audit) -> String {
    let mut out = csv::Writer::from_writer(Vec::new());
    // Writing into memory cannot fail.
    if args.by == AuditBy::Cause {
        let _ = out.write_record([
            "cause",
            "evidence",
            "misses",
            "missed_tokens",
            "lost_usd",
            "avoidable",
        ]);
        for reason in &report.reasons {
            let sum = &reason.sum;
            let _ = out.write_record([
                sum.cause.as_str(),
                reason.evidence.as_str(),
                &sum.misses.to_string(),
                &sum.tokens.to_string(),
                &decimal(sum.cost),
                &sum.cause.is_avoidable().to_string(),
            ]);
        }
    } else {
        let _ = out.write_record(HEADER);
        for row in rows(report, args.by) {
            let _ = out.write_record(record(&row));
        }
    }
    String::from_utf8(out.into_inner().unwrap_or_default()).unwrap_or_default()
}

const HEADER: [&str; 16] = [
    "label",
    "exchanges",
    "plain_tokens",
    "read_tokens",
    "write_5m_tokens",
    "write_30m_tokens",
    "write_1h_tokens",
    "output_tokens",
    "cost_usd",
    "cost_without_caching_usd",
    "saved_usd",
    "misses",
    "missed_tokens",
    "lost_usd",
    "never_read_usd",
    "worst_cause",
];

fn record(row: &Row<'_>) -> Vec<String> {
    let totals = row.totals;
    let usage = totals.usage;
    let mut cells = vec![row.label.clone(), totals.exchanges.to_string()];
    let kinds = [
        usage.plain,
        usage.read,
        usage.write_5m,
        usage.write_30m,
        usage.write_1h,
        usage.output,
    ];
    // Not reported is not zero: an empty cell.
    cells.extend(kinds.map(|tokens| tokens.map_or_else(String::new, |one| one.to_string())));
    cells.extend([
        decimal(totals.cost),
        decimal(totals.cost_without_caching),
        decimal(totals.savings()),
        totals.misses.to_string(),
        totals.missed.to_string(),
        decimal(totals.missed_cost),
        row.waste.map_or_else(String::new, decimal),
        row.worst
            .map_or_else(String::new, |cause| cause.as_str().to_owned()),
    ]);
    cells
}
