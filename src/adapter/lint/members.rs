//! Members of the body beside the prompt: keys, options, the model, the tool choice.

use serde_json::Value;

use super::Code;
use super::ground::{Ground, Spot};
use crate::canon::volatile;
use crate::model::{Pattern, Regime, Role};
use crate::wire::MarkerStyle;

pub(super) fn check(ground: &mut Ground<'_>) {
    model(ground);
    key(ground);
    if ground.target.endpoint.marker == MarkerStyle::PromptCacheBreakpoint {
        options(ground);
    }
    choice(ground);
}

fn model(ground: &mut Ground<'_>) {
    let limits = ground.target.model.limits;
    if limits.known {
        return;
    }
    let message = if ground.target.model.name.is_empty() {
        "no model is named: its limits are guessed; name it with --model".to_owned()
    } else {
        format!(
            "no row for this model at `{}`: a minimum of {} tokens and {} markers are assumed",
            ground.target.provider.name, limits.min_tokens, limits.max_breakpoints
        )
    };
    let spot = if ground.has("model") {
        ground.member("model")
    } else {
        Spot::default()
    };
    ground.find(Code::UnknownModel, spot, message);
}

/// The member that steers equal prefixes to one machine.
fn key(ground: &mut Ground<'_>) {
    let Some(affinity) = &ground.target.endpoint.affinity else {
        return;
    };
    let Some(field) = affinity.field.clone() else {
        return;
    };
    let automatic = ground.target.model.limits.regime == Regime::Automatic;
    let wanted = automatic || !affinity.automatic_only;
    let steered = affinity.unless.iter().any(|name| ground.has(name));
    match ground.json.get(&*field).and_then(Value::as_str) {
        None if wanted && !steered && ground.total() >= ground.target.model.limits.min_tokens => {
            let message = format!("no `{field}`: equal prefixes may reach different machines");
            ground.find(Code::NoCacheKey, Spot::default(), message);
        }
        Some(value) => {
            let found = volatile(format!("{field}: {value}").as_bytes());
            let ticks = |pattern: &Pattern| {
                matches!(
                    pattern,
                    Pattern::Timestamp | Pattern::Time | Pattern::Counter
                )
            };
            if found.iter().any(|one| ticks(&one.pattern)) || is_clock(value) {
                let spot = ground.member(&field);
                let message = format!("`{field}` holds a time: every call asks another machine");
                let total = ground.total();
                ground.find_costly(Code::RotatingKey, spot, message, total);
            }
        }
        None => {}
    }
}

/// Whether a key ends in seconds or milliseconds since 1970, as they were from 2017 to 2036.
fn is_clock(value: &str) -> bool {
    let mut runs = value.split(|ch: char| !ch.is_ascii_digit());
    runs.any(|run| {
        let seconds = match run.len() {
            10 => run.parse::<u64>().ok(),
            13 => run.parse::<u64>().ok().map(|millis| millis / 1000),
            _ => None,
        };
        seconds.is_some_and(|seconds| (1_500_000_000..2_100_000_000).contains(&seconds))
    })
}

/// Options and breakpoints of OpenAI's later models.
fn options(ground: &mut Ground<'_>) {
    let limits = ground.target.model.limits;
    let markers = ground.prompt().own_markers();
    let has_options = ground.has("prompt_cache_options");
    if has_options && ground.has("prompt_cache_retention") {
        let spot = ground.member("prompt_cache_retention");
        let message = "`prompt_cache_options` and `prompt_cache_retention` exclude each other";
        ground.find(Code::OptionsAndRetention, spot, message);
    }
    if limits.known && limits.regime != Regime::Exact && (has_options || markers > 0) {
        let spot = if has_options {
            ground.member("prompt_cache_options")
        } else {
            let blocks = &ground.prompt().blocks;
            let first = blocks.iter().position(|block| block.marker.is_some());
            first.map_or_else(Spot::default, |at| ground.at_marker(at))
        };
        let message = "this model refuses breakpoints and cache options";
        ground.find(Code::NoBreakpoints, spot, message);
    }
    let mode = ground.json.pointer("/prompt_cache_options/mode");
    if mode.and_then(Value::as_str) == Some("explicit") && markers == 0 {
        let spot = ground.member("prompt_cache_options");
        let total = ground.total();
        let message = "caching at markers only, and no marker: nothing is cached";
        ground.find_costly(Code::ExplicitWithout, spot, message, total);
    }
}

/// A tool choice that forces a tool: where it goes back to `auto`, messages are read no more.
fn choice(ground: &mut Ground<'_>) {
    let converse = ground.json.pointer("/toolConfig/toolChoice");
    let Some(choice) = ground.json.get("tool_choice").or(converse) else {
        return;
    };
    let kind = choice.as_str().or_else(|| choice.get("type")?.as_str());
    let forced = matches!(kind, Some("any" | "tool" | "required" | "function"))
        || choice.get("any").is_some()
        || choice.get("tool").is_some();
    let goes_on = ground
        .prompt()
        .blocks
        .iter()
        .any(|block| block.role == Role::Assistant);
    // OpenAI keeps the choice out of the prefix where it names the tools that are allowed.
    if forced && goes_on && ground.needs_markers() {
        let mut spot = ground.member("tool_choice");
        if converse.is_some() {
            spot.pointer = "/toolConfig/toolChoice".to_owned();
        }
        ground.find(
            Code::ForcedChoice,
            spot,
            "a tool is forced in the middle of a conversation",
        );
    }
}
