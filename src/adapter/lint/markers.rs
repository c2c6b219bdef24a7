//! The caller's markers: where they stand, how many, of which class, and what they can reach.

use super::ground::{Ground, Spot};
use super::{Code, Severity};
use crate::model::{BlockKind, Regime, Role, Section, Ttl};
use crate::wire::MarkerStyle;
use serde_json::Value;

/// Fewer tokens than this are not worth a word.
const LEAST: u64 = 256;

/// The ways to spell a marker, and the style that each belongs to.
const SPELLINGS: [&str; 3] = ["cache_control", "prompt_cache_breakpoint", "cachePoint"];

pub(super) fn check(ground: &mut Ground<'_>) {
    places(ground);
    strange(ground);
    let limits = ground.target.model.limits;
    let own = ground.prompt().own_markers();
    if limits.regime != Regime::Automatic && own > limits.max_breakpoints {
        let last = marked(ground)
            .last()
            .map_or_else(Spot::default, |(at, _)| ground.at_marker(*at));
        let most = limits.max_breakpoints;
        let message = format!("{own} markers; the provider takes {most}");
        ground.find(Code::TooManyMarkers, last, message);
    }
    classes(ground);
    automatic(ground);
    first_behind_volatile(ground);
    reach(ground);
    minimum(ground);
}

/// The marked blocks with their classes.
fn marked(ground: &Ground<'_>) -> Vec<(usize, Ttl)> {
    let blocks = ground.blocks().into_iter();
    blocks
        .filter_map(|(at, block)| Some((at, block.marker?.ttl)))
        .collect()
}

/// Markers on blocks that cannot carry one.
fn places(ground: &mut Ground<'_>) {
    let limits = ground.target.model.limits;
    let accepts = ground.needs_markers() || !limits.known;
    for (at, block) in ground.blocks() {
        if block.marker.is_none() || !accepts {
            continue;
        }
        let (kind, refused) = (block.kind, Code::MarkerRefused);
        let (code, message) = if ground.is_empty_text(at) {
            (Code::MarkerEmpty, "a marker on an empty text")
        } else if ground.is_blank_text(at) {
            // Bedrock was seen to take it (recorded 2026).
            continue;
        } else if kind == BlockKind::Thinking {
            (refused, "a marker on thinking, which is refused")
        } else if kind == BlockKind::Tool && !limits.marks_tools {
            (refused, "a marker on a tool, which this model refuses")
        } else if kind == BlockKind::ToolResult && !limits.marks_results {
            let message = "a marker on a tool's result, which this model refuses";
            (refused, message)
        } else if !block.markable {
            (refused, "a marker on a block that cannot carry one")
        } else {
            continue;
        };
        let spot = ground.at_marker(at);
        ground.find(code, spot, message);
    }
}

/// Markers that the dialect's reader does not take for markers.
fn strange(ground: &mut Ground<'_>) {
    let mut seen = Vec::new();
    walk(ground.json, "", &mut seen);
    for (pointer, key, parent) in seen {
        let own = match ground.target.endpoint.marker {
            MarkerStyle::None => "",
            MarkerStyle::CacheControl => "cache_control",
            MarkerStyle::PromptCacheBreakpoint => "prompt_cache_breakpoint",
            MarkerStyle::CachePoint | MarkerStyle::CachePointMember => "cachePoint",
        };
        let block = ground.block_at(&pointer);
        let mut spot = block.map_or_else(Spot::default, |at| ground.at(at, 0));
        spot.pointer = format!("{pointer}/{key}");
        if key != own {
            // Where nothing is marked, the members check says it.
            if key != "prompt_cache_breakpoint" {
                let name = &ground.target.endpoint.name;
                let message = format!("`{key}` means nothing in the dialect `{name}` here");
                ground.find(Code::MarkerForeign, spot, message);
            }
            continue;
        }
        let known = block.is_some_and(|at| {
            let marked = ground
                .prompt()
                .blocks
                .get(at)
                .is_some_and(|block| block.marker.is_some());
            marked && (ground.pointer(at) == pointer || key == "cachePoint")
        });
        let top = pointer.is_empty() && ground.prompt().auto_marker.is_some();
        match parent {
            Place::First => {
                let message = "a cache point with nothing before it in its message is refused";
                ground.find(Code::MarkerRefused, spot, message);
            }
            Place::Twice => {
                ground.find(
                    Code::MarkerTwice,
                    spot,
                    "a cache point right behind another one",
                );
            }
            Place::Elsewhere if key != "cachePoint" && !known && !top => {
                ground.find(
                    Code::MarkerRefused,
                    spot,
                    "a marker where the provider takes none",
                );
            }
            Place::Elsewhere => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The first element of a message's content.
    First,
    /// Behind another one.
    Twice,
    Elsewhere,
}

/// Every object with a marker, as a pointer; but for what is data rather than request.
fn walk(value: &Value, pointer: &str, out: &mut Vec<(String, &'static str, Place)>) {
    match value {
        Value::Object(members) => {
            for key in SPELLINGS {
                let marks = members.get(key).is_some_and(Value::is_object);
                if marks && key != "cachePoint" {
                    out.push((pointer.to_owned(), key, Place::Elsewhere));
                }
            }
            for (name, value) in members {
                // Schemas and inputs of tools may use any names.
                let data = [
                    "input",
                    "input_schema",
                    "parameters",
                    "properties",
                    "inputSchema",
                ];
                let is_item_list = name == "input" && value.is_array() && pointer.is_empty();
                if !data.contains(&name.as_str()) || is_item_list {
                    walk(value, &format!("{pointer}/{name}"), out);
                }
            }
        }
        Value::Array(items) => {
            let is_point = |at: usize| {
                let item: Option<&Value> = items.get(at);
                item.is_some_and(|item| item.get("cachePoint").is_some_and(Value::is_object))
            };
            for (at, item) in items.iter().enumerate() {
                let here = format!("{pointer}/{at}");
                if is_point(at) {
                    let place = match at.checked_sub(1) {
                        None if pointer.ends_with("/content") => Place::First,
                        Some(before) if is_point(before) => Place::Twice,
                        None | Some(_) => Place::Elsewhere,
                    };
                    out.push((here.clone(), "cachePoint", place));
                }
                walk(item, &here, out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Longer classes first, and only those on sale.
fn classes(ground: &mut Ground<'_>) {
    let limits = ground.target.model.limits;
    let mut short = false;
    for (at, ttl) in marked(ground) {
        if ttl == Ttl::OneHour && short {
            let spot = ground.at_marker(at);
            let message = "a marker of one hour behind one of five minutes";
            ground.find(Code::TtlOrder, spot, message);
        }
        if ttl == Ttl::OneHour && limits.known && !limits.one_hour {
            let spot = ground.at_marker(at);
            ground.find(
                Code::TtlNotSold,
                spot,
                "this model has no class of one hour",
            );
        }
        short |= ttl == Ttl::FiveMinutes;
    }
    let automatic = ground.prompt().auto_marker;
    if short && automatic.is_some_and(|marker| marker.ttl == Ttl::OneHour) {
        let spot = ground.member("cache_control");
        let message = "an automatic marker of one hour behind one of five minutes";
        ground.find(Code::TtlOrder, spot, message);
    }
}

/// The automatic marker, which the provider puts on the last block that can carry one.
fn automatic(ground: &mut Ground<'_>) {
    let Some(marker) = ground.prompt().auto_marker else {
        return;
    };
    let Some(last) = ground
        .prompt()
        .markable_before(ground.prompt().blocks.len())
    else {
        return;
    };
    let Some(block) = ground.prompt().blocks.get(last).copied() else {
        return;
    };
    if block.marker.is_some_and(|own| own.ttl != marker.ttl) {
        let spot = ground.at_marker(last);
        let message = "the automatic marker and one of another class stand on one block";
        ground.find(Code::MarkerClash, spot, message);
    }
    if let Some(found) = ground.volatile(last) {
        let tokens = ground.before(last);
        let spot = ground.at(last, found.span.start as usize);
        let what = super::text::name(found.pattern);
        let message = format!("{what} stands in the block that the automatic marker closes");
        ground.find_costly(Code::AutomaticVolatile, spot, message, tokens);
        if let Some(last) = ground.found.last_mut() {
            last.pattern = Some(found.pattern);
        }
    }
}

/// Markers none of which stands before the first text that differs from call to call.
fn first_behind_volatile(ground: &mut Ground<'_>) {
    let Some((first, _)) = marked(ground).first().copied() else {
        return;
    };
    // What was said since is history, which the caller repeats as it was.
    let opening = ground.opening_end();
    let found = (0..=first)
        .filter(|at| *at < opening)
        .find_map(|at| Some((at, ground.volatile(at)?)));
    let Some((at, found)) = found else { return };
    if !ground.needs_markers() || ground.total() < ground.target.model.limits.min_tokens {
        return;
    }
    let what = super::text::name(found.pattern);
    let message = if at == first {
        format!(
            "the first marker stands on a block with {what} in it: it is written and never read"
        )
    } else {
        format!("the first marker stands behind {what}: it is written and never read")
    };
    let spot = ground.at_marker(first);
    ground.find_costly(Code::MarkerVolatile, spot, message, ground.up_to(first));
}

/// What no marker reaches, and what the next one will not find.
fn reach(ground: &mut Ground<'_>) {
    let limits = ground.target.model.limits;
    if limits.regime != Regime::Breakpoints || limits.max_breakpoints == 0 {
        return;
    }
    let markers = marked(ground);
    let automatic = ground.prompt().auto_marker.is_some();
    if markers.is_empty() && !automatic && ground.prompt().reserved == 0 {
        if ground.total() >= limits.min_tokens {
            let total = ground.total();
            ground.find_costly(
                Code::NoMarker,
                Spot::default(),
                "nothing is marked, so nothing is cached",
                total,
            );
        }
        return;
    }
    let end = ground.prompt().blocks.len();
    let tail = if automatic {
        end.saturating_sub(1)
    } else {
        markers.last().map_or(0, |(at, _)| *at)
    };
    let behind = ground.total() - ground.up_to(tail);
    if positions(ground, tail + 1, end) > limits.lookback && behind >= LEAST {
        let spot = ground.at(tail, 0);
        let message = format!(
            "{} positions stand behind the last marker, more than the {} that are searched",
            positions(ground, tail + 1, end),
            limits.lookback
        );
        ground.find_costly(Code::Lookback, spot, message, behind);
        return;
    }
    let Some(top) = previous_top(ground) else {
        return;
    };
    let stops = markers
        .iter()
        .map(|(at, _)| *at)
        .chain(automatic.then_some(tail));
    let nearest = stops.filter(|at| *at >= top).min();
    if let Some(next) = nearest
        && positions(ground, top, next + 1) > limits.lookback
    {
        let spot = ground.at(next, 0);
        let message = format!(
            "the turn before ended {} positions before this marker, more than the {} searched",
            positions(ground, top, next + 1) - 1,
            limits.lookback
        );
        let tokens = ground.up_to(top);
        ground.find_costly(Code::Lookback, spot, message, tokens);
    }
}

/// The last block of what the user had said in the turn before.
fn previous_top(ground: &Ground<'_>) -> Option<usize> {
    let blocks = &ground.prompt().blocks;
    let spoken = blocks
        .iter()
        .rposition(|block| block.role == Role::Assistant)?;
    let before = blocks.get(..spoken)?;
    let top = before
        .iter()
        .rposition(|block| block.role != Role::Assistant)?;
    let is_message = blocks
        .get(top)
        .is_some_and(|block| block.section == Section::Messages);
    is_message.then_some(top)
}

/// Positions as the provider counts them: a run of calls, or of results, may be one.
fn positions(ground: &Ground<'_>, from: usize, to: usize) -> usize {
    let collapses = ground.target.model.limits.collapse_runs;
    let blocks = ground.prompt().blocks.get(from..to).unwrap_or_default();
    let mut last = None;
    let mut count = 0;
    for block in blocks {
        let run = matches!(block.kind, BlockKind::ToolUse | BlockKind::ToolResult);
        let goes_on = collapses && run && last == Some(block.kind);
        count += usize::from(!goes_on);
        last = Some(block.kind);
    }
    count
}

/// Prefixes that are too short to be cached. An estimate may be off, so what is near is let pass.
fn minimum(ground: &mut Ground<'_>) {
    let limits = ground.target.model.limits;
    let short = |tokens: u64| tokens * 5 / 4 < limits.min_tokens;
    let minimum = limits.min_tokens;
    if short(ground.total()) {
        let marks = ground.prompt().own_markers() > 0;
        let spot = match marked(ground).first() {
            Some((at, _)) => ground.at_marker(*at),
            None => Spot::default(),
        };
        let total = ground.total();
        let message = format!("about {total} tokens; prompts below {minimum} are not cached");
        ground.find(Code::BelowMinimum, spot, message);
        if let Some(last) = ground.found.last_mut().filter(|_| !marks) {
            last.severity = Severity::Hint;
        }
        return;
    }
    for (at, _) in marked(ground) {
        let tokens = ground.up_to(at);
        if short(tokens) {
            let spot = ground.at_marker(at);
            let message =
                format!("about {tokens} tokens up to this marker; below {minimum} it does nothing");
            ground.find(Code::BelowMinimum, spot, message);
            if let Some(last) = ground.found.last_mut() {
                // A deeper marker caches these tokens all the same.
                last.severity = Severity::Hint;
            }
        }
    }
}
