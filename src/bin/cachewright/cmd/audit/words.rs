//! An audit in sentences and tables: first what happened, then the figures.

use std::fmt::Write as _;

use cachewright::adapter::audit::{Reason, Report};
use cachewright::ledger::Totals;
use cachewright::model::{Cause, Money};

use super::remarks::remarks;
use super::sheets::rows;
use crate::args::{Audit, AuditBy};
use crate::render::{percent, table};
use crate::story::{fold, grouped, or_dash, width};
use crate::times::local;

/// Causes told in sentences; the table has them all.
const TOLD: usize = 4;

/// One paragraph, with what its lines begin with.
pub(super) struct Line {
    pub(super) text: String,
    pub(super) first: &'static str,
    pub(super) rest: &'static str,
}

fn plain(text: String) -> Line {
    Line {
        text,
        first: "",
        rest: "",
    }
}

/// For a terminal.
pub(super) fn text(report: &Report, args: &Audit) -> String {
    let width = width();
    let mut out = String::new();
    for line in opening(report) {
        fold(&mut out, &line.text, (line.first, line.rest), width);
    }
    for (title, lines) in [
        ("\nWhy", causes(report)),
        ("\nWhat to change", advice(report)),
    ] {
        if !lines.is_empty() {
            let _ = writeln!(out, "{title}");
        }
        for line in lines {
            fold(&mut out, &line.text, (line.first, line.rest), width);
        }
    }
    if report.story.total.exchanges > 0 {
        let _ = writeln!(out, "\n{}", sheet(report, args));
    }
    out.push_str("\nWhat these figures rest on\n");
    for line in remarks(report) {
        fold(&mut out, &line.text, (line.first, line.rest), width);
    }
    out
}

/// As Markdown.
pub(super) fn markdown(report: &Report, args: &Audit) -> String {
    let mut out = String::from("# What caching cost and lost\n\n");
    for line in opening(report) {
        let _ = writeln!(out, "{}", line.text);
    }
    for (title, lines) in [("Why", causes(report)), ("What to change", advice(report))] {
        if !lines.is_empty() {
            let _ = write!(out, "\n## {title}\n\n");
        }
        for line in lines {
            let _ = writeln!(out, "- {}", line.text);
        }
    }
    if report.story.total.exchanges > 0 {
        let _ = write!(out, "\n## Figures\n\n{}\n", sheet(report, args));
    }
    out.push_str("\n## What these figures rest on\n\n");
    for line in remarks(report) {
        let _ = writeln!(out, "- {}", line.text);
    }
    out
}

/// What was paid, what caching saved, what was lost.
fn opening(report: &Report) -> Vec<Line> {
    let total = &report.story.total;
    if total.exchanges == 0 {
        return vec![plain("Nothing was found that can be audited.".to_owned())];
    }
    let mut lines = vec![plain(paid(report))];
    if let (Some(rate), Some(read)) = (total.hit_rate(), total.usage.read) {
        let input = grouped(total.usage.input().unwrap_or(0));
        let read = grouped(read);
        lines.push(plain(format!(
            "{} of the input was read from the cache: {read} of {input} tokens.",
            percent(rate)
        )));
    }
    lines.extend(lost(report));
    if report.could_save > Money::ZERO {
        lines.push(plain(format!(
            "Other prompts or settings could have saved up to {} of it.",
            report.could_save
        )));
    }
    lines
}

fn paid(report: &Report) -> String {
    let story = &report.story;
    let total = &story.total;
    let count = |number: u64, word: &str| {
        format!(
            "{} {word}{}",
            grouped(number),
            if number == 1 { "" } else { "s" }
        )
    };
    let sessions = match report.sessions_seen {
        0 => String::new(),
        sessions => format!(" in {}", count(sessions, "session")),
    };
    let time = match (story.from, story.until) {
        (Some(from), Some(until)) => format!(", {} to {}", local(from), local(until)),
        _ => String::new(),
    };
    let what = count(total.exchanges, "request");
    if total.unpriced + total.unreported == total.exchanges {
        return format!("{what}{sessions}{time}. None of them could be priced.");
    }
    let saved = total.savings();
    let verb = if saved < Money::ZERO {
        format!("caching cost {} more than it saved", -saved)
    } else {
        format!("caching saved {saved}")
    };
    format!(
        "{what}{sessions}{time}. You paid {}; without caching it would have been {}: {verb}.",
        total.cost, total.cost_without_caching
    )
}

fn lost(report: &Report) -> Option<Line> {
    let total = &report.story.total;
    if total.misses == 0 && report.story.never_read == 0 {
        return (total.readable > 0)
            .then(|| plain("Nothing that could be read was missed.".into()));
    }
    let mut text = String::new();
    if total.misses > 0 {
        let _ = write!(
            text,
            "{} requests sent {} tokens again that the cache had held or could have held: {} lost.",
            grouped(total.misses),
            grouped(total.missed),
            total.missed_cost
        );
    }
    if report.story.never_read > 0 {
        let _ = write!(
            text,
            " {} writes were never read again: {} for nothing.",
            grouped(report.story.never_read),
            total.waste
        );
    }
    Some(plain(text.trim_start().to_owned()))
}

/// Reasons that lost something, first uses left out.
fn losses(report: &Report) -> impl Iterator<Item = &Reason> {
    let all = report.reasons.iter();
    all.filter(|reason| !matches!(reason.sum.cause, Cause::FirstUse))
}

fn causes(report: &Report) -> Vec<Line> {
    let told = losses(report).take(TOLD);
    told.map(|reason| {
        let sum = &reason.sum;
        Line {
            text: format!(
                "{} ({}, {}, {} tokens): {}.",
                sum.cost,
                label(sum.cause),
                times(sum.misses),
                grouped(sum.tokens),
                reason.evidence.sentence()
            ),
            first: "  ",
            rest: "    ",
        }
    })
    .collect()
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{} times", grouped(count)),
    }
}

fn label(cause: Cause) -> String {
    cause.as_str().replace('_', " ")
}

fn advice(report: &Report) -> Vec<Line> {
    let mut said: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    let mut reasons: Vec<&Reason> = losses(report)
        .filter(|reason| reason.sum.cost > Money::ZERO)
        .collect();
    reasons.sort_by_key(|reason| !reason.sum.cause.is_avoidable() || reason.evidence.is_habit());
    for reason in reasons.into_iter().take(TOLD) {
        let advice = reason.evidence.advice(reason.sum.cause);
        if said.contains(&advice) {
            continue;
        }
        said.push(advice);
        lines.push(Line {
            text: format!("{}: {advice}. ({})", label(reason.sum.cause), worth(reason)),
            first: "  ",
            rest: "    ",
        });
    }
    lines
}

fn worth(reason: &Reason) -> String {
    if reason.sum.cause.is_avoidable() && !reason.evidence.is_habit() {
        format!("up to {}", reason.sum.cost)
    } else {
        format!("{}, of which little is yours to save", reason.sum.cost)
    }
}

fn sheet(report: &Report, args: &Audit) -> String {
    if args.by == AuditBy::Cause {
        let reasons = report.reasons.iter().take(args.top).map(|reason| {
            let sum = &reason.sum;
            vec![
                label(sum.cause),
                reason.evidence.as_str().replace('_', " "),
                grouped(sum.misses),
                grouped(sum.tokens),
                sum.cost.to_string(),
            ]
        });
        return table(
            &["cause", "seen by", "misses", "missed tokens", "lost"],
            reasons,
            2..5,
        );
    }
    let name = match args.by {
        AuditBy::Session | AuditBy::Cause => "session",
        AuditBy::Model => "model",
        AuditBy::Route => "route",
    };
    let (last, waste) = match args.by {
        AuditBy::Session | AuditBy::Cause => ("mostly by", false),
        AuditBy::Model | AuditBy::Route => ("never read", true),
    };
    let header = [name, "requests", "hit rate", "paid", "saved", "lost", last];
    let rows = rows(report, args.by);
    let rows = rows.iter().take(args.top).map(|row| {
        let mut cells = vec![or_dash((!row.label.is_empty()).then(|| short(&row.label)))];
        cells.extend(sums(row.totals));
        cells.push(match waste {
            true => row.totals.waste.to_string(),
            false => or_dash(row.worst.map(label)),
        });
        cells
    });
    table(&header, rows, 1..if waste { 7 } else { 6 })
}

fn sums(totals: &Totals) -> [String; 5] {
    [
        grouped(totals.exchanges),
        or_dash(totals.hit_rate().map(percent)),
        totals.cost.to_string(),
        totals.savings().to_string(),
        totals.missed_cost.to_string(),
    ]
}

/// The end of a long name, which tells more than its beginning.
fn short(name: &str) -> String {
    const LONGEST: usize = 40;
    let length = name.chars().count();
    if length <= LONGEST {
        return name.to_owned();
    }
    let end: String = name.chars().skip(length - LONGEST + 1).collect();
    format!("…{end}")
}
