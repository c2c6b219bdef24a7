//! Findings for people and for programs.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use cachewright::adapter::lint::{Finding, Findings, Severity};
use serde_json::{Value, json};

use super::read::{Body, File};
use crate::render;

/// Characters shown on either side of a place.
const REACH: usize = 48;

/// What was found in one body, with where that stands in its file.
pub(super) struct Shown {
    file: String,
    line: usize,
    found: Findings,
    places: Vec<(usize, usize)>,
    excerpts: Vec<String>,
}

impl Shown {
    pub(super) fn new(file: &File, body: &Body, found: Findings) -> Self {
        let place = |finding: &Finding| file.place(body, finding.offset);
        Self {
            file: body.file.display().to_string(),
            line: body.line,
            places: found.list.iter().map(place).collect(),
            excerpts: Vec::new(),
            found,
        }
    }

    /// The same with the text around each place.
    pub(super) fn with_excerpts(mut self, body: &Body) -> Self {
        let list = self.found.list.iter();
        self.excerpts = list
            .map(|finding| excerpt(&body.bytes, finding.offset))
            .collect();
        self
    }
}

/// The text around a place, within one line of the terminal.
fn excerpt(body: &[u8], at: usize) -> String {
    let window = body.get(at.saturating_sub(REACH)..(at + REACH).min(body.len()));
    let text = String::from_utf8_lossy(window.unwrap_or_default());
    let clean = |ch: char| if ch.is_control() { ' ' } else { ch };
    text.trim_matches('\u{fffd}').chars().map(clean).collect()
}

const fn style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Hint => AnsiColor::Cyan,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Error => AnsiColor::Red,
    };
    color.on_default().bold()
}

/// As compilers print it: a line that editors jump to, then what explains it.
pub(super) fn text(all: &[Shown]) -> String {
    let mut out = String::new();
    for shown in all {
        for (at, finding) in shown.found.list.iter().enumerate() {
            let (line, column) = shown.places.get(at).copied().unwrap_or((1, 1));
            let style = style(finding.severity);
            let (severity, code) = (finding.severity.as_str(), finding.code);
            let (file, message) = (&shown.file, &finding.message);
            // Writing into a string cannot fail.
            let _ = writeln!(
                out,
                "{file}:{line}:{column}: {style}{severity}[{code}]{style:#}: {message}"
            );
            let _ = writeln!(out, "  --> {}", place(finding));
            if let Some(excerpt) = shown.excerpts.get(at) {
                let _ = writeln!(out, "   | {excerpt}");
            }
            if let Some(tokens) = finding.tokens {
                let cost = finding
                    .cost
                    .map_or_else(String::new, |cost| format!(", {cost}"));
                let _ = writeln!(out, "   = cost: about {tokens} tokens per call{cost}");
            }
            let _ = writeln!(out, "   = fix: {}\n", code.fix());
        }
    }
    out.push_str(&summary(all));
    out
}

fn place(finding: &Finding) -> String {
    let pointer = match finding.pointer.as_str() {
        "" => "the whole body",
        pointer => pointer,
    };
    let block = finding
        .block
        .map(|block| format!(" (block {block}, byte {})", finding.byte));
    format!("{pointer}{}", block.unwrap_or_default())
}

fn summary(all: &[Shown]) -> String {
    let count = |severity: Severity| {
        let found = all.iter().flat_map(|shown| &shown.found.list);
        found.filter(|finding| finding.severity == severity).count()
    };
    format!(
        "{} requests: {} errors, {} warnings, {} hints\n",
        all.len(),
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Hint),
    )
}

pub(super) fn json(all: &[Shown]) -> String {
    let files: Vec<Value> = all.iter().map(object).collect();
    let mut text = serde_json::to_string_pretty(&json!({"files": files})).unwrap_or_default();
    text.push('\n');
    text
}

fn object(shown: &Shown) -> Value {
    let findings = shown.found.list.iter().zip(&shown.places);
    let findings: Vec<Value> = findings
        .map(|(finding, (line, column))| {
            let pico = finding
                .cost
                .map(|cost| i64::try_from(cost.as_pico()).unwrap_or(i64::MAX));
            json!({
                "code": finding.code.as_str(),
                "name": finding.code.words(),
                "severity": finding.severity.as_str(),
                "message": finding.message,
                "line": line,
                "column": column,
                "pointer": finding.pointer,
                "block": finding.block,
                "byte": finding.byte,
                "offset": finding.offset,
                "pattern": finding.pattern.map(|pattern| pattern.as_str()),
                "tokens": finding.tokens,
                "cost_picodollars": pico,
                "cost_usd": finding.cost.map(render::decimal),
                "fix": finding.code.fix(),
            })
        })
        .collect();
    json!({
        "file": shown.file,
        "line": shown.line,
        "provider": shown.found.provider,
        "dialect": shown.found.dialect,
        "model": shown.found.model,
        "tokens": shown.found.tokens,
        "findings": findings,
    })
}
