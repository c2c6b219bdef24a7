//! What the engine may never do, whatever the request looks like: turn a request that the provider
//! accepts into one that it refuses, or move a marker of the caller's.

#![expect(
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test stops at the first surprise"
)]

use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::memory::InProcess;
use cachewright::engine::{Engine, Meta, Settings};
use cachewright::model::{Markers, Timestamp, Ttl};
use cachewright::provider::Catalog;
use cachewright::sim::Sim;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Which marker, if any, the caller puts on a block.
fn marked(mut block: Value, choice: u8) -> Value {
    match choice {
        0 => block["cache_control"] = json!({"type": "ephemeral"}),
        1 => block["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"}),
        2 => block["cache_control"] = json!({"ttl": "5m", "type": "ephemeral"}),
        3 => block["cache_control"] = Value::Null,
        _ => {}
    }
    block
}

fn words(n: u16) -> String {
    (0..n % 700)
        .map(|at| format!("word{} ", u32::from(n) + u32::from(at)))
        .collect()
}

/// Marker choices are rare enough that most requests stay within the limit of four.
fn choice() -> impl Strategy<Value = u8> {
    prop_oneof![9 => Just(9_u8), 1 => 0..4_u8]
}

fn user_block() -> impl Strategy<Value = Value> {
    (0..6_u8, any::<u16>(), choice()).prop_map(|(kind, n, choice)| match kind {
        0 => marked(
            json!({"type": "tool_result", "tool_use_id": "t", "content": words(n)}),
            choice,
        ),
        1 => marked(
            json!({"type": "image", "source": {"type": "url", "url": "https://example.com/i.png"}}),
            choice,
        ),
        2 => json!({"type": "text", "text": ""}),
        3 => marked(
            json!({"text": words(n), "type": "text"}),
            if n % 700 == 0 { 9 } else { choice },
        ),
        4 => json!({"type": "hologram", "data": words(n)}),
        _ => marked(
            json!({"type": "text", "text": format!("x{}", words(n))}),
            choice,
        ),
    })
}

fn assistant_block() -> impl Strategy<Value = Value> {
    (0..3_u8, any::<u16>(), choice()).prop_map(|(kind, n, choice)| match kind {
        0 => json!({"type": "thinking", "thinking": words(n), "signature": "sig"}),
        1 => marked(
            json!({"type": "tool_use", "id": "t", "name": "tool_1", "input": {"n": n}}),
            choice,
        ),
        _ => marked(
            json!({"type": "text", "text": format!("x{}", words(n))}),
            choice,
        ),
    })
}

fn message(role: &'static str, blocks: Vec<Value>, bare: Option<u16>) -> Value {
    match bare {
        Some(n) => json!({"role": role, "content": format!("x{}", words(n))}),
        None => json!({"role": role, "content": blocks}),
    }
}

prop_compose! {
    fn body()(
        tools in prop::collection::vec((any::<u16>(), choice(), any::<bool>()), 0..5),
        system in prop::option::of(prop::collection::vec((any::<u16>(), choice()), 0..4)),
        turns in prop::collection::vec(
            (
                prop::collection::vec(user_block(), 1..8),
                prop::option::weighted(0.3, any::<u16>()),
                prop::collection::vec(assistant_block(), 1..5),
                prop::option::weighted(0.3, any::<u16>()),
            ),
            0..6,
        ),
        last in prop::collection::vec(user_block(), 1..4),
        automatic in prop::option::weighted(0.2, any::<bool>()),
        model in prop::sample::select(vec!["claude-sonnet-4-5", "claude-opus-4-8", "claude-3-haiku-20240307", "mystery-1"]),
    ) -> Value {
        let mut messages = Vec::new();
        for (user, bare_user, assistant, bare_assistant) in turns {
            messages.push(message("user", user, bare_user));
            messages.push(message("assistant", assistant, bare_assistant));
        }
        messages.push(message("user", last, None));
        let mut body = json!({"model": model, "max_tokens": 100, "messages": messages});
        if !tools.is_empty() {
            let tool = |(n, (words_of, choice, deferred)): (usize, (u16, u8, bool))| {
                let tool = json!({"name": format!("tool_{n}"), "description": words(words_of), "input_schema": {"type": "object"}});
                if deferred && n > 0 {
                    let mut tool = tool;
                    tool["defer_loading"] = true.into();
                    tool
                } else {
                    marked(tool, choice)
                }
            };
            body["tools"] = tools.into_iter().enumerate().map(tool).collect();
        }
        if let Some(system) = system {
            body["system"] = system
                .into_iter()
                .map(|(n, choice)| marked(json!({"type": "text", "text": format!("s{}", words(n))}), choice))
                .collect();
        }
        if let Some(hour) = automatic {
            body["cache_control"] = if hour { json!({"type": "ephemeral", "ttl": "1h"}) } else { json!({"type": "ephemeral"}) };
        }
        body
    }
}

/// Pointers of the caller's markers, with their lifetime.
fn own_markers(value: &Value, at: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if key == "cache_control" && member.is_object() {
                    found.push((at.to_owned(), member.clone()));
                } else {
                    own_markers(member, &format!("{at}/{key}"), found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                own_markers(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn engine(ttl: Option<Ttl>, markers: Markers) -> Engine {
    let mut settings = Settings::default();
    settings.ttl = ttl;
    settings.markers = markers;
    Engine::new(Arc::new(Catalog::builtin()), settings).remembering(Arc::new(InProcess::default()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_was_accepted_stays_accepted(
        body in body(),
        ttl in prop::sample::select(vec![None, Some(Ttl::FiveMinutes), Some(Ttl::OneHour)]),
    ) {
        let engine = engine(ttl, Markers::Keep);
        let mut sim = Sim::new(Arc::new(Catalog::builtin()));
        let original = Bytes::from(serde_json::to_vec(&body).unwrap());
        let accepted = sim.read(&original).and_then(|request| sim.check(&request)).is_ok();
        // Twice: without and with a history.
        for second in 0..2 {
            let now = Timestamp::from_secs_f64(f64::from(second));
            let prepared = engine.prepare(now, &Meta::of("anthropic"), &original);
            prop_assert_eq!(prepared.skip, None);
            let sent = prepared.body.clone().unwrap_or_else(|| original.clone());
            let verdict = sim.read(&sent).and_then(|request| sim.check(&request));
            if accepted {
                prop_assert!(verdict.is_ok(), "{:?}\n{}", verdict, String::from_utf8_lossy(&sent));
            }
            let (mut before, mut after) = (Vec::new(), Vec::new());
            own_markers(&body, "", &mut before);
            own_markers(&serde_json::from_slice(&sent).unwrap(), "", &mut after);
            let kept = before.iter().all(|marker| after.contains(marker));
            prop_assert!(kept, "{:?} {:?}", before, after);
            prop_assert_eq!(after.len(), before.len() + prepared.placements().len());
        }
    }

    #[test]
    fn replacing_never_leaves_a_marker_of_the_callers_behind(body in body()) {
        let engine = engine(None, Markers::Replace);
        let original = Bytes::from(serde_json::to_vec(&body).unwrap());
        let prepared = engine.prepare(Timestamp::default(), &Meta::of("anthropic"), &original);
        let sent = prepared.body.clone().unwrap_or_else(|| original.clone());
        let mut after = Vec::new();
        own_markers(&serde_json::from_slice(&sent).unwrap(), "", &mut after);
        let placed: Vec<String> = prepared.placements().into_iter().map(|one| one.pointer).collect();
        let mut found: Vec<String> = after.into_iter().map(|(pointer, _)| pointer).collect();
        found.sort();
        let mut wanted = placed;
        wanted.sort();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn whatever_comes_in_nothing_panics_and_the_unreadable_goes_through(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let engine = engine(None, Markers::Keep);
        let prepared = engine.prepare(Timestamp::default(), &Meta::of("anthropic"), &Bytes::from(bytes));
        prop_assert!(prepared.skip.is_some());
        prop_assert!(prepared.body.is_none());
    }
}
