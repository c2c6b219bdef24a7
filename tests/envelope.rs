//! Envelopes: what is sent and what comes back, against recorded exchanges.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cachewright::model::{BlockKind, Keyring, Need, Prompt, Thinking};
use cachewright::provider::Catalog;
use cachewright::wire::{Address, Dialect, Envelope, Framing, Messages, Opened, Outer, Watcher};
use serde_json::Value;

use crate::bedrock::{event, frame};

fn keyring() -> Keyring {
    Keyring::new(b"key")
}

fn read(dialect: &dyn Dialect, body: &Bytes) -> Prompt {
    let reading = dialect.read(body, &keyring(), &mut |_| Vec::new());
    reading.unwrap().prompt
}

/// What a provider is told, wherever in the body it stands.
fn told(prompt: &Prompt) -> (Vec<String>, Thinking, Option<u64>) {
    let block = |block: &cachewright::model::Block| {
        let marker = block.marker.map(|marker| marker.ttl);
        format!(
            "{:?} {:?} {:?} {:?} {}.{} {marker:?} {:?} {}",
            block.section,
            block.role,
            block.kind,
            block.form,
            block.outer,
            block.inner,
            block.fingerprint,
            block.weight
        )
    };
    let blocks = prompt.blocks.iter().map(block).collect();
    (blocks, prompt.thinking, prompt.max_tokens)
}

/// Every provider that speaks the dialect gets the same prompt, in its envelope.
fn goes_everywhere(dialect: &str, body: &Bytes, name: &str) {
    let catalog = Catalog::builtin();
    let own = catalog.providers().find_map(|row| row.endpoint(dialect));
    let wanted = read(own.unwrap().dialect, body);
    let mut doors = 0;
    for row in catalog.providers() {
        let Some(door) = row.access.door(dialect) else {
            continue;
        };
        let address = Address {
            model: "the-model",
            betas: "one-2026-01-01",
        };
        let enclosed = door.envelope.enclose(body, &address).unwrap();
        let path = door.path.replace("{model}", "anthropic.x");
        let path = path.replace("{project}", "p").replace("{region}", "r");
        let endpoint = row.at(&path).unwrap().endpoint;
        // How a marker is spelled differs between providers of Chat; the Messages API has one way.
        let here = read(endpoint.dialect, &enclosed);
        let (mut there, mut found) = (told(&wanted), told(&here));
        if dialect != "messages" {
            there.0.clear();
            found.0.clear();
            assert_eq!(
                here.blocks.len(),
                wanted.blocks.len(),
                "{name} {}",
                row.name
            );
        }
        assert_eq!(found, there, "{name} {}", row.name);
        if door.envelope == Envelope::Plain {
            assert_eq!(&*here.model, "the-model", "{name} {}", row.name);
            assert_eq!(here.stream, wanted.stream, "{name} {}", row.name);
        } else {
            assert_eq!(&*here.model, "", "{name} {}", row.name);
        }
        doors += 1;
    }
    assert!(doors >= 5, "{dialect} {doors}");
}

/// The outer members say what a whole reading says.
fn outer_agrees(dialect: &str, body: &Bytes, prompt: &Prompt, name: &str) {
    let outer = Outer::read(dialect, body, &keyring()).unwrap();
    assert_eq!(
        outer.model.as_deref().unwrap_or_default(),
        &*prompt.model,
        "{name}"
    );
    assert_eq!(outer.stream, prompt.stream, "{name}");
    assert_eq!(outer.max_output, prompt.max_tokens, "{name}");
    let has = |kind| prompt.blocks.iter().any(|block| block.kind == kind);
    assert_eq!(outer.needs.has(Need::Tools), has(BlockKind::Tool), "{name}");
    if has(BlockKind::Image) {
        assert!(outer.needs.has(Need::Images), "{name}");
    }
    if has(BlockKind::Document) {
        assert!(outer.needs.has(Need::Documents), "{name}");
    }
    // Signed thinking may come back where none is asked for.
    if prompt.thinking == Thinking::Asked {
        assert!(outer.needs.has(Need::Thinking), "{name}");
    }
    if !prompt.blocks.is_empty() {
        assert!(outer.conversation.is_some(), "{name}");
    }
}

#[cfg(feature = "replay")]
#[test]
fn recorded_calls_go_everywhere_as_the_same_prompt() {
    let Some(all) = crate::support::recordings::recorded_exchanges() else {
        return;
    };
    let catalog = Catalog::builtin();
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for exchange in &all {
        let (host, path) = exchange.place();
        let Some(found) = catalog.find(host, path) else {
            continue;
        };
        let (Some(body), name) = (&exchange.request, found.endpoint.name) else {
            continue;
        };
        if !["messages", "chat", "responses"].contains(&name) {
            continue;
        }
        let reading = found
            .endpoint
            .dialect
            .read(body, &keyring(), &mut |_| Vec::new());
        let Ok(reading) = reading else { continue };
        outer_agrees(name, body, &reading.prompt, &exchange.name);
        goes_everywhere(name, body, &exchange.name);
        *seen.entry(name).or_default() += 1;
    }
    for (dialect, least) in [("messages", 20), ("chat", 50), ("responses", 60)] {
        let count = seen.get(dialect).copied().unwrap_or_default();
        assert!(count >= least, "{dialect} {count}");
    }
}

/// What a client sends directly becomes what the same client was recorded to send to Bedrock.
#[cfg(feature = "replay")]
#[test]
fn a_direct_call_becomes_the_recorded_one_to_bedrock() {
    let Some(all) = crate::support::recordings::recorded_exchanges() else {
        return;
    };
    let mut count = 0;
    for exchange in all.iter().filter(|one| one.place().1.ends_with("/invoke")) {
        let recorded: Value = serde_json::from_slice(exchange.request.as_ref().unwrap()).unwrap();
        let mut direct = recorded.clone();
        let members = direct.as_object_mut().unwrap();
        members.remove("anthropic_version").unwrap();
        members.insert("model".into(), "claude-haiku-4-5".into());
        members.insert("stream".into(), false.into());
        let body = Bytes::from(direct.to_string());
        let sent = Envelope::Invoke
            .enclose(&body, &Address::default())
            .unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), recorded);
        // And the whole answer needs no turning.
        let mut watcher = Watcher::new(&Messages, Framing::Json);
        watcher.feed(&exchange.response);
        assert!(watcher.finish().usage.unwrap().read.is_some());
        count += 1;
    }
    assert_eq!(count, 2);
}

#[cfg(feature = "replay")]
#[test]
fn outer_members_of_whole_workloads_agree_with_readings() {
    use cachewright::adapter::workload::{Options, Workload};

    let Some(dir) = crate::workload::recordings() else {
        return;
    };
    let catalog = Catalog::builtin();
    // A client that compacts a long conversation rewrites its beginning, and so parts it.
    for (name, step, percent) in [
        ("tau2_bench", 7, 90),
        ("bfcl", 11, 90),
        ("codex_agentv", 97, 30),
    ] {
        let path = dir.join(format!("{name}.jsonl.xz"));
        let workload = Workload::open(&path, Options::default()).unwrap();
        let mut conversations = std::collections::BTreeMap::new();
        for (at, timed) in workload.enumerate() {
            let timed = timed.unwrap();
            if at % step != 0 {
                continue;
            }
            let row = catalog.provider(&timed.provider).unwrap();
            let endpoint = row
                .endpoint(timed.dialect.as_deref().unwrap_or_default())
                .unwrap();
            let prompt = read(endpoint.dialect, &timed.body);
            outer_agrees(endpoint.name, &timed.body, &prompt, name);
            let outer = Outer::read(endpoint.name, &timed.body, &keyring()).unwrap();
            let lane = (timed.session.clone(), timed.lane.clone());
            let all: &mut std::collections::BTreeSet<_> = conversations.entry(lane).or_default();
            all.insert(outer.conversation.map(|id| id.to_string()));
        }
        let kept = conversations.values().filter(|all| all.len() == 1).count();
        assert!(kept * 100 >= conversations.len() * percent, "{name} {kept}");
        assert!(conversations.values().all(|all| all.len() <= 2), "{name}");
    }
}

#[test]
fn a_call_goes_everywhere_as_the_same_prompt() {
    let messages = r#"{ "model" : "m", "stream":true,"max_tokens":5,"metadata":{"user_id":"u"},
        "tools":[{"name":"t","input_schema":{"type":"object","properties":{"model":{}}}}],
        "system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}],
        "thinking":{"type":"enabled","budget_tokens":1024},
        "messages":[{"role":"user","content":[{"type":"text","text":"a \"model\":\"x\" b"},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},
        {"role":"assistant","content":[{"type":"tool_use","id":"1","name":"t","input":{"model":"z"}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"ok"}]}] }"#;
    let chat = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"model":"m","stream":true,"max_tokens":5}"#;
    let responses = r#"{"input":[{"role":"user","content":"u"}],"model":"m","max_output_tokens":5,"instructions":"i"}"#;
    for (dialect, body) in [
        ("messages", messages),
        ("chat", chat),
        ("responses", responses),
    ] {
        let body = Bytes::from(body);
        let catalog = Catalog::builtin();
        let own = catalog.providers().find_map(|row| row.endpoint(dialect));
        outer_agrees(dialect, &body, &read(own.unwrap().dialect, &body), dialect);
        goes_everywhere(dialect, &body, dialect);
    }
}

fn chunk(data: &str) -> Vec<u8> {
    event(
        "chunk",
        &format!(r#"{{"bytes":"{}","p":"ab"}}"#, STANDARD.encode(data)),
    )
}

/// The same stream as Bedrock frames it, and taken out again in pieces of this length.
fn through_frames(events: &[&str], step: usize) -> (Vec<u8>, Vec<u8>) {
    let frames: Vec<u8> = events.iter().flat_map(|data| chunk(data)).collect();
    let mut opened = Opened::of(Envelope::Invoke).unwrap();
    let mut out = Vec::new();
    for piece in frames.chunks(step) {
        opened.feed(piece, &mut out);
    }
    opened.finish(&mut out);
    assert!(!opened.failed());
    (frames, out)
}

fn seen(framing: Framing, stream: &[u8]) -> cachewright::wire::Seen {
    let mut watcher = Watcher::new(&Messages, framing);
    watcher.feed(stream);
    watcher.finish()
}

/// Events, as a stream of the Messages API spells them.
fn spelled(events: &[&str]) -> String {
    let each = events.iter().map(|data| {
        let value: Value = serde_json::from_str(data).unwrap();
        format!(
            "event: {}\ndata: {data}\n\n",
            value["type"].as_str().unwrap()
        )
    });
    each.collect()
}

fn comes_back(events: &[&str], name: &str) {
    for step in [1, 13, 1000, usize::MAX] {
        let (frames, out) = through_frames(events, step);
        assert_eq!(String::from_utf8_lossy(&out), spelled(events), "{name}");
        let direct = seen(Framing::Sse, spelled(events).as_bytes());
        assert_eq!(seen(Framing::Sse, &out), direct, "{name}");
        assert_eq!(seen(Framing::EventStream, &frames), direct, "{name}");
        assert!(direct.ended() && direct.usage.is_some(), "{name}");
    }
}

#[cfg(feature = "replay")]
#[test]
fn recorded_streams_come_back_out_of_frames_as_they_were() {
    let Some(all) = crate::support::recordings::recorded_exchanges() else {
        return;
    };
    let mut count = 0;
    for exchange in all.iter().filter(|one| one.provider == "anthropic") {
        let text = String::from_utf8_lossy(&exchange.response);
        if exchange.framing != Framing::Sse {
            continue;
        }
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        comes_back(&data.collect::<Vec<_>>(), &exchange.name);
        count += 1;
    }
    assert!(count >= 2, "{count}");
}

const STREAM: [&str; 6] = [
    r#"{"type":"message_start","message":{"id":"msg_bdrk_1","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":5,"cache_read_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":0},"output_tokens":1}}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Größe \"x\"\n"}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}"#,
    r#"{"type":"message_stop"}"#,
];

#[test]
fn a_stream_comes_back_out_of_frames_as_it_was() {
    comes_back(&STREAM, "own");
    // What Bedrock adds at the end is taken out.
    let mut added = STREAM;
    added[5] = r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":9,"invocationLatency":1,"firstByteLatency":1}}"#;
    let (_, out) = through_frames(&added, 100);
    assert_eq!(String::from_utf8_lossy(&out), spelled(&STREAM));
}

#[test]
fn an_exception_ends_a_stream_as_an_error_of_the_dialect() {
    let headers = [
        (":exception-type", "modelStreamErrorException"),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    let failed = frame(
        &headers,
        r#"{"message":"The model broke off","originalStatusCode":424}"#,
    );
    let stream = [chunk(STREAM[0]), failed, chunk(STREAM[1])].concat();
    let mut opened = Opened::of(Envelope::Invoke).unwrap();
    let mut out = Vec::new();
    opened.feed(&stream, &mut out);
    assert!(opened.failed());
    let after = seen(Framing::Sse, &out);
    assert_eq!(after.error.as_deref(), Some("api_error"));
    assert_eq!(after.usage, seen(Framing::EventStream, &stream).usage);
    let error = r#"{"type":"error","error":{"type":"api_error","message":"The model broke off"}}"#;
    let wanted = spelled(&[STREAM[0], error]);
    assert_eq!(String::from_utf8_lossy(&out), wanted);
}

/// The official SDKs take our errors for theirs, and Bedrock's stream for Anthropic's.
#[cfg(feature = "cli")]
mod sdks {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use cachewright::wire::Fault;
    use serde_json::{Value, json};

    use super::{STREAM, through_frames};

    #[expect(
        clippy::print_stderr,
        clippy::disallowed_methods,
        reason = "a test finds its tools by the environment and says what is missing"
    )]
    fn ask(package: &str, script: &Value) -> Option<Vec<Value>> {
        let python = std::env::var("CACHEWRIGHT_PYTHON").unwrap_or_else(|_| "python3".into());
        let import = format!("import {package}");
        let tried = Command::new(&python).args(["-c", &import]).output();
        if !tried.is_ok_and(|tried| tried.status.success()) {
            assert!(
                std::env::var("CACHEWRIGHT_REQUIRE_ALL").is_err(),
                "the Python package {package} is missing"
            );
            eprintln!(
                "skipped: no Python package {package}; pip install -r tests/clients/requirements.txt"
            );
            return None;
        }
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/told.py");
        let mut child = Command::new(python)
            .args([file, package])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(script.to_string().as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }

    /// An answer for the SDK: status, type of content, body.
    fn answer(status: u16, kind: &str, body: &[u8]) -> Value {
        let body = String::from_utf8(body.to_vec()).unwrap();
        json!({"status": status, "type": kind, "body": body})
    }

    /// Errors of every provider, with the status that they come with.
    fn faults() -> Vec<(u16, Fault)> {
        let read = |body: &str, kind| Fault::read(body.as_bytes(), kind);
        let aws = r#"{"message":"m"}"#;
        let own = Fault::own("rate_limit_error", "cap_reached", "m");
        vec![
            (429, read(aws, Some("ThrottlingException:http://x/"))),
            (400, read(aws, Some("ValidationException"))),
            (403, read(aws, Some("AccessDeniedException"))),
            (404, read(aws, Some("ResourceNotFoundException"))),
            (
                401,
                read(
                    r#"[{"error":{"code":401,"message":"m","status":"UNAUTHENTICATED"}}]"#,
                    None,
                ),
            ),
            (
                429,
                read(
                    r#"{"error":{"code":429,"message":"m","metadata":{}}}"#,
                    None,
                ),
            ),
            (500, read("m", None)),
            (
                503,
                read(
                    r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
                    None,
                ),
            ),
            (429, own.with("resets_at", "2026-12-01T00:00:00Z")),
        ]
    }

    const CLASSES: [&str; 9] = [
        "RateLimitError",
        "BadRequestError",
        "PermissionDeniedError",
        "NotFoundError",
        "AuthenticationError",
        "RateLimitError",
        "InternalServerError",
        "InternalServerError",
        "RateLimitError",
    ];

    fn refusals(dialect: &str) -> Vec<Value> {
        let each = faults().into_iter().map(|(status, fault)| {
            let body = fault.told(dialect, status, b"").unwrap();
            answer(status, "application/json", &body)
        });
        each.collect()
    }

    #[test]
    fn anthropics_sdk_takes_them_for_its_own() {
        let mut script = refusals("messages");
        let (_, stream) = through_frames(&STREAM, 50);
        script.push(answer(200, "text/event-stream", &stream));
        let Some(saw) = ask("anthropic", &Value::Array(script)) else {
            return;
        };
        let (streamed, refused) = saw.split_last().unwrap();
        for (found, class) in refused.iter().zip(CLASSES) {
            // The status of an overload has a class of its own there.
            let class = match found["status"].as_u64() {
                Some(503) => "ServiceUnavailableError",
                _ => class,
            };
            assert_eq!(found["class"], class, "{found}");
            assert_eq!(found["message"], "m", "{found}");
            assert!(found["kind"].is_string(), "{found}");
        }
        assert_eq!(refused.len(), CLASSES.len());
        assert_eq!(streamed["text"], "Größe \"x\"\n");
        let usage = &streamed["usage"];
        assert_eq!(usage["cache_read_input_tokens"], 7);
        assert_eq!(
            (&usage["input_tokens"], &usage["output_tokens"]),
            (&json!(3), &json!(9))
        );
    }

    #[test]
    fn openais_sdk_takes_them_for_its_own() {
        let Some(saw) = ask("openai", &Value::Array(refusals("chat"))) else {
            return;
        };
        for (found, class) in saw.iter().zip(CLASSES) {
            assert_eq!(found["class"], class, "{found}");
            assert_eq!(found["message"], "m", "{found}");
            assert!(found["kind"].is_string(), "{found}");
        }
        assert_eq!(saw.len(), CLASSES.len());
        assert_eq!(saw[0]["code"], "ThrottlingException");
        assert_eq!(saw[8]["code"], "cap_reached");
    }
}
