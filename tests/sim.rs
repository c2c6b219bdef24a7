//! The simulator against recorded counters and the documentation's own examples
//! (platform.claude.com prompt-caching, 2026-08-22).
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]
#![expect(clippy::float_arithmetic, reason = "moments are seconds")]

use std::sync::Arc;

use cachewright::model::{Timestamp, Ttl, Usage};
use cachewright::provider::Catalog;
use cachewright::sim::{Request, Sim};
use serde_json::{Value, json};

const FIVE: Ttl = Ttl::FiveMinutes;
const HOUR: Ttl = Ttl::OneHour;
/// Opus 4.8: the minimum is 1,024 tokens, two tokens stay behind a marked text block.
const MODEL: &str = "claude-opus-4-8";

fn sim() -> Sim {
    Sim::new(Arc::new(Catalog::builtin()))
}

fn secs(at: f64) -> Timestamp {
    Timestamp::from_secs_f64(at)
}

fn read(sim: &mut Sim, body: &Value) -> Request {
    sim.read(body.to_string().as_bytes()).unwrap()
}

fn refusal(body: &Value) -> String {
    let refused = sim().read(body.to_string().as_bytes()).unwrap_err();
    assert_eq!(
        (refused.status, refused.kind),
        (400, "invalid_request_error")
    );
    refused.message
}

/// Serves at `at`, the answer beginning a second later.
fn serve(sim: &mut Sim, at: f64, request: &Request) -> (u64, u64, u64, u64) {
    counters(&sim.serve("w", secs(at), secs(at + 1.0), request).unwrap())
}

/// Read, written for five minutes, written for an hour, plain.
fn counters(usage: &Usage) -> (u64, u64, u64, u64) {
    let sum = |kind: Option<u64>| kind.unwrap();
    (
        sum(usage.read),
        sum(usage.write_5m),
        sum(usage.write_1h),
        sum(usage.plain),
    )
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// A user message of `count` blocks.
fn blocks(count: usize) -> Value {
    let content: Vec<Value> = (1..=count).map(|n| text(&format!("block {n}"))).collect();
    json!({"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": content}]})
}

/// `count` blocks of a thousand tokens each, marked at these blocks (counted from one).
fn marked(sim: &mut Sim, count: usize, markers: &[(usize, Ttl)]) -> Request {
    let counts = vec![1000; count];
    let request = read(sim, &blocks(count)).with_counts(&counts);
    request.with_markers(markers.iter().map(|(at, ttl)| (at - 1, *ttl)).collect())
}

#[test]
fn recorded_counters_are_reproduced() {
    let vectors = include_str!("vectors/anthropic/calibration.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let mut sim = sim();
        for step in case["steps"].as_array().unwrap() {
            let counts = step["counts"].as_array().unwrap().iter();
            let counts: Vec<u64> = counts.map(|count| count.as_u64().unwrap()).collect();
            let request = read(&mut sim, &step["body"]).with_counts(&counts);
            if let Some(total) = case["total"].as_u64() {
                assert_eq!(request.input_tokens(), total);
            }
            let want = |key: &str| step["usage"][key].as_u64().unwrap();
            let expected = (
                want("read"),
                want("write_5m"),
                want("write_1h"),
                want("input"),
            );
            let at = step["at"].as_f64().unwrap();
            assert_eq!(serve(&mut sim, at, &request), expected, "{}", case["name"]);
        }
    }
}

#[test]
fn an_entry_twenty_blocks_back_is_out_of_sight() {
    let mut sim = sim();
    let turn = |sim: &mut Sim, count, markers: &[(usize, Ttl)]| {
        let request = marked(sim, count, markers);
        serve(sim, count as f64, &request)
    };
    assert_eq!(turn(&mut sim, 10, &[(10, FIVE)]), (0, 10_000, 0, 2));
    assert_eq!(turn(&mut sim, 15, &[(15, FIVE)]), (10_000, 5_000, 0, 2));
    let mut repaired = sim.clone();
    assert_eq!(turn(&mut sim, 35, &[(35, FIVE)]), (0, 35_000, 0, 2));
    let second = [(15, FIVE), (35, FIVE)];
    assert_eq!(turn(&mut repaired, 35, &second), (15_000, 20_000, 0, 2));
}

#[test]
fn the_window_is_twenty_positions_with_the_marker_itself() {
    for (count, read) in [(34, 15_000), (35, 0)] {
        let mut sim = sim();
        let first = marked(&mut sim, 15, &[(15, FIVE)]);
        serve(&mut sim, 0.0, &first);
        let second = marked(&mut sim, count, &[(count, FIVE)]);
        assert_eq!(serve(&mut sim, 5.0, &second).0, read, "{count}");
    }
}

#[test]
fn a_run_of_tool_results_is_one_position() {
    let body = |calls: usize| {
        let uses = (0..calls)
            .map(|n| json!({"type": "tool_use", "id": format!("t{n}"), "name": "f", "input": {}}));
        let results = (0..calls).map(
            |n| json!({"type": "tool_result", "tool_use_id": format!("t{n}"), "content": "x"}),
        );
        let uses: Vec<Value> = uses.collect();
        let results: Vec<Value> = results.collect();
        let mut messages = vec![json!({"role": "user", "content": "go"})];
        if calls > 0 {
            messages.push(json!({"role": "assistant", "content": uses}));
            messages.push(json!({"role": "user", "content": results}));
        }
        json!({"model": MODEL, "max_tokens": 1, "messages": messages})
    };
    let mut sim = sim();
    let first = read(&mut sim, &body(0)).with_counts(&[2000]);
    serve(&mut sim, 0.0, &first.with_markers(vec![(0, FIVE)]));
    let counts: Vec<u64> = [2000].into_iter().chain([10; 60]).collect();
    let second = read(&mut sim, &body(30)).with_counts(&counts);
    let usage = serve(&mut sim, 5.0, &second.with_markers(vec![(60, FIVE)]));
    assert_eq!(usage, (2000, 600, 0, 1));
}

#[test]
fn a_marker_on_the_volatile_block_never_hits() {
    let mut sim = sim();
    for (turn, at) in [0.0, 5.0].into_iter().enumerate() {
        let mut body = blocks(6);
        body["messages"][0]["content"][5] = text(&format!("time {turn}"));
        let request = read(&mut sim, &body).with_counts(&[1000; 6]);
        let request = request.with_markers(vec![(5, FIVE)]);
        assert_eq!(serve(&mut sim, at, &request), (0, 6000, 0, 2));
    }
}

#[test]
fn mixed_lifetimes_are_billed_from_the_hit_to_the_hour_to_the_end() {
    let mut sim = sim();
    let first = marked(&mut sim, 2, &[(2, HOUR)]);
    assert_eq!(serve(&mut sim, 0.0, &first), (0, 0, 2000, 2));
    let all = [(2, HOUR), (5, HOUR), (9, FIVE)];
    let second = marked(&mut sim, 10, &all);
    assert_eq!(serve(&mut sim, 5.0, &second), (2000, 4000, 3000, 1002));
    assert_eq!(serve(&mut sim, 10.0, &second), (9000, 0, 0, 1002));
    // After ten idle minutes only the hour's entries are left.
    assert_eq!(serve(&mut sim, 700.0, &second), (5000, 4000, 0, 1002));
}

#[test]
fn life_ends_strictly_and_counts_from_the_start_of_the_last_use() {
    let mut sim = sim();
    let request = marked(&mut sim, 2, &[(2, FIVE)]);
    serve(&mut sim, 0.0, &request);
    assert_eq!(serve(&mut sim, 299.0, &request).0, 2000);
    assert_eq!(serve(&mut sim, 598.999, &request).0, 2000);
    assert_eq!(serve(&mut sim, 898.999, &request).0, 0);
}

#[test]
fn a_short_marker_keeps_an_hours_entry_an_hour() {
    let mut sim = sim();
    let hour = marked(&mut sim, 2, &[(2, HOUR)]);
    let short = hour.with_markers(vec![(1, FIVE)]);
    serve(&mut sim, 0.0, &hour);
    assert_eq!(serve(&mut sim, 1800.0, &short).0, 2000);
    assert_eq!(serve(&mut sim, 1800.0 + 3599.0, &short).0, 2000);
    assert_eq!(serve(&mut sim, 1800.0 + 3599.0 + 3600.0, &short).0, 0);
}

#[test]
fn parallel_requests_write_until_the_first_answer_begins() {
    let mut sim = sim();
    let request = marked(&mut sim, 2, &[(2, FIVE)]);
    let at = |sim: &mut Sim, at: f64, first: f64| {
        counters(&sim.serve("w", secs(at), secs(first), &request).unwrap())
    };
    assert_eq!(at(&mut sim, 0.0, 2.0), (0, 2000, 0, 2));
    assert_eq!(at(&mut sim, 0.1, 4.0), (0, 2000, 0, 2));
    assert_eq!(at(&mut sim, 1.9, 5.0), (0, 2000, 0, 2));
    assert_eq!(at(&mut sim, 2.0, 5.0), (2000, 0, 0, 2));
}

#[test]
fn workspaces_and_models_do_not_share() {
    let mut sim = sim();
    let request = marked(&mut sim, 2, &[(2, FIVE)]);
    serve(&mut sim, 0.0, &request);
    let other = sim.serve("v", secs(5.0), secs(6.0), &request).unwrap();
    assert_eq!(other.read, Some(0));
    let mut body = blocks(2);
    body["model"] = "claude-sonnet-4-6".into();
    let other = read(&mut sim, &body).with_counts(&[1000; 2]);
    assert_eq!(
        serve(&mut sim, 5.0, &other.with_markers(vec![(1, FIVE)])).0,
        0
    );
    // Another spelling of the same model is the same model.
    body["model"] = "anthropic/claude-opus-4.8".into();
    let same = read(&mut sim, &body).with_counts(&[1000; 2]);
    assert_eq!(
        serve(&mut sim, 5.0, &same.with_markers(vec![(1, FIVE)])).0,
        2000
    );
}

#[test]
fn a_short_prefix_is_silently_not_cached() {
    let mut sim = sim();
    let request = read(&mut sim, &blocks(2)).with_counts(&[1000, 23]);
    let request = request.with_markers(vec![(1, FIVE)]);
    for at in [0.0, 5.0] {
        assert_eq!(serve(&mut sim, at, &request), (0, 0, 0, 1025));
    }
    let request = request.with_counts(&[1000, 24]);
    assert_eq!(serve(&mut sim, 10.0, &request), (0, 1024, 0, 2));
}

/// A body with everything in it, whose parts the tests below change one by one.
fn full() -> Value {
    json!({
        "model": MODEL, "max_tokens": 8,
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
        "system": [text("rules")],
        "messages": [
            {"role": "user", "content": [text("hello")]},
            {"role": "assistant", "content": "hi"},
            {"role": "user", "content": [text("more")]},
        ],
    })
}

/// Tokens read after `change`, when tools, system and messages (2,000 each) were written before.
fn read_after(change: impl Fn(&mut Value)) -> u64 {
    let mut sim = sim();
    let mut served = |body: &Value, at| {
        let request = read(&mut sim, body);
        let last = request.block_count() - 1;
        // With the 317 tokens of tool instructions, the messages come to 2,000.
        let request = request.with_counts(&[2000, 2000, 1000, 0, 683]);
        let markers = vec![(0, FIVE), (1, FIVE), (last, FIVE)];
        serve(&mut sim, at, &request.with_markers(markers)).0
    };
    served(&full(), 0.0);
    let mut changed = full();
    change(&mut changed);
    served(&changed, 5.0)
}

/// Tokens that a change keeps, and the change.
fn changes() -> [(u64, &'static str, Value); 20] {
    let image = json!({"type": "image", "source": {"type": "base64", "data": "AA=="}});
    let document = json!({"type": "document", "citations": {"enabled": true},
                          "source": {"type": "text", "data": "x"}});
    [
        (6000, "/max_tokens", 9.into()),
        (6000, "/metadata", json!({"user_id": "u"})),
        (6000, "/temperature", 1.into()),
        (6000, "/stream", true.into()),
        (6000, "/output_config", json!({"effort": "high"})),
        (6000, "/speed", "standard".into()),
        (6000, "/system", "rules".into()),
        (6000, "/messages/0/content", "hello".into()),
        (0, "/tools/0/description", "e".into()),
        (
            0,
            "/tools/0/input_schema",
            json!({"type": "object", "title": "t"}),
        ),
        (0, "/model", "claude-opus-4-7".into()),
        (2000, "/system/0/text", "other rules".into()),
        (2000, "/speed", "fast".into()),
        (2000, "/messages/2/content/0", document),
        (
            2000,
            "/output_config",
            json!({"format": {"type": "json_schema"}}),
        ),
        (
            4000,
            "/tool_choice",
            json!({"type": "auto", "disable_parallel_tool_use": true}),
        ),
        (
            4000,
            "/thinking",
            json!({"type": "enabled", "budget_tokens": 1024}),
        ),
        (4000, "/output_config", json!({"effort": "low"})),
        (4000, "/messages/2/content/0", image),
        (4000, "/messages/0/content/0/text", "hello!".into()),
    ]
}

#[test]
fn a_change_loses_what_stands_behind_it() {
    let table = changes();
    for (kept, path, value) in table {
        let read = read_after(|body| {
            let (parent, key) = path.rsplit_once('/').unwrap();
            let parent = body.pointer_mut(parent).unwrap();
            if let Some(items) = parent.as_array_mut() {
                items[key.parse::<usize>().unwrap()] = value.clone();
            } else {
                parent[key] = value.clone();
            }
        });
        assert_eq!(read, kept, "{path} = {value}");
    }
}

#[test]
fn web_search_keeps_the_tools_and_loses_the_rest() {
    let search = json!({"type": "web_search_20260209", "name": "web_search"});
    let mut sim = sim();
    let mut body = full();
    let first = read(&mut sim, &body).with_counts(&[2000, 2000, 1683]);
    serve(
        &mut sim,
        0.0,
        &first.with_markers(vec![(0, FIVE), (1, FIVE), (4, FIVE)]),
    );
    body["tools"].as_array_mut().unwrap().push(search);
    let second = read(&mut sim, &body).with_counts(&[2000, 0, 2000, 1683]);
    let second = second.with_markers(vec![(0, FIVE), (2, FIVE), (5, FIVE)]);
    assert_eq!(serve(&mut sim, 5.0, &second).0, 2000);
}

#[test]
fn message_borders_of_one_role_do_not_matter_but_roles_do() {
    let mut sim = sim();
    let body = |messages: Value| json!({"model": MODEL, "max_tokens": 1, "messages": messages});
    let serve_at = |sim: &mut Sim, at, messages| {
        let request = read(sim, &body(messages)).with_counts(&[1000, 1000]);
        serve(sim, at, &request.with_markers(vec![(1, FIVE)])).0
    };
    let one = json!([{"role": "user", "content": [text("a"), text("b")]}]);
    let two = json!([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]);
    let other = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]);
    assert_eq!(serve_at(&mut sim, 0.0, one), 0);
    assert_eq!(serve_at(&mut sim, 5.0, two), 2000);
    assert_eq!(serve_at(&mut sim, 6.0, other), 0);
}

#[test]
fn whitespace_top_level_order_and_markers_are_not_content() {
    let mut sim = sim();
    let first = br#"{"model":"claude-opus-4-8","max_tokens":1,"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"a b","cache_control":{"type":"ephemeral"}}]}]}"#;
    let second = br#" { "messages" : [ { "content" : "a b", "role":"user" } ],
        "cache_control": {"type":"ephemeral"}, "system" : [ {"text":"s","type":"text"} ],
        "max_tokens":1, "model":"claude-opus-4-8" } "#;
    let first = sim.read(first).unwrap().with_counts(&[1000, 1000]);
    assert_eq!(serve(&mut sim, 0.0, &first), (0, 2000, 0, 2));
    let second = sim.read(second).unwrap().with_counts(&[1000, 1000]);
    assert_eq!(serve(&mut sim, 5.0, &second), (2000, 0, 0, 2));
}

#[test]
fn old_models_lose_earlier_thinking_when_the_user_speaks() {
    let turn = |model: &str, more: bool| {
        let mut messages = vec![
            json!({"role": "user", "content": "go"}),
            json!({"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"}, text("done")]}),
        ];
        if more {
            messages.push(json!({"role": "user", "content": "more"}));
        }
        json!({"model": model, "max_tokens": 1, "messages": messages})
    };
    for (model, thinking, expected) in [
        ("claude-sonnet-4-5", 0, 1100),
        ("claude-sonnet-4-6", 50, 1200),
    ] {
        let mut sim = sim();
        let first = read(&mut sim, &turn(model, false)).with_counts(&[1100, 50, 50]);
        serve(
            &mut sim,
            0.0,
            &first.with_markers(vec![(0, FIVE), (2, FIVE)]),
        );
        let second = read(&mut sim, &turn(model, true)).with_counts(&[1100, thinking, 50, 9]);
        let second = second.with_markers(vec![(3, FIVE)]);
        assert_eq!(serve(&mut sim, 5.0, &second).0, expected, "{model}");
    }
}

#[test]
fn marker_sets_of_the_documentation() {
    let mut sim = sim();
    let request = read(&mut sim, &full());
    assert_eq!(request.block_count(), 5);
    assert_eq!(
        request.with_default_markers().markers,
        [(1, FIVE), (4, FIVE)]
    );
    assert_eq!(request.with_automatic_marker().automatic, Some(FIVE));
    let mut body = full();
    body.as_object_mut().unwrap().remove("system");
    let request = read(&mut sim, &body).with_default_markers();
    assert_eq!(request.markers, [(0, FIVE), (3, FIVE)]);
    assert_eq!(request.without_markers().markers, []);
}

#[test]
fn the_automatic_marker_walks_back_to_a_block_that_can_carry_it() {
    let mut sim = sim();
    let mut body = full();
    body["messages"]
        .as_array_mut()
        .unwrap()
        .push(json!({"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"}]}));
    let request = read(&mut sim, &body).with_counts(&[2000, 2000, 1000, 0, 683, 40]);
    let usage = serve(&mut sim, 0.0, &request.with_automatic_marker());
    assert_eq!(usage, (0, 6000, 0, 42));
}

#[test]
fn time_drops_what_has_expired() {
    let mut sim = sim();
    for n in 0..50_u32 {
        let mut body = blocks(1);
        body["messages"][0]["content"][0] = text(&format!("prompt {n}"));
        let request = read(&mut sim, &body).with_counts(&[2000]);
        serve(
            &mut sim,
            f64::from(n) * 100.0,
            &request.with_markers(vec![(0, FIVE)]),
        );
    }
    assert!(sim.entries() < 6, "{}", sim.entries());
}

#[test]
fn bytes_measure_where_no_count_is_given() {
    let mut sim = sim();
    let mut body = blocks(1);
    // 25 bytes of JSON around the text, 2,000 bytes per thousand tokens, two tokens at the end.
    body["messages"][0]["content"] = "x".repeat(1975).into();
    assert_eq!(read(&mut sim, &body).input_tokens(), 1000 + 2);
    body["messages"][0]["content"] =
        json!([{"type": "image", "source": {"type": "base64", "data": "A".repeat(9999)}}]);
    assert_eq!(read(&mut sim, &body).input_tokens(), 1600 + 2);
    let text = body.to_string();
    assert_eq!(sim.count_tokens(text.as_bytes()).unwrap(), 1602);
}

#[test]
fn refusals_have_the_providers_words() {
    let ephemeral = json!({"type": "ephemeral"});
    let hour = json!({"type": "ephemeral", "ttl": "1h"});
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut body = full();
        edit(&mut body);
        refusal(&body)
    };
    let five = with(&|body| {
        let marked: Vec<Value> = (0..5)
            .map(|n| json!({"type": "text", "text": format!("{n}"), "cache_control": ephemeral}))
            .collect();
        body["system"] = marked.into();
    });
    assert_eq!(
        five,
        "A maximum of 4 blocks with cache_control may be provided. Found 5."
    );
    let order = with(&|body| {
        body["system"][0]["cache_control"] = ephemeral.clone();
        body["messages"][2]["content"][0]["cache_control"] = hour.clone();
    });
    assert_eq!(
        order,
        "messages.2.content.0.cache_control.ttl: a ttl='1h' cache_control block must not come \
         after a ttl='5m' cache_control block. Note that blocks are processed in the following \
         order: tools, system, messages."
    );
    let thinking = with(&|body| {
        body["messages"][1]["content"] = json!([{"type": "thinking", "thinking": "t",
            "signature": "s", "cache_control": ephemeral}]);
    });
    assert_eq!(
        thinking,
        "messages.1.content.0.thinking.cache_control: Extra inputs are not permitted"
    );
    let empty = with(&|body| {
        body["messages"][0]["content"] =
            json!([text("a"), {"type": "text", "text": "", "cache_control": ephemeral}]);
    });
    assert_eq!(
        empty,
        "messages.0.content.1.text: cache_control cannot be set for empty text blocks"
    );
}

#[test]
fn refusals_name_the_place() {
    let ephemeral = json!({"type": "ephemeral"});
    let nested = json!([{"type": "tool_result", "tool_use_id": "t",
        "content": [{"type": "text", "text": "x", "cache_control": ephemeral}]}]);
    let deferred = json!([{"name": "f", "defer_loading": true, "cache_control": ephemeral}]);
    let transient = json!([{"role": "user", "content": "a"}, {"role": "system",
        "clear_at": "next_user_message",
        "content": [{"type": "text", "text": "x", "cache_control": ephemeral}]}]);
    let bad_ttl = json!([{"type": "text", "text": "x",
        "cache_control": {"type": "ephemeral", "ttl": "2h"}}]);
    let unknown = json!([{"role": "tool", "content": "x"}]);
    let hollow = json!([{"role": "user", "content": ""}, {"role": "user", "content": "x"}]);
    let table = [
        ("tools", deferred, "tools.0: Tools with defer_loading"),
        (
            "messages",
            json!([{"role": "user", "content": nested}]),
            "messages.0.content.0.tool_result.content.0.cache_control: Extra inputs",
        ),
        (
            "messages",
            transient,
            "messages.1.content.0.cache_control: ",
        ),
        (
            "system",
            bad_ttl,
            "system.0.cache_control.ephemeral.ttl: Input should be '5m' or '1h'",
        ),
        (
            "messages",
            unknown,
            "messages.0.role: Input should be 'user' or 'assistant'",
        ),
        (
            "messages",
            hollow,
            "messages.0: all messages must have non-empty content",
        ),
        (
            "messages",
            json!([]),
            "messages: at least one message is required",
        ),
        (
            "messages",
            json!({}),
            "messages: Input should be a valid list",
        ),
        ("model", json!(7), "model: Input should be a valid string"),
    ];
    for (key, value, expected) in table {
        let mut body = full();
        body[key] = value;
        let message = refusal(&body);
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn what_is_missing_or_broken_is_refused() {
    for key in ["model", "messages", "max_tokens"] {
        let mut body = full();
        body.as_object_mut().unwrap().remove(key);
        assert_eq!(refusal(&body), format!("{key}: Field required"));
    }
    assert!(sim().read(b"{\"model\":").is_err());
    assert!(
        sim()
            .read(b"{\"model\":\"m\",\"max_tokens\":1x,\"messages\":[]}")
            .is_err()
    );
}

#[test]
fn a_system_message_needs_a_model_that_has_them() {
    let mut body = full();
    body["messages"][1]["role"] = "system".into();
    assert!(sim().read(body.to_string().as_bytes()).is_ok());
    body["model"] = "claude-sonnet-5".into();
    let message = refusal(&body);
    assert_eq!(
        message,
        "messages.1: role 'system' is not supported on this model"
    );
}

#[test]
fn the_automatic_marker_takes_a_slot_and_must_agree() {
    let ephemeral = json!({"type": "ephemeral"});
    let mut body = full();
    body["cache_control"] = ephemeral.clone();
    body["tools"][0]["cache_control"] = ephemeral.clone();
    body["system"][0]["cache_control"] = ephemeral.clone();
    body["messages"][0]["content"][0]["cache_control"] = ephemeral.clone();
    assert!(sim().read(body.to_string().as_bytes()).is_ok());
    let mut same = body.clone();
    same["messages"][2]["content"][0]["cache_control"] = ephemeral.clone();
    assert!(sim().read(same.to_string().as_bytes()).is_ok());
    let mut other = full();
    other["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"});
    other["messages"][2]["content"][0]["cache_control"] = ephemeral.clone();
    assert!(refusal(&other).starts_with("cache_control: "));
    body["system"]
        .as_array_mut()
        .unwrap()
        .push(json!({"type": "text", "text": "fourth", "cache_control": ephemeral}));
    assert!(refusal(&body).ends_with("Found 5."));
}

#[test]
fn warming_up_excludes_what_needs_an_answer() {
    let mut body = full();
    body["max_tokens"] = 0.into();
    assert!(sim().read(body.to_string().as_bytes()).is_ok());
    let table = [
        ("stream", json!(true)),
        (
            "thinking",
            json!({"type": "enabled", "budget_tokens": 1024}),
        ),
        ("output_config", json!({"format": {"type": "json_schema"}})),
        ("tool_choice", json!({"type": "any"})),
    ];
    for (key, value) in table {
        let mut body = body.clone();
        body[key] = value;
        assert!(refusal(&body).starts_with("max_tokens: 0"), "{key}");
    }
}

#[test]
fn edited_markers_are_checked_too() {
    let mut sim = sim();
    let request = marked(&mut sim, 6, &[]);
    let refused = |markers: Vec<(usize, Ttl)>| {
        let edited = request.with_markers(markers);
        sim.check(&edited).is_err()
    };
    assert!(!refused((0..4).map(|n| (n, FIVE)).collect()));
    assert!(refused((0..5).map(|n| (n, FIVE)).collect()));
    assert!(refused(vec![(0, FIVE), (1, HOUR)]));
    assert!(refused(vec![(6, FIVE)]));
}

proptest::proptest! {
    /// What is remembered of earlier bodies makes reading faster and changes nothing else.
    #[test]
    fn memory_changes_no_reading(turns in proptest::collection::vec(
        (0..6_usize, proptest::collection::vec(0..4_u8, 1..4), 0..3_u8), 1..12,
    )) {
        let mut warm = sim();
        let mut messages: Vec<Value> = Vec::new();
        for (keep, added, shape) in turns {
            messages.truncate(keep);
            messages.extend(added.iter().map(|n| {
                let role = if n % 2 == 0 { "user" } else { "assistant" };
                json!({"role": role, "content": format!("said {n} ] , {{ \\\" {}", "y".repeat(40))})
            }));
            let body = json!({"model": MODEL, "max_tokens": 1, "system": "s", "messages": messages});
            let text = match shape {
                0 => body.to_string(),
                1 => serde_json::to_string_pretty(&body).unwrap(),
                _ => body.to_string().replace("},{", "} ,\n {"),
            };
            let known = warm.read(text.as_bytes()).unwrap();
            let fresh = sim().read(body.to_string().as_bytes()).unwrap();
            assert!(known.prefixes().eq(fresh.prefixes()));
            assert!(known.prefix_tokens().eq(fresh.prefix_tokens()));
            assert_eq!(known.input_tokens(), fresh.input_tokens());
        }
    }

    /// No text, however broken, is more than refused.
    #[test]
    fn broken_bodies_are_refused(cut in 0..400_usize, byte in 0..=255_u8, at in 0..400_usize) {
        let mut text = full().to_string().into_bytes();
        let mut sim = sim();
        sim.read(&text).unwrap();
        if let Some(place) = text.get_mut(at) {
            *place = byte;
        }
        let _either = sim.read(&text);
        if cut < text.len() {
            assert!(sim.read(text.get(..cut).unwrap_or_default()).is_err());
        }
    }
}
