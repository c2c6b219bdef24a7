//! Findings before anything is sent: each code planted and nearly planted, what `--fix` repairs, the
//! command, and real recorded requests.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![expect(
    clippy::too_many_lines,
    clippy::cognitive_complexity,
    clippy::needless_pass_by_value,
    clippy::wildcard_enum_match_arm,
    reason = "tables of planted cases, whose values read best where they stand"
)]

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::lint::{Code, Finding, Severity, fix, lint};
use cachewright::adapter::target::Told;
use cachewright::canon::{Rule, Rules};
use cachewright::model::{Pattern, Timestamp};
use cachewright::provider::Catalog;
use cachewright::sim::Sim;
use serde_json::{Value, json};

use crate::support::recordings::recorded_exchanges;

const CLAUDE: &str = "claude-sonnet-4-5";

fn body(value: &Value) -> Bytes {
    Bytes::from(serde_json::to_vec(value).unwrap())
}

fn at(provider: &str, value: &Value) -> Vec<Finding> {
    let mut told = Told::default();
    told.provider = Some(provider.into());
    if value.get("toolConfig").is_some() {
        told.model = Some("anthropic.claude-sonnet-4-5-20250929-v1:0".into());
    }
    lint(&Catalog::builtin(), &body(value), &told).unwrap().list
}

fn codes(provider: &str, value: &Value) -> BTreeSet<&'static str> {
    at(provider, value)
        .iter()
        .map(|one| one.code.as_str())
        .collect()
}

fn long() -> String {
    "You answer questions about invoices and nothing else. ".repeat(160)
}

fn mark() -> Value {
    json!({"type": "ephemeral"})
}

fn hour() -> Value {
    json!({"type": "ephemeral", "ttl": "1h"})
}

fn text(words: &str) -> Value {
    json!({"type": "text", "text": words})
}

fn marked(words: &str, marker: Value) -> Value {
    json!({"type": "text", "text": words, "cache_control": marker})
}

/// A request in which nothing is to be found.
fn clean() -> Value {
    json!({"model": CLAUDE, "max_tokens": 9, "system": [marked(&long(), mark())],
        "messages": [{"role": "user", "content": [marked("What is due?", mark())]}]})
}

fn with(path: &str, value: Value) -> Value {
    let mut body = clean();
    let (parent, key) = path.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        other => other[key] = value,
    }
    body
}

fn tool(name: &str) -> Value {
    json!({"name": name, "description": "Does it.", "input_schema": {"type": "object"}})
}

fn turns(blocks: usize) -> Value {
    let filler: Vec<Value> = (0..blocks)
        .map(|n| text(&format!("Part {n} of what was found, in words.")))
        .collect();
    let mut last = filler;
    last.push(marked("And now?", mark()));
    json!([
        {"role": "user", "content": "What is due?"},
        {"role": "assistant", "content": "This."},
        {"role": "user", "content": last},
    ])
}

fn chat(extra: &Value) -> Value {
    let mut body = json!({"model": "gpt-5.6-sol", "prompt_cache_key": "invoices",
        "messages": [{"role": "system", "content": long()}, {"role": "user", "content": "What is due?"}]});
    body.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    body
}

fn converse(content: Value) -> Value {
    json!({"system": [{"text": long()}, {"cachePoint": {"type": "default"}}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]},
        "messages": [{"role": "user", "content": content}]})
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(at("anthropic", &clean()), []);
    assert_eq!(at("openai", &chat(&json!({}))), []);
    assert_eq!(at("bedrock", &converse(json!([{"text": "hi"}]))), []);
}

/// Each code with a body in which it must be found and one in which it must not, although it nearly
/// could.
#[test]
fn every_code_is_found_where_it_is_planted_and_not_beside_it() {
    let point = json!({"cachePoint": {"type": "default"}});
    let clock = format!("{}\nCurrent time: 2026-11-25T13:19:43Z\n{}", long(), long());
    let fixed = format!("{}\nFounded 2019-03-04, version 2.1.7.\n{}", long(), long());
    let breakpoint = json!([{"role": "user", "content": [{"type": "text", "text": long(), "prompt_cache_breakpoint": {"mode": "explicit"}}]}]);
    let link = |url: &str| json!([{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": url}}, marked("What is it?", mark())]}]);
    let four = json!([
        text("a"),
        marked("b", mark()),
        marked("c", mark()),
        marked("d", mark())
    ]);
    let five = json!([
        marked("a", mark()),
        marked("b", mark()),
        marked("c", mark()),
        marked("d", mark())
    ]);
    let thinking = |marker: bool| {
        let mut block = json!({"type": "thinking", "thinking": "Hm.", "signature": "s"});
        if marker {
            block["cache_control"] = mark();
        }
        json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": [block, text("Yes.")]},
            {"role": "user", "content": [marked("Go on.", mark())]}])
    };
    let automatic = |last: &str, marker: Value| {
        let mut body = with(
            "/messages",
            json!([{"role": "user", "content": [last_block(last, &marker)]}]),
        );
        body["cache_control"] = mark();
        body
    };
    let without = |key: &str| {
        let mut body = clean();
        body["system"] = json!(long());
        body["messages"] = json!([{"role": "user", "content": "hi"}]);
        body.as_object_mut().unwrap().remove(key);
        body
    };
    let sold = |model: &str| {
        let mut body = with("/system/0/cache_control", hour());
        body["model"] = model.into();
        body
    };
    let forced = |choice: Value| {
        let mut body = with("/messages", turns(1));
        body["tool_choice"] = choice;
        body
    };
    let cases = [
        (
            Code::VolatileText,
            "anthropic",
            with("/system/0/text", json!(clock)),
            with("/system/0/text", json!(fixed)),
        ),
        (
            Code::ExpiringLink,
            "anthropic",
            with("/messages", link("https://h/i.png?X-Amz-Signature=ab")),
            with("/messages", link("https://h/i.png?size=2")),
        ),
        (
            Code::ToolsUnsorted,
            "anthropic",
            with("/tools", json!([tool("b"), tool("a"), tool("c")])),
            with("/tools", json!([tool("a"), tool("b"), tool("c")])),
        ),
        (
            Code::ToolsRepeated,
            "anthropic",
            with("/tools", json!([tool("a"), tool("a")])),
            with("/tools", json!([tool("a"), tool("aa")])),
        ),
        (
            Code::ToolsClash,
            "anthropic",
            with(
                "/tools",
                json!([tool("a"), {"name": "a", "description": "Else.", "input_schema": {}}]),
            ),
            with("/tools", json!([tool("a"), tool("a")])),
        ),
        (
            Code::MarkerRefused,
            "anthropic",
            with("/messages", thinking(true)),
            with("/messages", thinking(false)),
        ),
        (
            Code::MarkerRefused,
            "bedrock",
            converse(json!([point, {"text": "hi"}])),
            converse(json!([{"text": "hi"}, point])),
        ),
        (
            Code::MarkerRefused,
            "anthropic",
            with(
                "/messages",
                json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [marked("r", mark())]}]}]),
            ),
            with(
                "/messages",
                json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [text("r")], "cache_control": mark()}]}]),
            ),
        ),
        (
            Code::MarkerEmpty,
            "anthropic",
            with("/messages/0/content/0", marked("", mark())),
            with("/messages/0/content/0", marked("x", mark())),
        ),
        (
            Code::TooManyMarkers,
            "anthropic",
            with("/messages/0/content", five),
            with("/messages/0/content", four),
        ),
        (
            Code::MarkerTwice,
            "bedrock",
            converse(json!([{"text": "hi"}, point, point])),
            converse(json!([{"text": "hi"}, point, {"text": "there"}, point])),
        ),
        (
            Code::MarkerClash,
            "anthropic",
            {
                let mut body = automatic("hi", hour());
                body["system"][0]["cache_control"] = hour();
                body
            },
            automatic("hi", mark()),
        ),
        (
            Code::MarkerVolatile,
            "anthropic",
            with(
                "/system/0/text",
                json!(format!(
                    "{}\nRequest id: 7c1f0b2e-93aa-4d0e-8f21-0d5b6a7c8d9e",
                    long()
                )),
            ),
            {
                let mut body = with("/system/0/text", json!(long()));
                body["system"]
                    .as_array_mut()
                    .unwrap()
                    .push(text("Request id: 7c1f0b2e-93aa-4d0e-8f21-0d5b6a7c8d9e"));
                body
            },
        ),
        (
            Code::TtlOrder,
            "anthropic",
            with("/messages/0/content/0/cache_control", hour()),
            with("/system/0/cache_control", hour()),
        ),
        (
            Code::TtlNotSold,
            "bedrock",
            sold("anthropic.claude-opus-4-1-20250805-v1:0"),
            sold("anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ),
        (
            Code::Lookback,
            "anthropic",
            with("/messages", turns(24)),
            with("/messages", turns(12)),
        ),
        (
            Code::AutomaticVolatile,
            "anthropic",
            automatic(
                "Current time: 2026-11-25T13:19:43Z. What is due?",
                Value::Null,
            ),
            automatic("What was due on 2019-03-04?", Value::Null),
        ),
        (Code::NoMarker, "anthropic", without("x"), clean()),
        (
            Code::MarkerForeign,
            "openai",
            chat(&json!({"messages": [{"role": "user", "content": [marked(&long(), mark())]}]})),
            chat(
                &json!({"tools": [{"type": "function", "function": {"name": "t", "parameters": {"properties": {"cache_control": {"type": "string"}}}}}]}),
            ),
        ),
        (
            Code::BelowMinimum,
            "anthropic",
            with("/system/0/text", json!("Be kind.")),
            clean(),
        ),
        (
            Code::UnknownModel,
            "anthropic",
            with("/model", json!("claude-of-tomorrow")),
            with("/model", json!("claude-haiku-4-5")),
        ),
        (
            Code::NoCacheKey,
            "openai",
            chat(&json!({"model": "gpt-4.1", "prompt_cache_key": null})),
            chat(&json!({"model": "gpt-4.1"})),
        ),
        (
            Code::RotatingKey,
            "openai",
            chat(&json!({"prompt_cache_key": "invoices-1764076783123"})),
            chat(&json!({"prompt_cache_key": "7c1f0b2e-93aa-4d0e-8f21-0d5b6a7c8d9e"})),
        ),
        (
            Code::OptionsAndRetention,
            "openai",
            chat(
                &json!({"prompt_cache_options": {"mode": "implicit"}, "prompt_cache_retention": "24h"}),
            ),
            chat(&json!({"prompt_cache_options": {"mode": "implicit"}})),
        ),
        (
            Code::NoBreakpoints,
            "openai",
            chat(&json!({"model": "gpt-4.1", "messages": breakpoint})),
            chat(&json!({"messages": breakpoint})),
        ),
        (
            Code::ExplicitWithout,
            "openai",
            chat(&json!({"prompt_cache_options": {"mode": "explicit"}})),
            chat(&json!({"prompt_cache_options": {"mode": "explicit"}, "messages": breakpoint})),
        ),
        (
            Code::ForcedChoice,
            "anthropic",
            forced(json!({"type": "tool", "name": "a"})),
            forced(json!({"type": "auto"})),
        ),
    ];
    let mut seen = BTreeSet::new();
    for (code, provider, planted, beside) in &cases {
        let found = codes(provider, planted);
        assert!(
            found.contains(code.as_str()),
            "{code} {} in {found:?}",
            code.words()
        );
        let found = codes(provider, beside);
        assert!(
            !found.contains(code.as_str()),
            "{code} {} not in {found:?}",
            code.words()
        );
        seen.insert(code.as_str());
    }
    // Raw bytes: the order of keys does not survive a `Value`.
    let keys = |second: &str| {
        let sent = format!(
            r#"{{"model":"{CLAUDE}","tools":[{{"name":"a","description":"d","input_schema":{{}}}},{second}],"messages":[{{"role":"user","content":"hi"}}]}}"#
        );
        let found = lint(&Catalog::builtin(), &Bytes::from(sent), &Told::default()).unwrap();
        found.list.iter().any(|one| one.code == Code::ToolKeys)
    };
    assert!(keys(r#"{"description":"d","name":"b","input_schema":{}}"#));
    assert!(!keys(r#"{"name":"b","input_schema":{}}"#));
    seen.insert(Code::ToolKeys.as_str());
    let all: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(seen, all);
}

fn last_block(words: &str, marker: &Value) -> Value {
    if marker.is_null() {
        text(words)
    } else {
        marked(words, marker.clone())
    }
}

#[test]
fn a_finding_says_where_to_the_byte_and_what_it_costs() {
    let words = format!("{}\nCurrent time: 2026-11-25T13:19:43Z\n{}", long(), long());
    let sent = body(&with("/system/0/text", json!(words)));
    let found = lint(&Catalog::builtin(), &sent, &Told::default()).unwrap();
    assert_eq!((&*found.provider, found.dialect), ("anthropic", "messages"));
    let clock = found
        .list
        .iter()
        .find(|one| one.code == Code::VolatileText)
        .unwrap();
    assert_eq!(
        (clock.pointer.as_str(), clock.block),
        ("/system/0", Some(0))
    );
    assert!(sent[clock.offset..].starts_with(b"2026-11-25T13:19:43Z"));
    assert_eq!(clock.pattern, Some(Pattern::Timestamp));
    let tokens = clock.tokens.unwrap();
    assert!(
        tokens > 6000 && tokens <= found.tokens,
        "{tokens} of {}",
        found.tokens
    );
    // Three dollars a million to send, thirty cents to read.
    assert_eq!(
        clock.cost.unwrap().as_pico(),
        i128::from(tokens) * 2_700_000
    );
    assert!(!clock.message.contains("2026"));
    assert_eq!(found.worst(), Some(Severity::Warning));
}

#[test]
fn a_rewritten_body_lints_clean_and_is_accepted() {
    let catalog = Arc::new(Catalog::builtin());
    let clock = format!("{}\nCurrent time: 2026-11-25T13:19:43Z\nBe kind.", long());
    let mut everything = with(
        "/system",
        json!([{"type": "text", "text": clock, "cache_control": mark()}]),
    );
    everything["tools"] = json!([tool("b"), tool("a"), tool("a")]);
    everything["messages"] = json!([{"role": "user", "content": [marked("", mark()), marked("What is due?", hour()), marked("x", mark()), marked("y", mark())]}]);
    // The provider refuses an empty text whatever is marked.
    everything["messages"][0]["content"]
        .as_array_mut()
        .unwrap()
        .remove(0);
    let mut told = Told::default();
    told.provider = Some("anthropic".into());
    let sent = body(&everything);
    let accepted = |body: &[u8]| {
        let mut sim = Sim::new(Arc::clone(&catalog));
        let Ok(request) = sim.read(body) else {
            return false;
        };
        sim.serve(
            "w",
            Timestamp::default(),
            Timestamp::from_micros(1),
            &request,
        )
        .is_ok()
    };
    assert!(!accepted(&sent), "an hour behind five minutes is refused");
    let fixed = fix(&catalog, &sent, &told, None).unwrap();
    assert!(accepted(&fixed.body));
    let repaired: BTreeSet<Code> = fixed.repaired.iter().map(|one| one.code).collect();
    for code in [
        Code::TtlOrder,
        Code::VolatileText,
        Code::MarkerVolatile,
        Code::ToolsRepeated,
    ] {
        assert!(repaired.contains(&code), "{code} in {repaired:?}");
    }
    let again = lint(&catalog, &fixed.body, &told).unwrap();
    assert!(
        again.list.iter().all(|one| !repaired.contains(&one.code)),
        "{:?}",
        again.list
    );
    assert!(again.worst() <= Some(Severity::Hint), "{:?}", again.list);
    // Nothing that the model reads changed, but for the tool that was there twice.
    let (before, after): (Value, Value) =
        (everything, serde_json::from_slice(&fixed.body).unwrap());
    let words: String = after["system"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["text"].as_str().unwrap())
        .collect();
    assert_eq!(words, before["system"][0]["text"].as_str().unwrap());
    assert_eq!(after["tools"].as_array().unwrap().len(), 2);
    let moved = fix(
        &catalog,
        &sent,
        &told,
        Some(Rules::NONE.with(Rule::MoveVolatile)),
    )
    .unwrap();
    assert!(accepted(&moved.body));
    assert!(moved.changes.iter().any(|one| one.what.contains("moved")));
}

#[test]
fn recorded_requests_are_read_and_those_that_were_answered_are_not_called_wrong() {
    let Some(exchanges) = recorded_exchanges() else {
        return;
    };
    let catalog = Catalog::builtin();
    let (mut bodies, mut errors) = (0, Vec::new());
    for exchange in exchanges.iter().filter(|one| one.status == 200) {
        let Some(body) = &exchange.request else {
            continue;
        };
        let mut told = Told::default();
        told.url = Some(exchange.url.as_str().into());
        let Ok(found) = lint(&catalog, body, &told) else {
            continue;
        };
        bodies += 1;
        for one in &found.list {
            assert!(one.offset <= body.len());
            if one.severity == Severity::Error {
                errors.push((exchange.name.clone(), one.code, one.pointer.clone()));
            }
        }
    }
    assert!(bodies > 250, "{bodies}");
    assert_eq!(errors, [], "the provider answered these");
}

fn command(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cachewright"));
    command.args(args).env("NO_COLOR", "1").output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_command_names_file_line_and_column_and_its_exit_code_says_how_bad_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let good = path("good.json");
    std::fs::write(&good, body(&clean())).unwrap();
    assert_eq!(command(&["lint", &good]).status.code(), Some(0));

    let words = format!("{}\nCurrent time: 2026-11-25T13:19:43Z\n{}", long(), long());
    let bad = path("bad.json");
    std::fs::write(
        &bad,
        serde_json::to_string_pretty(&with("/system/0/text", json!(words))).unwrap(),
    )
    .unwrap();
    let output = command(&["lint", &bad]);
    assert_eq!(output.status.code(), Some(1));
    let said = out(&output);
    let lines = std::fs::read_to_string(&bad).unwrap();
    let line = lines
        .lines()
        .position(|line| line.contains("13:19:43"))
        .unwrap()
        + 1;
    assert!(said.contains(&format!("{bad}:{line}:")), "{said}");
    assert!(
        said.contains("warning[CW101]") && !said.contains("13:19:43"),
        "{said}"
    );
    assert!(out(&command(&["lint", &bad, "--excerpt"])).contains("13:19:43"));
    assert_eq!(
        command(&["lint", &bad, "--fail-on", "error"]).status.code(),
        Some(0)
    );

    let json: Value = serde_json::from_slice(&command(&["lint", &bad, "--json"]).stdout).unwrap();
    let found = json["files"][0]["findings"].as_array().unwrap();
    let clock = found.iter().find(|one| one["code"] == "CW101").unwrap();
    assert_eq!(
        (clock["line"].as_u64(), clock["pattern"].as_str()),
        (Some(line as u64), Some("timestamp"))
    );
    assert!(clock["cost_usd"].as_str().unwrap().starts_with("0.0"));
    assert_eq!(json["files"][0]["line"], 1);

    let better = path("better.json");
    let output = command(&[
        "lint",
        &bad,
        "--fix",
        "--rules",
        "move_volatile",
        "-o",
        &better,
    ]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("repaired: CW101"), "{said}");
    assert_eq!(command(&["lint", &better]).status.code(), Some(0));
    let printed = command(&["lint", &bad, "--fix", "--rules", "move_volatile"]).stdout;
    assert_eq!(printed, std::fs::read(&better).unwrap());
    assert_eq!(
        command(&[
            "lint",
            &bad,
            "--fix",
            "--rules",
            "move_volatile",
            "--in-place"
        ])
        .status
        .code(),
        Some(0)
    );
    assert_eq!(std::fs::read(&bad).unwrap(), printed);
}

#[test]
fn lines_and_directories_are_read_and_unusable_inputs_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let neutral = json!({"t": 1.0, "provider": "anthropic", "request": with("/system/0/text", json!("Be kind."))});
    std::fs::write(path("many.jsonl"), format!("{}\n\n{neutral}\n", clean())).unwrap();
    std::fs::write(path("other.json"), r#"{"name": "package"}"#).unwrap();
    let whole = dir.path().display().to_string();
    let output = command(&["lint", &whole]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("many.jsonl:3:"), "{}", out(&output));
    assert!(out(&output).contains("warning[CW401]"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("other.json:1: no request"));

    let fixed = command(&["lint", &path("many.jsonl"), "--fix"]);
    let lines = out(&fixed);
    let third: Value = serde_json::from_str(lines.lines().nth(2).unwrap()).unwrap();
    assert_eq!(
        (third["t"].as_f64(), third["provider"].as_str()),
        (Some(1.0), Some("anthropic"))
    );

    std::fs::write(path("broken.json"), "{\"model\": \n nothing}").unwrap();
    for (args, part) in [
        (vec![path("broken.json")], "broken.json:2:"),
        (vec![path("other.json")], "no request"),
        (vec![path("absent.json")], "absent.json"),
        (
            vec![path("many.jsonl"), "--provider".into(), "antropic".into()],
            "antropic",
        ),
        (
            vec![
                path("many.jsonl"),
                "--rules".into(),
                "tool_odor".into(),
                "--fix".into(),
            ],
            "tool_order",
        ),
    ] {
        let mut all = vec!["lint"];
        all.extend(args.iter().map(String::as_str));
        let output = command(&all);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(part), "{part} in {said}");
    }
}
