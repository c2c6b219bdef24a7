//! The simulated caches of every provider but Anthropic: recorded counters, documented rules,
//! refusals word for word.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]
#![expect(clippy::float_arithmetic, reason = "moments are seconds")]

use std::collections::BTreeSet;
use std::sync::Arc;

use cachewright::model::{Timestamp, Usage};
use cachewright::provider::Catalog;
use cachewright::sim::{Ask, Rejection, Request, Sim};
use serde_json::{Value, json};

const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "us.amazon.nova-lite-v1:0";

/// Plain, read, and written for five minutes, half an hour and an hour.
type Counters = [Option<u64>; 5];

fn catalog() -> Arc<Catalog> {
    let rows = include_str!("vectors/rows.toml");
    Arc::new(Catalog::builtin().with_toml("rows.toml", rows).unwrap())
}

fn sim(provider: &str) -> Sim {
    Sim::of(catalog(), provider)
}

fn secs(at: f64) -> Timestamp {
    Timestamp::from_secs_f64(at)
}

fn ask(sim: &mut Sim, (dialect, model): (&str, &str), body: &Value) -> Result<Request, Rejection> {
    let body = body.to_string();
    let mut ask = Ask::new(dialect, body.as_bytes());
    ask.model = model;
    sim.ask(&ask)
}

/// Serves at `at`, the answer beginning a second later.
fn serve(sim: &mut Sim, at: f64, request: &Request) -> Counters {
    counters(&sim.serve("w", secs(at), secs(at + 1.0), request).unwrap())
}

fn counters(usage: &Usage) -> Counters {
    let Usage {
        plain,
        read,
        write_5m,
        write_30m,
        write_1h,
        ..
    } = *usage;
    [plain, read, write_5m, write_30m, write_1h]
}

/// Reads a chat body of `provider` and counts its blocks.
fn chat(sim: &mut Sim, body: &Value, counts: &[u64]) -> Request {
    ask(sim, ("chat", ""), body).unwrap().with_counts(counts)
}

/// Tokens read.
fn read(sim: &mut Sim, at: f64, request: &Request) -> u64 {
    serve(sim, at, request)[1].unwrap_or(0)
}

fn refusal(provider: &str, at: (&str, &str), body: &Value) -> (u16, &'static str, String) {
    let refused = ask(&mut sim(provider), at, body).unwrap_err();
    (refused.status, refused.kind, refused.message)
}

#[test]
fn recorded_counters_are_reproduced() {
    let vectors = [
        include_str!("vectors/bedrock/calibration.json"),
        include_str!("vectors/deepseek/calibration.json"),
        include_str!("vectors/groq/calibration.json"),
        include_str!("vectors/mistral/calibration.json"),
        include_str!("vectors/openai/calibration.json"),
        include_str!("vectors/openrouter/calibration.json"),
        include_str!("vectors/xai/calibration.json"),
    ];
    let mut cases = 0;
    // Two are tests of their own below, since no file could say what wobbles and what is named.
    let mut numbers = BTreeSet::from([14, 15]);
    for vectors in vectors {
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        for case in vectors["cases"].as_array().unwrap() {
            replay(case);
            cases += 1;
            numbers.extend(number(case));
        }
    }
    assert_eq!(cases, 14);
    let anthropic = include_str!("vectors/anthropic/calibration.json");
    let anthropic: Value = serde_json::from_str(anthropic).unwrap();
    numbers.extend(
        anthropic["cases"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(number),
    );
    assert_eq!(numbers, (1..=20).collect(), "one vector has no test");
}

/// The number of a calibration vector, with which its name begins.
fn number(case: &Value) -> Option<u32> {
    case["name"].as_str()?.split(' ').next()?.parse().ok()
}

fn replay(case: &Value) {
    let text = |key: &str| case[key].as_str().unwrap();
    let mut sim = sim(text("provider"));
    for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let counts = step["counts"].as_array().unwrap().iter();
        let counts: Vec<u64> = counts.map(|count| count.as_u64().unwrap()).collect();
        let at = (text("dialect"), text("model"));
        let request = ask(&mut sim, at, &step["body"]).unwrap();
        assert_eq!(request.block_count(), counts.len(), "{}", text("name"));
        let request = request.with_counts(&counts);
        let kinds = ["plain", "read", "write_5m", "write_30m", "write_1h"];
        let counters = |usage: &Value| kinds.map(|kind| usage.get(kind).and_then(Value::as_u64));
        let expected: Counters = counters(&step["usage"]);
        let at = step["at"].as_f64().unwrap();
        let found = serve(&mut sim, at, &request);
        assert_eq!(found, expected, "{} step {index}", text("name"));
        // A known deviation is named, and no longer one when it is reproduced.
        if let Some(recorded) = step.get("recorded") {
            assert_ne!(found, counters(recorded), "{} step {index}", text("name"));
        }
    }
}

/// Vector 14: the count itself wobbled in the recordings (3,765 and 3,765 of 4,612; 3,760 of
/// 4,633); that the tail of 270 to 900 tokens is left out is reproduced, its length is not. The tails
/// of these calls, 847 and 873, are no fixed share of the prompt, and two calls are too few to tell a
/// rule from chance.
#[test]
fn gemini_reads_what_was_sent_as_a_whole_but_for_a_tail() {
    let mut sim = sim("gemini");
    let mut turn = |at: f64, more: bool, system: &str, temperature: f64| {
        let mut contents = vec![json!({"role": "user", "parts": [{"text": "asked"}]})];
        if more {
            contents.push(json!({"role": "model", "parts": [{"text": "answered"}]}));
            contents.push(json!({"role": "user", "parts": [{"text": "asked next"}]}));
        }
        let body = json!({"contents": contents, "systemInstruction": {"parts": [{"text": system.repeat(2000)}]},
                          "generationConfig": {"temperature": temperature}});
        let request = ask(&mut sim, ("generate", "gemini-2.5-flash"), &body).unwrap();
        let counts: &[u64] = if more {
            &[4500, 112, 6, 15]
        } else {
            &[4500, 112]
        };
        serve(&mut sim, at, &request.with_counts(counts))
    };
    assert_eq!(
        turn(0.0, false, "s", 0.0),
        [Some(4612), None, None, None, None]
    );
    let repeated = turn(5.0, false, "s", 0.0);
    let tail = repeated[0].unwrap();
    assert!((270..=900).contains(&tail), "{tail}");
    assert_eq!(repeated[1], Some(4612 - tail));
    // A grown prompt misses at first; another temperature is the same prompt; other instructions
    // are another one.
    assert_eq!(turn(6.0, true, "s", 0.0)[1], None);
    assert_eq!(turn(10.0, false, "s", 1.0), repeated);
    assert_eq!(turn(12.0, false, "other", 1.0)[1], None);
    assert!(turn(15.0, true, "s", 1.0)[1].unwrap() >= 4633 - 900);
    // Three idle minutes end it.
    assert_eq!(turn(15.0 + 181.0, true, "s", 1.0)[1], None);
}

/// Vector 15, and the rest of an explicit cache's life.
#[test]
fn an_explicit_cache_is_made_used_prolonged_and_deleted() {
    let mut sim = sim("gemini");
    let body = |words: usize| {
        let text = "word ".repeat(words);
        json!({"model": "models/gemini-2.5-flash", "ttl": "600s",
               "contents": [{"role": "user", "parts": [{"text": text}]}]})
    };
    let small = sim.create_cache("w", secs(0.0), body(5).to_string().as_bytes());
    let small = small.unwrap_err();
    assert_eq!((small.status, small.kind), (400, "INVALID_ARGUMENT"));
    assert!(
        small
            .message
            .starts_with("Cached content is too small. total_token_count=")
    );
    assert!(small.message.ends_with(", min_total_token_count=1024"));
    let made = sim.create_cache("w", secs(0.0), body(3112).to_string().as_bytes());
    let made = made.unwrap();
    assert!((5760..=5780).contains(&made.tokens), "{}", made.tokens);
    assert_eq!(made.expires, secs(600.0));

    let call = json!({"cachedContent": &*made.name,
                      "contents": [{"role": "user", "parts": [{"text": "asked"}]}]});
    let at = ("generate", "gemini-2.5-flash");
    let request = ask(&mut sim, at, &call).unwrap().with_counts(&[17]);
    assert_eq!(
        serve(&mut sim, 5.0, &request)[..2],
        [Some(17), Some(made.tokens)]
    );
    let missing = |refused: Rejection| {
        let (status, kind) = (403, "PERMISSION_DENIED");
        assert_eq!((refused.status, refused.kind), (status, kind));
        assert_eq!(
            refused.message,
            "CachedContent not found (or permission denied)"
        );
    };
    missing(sim.serve("v", secs(5.0), secs(6.0), &request).unwrap_err());
    missing(
        sim.serve("w", secs(600.0), secs(601.0), &request)
            .unwrap_err(),
    );
    let longer = br#"{"expireTime": "1970-01-01T01:00:00Z"}"#;
    let longer = sim
        .update_cache(("w", &made.name), secs(10.0), longer)
        .unwrap();
    assert_eq!((longer.expires, longer.updated), (secs(3600.0), secs(10.0)));
    assert!(sim.serve("w", secs(3599.0), secs(3600.0), &request).is_ok());
    sim.delete_cache("w", secs(30.0), &made.name).unwrap();
    missing(sim.cache("w", secs(30.0), &made.name).unwrap_err());
    missing(sim.delete_cache("w", secs(30.0), &made.name).unwrap_err());
}

#[test]
fn an_explicit_cache_is_bound_to_its_model_and_cannot_be_added_to() {
    let mut sim = sim("gemini");
    let text = "word ".repeat(1000);
    let body = json!({"model": "models/gemini-2.5-flash",
                      "contents": [{"role": "user", "parts": [{"text": text}]}]});
    let made = sim.create_cache("w", secs(0.0), body.to_string().as_bytes());
    let made = made.unwrap();
    assert_eq!(made.expires, secs(3600.0));
    let mut call = json!({"cachedContent": &*made.name,
                          "contents": [{"role": "user", "parts": [{"text": "asked"}]}]});
    let other = ask(&mut sim, ("generate", "gemini-3.8-flash"), &call).unwrap();
    assert_eq!(
        sim.serve("w", secs(20.0), secs(21.0), &other)
            .unwrap_err()
            .status,
        400
    );
    call["systemInstruction"] = json!({"parts": [{"text": "s"}]});
    let refused = ask(&mut sim, ("generate", "gemini-2.5-flash"), &call).unwrap_err();
    assert!(
        refused
            .message
            .starts_with("CachedContent can not be used with GenerateContent")
    );
}

fn converse(content: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": content}]})
}

#[test]
fn a_misplaced_cache_point_is_refused_in_the_providers_words() {
    let point = json!({"cachePoint": {"type": "default"}});
    let hour = json!({"cachePoint": {"type": "default", "ttl": "1h"}});
    let text = json!({"text": "x"});
    let csv = json!({"document": {"format": "csv", "name": "d", "source": {"bytes": "AA=="}}});
    let pdf = json!({"document": {"format": "pdf", "name": "d", "source": {"bytes": "AA=="}}});
    let image = json!({"image": {"format": "png", "source": {"bytes": "AA=="}}});
    let thought = json!({"reasoningContent": {"reasoningText": {"text": "t"}}});
    let inside = json!({"toolResult": {"toolUseId": "t", "content": [&text, &point]}});
    let table = [
        (
            json!([&point, &text]),
            "There is nothing available to cache.",
        ),
        (
            json!([&thought, &point]),
            "Cache point cannot be inserted after reasoning block. Please remove the invalid cache \
             point and try again.",
        ),
        (
            json!([&text, &csv, &point]),
            "messages.0.content.1.type: Field required",
        ),
        (
            json!([&inside]),
            "Malformed input request: #/messages/0/content/0/toolResult/content/1: extraneous key \
             [cachePoint] is not permitted, please reformat your input and try again.",
        ),
        (
            json!([&text, &point, &text, &hour]),
            "messages.0.content.2.cache_control.ttl: a ttl='1h' cache_control block must not come \
             after a ttl='5m' cache_control block. Note that blocks are processed in the following \
             order: tools, system, messages.",
        ),
        (
            json!([
                &text, &point, &text, &point, &text, &point, &text, &point, &text, &point
            ]),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
    ];
    for (content, words) in table {
        let refused = refusal("bedrock", ("converse", SONNET), &converse(&content));
        assert_eq!(refused, (400, "ValidationException", words.to_owned()));
    }
    for content in [
        json!([&csv, &text, &point]),
        json!([&pdf, &point]),
        json!([&image, &point]),
        json!([&text, &hour, &text, &point]),
    ] {
        let read = ask(
            &mut sim("bedrock"),
            ("converse", SONNET),
            &converse(&content),
        );
        assert!(read.is_ok(), "{content}: {read:?}");
    }
}

#[test]
fn models_without_caching_and_nova_refuse_more() {
    let point = json!({"cachePoint": {"type": "default"}});
    let body = converse(&json!([{"text": "x"}, &point]));
    let refused = refusal("bedrock", ("converse", "meta.llama4-maverick-v1:0"), &body);
    let words = "You invoked an unsupported model or your request did not allow prompt caching";
    assert_eq!(refused, (403, "AccessDeniedException", words.to_owned()));
    let tool = json!({"toolSpec": {"name": "f", "inputSchema": {"json": {}}}});
    let mut body = converse(&json!([{"text": "x"}]));
    body["toolConfig"] = json!({"tools": [&tool, &point]});
    assert!(ask(&mut sim("bedrock"), ("converse", SONNET), &body).is_ok());
    let (status, kind, message) = refusal("bedrock", ("converse", NOVA), &body);
    assert_eq!((status, kind), (400, "ValidationException"));
    let words = "Malformed input request: #/toolConfig/tools/1: extraneous key [cachePoint] is \
                 not permitted";
    assert!(message.starts_with(words), "{message}");
    let result = json!({"toolResult": {"toolUseId": "t", "content": [{"text": "x"}]}});
    let body = converse(&json!([&result, &point]));
    assert!(ask(&mut sim("bedrock"), ("converse", SONNET), &body).is_ok());
    assert_eq!(refusal("bedrock", ("converse", NOVA), &body).0, 400);
    // Nova's own body carries the marker inside the block.
    let member = json!([{"text": "x", "cachePoint": {"type": "default"}}]);
    let read = ask(&mut sim("bedrock"), ("converse", NOVA), &converse(&member)).unwrap();
    assert_eq!(read.markers.len(), 1);
}

#[test]
fn clouds_take_messages_with_the_model_in_the_path() {
    let control = json!({"type": "ephemeral"});
    let body = |messages: Value| json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": messages});
    let mut marked = body(json!([{"role": "user",
        "content": [{"type": "text", "text": "x", "cache_control": &control}]}]));
    let read = ask(&mut sim("bedrock"), ("messages", SONNET), &marked).unwrap();
    assert_eq!((read.model(), read.markers.len()), (SONNET, 1));
    marked["cache_control"] = control;
    let (status, kind, message) = refusal("bedrock", ("messages", SONNET), &marked);
    assert_eq!((status, kind), (400, "ValidationException"));
    assert_eq!(message, "cache_control: Extra inputs are not permitted");
}

#[test]
fn on_vertex_messages_must_be_the_last_member() {
    let turns = r#""messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},
        {"role":"user","content":[{"type":"text","text":"c","cache_control":{"type":"ephemeral"}}]}]"#;
    let rest = r#""anthropic_version":"vertex-2023-10-16","max_tokens":9"#;
    for (body, found) in [
        (format!("{{{rest},{turns}}}"), 3000),
        (format!("{{{turns},{rest}}}"), 0),
    ] {
        let mut sim = sim("vertex");
        let mut ask = Ask::new("messages", body.as_bytes());
        ask.model = "claude-sonnet-4-5@20250929";
        let request = sim.ask(&ask).unwrap().with_counts(&[1000; 3]);
        assert_eq!(read(&mut sim, 0.0, &request), 0);
        assert_eq!(read(&mut sim, 5.0, &request), found);
    }
}

/// A request to a model with exact matching: one user message a text, marked where it begins with
/// an exclamation mark.
fn exact(texts: &[&str], options: &Value) -> Value {
    let messages = texts.iter().map(|text| {
        // A null member is an absent one.
        let marker = text.starts_with('!').then(|| json!({"mode": "explicit"}));
        let part = json!({"type": "text", "text": text, "prompt_cache_breakpoint": marker});
        json!({"role": "user", "content": [part]})
    });
    let messages: Vec<Value> = messages.collect();
    json!({"model": "gpt-5.6-sol", "messages": messages, "prompt_cache_options": options})
}

/// Plain, read and written for half an hour, each message of 1,000 tokens.
fn exactly(sim: &mut Sim, at: f64, body: &Value) -> (u64, u64, u64) {
    let request = chat(sim, body, &[1000; 100]);
    let [plain, read, _, written, _] = serve(sim, at, &request);
    (plain.unwrap(), read.unwrap(), written.unwrap())
}

#[test]
fn exact_caches_are_read_only_where_one_was_written() {
    let (implicit, explicit) = (json!({}), json!({"mode": "explicit", "ttl": "30m"}));
    let mut sim = sim("openai");
    assert_eq!(
        exactly(&mut sim, 0.0, &exact(&["a", "b"], &implicit)),
        (3, 0, 2000)
    );
    // The end of an earlier message is looked up, and the grown prompt is written.
    assert_eq!(
        exactly(&mut sim, 5.0, &exact(&["a", "b", "c"], &implicit)),
        (3, 2000, 1000)
    );
    assert_eq!(
        exactly(&mut sim, 6.0, &exact(&["a", "b", "c"], &implicit)),
        (3, 3000, 0)
    );
    // No shorter prefix that was not written, and nothing of an implicit end for a marker.
    assert_eq!(
        exactly(&mut sim, 7.0, &exact(&["a", "x", "y"], &implicit)).1,
        0
    );
    assert_eq!(
        exactly(&mut sim, 8.0, &exact(&["a", "!b"], &explicit)),
        (3, 0, 2000)
    );
    // Without markers the explicit mode turns caching off.
    assert_eq!(
        exactly(&mut sim, 9.0, &exact(&["a", "b"], &explicit)),
        (2003, 0, 0)
    );
    // A read prolongs; half an hour unused ends it.
    assert_eq!(
        exactly(&mut sim, 1806.0, &exact(&["a", "b", "c"], &implicit)).1,
        0
    );
    assert_eq!(
        exactly(&mut sim, 1807.0, &exact(&["a", "!b"], &explicit)).1,
        2000
    );
    assert_eq!(
        exactly(&mut sim, 3600.0, &exact(&["a", "!b"], &explicit)).1,
        2000
    );
}

#[test]
fn exact_caches_are_kept_apart_by_key_and_start_at_the_minimum() {
    let mut sim = sim("openai");
    let mut body = exact(&["a", "b"], &json!({}));
    body["prompt_cache_key"] = "k".into();
    assert_eq!(exactly(&mut sim, 0.0, &body).2, 2000);
    assert_eq!(exactly(&mut sim, 5.0, &body).1, 2000);
    body["prompt_cache_key"] = "l".into();
    assert_eq!(exactly(&mut sim, 6.0, &body).1, 0);
    let short = exact(&["short"], &json!({}));
    assert_eq!(exactly(&mut sim, 7.0, &short), (1003, 0, 0));
}

#[test]
fn only_the_latest_markers_write() {
    let explicit = json!({"mode": "explicit"});
    let texts = ["a", "!b", "!c", "!d", "!e", "!f"];
    for (options, written) in [
        (&explicit, [false, true, true]),
        (&json!({}), [false, false, true]),
    ] {
        let mut sim = sim("openai");
        exactly(&mut sim, 0.0, &exact(&texts, options));
        // What was written below the end: asked for one by one, in explicit mode.
        let found = [2, 3, 4].map(|end| {
            let body = exact(texts.get(..end).unwrap(), &explicit);
            exactly(&mut sim.clone(), 5.0, &body).1 == 1000 * end as u64
        });
        assert_eq!(found, written);
    }
}

#[test]
fn openai_refuses_markers_where_they_do_not_belong() {
    let marker = json!({"mode": "explicit"});
    let part = json!({"type": "text", "text": "x", "prompt_cache_breakpoint": &marker});
    let user = json!([{"role": "user", "content": [&part]}]);
    let words = |body: Value| {
        let (status, kind, message) = refusal("openai", ("chat", ""), &body);
        assert_eq!((status, kind), (400, "invalid_request_error"));
        message
    };
    assert_eq!(
        words(json!({"model": "gpt-4o-mini", "messages": &user})),
        "Unknown parameter: 'messages[0].content[0].prompt_cache_breakpoint'."
    );
    assert_eq!(
        words(json!({"model": "gpt-4o-mini", "messages": &user, "prompt_cache_options": {}})),
        "Unknown parameter: 'prompt_cache_options'."
    );
    let model = "gpt-5.6-sol";
    let assistant = json!([{"role": "assistant", "content": [&part]}]);
    assert_eq!(
        words(json!({"model": model, "messages": assistant})),
        "Unknown parameter: 'messages[0].content[0].prompt_cache_breakpoint'."
    );
    let tool = json!([{"type": "function", "function": {}, "prompt_cache_breakpoint": &marker}]);
    assert_eq!(
        words(json!({"model": model, "messages": &user, "tools": tool})),
        "Unknown parameter: 'tools[0].prompt_cache_breakpoint'."
    );
    let both = words(
        json!({"model": model, "messages": &user, "prompt_cache_options": {},
                            "prompt_cache_retention": "24h"}),
    );
    assert!(both.contains("prompt_cache_retention"), "{both}");
    for options in [
        json!({"ttl": "1h"}),
        json!({"mode": "auto"}),
        json!({"prewarm": true}),
    ] {
        words(json!({"model": model, "messages": &user, "prompt_cache_options": options}));
    }
    words(json!({"model": model}));
    words(json!({"messages": &user}));
}

fn plain_chat(model: &str, texts: &[&str]) -> Value {
    let message = |text: &&str| json!({"role": "user", "content": text});
    let messages: Vec<Value> = texts.iter().map(message).collect();
    json!({"model": model, "messages": messages})
}

#[test]
fn requests_are_routed_by_their_key() {
    let body = |key: Option<&str>| json!({"model": "gpt-4o-mini", "instructions": "s", "input": "x", "prompt_cache_key": key});
    for (keys, hits) in [
        ([Some("k"); 3], [false, true, true]),
        ([None; 3], [false, false, true]),
        ([Some("k"), Some("l"), Some("k")], [false, false, true]),
    ] {
        let mut sim = sim("openai");
        let mut at = 0.0;
        let found = keys.map(|key| {
            at += 5.0;
            let request = ask(&mut sim, ("responses", ""), &body(key)).unwrap();
            read(&mut sim, at, &request.with_counts(&[2000, 100])) == 2048
        });
        assert_eq!(found, hits);
    }
}

#[test]
fn more_than_fifteen_requests_a_minute_spill_to_a_cold_machine() {
    let mut sim = sim("openai");
    let request = chat(&mut sim, &plain_chat("gpt-4o-mini", &["a"]), &[2000]);
    let hits: Vec<bool> = (0..32)
        .map(|n| read(&mut sim, f64::from(n) * 1.5, &request) > 0)
        .collect();
    let misses: Vec<usize> = (0..32).filter(|n| hits.get(*n) == Some(&false)).collect();
    assert_eq!(misses, [0, 15, 30]);
}

#[test]
fn prefixes_are_read_in_steps_until_they_lie_idle() {
    let mut sim = sim("openai");
    let model = "gpt-4o-mini";
    let long = "The same words stand at the start of both. ".repeat(400);
    let read_at = |sim: &mut Sim, at, tail: &str| {
        let body = plain_chat(model, &[&format!("{long}{tail}")]);
        let request = ask(sim, ("chat", ""), &body).unwrap();
        (read(sim, at, &request), request.input_tokens())
    };
    let (cold, total) = read_at(&mut sim, 0.0, "One end.");
    assert_eq!(cold, 0);
    // The match ends inside the message, at a multiple of the granularity.
    let (warm, _) = read_at(&mut sim, 5.0, "Another end, and a longer one.");
    assert!(warm % 128 == 0 && total - warm < 160, "{warm} of {total}");
    assert_eq!(read_at(&mut sim, 304.0, "One end.").0, warm);
    assert_eq!(read_at(&mut sim, 604.5, "One end.").0, 0);
    // However often it is read, an hour is the end.
    let mut last = 0;
    for minutes in 0..62 {
        last = read_at(&mut sim, 1000.0 + 60.0 * f64::from(minutes), "One end.").0;
        assert_eq!(last == 0, minutes == 0 || minutes == 60, "{minutes}");
    }
    assert!(last > 0);
}

#[test]
fn deepseek_reads_whole_units_and_finds_shared_prefixes() {
    let mut sim = sim("deepseek");
    let mut turn = |at, letters: [&str; 2]| {
        // Long enough that what surrounds a text is less than a step.
        let texts = letters.map(|letter| letter.repeat(1000));
        let body = plain_chat("deepseek-v4-flash", &texts.each_ref().map(String::as_str));
        let request = chat(&mut sim, &body, &[1280, 640]);
        read(&mut sim, at, &request)
    };
    assert_eq!(turn(0.0, ["A", "B"]), 0);
    assert_eq!(turn(10.0, ["A", "C"]), 0);
    assert_eq!(turn(20.0, ["A", "D"]), 1280);
    assert_eq!(turn(30.0, ["A", "B"]), 1920);
    // It takes seconds to build.
    assert_eq!(turn(40.0, ["E", "F"]), 0);
    assert_eq!(turn(41.5, ["E", "F"]), 0);
    assert_eq!(turn(44.5, ["E", "F"]), 1920);
}

#[test]
fn moonshot_counts_writes_by_the_class_asked_for() {
    let mut sim = sim("moonshot");
    let mut body = plain_chat("kimi-k3.1-pro", &["a"]);
    let request = chat(&mut sim, &body, &[2000]);
    let first = [Some(208), Some(0), Some(1792), None, Some(0)];
    assert_eq!(serve(&mut sim, 0.0, &request), first);
    let again = [Some(208), Some(1792), Some(0), None, Some(0)];
    assert_eq!(serve(&mut sim, 5.0, &request), again);
    body["messages"][0]["content"] = "b".into();
    body["prompt_cache_options"] = json!({"ttl": "1h"});
    let request = chat(&mut sim, &body, &[2000]);
    assert_eq!(serve(&mut sim, 0.0, &request)[4], Some(1792));
    assert_eq!(read(&mut sim, 3000.0, &request), 1792);
}

#[test]
fn an_explicit_entry_of_qwen_waits_for_the_end_of_the_answer() {
    let mut sim = sim("qwen");
    let part = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
    let body = json!({"model": "qwen3-max", "messages": [{"role": "user", "content": [part]}]});
    let request = chat(&mut sim, &body, &[2000]);
    assert_eq!(read(&mut sim, 0.0, &request), 0);
    assert_eq!(read(&mut sim, 3.0, &request), 0);
    assert_eq!(read(&mut sim, 7.0, &request), 2000);
}

/// What Nova caches ends at 20,000 tokens: a marker beyond is one that is not there, the one below
/// it goes on working, and Claude knows no such end.
#[test]
fn a_marker_beyond_the_most_that_is_cached_writes_nothing() {
    let point = json!({"cachePoint": {"type": "default"}});
    let body = json!({"system": [{"text": "s"}, point],
                      "messages": [{"role": "user", "content": [{"text": "asked"}, point]}]});
    for (model, message, expected) in [
        (NOVA, 18_000, [(3, 0, 20_000), (3, 20_000, 0)]),
        (NOVA, 18_001, [(18_004, 0, 2000), (18_004, 2000, 0)]),
        (SONNET, 18_001, [(3, 0, 20_001), (3, 20_001, 0)]),
    ] {
        let mut sim = sim("bedrock");
        let request = ask(&mut sim, ("converse", model), &body).unwrap();
        let request = request.with_counts(&[2000, message]);
        for (at, (plain, read, written)) in [0.0, 5.0].into_iter().zip(expected) {
            let expected = [Some(plain), Some(read), Some(written), None, Some(0)];
            assert_eq!(serve(&mut sim, at, &request), expected, "{model} {message}");
        }
    }
}

/// A cache that decides by itself has no use for markers, whatever the dialect.
#[test]
fn messages_meet_a_cache_that_decides_by_itself_too() {
    let mut sim = sim("moonshot");
    let mut turn = |at, text: &str, next: &str| {
        let marker = json!({"type": "ephemeral"});
        let content = json!([{"type": "text", "text": next, "cache_control": marker}]);
        let body = json!({"model": "kimi-k3.1-pro", "max_tokens": 9, "system": text,
                          "messages": [{"role": "user", "content": content}]});
        let request = ask(&mut sim, ("messages", ""), &body).unwrap();
        let usage = sim.serve("w", secs(at), secs(at), &request).unwrap();
        assert_eq!(usage.input(), Some(request.input_tokens()));
        usage.read.unwrap()
    };
    let (one, other) = ("one ".repeat(3000), "other ".repeat(2000));
    assert_eq!(turn(0.0, &one, "x"), 0);
    assert_eq!(turn(1.0, &other, "x"), 0);
    let read = turn(2.0, &one, "y");
    assert!(read > 4000 && read % 64 == 0, "{read}");
}

/// The dialect and model that a recorded call went to.
#[cfg(feature = "replay")]
fn called(url: &str) -> Option<(&'static str, String)> {
    let path = url.split('?').next()?.trim_end_matches('/');
    let model = |from: &str, to: &str| {
        let (_, rest) = path.rsplit_once(from)?;
        Some(rest.split_once(to)?.0.replace("%3A", ":"))
    };
    Some(match path {
        _ if path.ends_with("/chat/completions") => ("chat", String::new()),
        _ if path.ends_with("/v1/responses") || path.ends_with("deepseek.com/responses") => {
            ("responses", String::new())
        }
        _ if path.ends_with("/v1/messages") => ("messages", String::new()),
        _ if path.contains("/converse") => ("converse", model("/model/", "/converse")?),
        _ if path.contains("/invoke") => ("messages", model("/model/", "/invoke")?),
        _ if path.ends_with("enerateContent") => ("generate", model("/models/", ":")?),
        _ => return None,
    })
}

#[cfg(feature = "replay")]
#[test]
fn every_recorded_request_that_was_answered_is_accepted() {
    let Some(all) = crate::support::recordings::recorded_exchanges() else {
        return;
    };
    let mut count = 0;
    for one in all.iter().filter(|one| one.status == 200) {
        let Some(body) = &one.request else { continue };
        let Some((dialect, model)) = called(&one.url) else {
            continue;
        };
        let mut sim = sim(&one.provider);
        let mut ask = Ask::new(dialect, body);
        ask.model = &model;
        let request = sim.ask(&ask);
        assert!(request.is_ok(), "{} {}: {request:?}", one.name, one.url);
        let request = request.unwrap();
        count += 1;
        let usage = sim.serve("w", secs(0.0), secs(1.0), &request);
        if let Ok(usage) = usage {
            assert_eq!(usage.input(), Some(request.input_tokens()), "{}", one.name);
        } else {
            // Only what goes on with a cache made elsewhere.
            assert!(String::from_utf8_lossy(body).contains("cachedContent"));
        }
    }
    assert!(count > 250, "{count}");
}

/// The models below have one regime each.
const REGIMES: [(&str, &str); 4] = [
    ("openrouter", "anthropic/claude-sonnet-4.6"),
    ("openai", "gpt-5.6-sol"),
    ("openai", "gpt-4o-mini"),
    ("deepseek", "deepseek-v4-flash"),
];

proptest::proptest! {
    /// Whatever is asked in whatever order: kinds are disjoint, and nothing is read that no earlier
    /// prompt began with.
    #[test]
    fn nothing_is_read_that_was_not_sent(
        which in 0..REGIMES.len(),
        turns in proptest::collection::vec(
            (0..5_usize, proptest::collection::vec((0..4_u8, proptest::bool::ANY), 1..4), 1..400_u32),
            1..14,
        ),
    ) {
        let (provider, model) = REGIMES[which];
        let mut sim = sim(provider);
        let mut said: Vec<Value> = Vec::new();
        let mut earlier: Vec<Vec<u128>> = Vec::new();
        let mut at = 0.0;
        for (keep, added, wait) in turns {
            said.truncate(keep);
            for (n, marked) in added {
                let mut part = json!({"type": "text", "text": format!("{n}").repeat(4000)});
                if marked && provider != "deepseek" && model != "gpt-4o-mini" {
                    let (name, value) = match provider {
                        "openai" => ("prompt_cache_breakpoint", json!({"mode": "explicit"})),
                        _ => ("cache_control", json!({"type": "ephemeral"})),
                    };
                    part[name] = value;
                }
                said.push(json!({"role": "user", "content": [part]}));
            }
            at += f64::from(wait);
            let body = json!({"model": model, "messages": said});
            let Ok(request) = ask(&mut sim, ("chat", ""), &body) else {
                // Five markers.
                continue;
            };
            let usage = sim.serve("w", secs(at), secs(at + 1.0), &request).unwrap();
            let now: Vec<u128> = request.prefixes().collect();
            let shared = earlier.iter().map(|before| {
                before.iter().zip(&now).take_while(|(left, right)| left == right).count()
            });
            let shared = shared.max().unwrap_or(0);
            let bound = shared.checked_sub(1).and_then(|last| request.prefix_tokens().nth(last));
            // Caches that match token by token may go on into the next block: digits differ at once.
            let bound = bound.unwrap_or(0) + 128;
            proptest::prop_assert!(usage.read.unwrap_or(0) <= bound, "{usage:?} {bound}");
            proptest::prop_assert_eq!(usage.input(), Some(request.input_tokens()));
            if earlier.is_empty() {
                proptest::prop_assert_eq!(usage.read.unwrap_or(0), 0);
            }
            earlier.push(now);
        }
    }

    /// No body of any dialect, however broken, is more than refused.
    #[test]
    fn broken_bodies_are_refused(which in 0..4_usize, cut in 0..300_usize, byte in 0..=255_u8) {
        let part = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
        let bodies = [
            ("chat", "openrouter", json!({"model": "m", "messages": [{"role": "user", "content": [part]}]})),
            ("responses", "openai", json!({"model": "gpt-5.6-sol", "input": [{"role": "user", "content": "x"}]})),
            ("converse", "bedrock", converse(&json!([{"text": "x"}, {"cachePoint": {"type": "default"}}]))),
            ("generate", "gemini", json!({"contents": [{"parts": [{"text": "x"}]}]})),
        ];
        let (dialect, provider, body) = &bodies[which];
        let mut text = body.to_string().into_bytes();
        let mut sim = sim(provider);
        if let Some(place) = text.get_mut(cut) {
            *place = byte;
        }
        let mut ask = Ask::new(dialect, &text);
        ask.model = SONNET;
        let _either = sim.ask(&ask);
        let short = text.get(..cut.min(text.len() - 1)).unwrap_or_default();
        ask.body = short;
        proptest::prop_assert!(sim.ask(&ask).is_err());
    }
}
