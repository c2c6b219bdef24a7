//! What providers ask of whole conversations, judged by their simulators: where markers may stand
//! from turn to turn, what must never stand together, which caches are apart.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::float_arithmetic, reason = "moments are seconds")]

use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::memory::InProcess;
use cachewright::engine::{End, Engine, Framing, Meta, Order, Prepared, Settings};
use cachewright::ledger::Record;
use cachewright::model::{Timestamp, Usage};
use cachewright::provider::Catalog;
use cachewright::sim::{Ask, Sim};
use serde_json::{Value, json};

const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "us.amazon.nova-lite-v1:0";

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_secs_f64(seconds)
}

fn text(seed: usize, words: usize) -> String {
    (0..words)
        .map(|n| format!("w{:x} ", (seed + 1) * 7919 + n * 31))
        .collect()
}

fn meta(provider: &'static str, dialect: &'static str, model: &'static str) -> Meta<'static> {
    let mut meta = Meta::of(provider);
    (meta.dialect, meta.model) = (dialect, model);
    meta
}

fn engine_with(rows: &str, wish: impl FnOnce(&mut Settings)) -> Engine {
    let catalog = Catalog::builtin().with_toml("mine.toml", rows).unwrap();
    let mut settings = Settings::default();
    wish(&mut settings);
    Engine::new(Arc::new(catalog), settings).remembering(Arc::new(InProcess::default()))
}

fn engine() -> Engine {
    engine_with("", |_| {})
}

fn body(value: &Value) -> Bytes {
    Bytes::from(serde_json::to_vec(value).unwrap())
}

fn sent(prepared: &Prepared, own: &Bytes) -> Value {
    serde_json::from_slice(prepared.body.as_ref().unwrap_or(own)).unwrap()
}

/// A provider and whoever calls it through the engine.
struct Call {
    engine: Engine,
    sim: Sim,
    meta: Meta<'static>,
}

impl Call {
    fn new(engine: Engine, meta: Meta<'static>) -> Self {
        let sim = Sim::of(Arc::new(engine.catalog().clone()), meta.provider);
        Self { engine, sim, meta }
    }

    /// Sends one request; the simulator must accept it. Returns what it counted, and what was sent.
    fn turn(&mut self, seconds: f64, value: &Value) -> (Usage, Value) {
        let own = body(value);
        let prepared = self.engine.prepare(at(seconds), &self.meta, &own);
        assert_eq!(prepared.skip, None);
        let bytes = prepared.body.clone().unwrap_or_else(|| own.clone());
        let mut ask = Ask::new(self.meta.dialect, &bytes);
        ask.model = self.meta.model;
        let request = self.sim.ask(&ask).unwrap();
        let (now, soon) = (at(seconds), at(seconds + 1.0));
        let usage = self.sim.serve("w", now, soon, &request).unwrap();
        let value = sent(&prepared, &own);
        let mut exchange = prepared.exchange;
        exchange.on_usage(soon, usage);
        let _ = exchange.finish(soon, End::Complete);
        (usage, value)
    }
}

/// How many members of this name stand anywhere in a body.
fn count(value: &Value, name: &str) -> usize {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| usize::from(key == name) + count(value, name))
            .sum(),
        Value::Array(elements) => elements.iter().map(|one| count(one, name)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Share of the prompt read from the cache, from the second turn on.
fn hit_rate(turns: &[Usage]) -> f64 {
    let later = turns.get(1..).unwrap();
    let sum = |kind: fn(&Usage) -> Option<u64>| later.iter().filter_map(kind).sum::<u64>();
    let share = sum(|usage| usage.read) * 1000 / sum(Usage::input);
    f64::from(u32::try_from(share).unwrap()) / 1000.0
}

/// What must hold of every request to a model with exact matching.
fn obeys_openai(sent: &Value) {
    let markers = count(sent, "prompt_cache_breakpoint");
    let options = sent.get("prompt_cache_options");
    let explicit = options.is_some_and(|options| options["mode"] == "explicit");
    assert!(!explicit || markers > 0, "explicit mode without a marker");
    assert!(markers + usize::from(!explicit) <= 4, "{markers} writes");
    assert!(options.is_none() || sent.get("prompt_cache_retention").is_none());
    for place in ["tools", "instructions"] {
        let there = sent.get(place).unwrap_or(&Value::Null);
        assert_eq!(count(there, "prompt_cache_breakpoint"), 0, "{place}");
    }
    let turns = sent.get("messages").or_else(|| sent.get("input")).unwrap();
    for turn in turns.as_array().unwrap() {
        let is_models = turn["role"] == "assistant";
        assert!(!is_models || count(turn, "prompt_cache_breakpoint") == 0);
    }
    assert_eq!(sent.get("stream_options"), None);
}

/// A question, and behind it what changes with every request and is not repeated in the next one.
#[test]
fn a_changing_suffix_in_the_last_message_does_not_orphan_the_prefix() {
    for (dialect, history, part) in [
        ("chat", "messages", "text"),
        ("responses", "input", "input_text"),
    ] {
        let mut call = Call::new(engine(), meta("openai", dialect, ""));
        let mut turns = vec![json!({"role": "developer", "content": text(1, 900)})];
        let mut usages = Vec::new();
        for turn in 0..12_usize {
            let question = json!({"type": part, "text": text(turn + 10, 200)});
            let suffix = json!({"type": part, "text": format!("It is {turn} past nine.")});
            let mut asked = turns.clone();
            asked.push(json!({"role": "user", "content": [question.clone(), suffix]}));
            let value = json!({"model": "gpt-5.6-sol", history: asked});
            let (usage, sent) = call.turn(turn as f64 * 20.0, &value);
            obeys_openai(&sent);
            usages.push(usage);
            turns.push(json!({"role": "user", "content": [question]}));
            turns.push(json!({"role": "assistant", "content": text(turn + 90, 60)}));
        }
        let rate = hit_rate(&usages);
        assert!(rate > 0.75, "{dialect}: {rate} {usages:?}");
    }
}

/// One question after another over one system prompt, each in a message of its own.
#[test]
fn questions_that_never_return_do_not_orphan_the_system_prompt() {
    for (dialect, history) in [("chat", "messages"), ("responses", "input")] {
        let mut call = Call::new(engine(), meta("openai", dialect, ""));
        let mut usages = Vec::new();
        for turn in 0..20_usize {
            let value = json!({"model": "gpt-5.6-sol", "tools": [{"type": "function", "name": "f"}], history: [
                {"role": "developer", "content": text(1, 2000)},
                {"role": "user", "content": format!("{turn} {}", text(turn + 10, 60))}]});
            let (usage, sent) = call.turn(turn as f64 * 20.0, &value);
            obeys_openai(&sent);
            usages.push(usage);
        }
        let rate = hit_rate(&usages);
        assert!(rate > 0.85, "{dialect}: {rate} {usages:?}");
        let last = usages.last().unwrap();
        assert!(last.write_30m.unwrap_or(0) < 100, "{dialect}: {last:?}");
    }
}

#[test]
fn options_and_retention_never_stand_together() {
    let row = "[[model]]\nprovider = \"openai\"\nname = \"both\"\nlike = \"openai/gpt-5.6-sol\"\n\
               day_retention = true\nsource = \"this test\"\nas_of = \"2026-11-24\"\n";
    let engine = engine_with(row, |settings| settings.day_retention = true);
    let mut call = Call::new(engine, meta("openai", "chat", ""));
    let mut seen = 0;
    for turn in 0..20_usize {
        let value = json!({"model": "both", "messages": [
            {"role": "developer", "content": text(1, 2000)},
            {"role": "user", "content": text(turn + 10, 100)}]});
        let (_, sent) = call.turn(turn as f64 * 20.0, &value);
        obeys_openai(&sent);
        seen += usize::from(sent.get("prompt_cache_options").is_some());
    }
    assert!(seen > 0);
}

/// Google says that a later request must carry the markers on the same blocks.
#[test]
fn on_vertex_the_end_of_the_turn_before_stays_marked() {
    let mut wishes = engine_with("", |settings| {
        (settings.day_retention, settings.stream_usage) = (true, true);
    });
    for tools in [0, 1] {
        let mut call = Call::new(
            wishes,
            meta("vertex", "messages", "claude-sonnet-4-5@20250929"),
        );
        let mut turns = vec![json!({"role": "user", "content": text(2, 600)})];
        let mut marked: Vec<String> = Vec::new();
        let mut usages = Vec::new();
        for turn in 0..10_usize {
            let mut value = json!({"anthropic_version": "vertex-2023-10-16", "messages": turns,
                "stream": true, "system": text(1, 1500), "max_tokens": 9});
            if tools > 0 {
                value["tools"] =
                    json!([{"name": "f", "description": text(5, 900), "input_schema": {}}]);
            }
            let (usage, sent) = call.turn(turn as f64 * 20.0, &value);
            usages.push(usage);
            let now = marks(&sent);
            assert!(now.len() <= 4);
            // The deepest marker of the turn before: what stands below it goes where later requests
            // are likely to part.
            if let Some(last) = marked.last() {
                assert!(now.contains(last), "turn {turn}: {now:?} without {last}");
            }
            marked = now;
            turns.push(json!({"role": "assistant", "content": text(turn + 90, 60)}));
            turns.push(json!({"role": "user", "content": text(turn + 20, 300)}));
        }
        assert!(hit_rate(&usages) > 0.8, "{usages:?}");
        wishes = call.engine;
    }
}

/// With every wish granted, nothing stands behind `messages`.
#[test]
fn on_vertex_nothing_is_put_behind_the_messages() {
    let engine = engine_with("", |settings| {
        (settings.day_retention, settings.stream_usage) = (true, true);
    });
    let own = format!(
        r#"{{"anthropic_version":"vertex-2023-10-16","messages":[{{"role":"user","content":"hi"}}],"stream":true,"system":"{}"}}"#,
        text(1, 1500)
    );
    let meta = meta("vertex", "messages", "claude-opus-4-8");
    let prepared = engine.prepare(at(0.0), &meta, &Bytes::from(own));
    let sent = prepared.body.unwrap();
    let sent: &str = std::str::from_utf8(&sent).unwrap();
    let (before, messages) = sent.split_once(r#""messages":"#).unwrap();
    assert!(before.contains("cache_control") && before.contains("\"stream\""));
    assert!(serde_json::from_str::<Value>(messages.strip_suffix('}').unwrap()).is_ok());
}

/// Where markers stand, in order, as pointers.
fn marks(sent: &Value) -> Vec<String> {
    fn walk(value: &Value, place: &str, out: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                if members.contains_key("cache_control") {
                    out.push(place.to_owned());
                }
                for (key, value) in members {
                    walk(value, &format!("{place}/{key}"), out);
                }
            }
            Value::Array(elements) => {
                for (at, one) in elements.iter().enumerate() {
                    walk(one, &format!("{place}/{at}"), out);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut out = Vec::new();
    for section in ["tools", "system", "messages"] {
        let there = sent.get(section).unwrap_or(&Value::Null);
        walk(there, &format!("/{section}"), &mut out);
    }
    out
}

/// A turn of an agent on Bedrock with everything that Bedrock refuses a marker behind.
fn thorny(turns: usize) -> Value {
    let bytes = json!({"bytes": "AA=="});
    let document =
        |format: &str| json!({"document": {"format": format, "name": "d", "source": bytes}});
    let mut messages = vec![json!({"role": "user", "content": [
        {"text": text(2, 900)}, document("csv"), {"text": text(3, 300)}, document("md")]})];
    for turn in 0..turns {
        let id = format!("t{turn}");
        messages.push(json!({"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": text(turn, 50), "signature": "s"}}},
            {"text": text(turn + 30, 50)}]}));
        messages.push(json!({"role": "assistant", "content": [
            {"toolUse": {"toolUseId": id, "name": "f", "input": {}}}]}));
        messages.push(json!({"role": "user", "content": [
            {"toolResult": {"toolUseId": id, "content": [{"text": text(turn + 60, 300)}]}}]}));
    }
    let video = json!({"video": {"format": "mp4", "source": bytes}});
    messages.push(json!({"role": "assistant", "content": [{"text": "so"}]}));
    messages.push(json!({"role": "user", "content": [{"text": text(4, 200)}, video]}));
    json!({"system": [{"text": text(1, 900)}], "messages": messages,
        "toolConfig": {"tools": [{"toolSpec": {"name": "f", "description": text(9, 900), "inputSchema": {"json": {}}}}]}})
}

#[test]
fn no_cache_point_stands_where_bedrock_refuses_it() {
    for model in [SONNET, NOVA] {
        // Whatever the history makes of it, and however full the slots are.
        let mut call = Call::new(engine(), meta("bedrock", "converse", model));
        let mut placed = 0;
        for turns in 0..8_usize {
            let (_, sent) = call.turn(turns as f64 * 20.0, &thorny(turns));
            placed += count(&sent, "cachePoint");
            assert!(count(&sent, "cachePoint") <= 4);
            let nova = model == NOVA;
            let tools = count(&sent["toolConfig"], "cachePoint");
            assert!(!nova || tools == 0, "{model}");
            for message in sent["messages"].as_array().unwrap() {
                let content = message["content"].as_array().unwrap();
                let reasons = message["role"] == "assistant" && turns > 0 && content.len() > 1;
                for (at, _) in content
                    .iter()
                    .enumerate()
                    .filter(|(_, one)| one.get("cachePoint").is_some())
                {
                    let before = content.get(at.checked_sub(1).unwrap()).unwrap();
                    assert!(before.get("document").is_none() && before.get("video").is_none());
                    assert!(before.get("reasoningContent").is_none() && !reasons);
                    assert!(!nova || before.get("toolResult").is_none());
                }
            }
        }
        assert!(placed >= 8, "{model}: {placed}");
    }
}

/// `us.` and `global.` run one model and keep two caches.
#[test]
fn two_profiles_of_one_model_are_two_caches() {
    let engine = engine();
    let ask = |seconds: f64, model: &'static str, place: &'static str| -> Record {
        let mut meta = meta("bedrock", "converse", model);
        meta.place = place;
        let value = json!({"system": [{"text": text(1, 2000)}], "messages": [{"role": "user", "content": [{"text": "hi"}]}]});
        let mut exchange = engine.prepare(at(seconds), &meta, &body(&value)).exchange;
        exchange.on_usage(at(seconds + 1.0), Usage::reported(10, 8000, 100, 0, 5));
        exchange.finish(at(seconds + 1.0), End::Complete)
    };
    let knew = |record: Record| record.read_prefix.is_some();
    const US: &str = "us.anthropic.claude-sonnet-4-6";
    const HOST: &str = "bedrock-runtime.us-east-1.amazonaws.com";
    const ARN: &str =
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-6";
    assert!(!knew(ask(0.0, US, HOST)));
    assert!(knew(ask(5.0, US, HOST)));
    assert!(!knew(ask(10.0, "global.anthropic.claude-sonnet-4-6", HOST)));
    assert!(!knew(ask(15.0, "anthropic.claude-sonnet-4-6", HOST)));
    assert!(!knew(ask(20.0, ARN, HOST)));
    assert!(!knew(ask(
        25.0,
        US,
        "bedrock-runtime.us-west-2.amazonaws.com"
    )));
    assert!(knew(ask(30.0, US, HOST)));
}

/// A user's row that is wrong about a model: Bedrock says 403, once.
#[test]
fn a_model_without_a_cache_is_found_out_once() {
    let row = "[[model]]\nprovider = \"bedrock\"\nname = \"meta.llama4-maverick-v1:0\"\nmin_tokens = 1024\n\
               source = \"this test\"\nas_of = \"2026-11-24\"\n";
    const LLAMA: &str = "meta.llama4-maverick-v1:0";
    let engine = engine_with(row, |_| {});
    // The provider knows better.
    let mut sim = Sim::of(Arc::new(Catalog::builtin()), "bedrock");
    let value = json!({"system": [{"text": text(1, 3000)}], "messages": [{"role": "user", "content": [{"text": "hi"}]}]});
    let own = body(&value);
    let mut ask = |bytes: &[u8]| {
        let mut ask = Ask::new("converse", bytes);
        ask.model = LLAMA;
        sim.ask(&ask).map_or_else(|refused| refused.status, |_| 200)
    };
    let llama = meta("bedrock", "converse", LLAMA);
    let prepared = engine.prepare(at(0.0), &llama, &own);
    let status = ask(&prepared.body.unwrap());
    assert_eq!(status, 403);
    let mut exchange = prepared.exchange;
    assert_eq!(
        exchange.on_response(at(1.0), status, Framing::Json),
        Order::Resend
    );
    assert_eq!(
        exchange.on_response(at(2.0), ask(&own), Framing::Json),
        Order::Proceed
    );
    assert!(exchange.finish(at(3.0), End::Complete).resent);
    // Remembered for this model, and for no other.
    assert_eq!(engine.prepare(at(60.0), &llama, &own).body, None);
    let sonnet = meta("bedrock", "converse", SONNET);
    assert!(engine.prepare(at(60.0), &sonnet, &own).body.is_some());
}

const DEPLOYMENTS: &str = r#"
[[model]]
provider = "azure"
name = "prod-chat"
like = "openai/gpt-5.6-sol"
source = "our own deployment"
as_of = "2026-11-24"

[[model]]
provider = "bedrock"
name = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
like = "anthropic/claude-opus-4.8"
source = "our own profile"
as_of = "2026-11-24"
"#;

/// The name of a deployment, or of an application profile, hides the model until a row names it.
#[test]
fn a_row_says_which_model_a_deployment_runs() {
    let path = "/openai/deployments/prod-chat/chat/completions?api-version=2026-08-01";
    let catalog = Catalog::builtin();
    let found = catalog.find("acme.openai.azure.com", path).unwrap();
    assert_eq!(found.model.as_deref(), Some("prod-chat"));
    let azure = meta("azure", "chat", "prod-chat");
    let value = json!({"messages": [{"role": "developer", "content": text(1, 3000)}, {"role": "user", "content": "hi"}]});
    let hidden = sent(
        &engine().prepare(at(0.0), &azure, &body(&value)),
        &body(&value),
    );
    assert_eq!(count(&hidden, "prompt_cache_breakpoint"), 0);
    assert!(hidden["prompt_cache_key"].is_string());
    let named = engine_with(DEPLOYMENTS, |_| {});
    let known = sent(
        &named.prepare(at(0.0), &azure, &body(&value)),
        &body(&value),
    );
    assert!(count(&known, "prompt_cache_breakpoint") > 0);
    assert!(known["prompt_cache_key"].is_string());

    // A client's guess in the body does not unseat the deployment that the path names.
    let mut guess = value;
    guess["model"] = "gpt-4o".into();
    let kept = sent(
        &named.prepare(at(5.0), &azure, &body(&guess)),
        &body(&guess),
    );
    assert!(count(&kept, "prompt_cache_breakpoint") > 0);

    const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
    let profile = meta("bedrock", "converse", ARN);
    let value = json!({"system": [{"text": text(1, 3000)}], "messages": [{"role": "user", "content": [{"text": "hi"}]}]});
    assert_eq!(
        engine().prepare(at(0.0), &profile, &body(&value)).body,
        None
    );
    let known = named.prepare(at(0.0), &profile, &body(&value));
    assert!(!known.placements().is_empty());
}

/// Where the name hides the model, the answer says it, and with it the price.
#[test]
fn a_hidden_model_is_priced_by_what_the_answer_says() {
    let value = json!({"messages": [{"role": "user", "content": "hi"}]});
    let answer = json!({"object": "chat.completion", "model": "gpt-4o-2024-08-06", "choices": [],
        "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0}});
    let answered = |deployment, answer: &Value| {
        let azure = meta("azure", "chat", deployment);
        let mut exchange = engine().prepare(at(0.0), &azure, &body(&value)).exchange;
        let _ = exchange.on_response(at(1.0), 200, Framing::Json);
        exchange.on_bytes(at(1.0), &body(answer));
        exchange.finish(at(2.0), End::Complete)
    };
    let record = answered("prod-chat", &answer);
    assert_eq!((&*record.model, record.model_known), ("gpt-4o", true));
    assert_eq!(record.cost.unwrap().as_pico(), 2_500_000_000_000);
    let mut other = answer.clone();
    other["model"] = "nobody-knows".into();
    let record = answered("prod-chat", &other);
    assert_eq!((&*record.model, record.model_known), ("prod-chat", false));
    assert_eq!(record.cost, None);
    // A model that is known stays the one that was asked for.
    assert_eq!(&*answered("gpt-4o-mini", &answer).model, "gpt-4o-mini");
}

/// Everything that keeps a conversation at one provider is left to a caller who has any of it.
#[test]
fn a_session_of_the_callers_own_is_left_to_steer() {
    let engine = engine();
    let value = |more: &Value| {
        let mut value = json!({"model": "anthropic/claude-sonnet-4.5", "messages": [{"role": "user", "content": text(1, 3000)}]});
        let members = more.as_object().unwrap().clone();
        value.as_object_mut().unwrap().extend(members);
        value
    };
    let steered = |dialect, more: &Value, by_header: bool| {
        let mut meta = meta("openrouter", dialect, "");
        meta.steered = by_header;
        let own = body(&value(more));
        let prepared = engine.prepare(at(0.0), &meta, &own);
        let sent = sent(&prepared, &own);
        let ours = sent.get("session_id").is_some() && more.get("session_id").is_none();
        ours || !prepared.headers.is_empty()
    };
    for dialect in ["chat", "messages"] {
        assert!(steered(dialect, &json!({}), false), "{dialect}");
        // An order of providers turns stickiness off, and the key does no harm.
        let order = json!({"provider": {"order": ["anthropic"]}});
        assert!(steered(dialect, &order, false), "{dialect}");
        assert!(!steered(dialect, &json!({}), true), "{dialect}");
        for own in [
            json!({"session_id": "mine"}),
            json!({"prompt_cache_key": "mine"}),
        ] {
            assert!(!steered(dialect, &own, false), "{dialect} {own}");
        }
    }
}

/// What a gateway says that a call cost, wherever it says it.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_gateways_own_figure_beats_the_price_table() {
    let cost = |provider, dialect, model: &str, framing, answer: &str| {
        let meta = meta(provider, dialect, "");
        let value = json!({"model": model, "max_tokens": 5, "input": "hi", "messages": [{"role": "user", "content": "hi"}]});
        let mut exchange = engine().prepare(at(0.0), &meta, &body(&value)).exchange;
        let _ = exchange.on_response(at(1.0), 200, framing);
        for chunk in answer.as_bytes().chunks(7) {
            exchange.on_bytes(at(1.0), chunk);
        }
        let record = exchange.finish(at(2.0), End::Complete);
        assert!(record.cost_without_caching.is_some());
        record.cost.unwrap().as_pico()
    };
    const GATEWAY: &str =
        r#""provider_metadata":{"anthropic":{},"gateway":{"routing":{},"cost":"0.0045405"}}"#;
    const CHAT: &str = r#""usage":{"prompt_tokens":1000,"completion_tokens":0}"#;
    const SAID: i128 = 4_540_500_000;
    let gpt = |framing, answer: &str| cost("vercel", "chat", "openai/gpt-4o", framing, answer);
    let stop = r#""finish_reason":"stop""#;
    let document =
        format!(r#"{{"choices":[{{"message":{{"content":"hi",{GATEWAY}}},{stop}}}],{CHAT}}}"#);
    assert_eq!(gpt(Framing::Json, &document), SAID);
    let camel = document.replace("provider_metadata", "providerMetadata");
    assert_eq!(gpt(Framing::Json, &camel), SAID);
    let top = format!(r#"{{{GATEWAY},"choices":[],{CHAT}}}"#);
    assert_eq!(gpt(Framing::Json, &top), SAID);
    // The figure comes with the end of the answer, the usage behind it.
    let stream = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"role\":\"assistant\"}}}}]}}\n\n\
         data: {{\"choices\":[{{\"delta\":{{{GATEWAY}}},{stop}}}]}}\n\n\
         data: {{\"choices\":[],{CHAT}}}\n\ndata: [DONE]\n\n"
    );
    assert_eq!(gpt(Framing::Sse, &stream), SAID);
    // With a key of the caller's own nothing is debited, and what is odd is no figure: the table.
    const TABLE: i128 = 2_500_000_000;
    assert_eq!(
        gpt(Framing::Json, &document.replace("0.0045405", "0")),
        TABLE
    );
    for odd in [
        r#""provider_metadata":"x""#,
        r#""provider_metadata":{"gateway":7}"#,
        r#""provider_metadata":null"#,
    ] {
        assert_eq!(
            gpt(Framing::Json, &document.replace(GATEWAY, odd)),
            TABLE,
            "{odd}"
        );
        assert_eq!(
            gpt(Framing::Json, &top.replace(GATEWAY, odd)),
            TABLE,
            "{odd}"
        );
    }
    let counts = r#""usage":{"input_tokens":1000,"output_tokens":0"#;
    let responses = format!(r#"{{"object":"response","status":"completed",{GATEWAY},{counts}}}}}"#);
    assert_eq!(
        cost(
            "vercel",
            "responses",
            "openai/gpt-4o",
            Framing::Json,
            &responses
        ),
        SAID
    );
    let claude = "anthropic/claude-sonnet-4.5";
    let message = format!(r#"{{"type":"message",{GATEWAY},{counts}}}}}"#);
    assert_eq!(
        cost("vercel", "messages", claude, Framing::Json, &message),
        SAID
    );
    let message = format!(r#"{{"type":"message",{counts},"cost":0.0045405}}}}"#);
    assert_eq!(
        cost("openrouter", "messages", claude, Framing::Json, &message),
        SAID
    );
}

/// Routing that the caller asked of a gateway is the caller's.
#[test]
fn a_gateways_options_are_left_alone() {
    let engine = engine();
    let options = r#""providerOptions": {"gateway":{"order" :["anthropic"],"only":["anthropic","vertex"],"caching":"auto"}}"#;
    let own = format!(
        r#"{{"model":"anthropic/claude-sonnet-4.5","max_tokens":9,{options},"system":"{}","messages":[{{"role":"user","content":"hi"}}]}}"#,
        text(1, 3000)
    );
    for turn in 0..3_u32 {
        let meta = meta("vercel", "messages", "");
        let prepared = engine.prepare(at(f64::from(turn)), &meta, &Bytes::from(own.clone()));
        assert!(prepared.headers.is_empty() && prepared.placements().len() <= 3);
        let sent = prepared.body.unwrap();
        assert!(std::str::from_utf8(&sent).unwrap().contains(options));
    }
}
