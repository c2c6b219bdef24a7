//! The figures of a story in sentences and tables, which text, Markdown and CSV are rendered from.

mod json;
mod sheets;
mod words;

use std::fmt::Write as _;

use cachewright::ledger::{Group, Story};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

pub(crate) use json::{json, money};
pub(crate) use words::{grouped, or_dash};

use crate::cmd::variable;
use crate::render;

/// What a report is about.
pub(crate) struct Subject<'a> {
    /// The ledger's place, without password.
    pub(crate) place: &'a str,
    pub(crate) story: &'a Story,
    pub(crate) by: Group,
}

/// One table: its title, its header, its rows, and where the numbers begin and end.
struct Sheet {
    title: String,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    numbers: std::ops::Range<usize>,
}

/// The report for a terminal.
pub(crate) fn text(subject: &Subject<'_>) -> String {
    let width = width();
    let mut out = String::new();
    for sentence in words::opening(subject) {
        fold(&mut out, &sentence, ("", ""), width);
    }
    for sheet in sheets::all(subject) {
        let _ = write!(out, "\n{}\n", sheet.title);
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(width).unwrap_or(u16::MAX))
            .set_header(&sheet.header);
        table.add_rows(&sheet.rows);
        for column in sheet.numbers {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.to_string().lines() {
            let _ = writeln!(out, " {}", line.trim());
        }
    }
    let worst = words::worst(subject.story);
    if !worst.is_empty() {
        out.push_str("\nWhat cost most, and what to change\n");
    }
    for (number, (what, fix)) in worst.iter().enumerate() {
        let head = format!("{:>2}. ", number + 1);
        fold(&mut out, what, (&head, "    "), width);
        fold(&mut out, fix, ("    → ", "      "), width);
    }
    out.push_str("\nWhat these figures leave out\n");
    for gap in words::gaps(subject.story) {
        fold(&mut out, &gap, ("  ", "  "), width);
    }
    out
}

/// The report as Markdown.
pub(crate) fn markdown(subject: &Subject<'_>) -> String {
    let mut out = String::from("# What caching did\n\n");
    for sentence in words::opening(subject) {
        let _ = writeln!(out, "{sentence}");
    }
    for sheet in sheets::all(subject) {
        let table = render::table(&sheet.header, sheet.rows.into_iter(), sheet.numbers);
        let _ = write!(out, "\n## {}\n\n{table}\n", sheet.title);
    }
    let worst = words::worst(subject.story);
    if !worst.is_empty() {
        out.push_str("\n## What cost most, and what to change\n\n");
    }
    for (number, (what, fix)) in worst.iter().enumerate() {
        let _ = writeln!(out, "{}. {what}  \n   → {fix}", number + 1);
    }
    out.push_str("\n## What these figures leave out\n\n");
    for gap in words::gaps(subject.story) {
        let _ = writeln!(out, "- {gap}");
    }
    out
}

/// The sums by label as CSV.
pub(crate) fn csv(subject: &Subject<'_>) -> String {
    sheets::csv(subject)
}

/// Columns to fill: what the terminal says, or what every terminal has.
fn width() -> usize {
    let columns = variable("COLUMNS").and_then(|columns| columns.parse().ok());
    columns.unwrap_or(80).clamp(40, 200)
}

/// Breaks a sentence into lines that begin as `first` and `others` say.
fn fold(out: &mut String, sentence: &str, (first, others): (&str, &str), width: usize) {
    let mut line = String::from(first);
    let mut empty = true;
    for word in sentence.split(' ') {
        let length = line.chars().count() + 1 + word.chars().count();
        if !empty && length > width {
            let _ = writeln!(out, "{line}");
            line = String::from(others);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(out, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_folded_between_words() {
        let mut out = String::new();
        fold(&mut out, "one two three four", ("1. ", "   "), 11);
        assert_eq!(out, "1. one two\n   three\n   four\n");
    }
}
