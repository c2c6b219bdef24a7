//! What a provider's row adds to a request beside markers, and what it holds back.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::memory::InProcess;
use cachewright::engine::{End, Engine, Meta, Prepared, Settings};
use cachewright::model::{Money, Timestamp, Usage};
use cachewright::provider::Catalog;

const ROWS: &str = r#"
[[provider]]
name = "keyed"
dialect = "messages"
hosts = ["keyed.example"]
paths = ["/v1/messages"]
ttls = ["5m", "1h"]
affinity = { field = "session_id", per = "conversation" }
models_from = ["anthropic"]
source = "this test"
as_of = "2026-11-24"

[[provider]]
name = "headed"
dialect = "messages"
hosts = ["headed.example"]
paths = ["/v1/messages"]
ttls = ["5m", "1h"]
affinity = { header = "x-conv", per = "prefix", per_minute = 15 }
models_from = ["anthropic"]
source = "this test"
as_of = "2026-11-24"

[[provider]]
name = "ordered"
hosts = ["*-ordered.example"]
endpoints = [{ dialect = "messages", paths = ["/projects/{project}/locations/{location}/models/{model}:rawPredict"] }]
ttls = ["5m", "1h"]
messages_last = true
regional_percent = 10
known_models_only = true
models_from = ["anthropic"]
source = "this test"
as_of = "2026-11-24"
"#;

fn engine() -> Engine {
    let catalog = Catalog::builtin().with_toml("rows.toml", ROWS).unwrap();
    let settings = Settings::default();
    Engine::new(Arc::new(catalog), settings).remembering(Arc::new(InProcess::default()))
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_secs_f64(seconds)
}

fn system() -> String {
    "A rule that never changes. ".repeat(2000)
}

fn body(question: &str, more: &str) -> Bytes {
    let system = system();
    Bytes::from(format!(
        r#"{{"model":"claude-sonnet-4-6","max_tokens":9,"system":"{system}","messages":[{{"role":"user","content":"{question}"}}]{more}}}"#
    ))
}

fn sent(prepared: &Prepared) -> String {
    String::from_utf8(prepared.body.clone().unwrap().to_vec()).unwrap()
}

fn member(body: &str, name: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    Some(value.get(name)?.as_str()?.to_owned())
}

#[test]
fn a_conversation_keeps_its_key_and_no_other_has_it() {
    let engine = engine();
    let meta = Meta::of("keyed");
    let key = |question: &str, now| {
        let prepared = engine.prepare(at(now), &meta, &body(question, ""));
        member(&sent(&prepared), "session_id").unwrap()
    };
    let first = key("one", 0.0);
    assert_eq!(first.len(), 32);
    assert_eq!(key("one", 5.0), first);
    assert_ne!(key("two", 6.0), first);
    assert!(!first.contains("one"));
}

#[test]
fn the_callers_own_key_stays() {
    let prepared = engine().prepare(
        at(0.0),
        &Meta::of("keyed"),
        &body("one", r#", "session_id" : "mine""#),
    );
    let sent = sent(&prepared);
    assert_eq!(sent.matches("session_id").count(), 1);
    assert!(sent.contains(r#""session_id" : "mine""#));
    assert!(
        prepared
            .changes()
            .iter()
            .all(|change| change.pointer != "/session_id")
    );
}

#[test]
fn a_prefix_has_one_key_until_too_much_asks_for_it() {
    let engine = engine();
    let meta = Meta::of("headed");
    let key = |question: &str, now| {
        let prepared = engine.prepare(at(now), &meta, &body(question, ""));
        let (name, value) = prepared.headers.first().cloned().unwrap();
        assert_eq!(&*name, "x-conv");
        assert!(!prepared.body.is_some_and(|body| body.ends_with(b"x-conv")));
        value
    };
    let slow: Vec<_> = (0..10)
        .map(|n| key(&format!("q{n}"), f64::from(n) * 10.0))
        .collect();
    assert!(slow.iter().all(|one| *one == slow[0]), "{slow:?}");
    // Ten requests a second are forty times what one machine takes.
    let mut fast: Vec<_> = (0..600)
        .map(|n| key(&format!("f{n}"), 200.0 + f64::from(n) / 10.0))
        .collect();
    let last = fast.split_off(500);
    let mut shards = last.clone();
    shards.sort();
    shards.dedup();
    assert!(shards.len() > 8, "{}", shards.len());
    // A conversation stays where it is while the pace is what it is.
    assert_eq!(key("f599", 260.1), *last.last().unwrap());
}

#[test]
fn messages_stand_last_where_the_provider_wants_it() {
    let mut meta = Meta::of("ordered");
    meta.model = "claude-sonnet-4-6";
    let system = system();
    let body = Bytes::from(format!(
        r#"{{"anthropic_version":"vertex-2023-10-16","messages":[{{"role":"user","content":"hi"}}],"system":"{system}","max_tokens":9}}"#
    ));
    let prepared = engine().prepare(at(0.0), &meta, &body);
    let sent = sent(&prepared);
    let place = |name: &str| sent.find(name).unwrap();
    assert!(place("\"messages\"") > place("\"system\""));
    assert!(place("\"messages\"") > place("\"max_tokens\""));
    assert!(sent.contains("cache_control"));
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let ours = parsed(&sent);
    let own = parsed(std::str::from_utf8(&body).unwrap());
    assert_eq!(ours["max_tokens"], own["max_tokens"]);
    assert_eq!(ours["system"][0]["text"], own["system"]);
}

#[test]
fn a_model_without_a_row_is_not_marked_where_others_are_refused() {
    let mut meta = Meta::of("ordered");
    meta.model = "claude-unheard-of-1";
    let body = body("hi", "");
    let body = Bytes::from(
        String::from_utf8(body.to_vec())
            .unwrap()
            .replace(r#""model":"claude-sonnet-4-6","#, ""),
    );
    let prepared = engine().prepare(at(0.0), &meta, &body);
    assert!(prepared.placements().is_empty());
    meta.model = "claude-sonnet-4-6";
    assert!(
        !engine()
            .prepare(at(0.0), &meta, &body)
            .placements()
            .is_empty()
    );
}

#[test]
fn a_regional_endpoint_is_dearer() {
    let engine = engine();
    let cost = |path: &str| {
        let found = engine.catalog().find("eu-ordered.example", path).unwrap();
        let mut meta = Meta::of("ordered");
        meta.model = found.model.as_deref().unwrap();
        meta.regional = found.regional;
        let mut exchange = engine.prepare(at(0.0), &meta, &body("hi", "")).exchange;
        exchange.on_usage(at(1.0), Usage::reported(1_000_000, 0, 0, 0, 0));
        exchange.finish(at(1.0), End::Complete).cost.unwrap()
    };
    let model = "models/claude-sonnet-4-6:rawPredict";
    let global = cost(&format!("/projects/p/locations/global/{model}"));
    let regional = cost(&format!("/projects/p/locations/europe-west1/{model}"));
    assert_eq!(global, Money::from_pico(3_000_000_000_000));
    assert_eq!(regional, Money::from_pico(3_300_000_000_000));
}

#[test]
fn a_marker_ordered_from_a_gateway_takes_a_slot() {
    let engine = engine();
    let system = system();
    let tool = format!(r#"{{"name":"t","description":"{system}","input_schema":{{}}}}"#);
    let turns = r#"{"role":"user","content":"hi"},{"role":"assistant","content":"yes?"},{"role":"user","content":"go on"}"#;
    let body = |more: &str| {
        Bytes::from(format!(
            r#"{{"model":"claude-sonnet-4-6","max_tokens":9,"tools":[{tool}],"system":"{system}","messages":[{turns}]{more}}}"#
        ))
    };
    let markers = |more: &str| {
        let prepared = engine.prepare(at(0.0), &Meta::of("anthropic"), &body(more));
        prepared.placements().len()
    };
    assert_eq!(markers(""), 4);
    assert_eq!(
        markers(r#","providerOptions":{"gateway":{"order":["anthropic"]}}"#),
        4
    );
    assert_eq!(
        markers(r#","providerOptions":{"gateway":{"caching": "auto"}}"#),
        3
    );
}

#[test]
fn a_cost_that_the_provider_names_beats_the_price_table() {
    let engine = engine();
    let mut exchange = engine
        .prepare(at(0.0), &Meta::of("anthropic"), &body("hi", ""))
        .exchange;
    let mut usage = Usage::reported(1_000_000, 0, 0, 0, 0);
    usage.cost = Some(Money::from_pico(42));
    exchange.on_usage(at(1.0), usage);
    let record = exchange.finish(at(1.0), End::Complete);
    assert_eq!(record.cost, Some(Money::from_pico(42)));
    assert_eq!(
        record.cost_without_caching,
        Some(Money::from_pico(3_000_000_000_000))
    );
}

/// An output of a tool is written by the provider alone: no marker of ours can stand there, and
/// nothing says that the loop ends with it.
#[test]
fn the_providers_own_end_stays_in_a_tool_loop() {
    let engine = engine();
    let mut meta = Meta::of("openai");
    meta.dialect = "responses";
    let system = system();
    let ask = |turns: &str| {
        Bytes::from(format!(
            r#"{{"model":"gpt-5.6","instructions":"{system}","input":[{turns}]}}"#
        ))
    };
    let question = r#"{"role":"user","content":"Which?"}"#;
    let mut turns = question.to_owned();
    for step in 0..4 {
        let body = ask(&turns);
        let prepared = engine.prepare(at(f64::from(step)), &meta, &body);
        let sent = prepared.body.clone().unwrap_or(body);
        let sent: serde_json::Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent.get("prompt_cache_options"), None, "step {step}");
        turns += &format!(
            r#",{{"type":"function_call","call_id":"c{step}","name":"f","arguments":"{{}}"}},{{"type":"function_call_output","call_id":"c{step}","output":"found"}}"#
        );
    }
}

/// A row that sells what the built-in one does not: an hour, asked for by a member.
const HOURS: &str = r#"
[[model]]
provider = "moonshot"
name = "kimi-k3.1-pro"
regime = "automatic"
min_tokens = 256
one_hour = true
input = "2"
write_5m = "2"
write_1h = "4"
read = "0.20"
output = "10"
source = "this test"
as_of = "2026-11-30"
"#;

/// A session of an agent that is called again every twenty minutes; what was asked for, and how much
/// of each request was foreseen to be read.
fn kimi(engine: &Engine, began: u32, more: &str) -> Vec<(bool, Option<u64>)> {
    let mut meta = Meta::of("moonshot");
    meta.dialect = "chat";
    let rule = "A rule that never changes. ".repeat(8000);
    let mut turns = String::new();
    let turn = |n: u32| {
        let text = format!(r#",{{"role":"user","content":"{began} {n}"}}"#);
        turns.push_str(&text);
        let tool = r#"{"type":"function","function":{"name":"look","parameters":{}}}"#;
        let body = format!(
            r#"{{"model":"kimi-k3.1-pro","tools":[{tool}],"messages":[{{"role":"system","content":"{rule}"}}{turns}]{more}}}"#
        );
        turns.push_str(r#",{"role":"assistant","content":"Seen."}"#);
        let now = |after: u32| at(f64::from(began + n * 1_200 + after));
        let prepared = engine.prepare(now(0), &meta, &Bytes::from(body));
        let members = prepared.body.as_ref();
        let asks = members.is_some_and(|body| {
            let text = std::str::from_utf8(body).unwrap();
            text.contains(r#""prompt_cache_options":{"ttl":"1h"}"#)
        });
        let mut exchange = prepared.exchange;
        exchange.on_usage(now(1), Usage::reported(10, 0, 0, 60_000, 10));
        (asks, exchange.finish(now(2), End::Complete).predicted_read)
    };
    (0..4).map(turn).collect()
}

#[test]
fn one_hour_is_asked_for_where_the_row_sells_it_and_nowhere_else() {
    let rows = Catalog::builtin().with_toml("rows.toml", HOURS).unwrap();
    let remembering = |rows: Catalog| {
        let engine = Engine::new(Arc::new(rows), Settings::default());
        engine.remembering(Arc::new(InProcess::default()))
    };
    let engine = remembering(rows);
    let all: Vec<_> = (0..4).map(|n| kimi(&engine, n * 100_000, "")).collect();
    for session in &all {
        assert!(session.iter().all(|(asks, _)| *asks), "{all:?}");
        let foreseen = session.iter().skip(1).map(|(_, read)| *read);
        assert!(foreseen.clone().all(|read| read > Some(40_000)), "{all:?}");
    }
    // The caller has settled it.
    let own = kimi(&engine, 9_000_000, r#","prompt_cache_options":{}"#);
    assert!(
        own.iter().all(|(asks, read)| !asks && *read == Some(0)),
        "{own:?}"
    );
    let builtin = remembering(Catalog::builtin());
    let plain = kimi(&builtin, 0, "");
    assert!(
        plain.iter().all(|(asks, read)| !asks && *read == Some(0)),
        "{plain:?}"
    );
}
