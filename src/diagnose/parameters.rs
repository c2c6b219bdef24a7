//! What stands beside the blocks: the model, and the parameters that belong to the prefix.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::compare::{Changed, List, Side, offset};
use crate::model::{Cause, Place, Section, Span};

/// Members that are blocks, or that no cache looks at.
const ELSEWHERE: [&str; 34] = [
    "cache_control",
    "contents",
    "diagnostics",
    "frequency_penalty",
    "generationConfig",
    "inferenceConfig",
    "input",
    "instructions",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "n",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "seed",
    "stop",
    "stop_sequences",
    "store",
    "stream",
    "stream_options",
    "system",
    "systemInstruction",
    "system_instruction",
    "temperature",
    "tools",
    "top_k",
    "top_p",
    "user",
];

/// Notes another model.
pub(super) fn model(earlier: &Side<'_>, later: &Side<'_>, list: &mut List) {
    if earlier.model == later.model {
        return;
    }
    let span = |side: &Side<'_>| {
        let members = members(side.body);
        members.get("model").copied().unwrap_or_default()
    };
    let (before, after) = (span(earlier), span(later));
    list.push(Changed {
        cause: Cause::ModelChanged,
        pattern: None,
        place: Place::new(Section::Tools, 0, 0, "/model"),
        before,
        after,
        frames: [before, after],
    });
}

/// Notes other parameters.
pub(super) fn salted(earlier: &Side<'_>, later: &Side<'_>, list: &mut List) {
    let (one, other) = (earlier.prompt, later.prompt);
    let section = if one.system_salt != other.system_salt {
        Section::System
    } else if one.messages_salt != other.messages_salt {
        Section::Messages
    } else {
        return;
    };
    let (block, _) = later.section(section);
    let mut push = |pointer: String, before: Span, after: Span| {
        list.push(Changed {
            cause: Cause::Parameters,
            pattern: None,
            place: Place::new(section, offset(block), 0, pointer),
            before,
            after,
            frames: [before, after],
        });
    };
    let (before, after) = (members(earlier.body), members(later.body));
    let names = before.keys().chain(after.keys());
    let names: std::collections::BTreeSet<&String> = names.collect();
    let mut found = false;
    for name in names {
        let span = |all: &BTreeMap<String, Span>| all.get(name).copied().unwrap_or_default();
        let (was, is) = (span(&before), span(&after));
        if !ELSEWHERE.contains(&name.as_str()) && was.of(earlier.body) != is.of(later.body) {
            found = true;
            push(format!("/{name}"), was, is);
        }
    }
    if !found {
        // Nothing that can be named: it still ends the prefix here.
        push(String::new(), Span::default(), Span::default());
    }
}

/// The members of a body with the places of their values.
fn members(body: &[u8]) -> BTreeMap<String, Span> {
    let read: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_slice(body);
    let spans = read.unwrap_or_default().into_iter().map(|(name, value)| {
        let text = value.get();
        let start = (text.as_ptr() as usize).wrapping_sub(body.as_ptr() as usize);
        (name, Span::new(offset(start), offset(start + text.len())))
    });
    spans.collect()
}
