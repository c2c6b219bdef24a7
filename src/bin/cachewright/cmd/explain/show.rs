//! An explanation as text with a coloured diff, and as JSON.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use cachewright::diagnose::Relation;
use cachewright::model::{Money, Section};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::figures::{Explanation, Shown};
use crate::exit::Failure;
use crate::render::{decimal, grouped, table};

/// A hundredth of a cent; less is not worth a word.
const CENT: Money = Money::from_pico(100_000_000);

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GONE: Style = AnsiColor::Red.on_default();
const COME: Style = AnsiColor::Green.on_default();

/// Prints it for a reader, in colours where they can be seen.
pub(super) fn text(found: &Explanation) -> Result<(), Failure> {
    let mut out = String::new();
    headline(found, &mut out);
    if let Some((first, others)) = found.changes.split_first() {
        facts(found, first, &mut out);
        diff(first, &mut out);
        list(others, found.further, &mut out);
    }
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(out.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Prints it for a program.
pub(super) fn json(found: &Explanation) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(&object(found)).unwrap_or_default();
    text.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// What came of the comparison, in a sentence.
fn headline(found: &Explanation, out: &mut String) {
    let [earlier, later] = found.files.each_ref().map(|file| file.display());
    let tokens = |count: u64| format!("about {} tokens", grouped(count));
    let what = match found.relation {
        Relation::Equal => format!("{later} is the same prompt as {earlier}."),
        Relation::Extends => format!("{later} extends {earlier}: nothing that was there changed."),
        Relation::Within => {
            format!("{later} ends within {earlier} and agrees with it up to there.")
        }
        Relation::Differs => match found.changes.first() {
            Some(first) => format!("{later} parts from {earlier} {}.", at(first)),
            None => format!("{later} differs from {earlier}."),
        },
    };
    let _ = writeln!(out, "{BOLD}{what}{BOLD:#}");
    if found.relation == Relation::Differs {
        return;
    }
    let [_, all] = found.tokens;
    let read = if found.readable == 0 {
        let least = grouped(found.minimum);
        format!(
            "{} shared, too few to be cached: the least are {least}.",
            tokens(all.min(found.tokens[0]))
        )
    } else {
        let saved = found.saved.map_or_else(String::new, |saved| {
            format!(", which saves {saved} against plain input")
        });
        format!(
            "Of {}, {} can be read{saved}.",
            tokens(all),
            grouped(found.readable)
        )
    };
    let _ = writeln!(out, "{read}\n{DIM}{}{DIM:#}", basis(found));
}

/// Where a change is, in words.
fn at(shown: &Shown) -> String {
    let place = &shown.changed.place;
    match &*place.pointer {
        "" => format!("at a parameter before block {}", place.block),
        pointer => format!("at {pointer}"),
    }
}

fn section(section: Section) -> &'static str {
    match section {
        Section::Tools => "tools",
        Section::System => "system prompt",
        Section::Messages => "conversation",
    }
}

/// Cause, place, loss and advice.
fn facts(found: &Explanation, first: &Shown, out: &mut String) {
    let changed = &first.changed;
    let place = &changed.place;
    let [_, blocks] = found.blocks;
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(out, "  {BOLD}{name:<8}{BOLD:#}{what}");
    };
    let pattern = changed.pattern.map_or_else(String::new, |pattern| {
        format!(" ({})", pattern.as_str().replace('_', " "))
    });
    let cause = changed.cause;
    line(
        "cause",
        &format!("{}{pattern}: {}", cause.as_str(), cause.meaning()),
    );
    let part = section(place.section);
    line(
        "where",
        &format!(
            "{part}, block {} of {blocks}, byte {}",
            place.block, place.byte
        ),
    );
    let [before, _] = found.tokens;
    let mut loss = format!(
        "of about {} tokens sent before, {} can still be read",
        grouped(before),
        grouped(found.readable)
    );
    if found.lost > 0 {
        let _ = write!(loss, "; {} are paid for again", grouped(found.lost));
    }
    if let Some(cost) = found.lost_cost.filter(|cost| *cost >= CENT) {
        let _ = write!(loss, ", {cost} a call above reading them");
    }
    line("loss", &loss);
    line("fix", cause.advice());
    let _ = writeln!(out, "  {DIM}{}{DIM:#}\n", basis(found));
}

/// What the figures rest on.
fn basis(found: &Explanation) -> String {
    let (model, provider) = (&found.model, &found.provider);
    if found.known {
        format!(
            "tokens are estimated from lengths, limits and prices are those of {model} at {provider}"
        )
    } else {
        format!(
            "no row describes `{model}` at {provider}: tokens and limits are guesses, prices unknown"
        )
    }
}

/// Both excerpts, the words that differ set off.
fn diff(shown: &Shown, out: &mut String) {
    let [before, after] = &shown.excerpts;
    let words = TextDiff::from_words(&**before, &**after);
    // Where there is nothing to compare with, nothing is set off.
    let both = !before.is_empty() && !after.is_empty();
    let mut side = |sign: char, style: Style, tag: ChangeTag| {
        let strong = style.bold().underline();
        let _ = write!(out, "{style}{sign} ");
        let mut within = false;
        for change in words.iter_all_changes() {
            let changed = change.tag() == tag && both;
            if change.tag() != tag && change.tag() != ChangeTag::Equal {
                continue;
            }
            if changed != within {
                let (ends, begins) = if changed {
                    (style, strong)
                } else {
                    (strong, style)
                };
                let _ = write!(out, "{ends:#}{begins}");
                within = changed;
            }
            let _ = write!(out, "{}", change.value());
        }
        let last = if within { strong } else { style };
        let _ = writeln!(out, "{last:#}");
    };
    if !before.is_empty() {
        side('-', GONE, ChangeTag::Delete);
    }
    if !after.is_empty() {
        side('+', COME, ChangeTag::Insert);
    }
}

/// The places that changed behind the first one.
fn list(others: &[Shown], further: usize, out: &mut String) {
    if others.is_empty() {
        return;
    }
    let count = others.len() + further;
    let _ = writeln!(out, "\n{BOLD}Behind it, {count} more:{BOLD:#}");
    let rows = others.iter().map(|shown| {
        let changed = &shown.changed;
        let pattern = changed.pattern.map(|pattern| pattern.as_str());
        vec![
            changed.place.pointer.to_string(),
            changed.place.block.to_string(),
            changed.place.byte.to_string(),
            changed.cause.as_str().to_owned(),
            pattern.unwrap_or_default().to_owned(),
        ]
    });
    let header = ["place", "block", "byte", "cause", "pattern"];
    let _ = writeln!(out, "{}", table(&header, rows, 1..3));
    if further > 0 {
        let _ = writeln!(out, "{further} of them are not listed.");
    }
}

fn object(found: &Explanation) -> Value {
    let [earlier, later] = found
        .files
        .each_ref()
        .map(|file| file.display().to_string());
    let [old, new] = found.blocks;
    let [before, after] = found.tokens;
    let dollars = |amount: Option<Money>| amount.map(decimal);
    let pico = |amount: Option<Money>| {
        amount.map(|amount| i64::try_from(amount.as_pico()).unwrap_or(i64::MAX))
    };
    json!({
        "earlier": earlier,
        "later": later,
        "provider": found.provider,
        "dialect": found.dialect,
        "model": found.model,
        "model_known": found.known,
        "relation": relation(found.relation),
        "blocks": {"earlier": old, "later": new, "shared": found.shared},
        "estimated_tokens": {
            "earlier": before,
            "later": after,
            "readable": found.readable,
            "lost": found.lost,
            "minimum": found.minimum,
        },
        "lost_usd": dollars(found.lost_cost),
        "lost_picodollars": pico(found.lost_cost),
        "saved_usd": dollars(found.saved),
        "saved_picodollars": pico(found.saved),
        "changes": found.changes.iter().map(change).collect::<Vec<_>>(),
        "further_changes": found.further,
    })
}

fn change(shown: &Shown) -> Value {
    let changed = &shown.changed;
    let [before, after] = &shown.excerpts;
    json!({
        "cause": changed.cause.as_str(),
        "meaning": changed.cause.meaning(),
        "advice": changed.cause.advice(),
        "pattern": changed.pattern.map(|pattern| pattern.as_str()),
        "section": match changed.place.section {
            Section::Tools => "tools",
            Section::System => "system",
            Section::Messages => "messages",
        },
        "block": changed.place.block,
        "byte": changed.place.byte,
        "pointer": changed.place.pointer,
        "before": before,
        "after": after,
    })
}

const fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::Equal => "equal",
        Relation::Extends => "extends",
        Relation::Within => "within",
        Relation::Differs => "differs",
    }
}
