//! The plan, the progress and the findings, printed.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use cachewright::adapter::probe::{Kind, Plan, Progress, Report};
use cachewright::model::{Money, Timestamp};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::resumable;
use crate::args::Style;
use crate::render;

/// Prints the experiments.
pub(super) fn list(style: Style) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if style == Style::Json {
        let all = Kind::ALL.map(|kind| json!({"name": kind.as_str(), "finds": kind.question()}));
        return writeln!(out, "{}", text(&Value::from(all.to_vec())));
    }
    let rows = Kind::ALL.map(|kind| vec![kind.as_str().to_owned(), kind.question().to_owned()]);
    writeln!(
        out,
        "{}",
        render::table(&["experiment", "finds out"], rows.into_iter(), 0..0)
    )
}

/// Prints what will be done, and what it will cost, where it is in nobody's way.
pub(super) fn plan(plan: &Plan, (endpoint, id): (&str, &str), budget: Money) -> io::Result<()> {
    let mut err = io::stderr().lock();
    let rows = plan.kinds.iter().zip(&plan.costs).map(|(kind, cost)| {
        let [name, question] = [kind.as_str(), kind.question()].map(str::to_owned);
        vec![name, question, cost.to_string()]
    });
    let table = render::table(&["experiment", "finds out", "expected"], rows, 2..3);
    writeln!(err, "{id} at {endpoint}\n\n{table}\n")?;
    writeln!(
        err,
        "{} calls, about {} and {}, if everything is as documented; never more than {budget}.",
        plan.calls,
        plan.cost,
        spoken(plan.takes)
    )?;
    if plan.exceeds {
        writeln!(
            err,
            "The budget will end it before its end: raise --budget, or choose with --only."
        )?;
    }
    err.flush()
}

/// A duration in minutes, or hours where it is long.
fn spoken(takes: Duration) -> String {
    let minutes = takes.as_secs().div_ceil(60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} minutes"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// The line that says how far a run is.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn new() -> Self {
        Self(io::stderr().is_terminal().then(ProgressBar::new_spinner))
    }

    pub(super) fn tell(&self, progress: &Progress, now: Timestamp) {
        let Some(bar) = &self.0 else { return };
        let wait = match progress.at.since(now).as_secs() {
            0 => String::new(),
            seconds => format!(", next in {}m{:02}s", seconds / 60, seconds % 60),
        };
        let what = progress.kind.map_or("gauge", Kind::as_str);
        bar.set_message(format!(
            "{} of {} found, {} calls, {} spent: {what}{wait}",
            progress.done, progress.of, progress.calls, progress.spent
        ));
        bar.tick();
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

const HEADER: [&str; 6] = [
    "rule",
    "documented",
    "found",
    "verdict",
    "confidence",
    "evidence",
];

/// Prints what was found.
pub(super) fn report(
    report: &Report,
    (rows, state): (&Path, &Path),
    style: Style,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if style == Style::Json {
        writeln!(out, "{}", text(&object(report, rows, state)))?;
        return out.flush();
    }
    let lines = report.findings.iter().map(|one| {
        vec![
            one.kind.as_str().to_owned(),
            one.documented.clone(),
            one.found.clone(),
            one.verdict.as_str().to_owned(),
            one.confidence.as_str().to_owned(),
            one.evidence.clone(),
        ]
    });
    writeln!(out, "{}\n", render::table(&HEADER, lines, 0..0))?;
    writeln!(
        out,
        "{} calls for {}. The row is in {}.",
        report.calls,
        report.spent,
        rows.display()
    )?;
    if !report.unfinished.is_empty() {
        let names: Vec<&str> = report.unfinished.iter().map(|kind| kind.as_str()).collect();
        write!(out, "The budget ended it before: {}.", names.join(", "))?;
        match resumable(state) {
            Some(state) => writeln!(out, " Go on with --resume {state} and a higher --budget.")?,
            None => writeln!(out)?,
        }
    }
    out.flush()
}

fn object(report: &Report, rows: &Path, state: &Path) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|one| {
            json!({
                "rule": one.kind.as_str(), "documented": one.documented, "found": one.found,
                "verdict": one.verdict.as_str(), "confidence": one.confidence.as_str(),
                "evidence": one.evidence,
            })
        })
        .collect();
    let unfinished: Vec<&str> = report.unfinished.iter().map(|kind| kind.as_str()).collect();
    json!({
        "findings": findings, "unfinished": unfinished, "calls": report.calls,
        "cost_usd": render::decimal(report.spent), "rows": rows.display().to_string(),
        "state": resumable(state),
    })
}

fn text(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
