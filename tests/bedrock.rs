//! Bedrock: Converse, InvokeModel, and Amazon's event stream around both.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use bytes::Bytes;
use cachewright::model::{
    Breakpoint, Candidate, Keyring, Outlook, Plan, Prompt, Section, Ttl, Usage, Why,
};
use cachewright::plan::{Rates, plan};
use cachewright::provider::Catalog;
use cachewright::wire::{
    Converse, Dialect, Framing, MarkerStyle, Messages, Progress, Seen, Watcher, splice,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

const POINTS: Converse = Converse {
    marker: MarkerStyle::CachePoint,
};
const MEMBERS: Converse = Converse {
    marker: MarkerStyle::CachePointMember,
};

/// One frame, spelled after the specification and not after the reader.
pub(crate) fn frame(headers: &[(&str, &str)], payload: &str) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        let mut sum = u32::MAX;
        for byte in bytes {
            sum ^= u32::from(*byte);
            for _ in 0..8 {
                let odd = sum & 1 == 1;
                sum >>= 1;
                if odd {
                    sum ^= 0xedb8_8320;
                }
            }
        }
        (!sum).to_be_bytes()
    };
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap());
        head.extend(name.as_bytes());
        head.push(7);
        head.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        head.extend(value.as_bytes());
    }
    let total = u32::try_from(16 + head.len() + payload.len()).unwrap();
    let mut out = total.to_be_bytes().to_vec();
    out.extend(u32::try_from(head.len()).unwrap().to_be_bytes());
    out.extend(crc(&out));
    out.extend(head);
    out.extend(payload.as_bytes());
    out.extend(crc(&out));
    out
}

pub(crate) fn event(name: &str, payload: &str) -> Vec<u8> {
    let headers = [
        (":event-type", name),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    frame(&headers, payload)
}

fn exception(name: &str) -> Vec<u8> {
    let headers = [
        (":exception-type", name),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    frame(&headers, r#"{"message":"secret words"}"#)
}

/// An event of InvokeModelWithResponseStream.
fn chunk(inner: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in inner.as_bytes().chunks(3) {
        let mut bits = [0_u8; 4];
        bits[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bits) as usize;
        for place in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * place) & 63]);
            text.push(if place <= group.len() { digit } else { '=' });
        }
    }
    event("chunk", &format!(r#"{{"bytes":"{text}","p":"abcdefgh"}}"#))
}

fn chunks(lines: &str) -> Vec<u8> {
    lines.lines().flat_map(chunk).collect()
}

fn converse_stream() -> Vec<u8> {
    let lines = include_str!("vectors/bedrock/converse_stream.jsonl").lines();
    let frames = lines.flat_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        event(
            line["event"].as_str().unwrap(),
            &line["payload"].to_string(),
        )
    });
    frames.collect()
}

fn watch(dialect: &'static dyn Dialect, framing: Framing, body: &[u8], step: usize) -> Seen {
    let mut watcher = Watcher::new(dialect, framing);
    for chunk in body.chunks(step) {
        watcher.feed(chunk);
    }
    watcher.finish()
}

/// Cut into every size from one byte, the stream says what it says whole.
fn stream(dialect: &'static dyn Dialect, body: &[u8]) -> Seen {
    let seen = watch(dialect, Framing::EventStream, body, body.len().max(1));
    for step in (1..300).chain([1000]) {
        let cut = watch(dialect, Framing::EventStream, body, step);
        assert_eq!(cut, seen, "in chunks of {step}");
    }
    seen
}

#[test]
fn a_converse_stream_reports_its_usage_with_the_split() {
    let body = converse_stream();
    let seen = stream(&POINTS, &body);
    assert_eq!(seen.usage, Some(Usage::reported(433, 2752, 512, 1200, 16)));
    assert_eq!(seen.stop_reason.as_deref(), Some("end_turn"));
    assert!(seen.ended() && seen.error.is_none());

    // Cut anywhere, it says what it said until then, and never anything else.
    for end in 0..body.len() {
        let cut = watch(&POINTS, Framing::EventStream, &body[..end], end.max(1));
        assert_eq!(cut.usage, None, "{end}");
        assert!(cut.progress <= Progress::Ended);
    }
    let start = watch(&POINTS, Framing::EventStream, &body[..300], 300);
    assert_eq!(start.progress, Progress::Started);
}

#[test]
fn events_in_base64_are_those_of_the_dialect() {
    let claude = include_str!("vectors/bedrock/claude_stream.jsonl");
    let seen = stream(&Messages, &chunks(claude));
    assert_eq!(seen.usage, Some(Usage::reported(3, 9511, 1956, 0, 44)));
    assert_eq!(seen.model.as_deref(), Some("claude-haiku-4-5-20251001"));
    assert_eq!(seen.stop_reason.as_deref(), Some("end_turn"));
    assert!(seen.ended());

    let nova = include_str!("vectors/bedrock/nova_stream.jsonl");
    let seen = stream(&MEMBERS, &chunks(nova));
    let usage = seen.usage.unwrap();
    assert_eq!(
        (usage.plain, usage.read, usage.write_5m, usage.write_1h),
        (Some(22), Some(0), Some(2492), None)
    );
    assert_eq!(usage.output, Some(13));
    assert_eq!(seen.stop_reason.as_deref(), Some("max_tokens"));
    assert!(seen.ended());
}

/// What the runtime adds to the last event counts where the model's own words are missing.
#[test]
fn invocation_metrics_stand_in_for_usage() {
    let metrics =
        r#""amazon-bedrock-invocationMetrics":{"inputTokenCount":7,"outputTokenCount":5}"#;
    let mut expected = Usage::default();
    (expected.plain, expected.output) = (Some(7), Some(5));
    let claude = format!(r#"{{"type":"message_stop",{metrics}}}"#);
    let seen = stream(&Messages, &chunk(&claude));
    assert_eq!(seen.usage, Some(expected));
    assert!(seen.ended());
    let nova = format!(r#"{{"messageStop":{{"stopReason":"end_turn"}},{metrics}}}"#);
    assert_eq!(stream(&MEMBERS, &chunk(&nova)).usage, Some(expected));
}

#[test]
fn failures_have_names() {
    let body = [
        event("messageStart", "{}"),
        exception("throttlingException"),
    ]
    .concat();
    let seen = stream(&POINTS, &body);
    assert_eq!(seen.error.as_deref(), Some("throttlingException"));
    assert!(seen.started() && !seen.ended());
    let error = [(":message-type", "error"), (":error-code", "internal")];
    let seen = stream(&Messages, &frame(&error, ""));
    assert_eq!(seen.error.as_deref(), Some("internal"));

    let refused = |body: &str| watch(&POINTS, Framing::Json, body.as_bytes(), 9);
    let seen = refused(r#"{"message":"secret words"}"#);
    assert_eq!((seen.error.as_deref(), seen.usage), (Some("error"), None));
    let seen = refused(r#"{"__type":"com.amazon#ValidationException","message":"secret words"}"#);
    assert_eq!(seen.error.as_deref(), Some("ValidationException"));
}

#[test]
fn what_is_not_understood_does_no_harm() {
    let good = event("metadata", r#"{"usage":{"inputTokens":1}}"#);
    for odd in [
        event("chunk", "{}"),
        event("chunk", "not json"),
        event("chunk", r#"{"bytes":"%%%"}"#),
        chunk("not json"),
        event("metadata", "not json"),
        event("novelty", "{}"),
    ] {
        let body = [odd, good.clone()].concat();
        let usage = stream(&POINTS, &body).usage;
        assert_eq!(usage.unwrap().plain, Some(1));
    }
    let garbage = [b"%PDF-1.3 and so on, longer than a prelude".to_vec(), good].concat();
    assert_eq!(stream(&POINTS, &garbage), Seen::default());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..1500, step in 1_usize..50) {
        let mut body = converse_stream();
        let at = cut.min(body.len());
        body.splice(at..(at + bytes.len() / 2).min(body.len()), bytes);
        let _ = watch(&POINTS, Framing::EventStream, &body, step);
    }
}

fn keyring() -> Keyring {
    Keyring::new(b"a test's secret")
}

fn read(dialect: Converse, body: &Bytes) -> Prompt {
    let reading = dialect.read(body, &keyring(), &mut |_| Vec::new());
    reading
        .unwrap_or_else(|why| panic!("{why}: {body:?}"))
        .prompt
}

/// The body with a marker wherever one fits.
fn marked(dialect: Converse, body: &Bytes, ttl: Ttl) -> Bytes {
    let prompt = read(dialect, body);
    let all = 0..prompt.blocks.len();
    let plan = Plan::new(all.map(|at| Breakpoint::new(at, ttl, Why::Tail)).collect());
    splice(body, &mut dialect.mark(body, &prompt, &plan)).into()
}

fn unmarked(dialect: Converse, body: &Bytes) -> Bytes {
    splice(body, &mut dialect.unmark(&read(dialect, body))).into()
}

#[test]
fn markers_stand_where_bedrock_accepts_them() {
    for line in include_str!("vectors/bedrock/places.jsonl").lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let body = Bytes::from(line["body"].to_string());
        let expected = line["marked"].to_string();
        let marked = marked(POINTS, &body, Ttl::FiveMinutes);
        assert_eq!(marked, expected, "{}", line["why"]);
    }
}

/// What Nova caches ends at 20,000 tokens: a marker beyond would be a write that nobody can read,
/// and the deepest one below it takes its place. Claude knows no such end.
#[test]
fn no_marker_is_planned_beyond_the_most_that_is_cached() {
    let body = br#"{"system":[{"text":"s"}],"messages":[{"role":"user","content":[{"text":"a"},{"text":"b"}]}]}"#;
    let prompt = read(POINTS, &Bytes::from_static(body));
    let planned = |model: &str, prefix_tokens: [u64; 3]| {
        let mut outlook = Outlook::default();
        outlook.prefix_tokens = prefix_tokens.to_vec();
        let whys = [Why::SystemEnd, Why::BeforeLast, Why::Tail];
        let likely = |(block, why)| {
            let mut candidate = Candidate::new(block, why);
            candidate.reuse = 0.9;
            candidate
        };
        outlook.candidates = whys.into_iter().enumerate().map(likely).collect();
        let limits = Catalog::builtin().model("bedrock", model).limits;
        let plan = plan(&prompt, &limits, &Rates::USUAL, &outlook);
        let blocks = plan.breakpoints.iter().map(|marker| marker.block);
        blocks.collect::<Vec<usize>>()
    };
    let nova = "us.amazon.nova-lite-v1:0";
    let claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    assert_eq!(planned(nova, [2000, 10_000, 20_000]), [0, 1, 2]);
    assert_eq!(planned(nova, [2000, 20_000, 20_001]), [0, 1]);
    assert_eq!(planned(claude, [2000, 20_000, 20_001]), [0, 1, 2]);
    assert!(planned(nova, [20_001, 20_002, 20_003]).is_empty());
}

fn space() -> BoxedStrategy<&'static str> {
    select(vec!["", "", "", " ", "\n  ", "\t\r\n"]).boxed()
}

/// An element of a list, and whether it is a marker.
fn element(style: MarkerStyle) -> BoxedStrategy<(String, bool)> {
    let text = select(vec!["", "a", " \\n", "\\\"", "\u{e9}", "cachePoint"]);
    let point = select(vec![
        r#""cachePoint" : {"type":"default"}"#,
        r#""cachePoint":{"ttl":"1h","type":"default"}"#,
    ]);
    let block = select(vec![
        r#"{"image":{"format":"png","source":{"bytes":"AA=="}}}"#,
        r#"{"document":{"format":"pdf"}}"#,
        r#"{"document":{"format":"csv"}}"#,
        r#"{"toolUse":{"input":{"a":[1, 2]}}}"#,
        r#"{ "toolResult" : {"content":[{"text":"r"}]} }"#,
        r#"{"toolSpec":{"name":"t"}}"#,
        r#"{"reasoningContent":{"redactedContent":"AA=="}}"#,
        r#"{"novelty":{"cachePoint":{}}}"#,
        "{}",
        "7",
    ]);
    let plain = text.prop_map(|text| (format!("{{ \"text\":\"{text}\"}}"), false));
    let block = block.prop_map(|block| (block.to_owned(), false));
    let marker = if style == MarkerStyle::CachePoint {
        point
            .prop_map(|point| (format!("{{{point} }}"), true))
            .boxed()
    } else {
        (point, any::<bool>())
            .prop_map(|(point, first)| {
                let members = if first {
                    format!("{point} , \"text\":\"b\"")
                } else {
                    format!("\"text\":\"b\", {point}")
                };
                (format!("{{{members}}}"), false)
            })
            .boxed()
    };
    prop_oneof![3 => plain, 4 => block, 2 => marker].boxed()
}

/// A list in which every marker closes something.
fn list(style: MarkerStyle) -> BoxedStrategy<String> {
    let elements = prop::collection::vec((element(style), space(), space()), 0..6);
    elements
        .prop_map(|elements| {
            let mut out = String::new();
            let mut open = false;
            for ((element, is_marker), before, after) in elements {
                if is_marker && !open {
                    continue;
                }
                open = !is_marker;
                let comma = if out.is_empty() { "" } else { "," };
                out += &format!("{comma}{before}{element}{after}");
            }
            format!("[{out}]")
        })
        .boxed()
}

fn body(style: MarkerStyle) -> BoxedStrategy<String> {
    let role = select(vec!["user", "assistant"]);
    let message = (role, list(style), any::<bool>()).prop_map(|(role, content, first)| {
        let (role, content) = (
            format!("\"role\":\"{role}\""),
            format!("\"content\" :{content}"),
        );
        match first {
            true => format!("{{{role} ,{content}}}"),
            false => format!("{{{content},{role}}}"),
        }
    });
    let messages = prop::collection::vec(message, 0..4);
    let parts = (list(style), list(style), messages);
    let parts = parts.prop_map(|(tools, system, messages)| {
        vec![
            format!("\"toolConfig\":{{\"tools\": {tools},\"toolChoice\":{{\"auto\":{{}}}}}}"),
            format!("\"system\":{system}"),
            format!("\"messages\":[{}]", messages.join(", ")),
            "\"inferenceConfig\":{\"maxTokens\":5}".to_owned(),
        ]
    });
    let parts = parts.prop_shuffle();
    parts
        .prop_map(|parts| format!("{{{}}}", parts.join(" ,")))
        .boxed()
}

fn any_style() -> BoxedStrategy<(Converse, String)> {
    prop_oneof![
        body(MarkerStyle::CachePoint).prop_map(|body| (POINTS, body)),
        body(MarkerStyle::CachePointMember).prop_map(|body| (MEMBERS, body)),
    ]
    .boxed()
}

/// Everything about a prompt that a marker must leave alone.
fn content(prompt: &Prompt) -> Vec<(Section, u128, bool)> {
    let blocks = prompt.blocks.iter();
    blocks
        .map(|block| (block.section, block.fingerprint.0, block.markable))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Any set of blocks can be marked, and nothing else changes: neither bytes nor meaning.
    #[test]
    fn marks_add_markers_and_nothing_else((dialect, body) in any_style(), chosen in any::<u32>()) {
        let body = Bytes::from(body);
        let prompt = read(dialect, &body);
        let points = (0..prompt.blocks.len()).filter(|at| chosen >> (at % 32) & 1 == 1);
        let plan = Plan::new(points.map(|at| Breakpoint::new(at, Ttl::FiveMinutes, Why::Tail)).collect());
        let mut edits = dialect.mark(&body, &prompt, &plan);
        let ours: Vec<_> = edits.iter().map(|edit| edit.with.clone()).collect();
        let marked = Bytes::from(splice(&body, &mut edits));
        prop_assert!(serde_json::from_slice::<Value>(&marked).is_ok());
        let after = read(dialect, &marked);
        prop_assert_eq!(content(&after), content(&prompt));
        prop_assert_eq!(after.own_markers(), prompt.own_markers() + ours.len());
        prop_assert_eq!(after.messages_salt, prompt.messages_salt);

        // Taking ours out again, found by reading, leaves the caller's bytes.
        let mut bare = after;
        for (old, new) in prompt.blocks.iter().zip(&mut bare.blocks) {
            if old.marker.is_some() {
                new.marker = None;
            }
        }
        let removed = splice(&marked, &mut dialect.unmark(&bare));
        prop_assert_eq!(&removed[..], &body[..]);
    }

    /// Without the caller's markers nothing is left to remove, and the prompt is the same.
    #[test]
    fn unmark_removes_every_marker((dialect, body) in any_style()) {
        let body = Bytes::from(body);
        let prompt = read(dialect, &body);
        let plain = unmarked(dialect, &body);
        prop_assert!(serde_json::from_slice::<Value>(&plain).is_ok());
        let after = read(dialect, &plain);
        prop_assert_eq!(after.own_markers(), 0);
        prop_assert_eq!(content(&after), content(&prompt));
        prop_assert_eq!(unmarked(dialect, &marked(dialect, &plain, Ttl::OneHour)), plain);
    }
}

/// Claude by InvokeModel speaks Messages: its version stands in the body, its model in the path.
#[test]
fn claude_by_invoke_model_is_read() {
    let body = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":5,"system":"s","messages":[{"role":"user","content":"q"}]}"#;
    let body = Bytes::from(body);
    let reading = Messages.read(&body, &keyring(), &mut |_| Vec::new());
    let prompt = reading.unwrap().prompt;
    assert_eq!(&*prompt.model, "");
    assert_eq!(prompt.blocks.len(), 2);
    assert!(prompt.blocks.iter().all(|block| block.markable));
}

/// The usage of a Converse response, by another reader.
#[cfg(feature = "replay")]
fn converse_usage(usage: &Value) -> Usage {
    let number = |name: &str| usage[name].as_u64();
    let details = usage["cacheDetails"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let hour = details.iter().filter(|detail| detail["ttl"] == "1h");
    let hour: Option<u64> = hour
        .map(|detail| detail["inputTokens"].as_u64())
        .next()
        .flatten();
    let mut expected = Usage::default();
    expected.plain = number("inputTokens");
    expected.read = number("cacheReadInputTokens");
    expected.write_1h = hour;
    expected.write_5m = number("cacheWriteInputTokens").map(|all| all - hour.unwrap_or(0));
    expected.output = number("outputTokens");
    let total = expected.input().unwrap() + expected.output.unwrap();
    assert_eq!(number("totalTokens"), Some(total));
    expected
}

/// Every recorded call of Converse.
#[cfg(feature = "replay")]
#[test]
fn recorded_converse_calls_keep_their_bytes_and_their_usage_is_exact() {
    let Some(all) = crate::support::recordings::recorded_exchanges() else {
        return;
    };
    let calls = all
        .iter()
        .filter(|one| one.place().1.ends_with("/converse"));
    let (mut count, mut own, mut writes) = (0, 0, 0);
    for call in calls {
        let (name, request) = (&call.name, call.request.as_ref().unwrap());
        let prompt = read(POINTS, request);
        let points = String::from_utf8_lossy(request)
            .matches("\"cachePoint\"")
            .count();
        assert_eq!(prompt.own_markers(), points, "{name}");
        let plain = unmarked(POINTS, request);
        assert!(
            !String::from_utf8_lossy(&plain).contains("cachePoint"),
            "{name}"
        );
        for ttl in [Ttl::FiveMinutes, Ttl::OneHour] {
            let marked = marked(POINTS, &plain, ttl);
            assert_ne!(marked, plain, "{name}");
            assert_eq!(content(&read(POINTS, &marked)), content(&prompt), "{name}");
            assert_eq!(unmarked(POINTS, &marked), plain, "{name}");
        }

        let seen = watch(&POINTS, call.framing, &call.response, 1000);
        let said: Value = serde_json::from_slice(&call.response).unwrap();
        assert_eq!(seen.usage, Some(converse_usage(&said["usage"])), "{name}");
        assert_eq!(
            seen.stop_reason.as_deref(),
            said["stopReason"].as_str(),
            "{name}"
        );
        assert!(seen.ended() && seen.error.is_none(), "{name}");
        count += 1;
        own += points;
        writes += usize::from(seen.usage.unwrap().written() > Some(0));
    }
    assert_eq!(count, 19);
    assert!(own > 20 && writes > 5, "{own} {writes}");
}

/// Every recorded call of InvokeModel, and what is no stream of frames at all.
#[cfg(feature = "replay")]
#[test]
fn recorded_claude_by_invoke_model_is_exact() {
    let Some(all) = crate::support::recordings::recorded_exchanges() else {
        return;
    };
    let calls = all.iter().filter(|one| one.place().1.ends_with("/invoke"));
    let mut count = 0;
    for call in calls {
        let (name, request) = (&call.name, call.request.as_ref().unwrap());
        let reading = Messages.read(request, &keyring(), &mut |_| Vec::new());
        let prompt = reading.unwrap_or_else(|why| panic!("{name}: {why}")).prompt;
        assert!(prompt.model.is_empty(), "{name}");
        let seen = watch(&Messages, call.framing, &call.response, 1000);
        let said: Value = serde_json::from_slice(&call.response).unwrap();
        let usage = &said["usage"];
        let number = |name: &str| usage[name].as_u64().unwrap();
        let class = |name: &str| usage["cache_creation"][name].as_u64().unwrap();
        let expected = Usage::reported(
            number("input_tokens"),
            number("cache_read_input_tokens"),
            class("ephemeral_5m_input_tokens"),
            class("ephemeral_1h_input_tokens"),
            number("output_tokens"),
        );
        assert_eq!(seen.usage, Some(expected), "{name}");
        count += 1;
    }
    assert_eq!(count, 2);
    let files = all.iter().filter(|one| one.framing == Framing::EventStream);
    for file in files {
        // What was recorded in base64 are pictures and documents.
        let seen = watch(&POINTS, Framing::EventStream, &file.response, 1000);
        assert_eq!(seen, Seen::default(), "{}", file.name);
    }
}
