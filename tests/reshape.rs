//! The rules for volatile text: what each does in each dialect, what none may do, and what they are
//! worth in front of a simulated provider.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "shares of tokens"
)]
#![expect(
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    reason = "a table of planted cases, and texts among all of JSON"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::memory::InProcess;
use cachewright::canon::{History, Reshaped, Rule, Rules, Wording, reword};
use cachewright::engine::{End, Engine, Meta, Overlay, Settings};
use cachewright::ledger::Record;
use cachewright::model::{Keyring, Markers, Mode, Money, Timestamp};
use cachewright::provider::Catalog;
use cachewright::sim::Sim;
use cachewright::wire::{Dialect, Edit, MarkerStyle, dialect, splice};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

const MESSAGES: (&str, MarkerStyle) = ("messages", MarkerStyle::CacheControl);
const CHAT: (&str, MarkerStyle) = ("chat", MarkerStyle::PromptCacheBreakpoint);
const RESPONSES: (&str, MarkerStyle) = ("responses", MarkerStyle::PromptCacheBreakpoint);
const CONVERSE: (&str, MarkerStyle) = ("converse", MarkerStyle::CachePoint);
const GENERATE: (&str, MarkerStyle) = ("generate", MarkerStyle::None);

fn only(rule: Rule) -> Rules {
    Rules::NONE.with(rule)
}

fn dialect_of((name, style): (&str, MarkerStyle)) -> &'static dyn Dialect {
    dialect(name, style).unwrap().1
}

fn reshape(kind: (&str, MarkerStyle), body: &str, rules: Rules) -> (String, Reshaped) {
    let dialect = dialect_of(kind);
    let bytes = Bytes::from(body.to_owned());
    let reading = dialect
        .read(&bytes, &Keyring::new(b"test"), &mut |_| Vec::new())
        .unwrap();
    let seams = dialect.seams(&reading);
    let pointer = |block: usize| dialect.pointer(&reading.prompt, block);
    let nonces = [Box::from("x-trace-id:")];
    let mut wording = Wording::new(rules, &seams, &pointer);
    wording.history = History::FromFirstTurn;
    wording.nonces = &nonces;
    let reshaped = reword(&bytes, &reading.prompt, &wording);
    let mut edits: Vec<Edit> = reshaped
        .replacements
        .iter()
        .map(|(span, with)| Edit::new(*span, with.clone()))
        .collect();
    let body = splice(&bytes, &mut edits);
    (String::from_utf8(body).unwrap(), reshaped)
}

/// Two kilobytes that never change.
fn stable() -> String {
    "You answer questions about invoices. ".repeat(56)
}

const CLOCK: &str = r"Current time: 2026-11-25T13:19:43Z";
const MOVED: &str = r"<system-context>\nThese lines belong to the system prompt and hold as of this message:\nCurrent time: 2026-11-25T13:19:43Z\n</system-context>";

#[test]
fn a_text_is_split_before_what_changes_in_every_dialect() {
    let s = stable();
    let text = format!(r"{s}\n{CLOCK}\nBe kind.");
    let (one, two) = (format!(r"{s}\n"), format!(r"{CLOCK}\nBe kind."));
    for (kind, sent, expected) in [
        (
            MESSAGES,
            format!(
                r#"{{"model":"m", "system" : "{text}","messages":[{{"role":"user","content":"hi"}}]}}"#
            ),
            format!(
                r#"{{"model":"m", "system" : [{{"type":"text","text":"{one}"}},{{"type":"text","text":"{two}"}}],"messages":[{{"role":"user","content":"hi"}}]}}"#
            ),
        ),
        (
            MESSAGES,
            format!(
                r#"{{"system":[{{"cache_control":{{"type":"ephemeral"}},"text": "{text}","type":"text"}}],"messages":[]}}"#
            ),
            format!(
                r#"{{"system":[{{"type":"text","text":"{one}"}},{{"cache_control":{{"type":"ephemeral"}},"text": "{two}","type":"text"}}],"messages":[]}}"#
            ),
        ),
        (
            MESSAGES,
            format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#),
            format!(
                r#"{{"messages":[{{"role":"user","content":[{{"type":"text","text":"{one}"}},{{"type":"text","text":"{two}"}}]}}]}}"#
            ),
        ),
        (
            CHAT,
            format!(
                r#"{{"messages":[{{"role":"system","content":"{text}"}},{{"role":"user","content":"hi"}}]}}"#
            ),
            format!(
                r#"{{"messages":[{{"role":"system","content":[{{"type":"text","text":"{one}"}},{{"type":"text","text":"{two}"}}]}},{{"role":"user","content":"hi"}}]}}"#
            ),
        ),
        (
            RESPONSES,
            format!(r#"{{"input":"{text}"}}"#),
            format!(
                r#"{{"input":[{{"role":"user","content":[{{"type":"input_text","text":"{one}"}},{{"type":"input_text","text":"{two}"}}]}}]}}"#
            ),
        ),
        (
            CONVERSE,
            format!(
                r#"{{"system":[{{"text":"{text}"}},{{"cachePoint":{{"type":"default"}}}}],"messages":[{{"role":"user","content":[{{"text":"hi"}}]}}]}}"#
            ),
            format!(
                r#"{{"system":[{{"text":"{one}"}},{{"text":"{two}"}},{{"cachePoint":{{"type":"default"}}}}],"messages":[{{"role":"user","content":[{{"text":"hi"}}]}}]}}"#
            ),
        ),
    ] {
        let (body, reshaped) = reshape(kind, &sent, only(Rule::SplitVolatile));
        assert_eq!(body, expected, "{}", kind.0);
        assert_eq!(reshaped.rules.names(), ["split_volatile"]);
        assert_eq!(reshaped.changes.len(), 1);
    }
}

#[test]
fn what_stands_behind_gets_a_block_of_its_own_where_it_is_long() {
    let s = stable();
    let sent = format!(r#"{{"system":"{s}\n{CLOCK}\n{s}","messages":[]}}"#);
    let (body, reshaped) = reshape(MESSAGES, &sent, only(Rule::SplitVolatile));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["system"].as_array().unwrap().len(), 3);
    assert_eq!(body["system"][1]["text"], format!("{CLOCK}\n"));
    assert_eq!(reshaped.changes[0].what, "split into 3 blocks");
}

#[test]
fn nothing_is_split_where_it_gains_nothing_or_cannot_be() {
    let s = stable();
    for (kind, sent) in [
        // Too short, nothing volatile, instructions, a block that says more, a later message.
        (
            MESSAGES,
            format!(r#"{{"system":"Be kind.\n{CLOCK}","messages":[]}}"#),
        ),
        (
            MESSAGES,
            format!(r#"{{"system":"{s}\nBe kind.","messages":[]}}"#),
        ),
        (
            RESPONSES,
            format!(r#"{{"instructions":"{s}\n{CLOCK}","input":"hi"}}"#),
        ),
        (
            MESSAGES,
            format!(
                r#"{{"system":[{{"type":"text","text":"{s}\n{CLOCK}","citations":[]}}],"messages":[]}}"#
            ),
        ),
        (
            MESSAGES,
            format!(
                r#"{{"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":"a"}},{{"role":"user","content":"{s}\n{CLOCK}"}}]}}"#
            ),
        ),
        (
            GENERATE,
            format!(
                r#"{{"systemInstruction":{{"parts":[{{"text":"{s}\n{CLOCK}"}}]}},"contents":[]}}"#
            ),
        ),
    ] {
        let (body, reshaped) = reshape(kind, &sent, only(Rule::SplitVolatile));
        assert_eq!((body, reshaped), (sent, Reshaped::default()));
    }
}

#[test]
fn a_line_moves_to_the_end_of_the_prompt_in_every_dialect() {
    let system = format!(r"You are.\n{CLOCK}\nBe kind.");
    let left = r"You are.\nBe kind.";
    for (kind, sent, expected) in [
        (
            MESSAGES,
            format!(r#"{{"system":"{system}","messages":[{{"role":"user","content":"hi"}}]}}"#),
            format!(
                r#"{{"system":"{left}","messages":[{{"role":"user","content":[{{"type":"text","text":"hi"}},{{"type":"text","text":"{MOVED}"}}]}}]}}"#
            ),
        ),
        (
            MESSAGES,
            format!(
                r#"{{"system":[{{"type":"text","text":"{system}"}}],"messages":[{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"1","content":"r","cache_control":{{"type":"ephemeral"}}}} ]}}]}}"#
            ),
            format!(
                r#"{{"system":[{{"type":"text","text":"{left}"}}],"messages":[{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"1","content":"r","cache_control":{{"type":"ephemeral"}}}},{{"type":"text","text":"{MOVED}"}} ]}}]}}"#
            ),
        ),
        (
            CHAT,
            format!(
                r#"{{"messages":[{{"role":"system","content":"{system}"}},{{"role":"tool","tool_call_id":"1","content":"r"}}]}}"#
            ),
            format!(
                r#"{{"messages":[{{"role":"system","content":"{left}"}},{{"role":"tool","tool_call_id":"1","content":"r"}},{{"role":"user","content":"{MOVED}"}}]}}"#
            ),
        ),
        (
            RESPONSES,
            format!(
                r#"{{"instructions":"{system}","input":[{{"type":"function_call_output","call_id":"1","output":"r"}}]}}"#
            ),
            format!(
                r#"{{"instructions":"{left}","input":[{{"type":"function_call_output","call_id":"1","output":"r"}},{{"role":"user","content":"{MOVED}"}}]}}"#
            ),
        ),
        (
            RESPONSES,
            format!(r#"{{"instructions":"{system}","input":"hi"}}"#),
            format!(
                r#"{{"instructions":"{left}","input":[{{"role":"user","content":[{{"type":"input_text","text":"hi"}},{{"type":"input_text","text":"{MOVED}"}}]}}]}}"#
            ),
        ),
        (
            CONVERSE,
            format!(
                r#"{{"system":[{{"text":"{system}"}}],"messages":[{{"role":"user","content":[{{"text":"hi"}},{{"cachePoint":{{"type":"default"}}}}]}}]}}"#
            ),
            format!(
                r#"{{"system":[{{"text":"{left}"}}],"messages":[{{"role":"user","content":[{{"text":"hi"}},{{"cachePoint":{{"type":"default"}}}},{{"text":"{MOVED}"}}]}}]}}"#
            ),
        ),
        (
            GENERATE,
            format!(
                r#"{{"systemInstruction":{{"parts":[{{"text":"{system}"}}]}},"contents":[{{"role":"user","parts":[{{"text":"hi"}}]}}]}}"#
            ),
            format!(
                r#"{{"systemInstruction":{{"parts":[{{"text":"{left}"}}]}},"contents":[{{"role":"user","parts":[{{"text":"hi"}},{{"text":"{MOVED}"}}]}}]}}"#
            ),
        ),
    ] {
        let (body, reshaped) = reshape(kind, &sent, only(Rule::MoveVolatile));
        assert_eq!(body, expected, "{}", kind.0);
        assert_eq!(reshaped.rules.names(), ["move_volatile"]);
    }
}

#[test]
fn a_description_of_a_tool_gives_up_its_clock_by_name() {
    let sent = r#"{"tools":[{"name":"look","description":"Looks.\nCurrent time: 2026-11-25T13:19:43Z","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"hi"}]}"#;
    let (body, _) = reshape(MESSAGES, sent, only(Rule::MoveVolatile));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["tools"][0]["description"], "Looks.");
    let moved = body["messages"][0]["content"][1]["text"].as_str().unwrap();
    assert!(
        moved.contains("Of the tool look: Current time: 2026-11-25T13:19:43Z"),
        "{moved}"
    );
    let (body, _) = reshape(MESSAGES, sent, only(Rule::QuantiseClock));
    assert_eq!(body, sent.replace("13:19:43", "13:00:00"));
}

#[test]
fn nothing_moves_where_the_user_does_not_speak_last_or_nothing_would_be_left() {
    for sent in [
        format!(
            r#"{{"system":"You are.\n{CLOCK}","messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":"It"}}]}}"#
        ),
        format!(r#"{{"system":"{CLOCK}","messages":[{{"role":"user","content":"hi"}}]}}"#),
        format!(
            r#"{{"system":"{} at 2026-11-25T13:19:43Z now","messages":[{{"role":"user","content":"hi"}}]}}"#,
            "word ".repeat(200)
        ),
    ] {
        let (body, reshaped) = reshape(MESSAGES, &sent, only(Rule::MoveVolatile));
        assert_eq!(body, sent);
        assert_eq!(
            (reshaped.rules, reshaped.notes.len()),
            (Rules::NONE, 1),
            "{sent}"
        );
    }
}

#[test]
fn listed_lines_are_dropped_and_nothing_else() {
    let sent = r#"{"system":[{"type":"text","text":"x-trace-id: 7f"}, {"type":"text","text":"You are.\n x-trace-id: 8a\nAbout x-trace-id: keep"}],"messages":[{"role":"user","content":"x-trace-id: 9"}]}"#;
    let expected = r#"{"system":[{"type":"text","text":"You are.\nAbout x-trace-id: keep"}],"messages":[{"role":"user","content":"x-trace-id: 9"}]}"#;
    let (body, reshaped) = reshape(MESSAGES, sent, only(Rule::DropNonce));
    assert_eq!(body, expected);
    assert_eq!(reshaped.rules.names(), ["drop_nonce"]);
    let alone = r#"{"system":"x-trace-id: 7","messages":[]}"#;
    let (body, reshaped) = reshape(MESSAGES, alone, only(Rule::DropNonce));
    assert_eq!((body.as_str(), reshaped.notes.len()), (alone, 1));
}

#[test]
fn clocks_are_rounded_in_the_system_prompt_only() {
    let sent = format!(
        r#"{{"system":"You are.\n{CLOCK}\nSince 2019-03-04T12:33:00Z.","messages":[{{"role":"user","content":"{CLOCK}"}}]}}"#
    );
    let (body, reshaped) = reshape(MESSAGES, &sent, only(Rule::QuantiseClock));
    let expected = sent.replacen("13:19:43", "13:00:00", 1);
    assert!(
        body.starts_with(expected.split("Since").next().unwrap()),
        "{body}"
    );
    assert!(
        body.ends_with(expected.split("messages").last().unwrap()),
        "{body}"
    );
    assert_eq!(reshaped.rules.names(), ["quantise_clock"]);
}

/// Lines of which some change and some only look like it.
fn line() -> impl Strategy<Value = String> {
    let clocks = (0_u32..24, 0_u32..60, 0_u32..60)
        .prop_map(|(h, m, s)| format!(r"Current time: 2026-11-25T{h:02}:{m:02}:{s:02}Z\n"));
    prop_oneof![
        3 => clocks,
        3 => select(vec![
            r"Request 7c1f0b2e-93aa-4d0e-8f21-0d5b6a7c8d9e. It is 13:19:43 now. Be kind.\n",
            r"Today's date is 2026-11-25.\r\n",
            r"x-trace-id: 77f\n",
            r"\n",
            r"Step 1 of 2. Attempt 3\nStep 2 of 2\n",
            r"\u00e9\\n \\ \u2028 12:30\n",
            r"Founded 2019-03-04 in Bonn.\n",
        ]).prop_map(str::to_owned),
        3 => (1_usize..60).prop_map(|n| format!(r"{}\n", "You answer about invoices. ".repeat(n))),
        1 => (20_usize..80).prop_map(|n| "no break at all ".repeat(n)),
    ]
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(line(), 1..8).prop_map(|lines| lines.concat())
}

fn bodies(system: &str, first: &str) -> Vec<((&'static str, MarkerStyle), String)> {
    vec![
        (
            MESSAGES,
            format!(
                r#"{{"system":"{system}","messages":[{{"role":"user","content":"{first}"}}]}}"#
            ),
        ),
        (
            MESSAGES,
            format!(
                r#"{{"tools":[{{"name":"t","description":"{first}"}}],"system":[{{"type":"text","text":"{system}","cache_control":{{"type":"ephemeral"}}}},{{"type":"text","text":"{system}"}}],"messages":[{{"role":"user","content":[{{"type":"text","text":"{first}"}}]}}]}}"#
            ),
        ),
        (
            CHAT,
            format!(
                r#"{{"messages":[{{"role":"system","content":"{system}"}},{{"role":"user","content":"{first}"}}]}}"#
            ),
        ),
        (
            RESPONSES,
            format!(r#"{{"instructions":"{system}","input":"{first}"}}"#),
        ),
        (
            CONVERSE,
            format!(
                r#"{{"system":[{{"text":"{system}"}},{{"cachePoint":{{"type":"default"}}}}],"messages":[{{"role":"user","content":[{{"text":"{first}"}}]}}]}}"#
            ),
        ),
        (
            GENERATE,
            format!(
                r#"{{"systemInstruction":{{"parts":[{{"text":"{system}"}}]}},"contents":[{{"role":"user","parts":[{{"text":"{first}"}}]}}]}}"#
            ),
        ),
    ]
}

/// Every text of a body, one after the other, blocks run together.
fn texts(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value.as_str() {
                    Some(text)
                        if matches!(
                            key.as_str(),
                            "text" | "content" | "system" | "input" | "instructions"
                        ) =>
                    {
                        out.push_str(text);
                    }
                    _ => texts(value, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        _ => {}
    }
}

fn all_text(body: &str) -> String {
    let mut out = String::new();
    texts(&serde_json::from_str(body).unwrap(), &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn splitting_keeps_every_text(system in text(), first in text()) {
        for (kind, sent) in bodies(&system, &first) {
            let (body, reshaped) = reshape(kind, &sent, only(Rule::SplitVolatile));
            prop_assert_eq!(all_text(&body), all_text(&sent));
            prop_assert_eq!(body == sent, reshaped.rules == Rules::NONE);
        }
    }

    #[test]
    fn twice_is_once_and_only_named_rules_act(
        system in text(),
        first in text(),
        rules in subsequence(Rule::ALL.to_vec(), 0..=9),
    ) {
        let rules: Rules = rules.into_iter().collect();
        for (kind, sent) in bodies(&system, &first) {
            let (once, reshaped) = reshape(kind, &sent, rules);
            prop_assert!(serde_json::from_str::<Value>(&once).is_ok(), "{once}");
            prop_assert_eq!(reshaped.rules.and(rules), reshaped.rules);
            prop_assert_eq!(reshaped.rules.and(Rules::SPELLING), Rules::NONE);
            prop_assert_eq!(once == sent, reshaped.rules == Rules::NONE);
            let (twice, again) = reshape(kind, &once, rules);
            prop_assert_eq!(&twice, &once);
            prop_assert_eq!(again.rules, Rules::NONE);
        }
    }
}

const MODEL: &str = "claude-sonnet-4-5";

/// What a run cost, and how much of its input was read from the cache.
#[derive(Debug)]
struct Run {
    records: Vec<Record>,
    dollars: f64,
    hit_rate: f64,
}

/// Sends bodies of one route through the engine to a simulated provider.
fn run(provider: &str, workload: &[(f64, Value)], overlay: Overlay) -> Run {
    let catalog = Arc::new(Catalog::builtin());
    let mut settings = Settings::default();
    settings.routes.insert("support".into(), overlay);
    let engine =
        Engine::new(Arc::clone(&catalog), settings).remembering(Arc::new(InProcess::default()));
    let mut sim = Sim::new(Arc::clone(&catalog));
    let mut meta = Meta::of(provider);
    meta.route = "support";
    let mut records = Vec::new();
    for (at, body) in workload {
        let now = Timestamp::from_secs_f64(*at);
        let body = Bytes::from(serde_json::to_vec(body).unwrap());
        let prepared = engine.prepare(now, &meta, &body);
        assert_eq!(prepared.skip, None);
        let sent = prepared.body.clone().unwrap_or(body);
        let request = sim.read(&sent).unwrap();
        let done = now.plus(Duration::from_secs(1));
        let usage = sim.serve("w", now, done, &request).unwrap();
        let mut exchange = prepared.exchange;
        exchange.on_usage(done, usage);
        records.push(exchange.finish(done, End::Complete));
    }
    let cost: Money = records.iter().filter_map(|record| record.cost).sum();
    let usage = records.iter().filter_map(|record| record.usage);
    let (mut read, mut input) = (0, 0);
    for usage in usage {
        read += usage.read.unwrap_or(0);
        input += usage.input().unwrap();
    }
    Run {
        records,
        dollars: cost.as_usd(),
        hit_rate: read as f64 / input as f64,
    }
}

fn with(rules: &[Rule]) -> Overlay {
    let mut overlay = Overlay::default();
    overlay.mode = Some(Mode::Reshape);
    overlay.rules = Some(rules.iter().copied().collect());
    overlay
}

fn prompt(at: u64) -> String {
    let clock = format!(
        "2026-11-25T{:02}:{:02}:{:02}Z",
        9 + at / 3600,
        at / 60 % 60,
        at % 60
    );
    format!(
        "{}\nCurrent time: {clock}\n{}",
        stable().repeat(6),
        "Be kind. ".repeat(20)
    )
}

/// A service whose every call says what time it is, first thing in the day.
fn service() -> Vec<(f64, Value)> {
    (0..40_u64)
        .map(|n| {
            let at = n * 97;
            let body = json!({"model": MODEL, "max_tokens": 9, "system": prompt(at),
                "messages": [{"role": "user", "content": format!("Question {n}: what is due?")}]});
            (at as f64, body)
        })
        .collect()
}

/// One conversation of many turns under a system prompt that ticks.
fn conversation() -> Vec<(f64, Value)> {
    let mut messages: Vec<Value> = Vec::new();
    (0..12_u64)
        .map(|n| {
            let at = n * 61;
            messages.push(json!({"role": "user", "content": format!("Turn {n}: {}", "more words to read ".repeat(150))}));
            let body = json!({"model": MODEL, "max_tokens": 9, "system": prompt(at), "messages": messages});
            messages.push(json!({"role": "assistant", "content": format!("Answer {n}.")}));
            (at as f64, body)
        })
        .collect()
}

#[test]
fn a_clock_in_the_system_prompt_costs_what_each_rule_saves() {
    let plain = run("anthropic", &service(), Overlay::default());
    let split = run("anthropic", &service(), with(&[Rule::SplitVolatile]));
    let moved = run("anthropic", &service(), with(&[Rule::MoveVolatile]));
    let round = run("anthropic", &service(), with(&[Rule::QuantiseClock]));
    assert!(plain.hit_rate < 0.01, "{}", plain.hit_rate);
    for (name, one) in [("split", &split), ("moved", &moved), ("round", &round)] {
        assert!(one.hit_rate > 0.85, "{name}: {}", one.hit_rate);
        assert!(
            one.dollars < plain.dollars * 0.35,
            "{name}: {} of {}",
            one.dollars,
            plain.dollars
        );
    }
    assert_eq!(split.records[3].reshaped, ["split_volatile"]);
    assert_eq!(moved.records[3].reshaped, ["move_volatile"]);
    assert_eq!(round.records[3].reshaped, ["quantise_clock"]);
    assert!(plain.records[3].reshaped.is_empty());
}

#[test]
fn turns_of_one_conversation_read_each_other_under_a_ticking_clock() {
    let plain = run("anthropic", &conversation(), Overlay::default());
    let split = run("anthropic", &conversation(), with(&[Rule::SplitVolatile]));
    let moved = run("anthropic", &conversation(), with(&[Rule::MoveVolatile]));
    assert!(plain.hit_rate < 0.01, "{}", plain.hit_rate);
    // Splitting saves the system prompt, moving the conversation too.
    assert!(split.hit_rate > 0.25 && split.hit_rate < moved.hit_rate);
    for pair in moved.records.windows(2) {
        let [before, after] = pair else { continue };
        let before = before.usage.unwrap();
        let (read, whole) = (after.usage.unwrap().read.unwrap(), before.input().unwrap());
        // All but the moved line, which the next turn does not hold.
        assert!(read + 80 > whole && read < whole, "{read} of {whole}");
    }
}

#[test]
fn without_markers_a_line_moves_and_no_block_is_split() {
    let turns: Vec<(f64, Value)> = conversation()
        .into_iter()
        .map(|(at, mut body)| {
            body["model"] = "gpt-4.1".into();
            let system = json!({"role": "system", "content": body["system"].take()});
            let messages = body["messages"].as_array_mut().unwrap();
            messages.insert(0, system);
            body.as_object_mut().unwrap().remove("system");
            (at, body)
        })
        .collect();
    let engine = |overlay| {
        let mut settings = Settings::default();
        settings.routes.insert("support".into(), overlay);
        Engine::new(Arc::new(Catalog::builtin()), settings)
    };
    let mut meta = Meta::of("openai");
    meta.route = "support";
    let sent = |rule: Rule, at: usize| {
        let body = Bytes::from(serde_json::to_vec(&turns[at].1).unwrap());
        let prepared = engine(with(&[rule])).prepare(Timestamp::default(), &meta, &body);
        prepared.body.unwrap_or(body)
    };
    let own = |at: usize| Bytes::from(serde_json::to_vec(&turns[at].1).unwrap());
    let shared = |one: &Bytes, other: &Bytes| {
        let same = one
            .iter()
            .zip(other)
            .take_while(|(one, other)| one == other);
        same.count() as f64 / one.len() as f64
    };
    // Blocks mean nothing there, so nothing is split but a routing key added; moving keeps the prefix.
    let split: Value = serde_json::from_slice(&sent(Rule::SplitVolatile, 1)).unwrap();
    assert_eq!(split["messages"], turns[1].1["messages"]);
    assert!(shared(&own(8), &own(9)) < 0.5);
    let (one, other) = (sent(Rule::MoveVolatile, 8), sent(Rule::MoveVolatile, 9));
    assert!(shared(&one, &other) > 0.9, "{}", shared(&one, &other));
}

#[test]
fn a_conversation_bound_to_its_prefix_is_left_alone() {
    let body = |model: &str, extra: Value| {
        let mut body = json!({"model": model, "max_tokens": 9, "system": prompt(7),
            "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        Bytes::from(serde_json::to_vec(&body).unwrap())
    };
    let rules = with(&[Rule::SplitVolatile, Rule::MoveVolatile, Rule::QuantiseClock]);
    let reshaped = |body: &Bytes, overlay: &Overlay| {
        let mut settings = Settings::default();
        settings.routes.insert("support".into(), overlay.clone());
        let mut meta = Meta::of("anthropic");
        meta.route = "support";
        let engine = Engine::new(Arc::new(Catalog::builtin()), settings);
        let exchange = engine.prepare(Timestamp::default(), &meta, body).exchange;
        exchange
            .finish(Timestamp::default(), End::Complete)
            .reshaped
    };
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 2000}});
    let bound = body("claude-fable-5-2", json!({}));
    assert!(
        Catalog::builtin()
            .model("anthropic", "claude-fable-5-2")
            .prefix_check
    );
    assert!(reshaped(&bound, &rules).is_empty());
    assert!(reshaped(&body(MODEL, thinking.clone()), &rules).is_empty());
    assert_eq!(reshaped(&body(MODEL, json!({})), &rules).len(), 2);
    let mut promised = rules;
    promised.history = Some(History::FromFirstTurn);
    // What was moved is not in the next turn's history, so even the promise moves nothing there.
    assert_eq!(
        reshaped(&bound, &promised),
        ["split_volatile", "quantise_clock"]
    );
    assert_eq!(
        reshaped(&body(MODEL, thinking), &promised),
        ["move_volatile", "quantise_clock"]
    );
}

#[test]
fn nothing_moves_behind_a_marker_that_somebody_else_sets_at_the_end() {
    let body = json!({"model": MODEL, "max_tokens": 9, "system": prompt(7),
        "cache_control": {"type": "ephemeral"}, "messages": [{"role": "user", "content": "hi"}]});
    let workload = [(0.0, body)];
    let mut overlay = with(&[Rule::MoveVolatile]);
    assert!(
        run("anthropic", &workload, overlay.clone()).records[0]
            .reshaped
            .is_empty()
    );
    overlay.markers = Some(Markers::Replace);
    assert_eq!(
        run("anthropic", &workload, overlay).records[0].reshaped,
        ["move_volatile"]
    );
}

#[test]
fn a_configuration_file_turns_the_rules_on_for_one_route() {
    let text = "[routes.support]\nmode = \"reshape\"\nrules = [\"drop_nonce\", \"quantise_clock\"]\n\
                clock_step = \"15m\"\nnonces = [\"x-trace-id:\"]";
    let cache = Cachewright::builder()
        .config("c.toml", text)
        .unwrap()
        .build()
        .unwrap();
    let body = json!({"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}],
        "system": "You are.\nx-trace-id: 7\nCurrent time: 2026-11-25T13:19:43Z"});
    let body = Bytes::from(serde_json::to_vec(&body).unwrap());
    let mut meta = Meta::of("anthropic");
    assert!(
        cache
            .engine()
            .prepare(Timestamp::default(), &meta, &body)
            .changes()
            .is_empty()
    );
    meta.route = "support";
    let prepared = cache.engine().prepare(Timestamp::default(), &meta, &body);
    let sent: Value = serde_json::from_slice(&prepared.body.unwrap()).unwrap();
    assert_eq!(
        sent["system"],
        "You are.\nCurrent time: 2026-11-25T13:15:00Z"
    );
}
