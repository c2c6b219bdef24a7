//! The engine against the simulator on generated traffic: what each kind of traffic costs relative
//! to no caching, to the provider default, and to what the same traffic could cost.
//!
//! The shapes are those on which published tools were compared: a growing agent, a shared prefix,
//! one-shots, gaps of eight minutes, a parallel fan-out.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "ratios of costs"
)]

use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::memory::InProcess;
use cachewright::engine::{End, Engine, Meta, Overlay, Settings};
use cachewright::model::{Choice, KeepAlive, Mode, Money, Timestamp, Ttl, Usage};
use cachewright::provider::Catalog;
use cachewright::sim::{Request, Sim};
use serde_json::{Value, json};

const MODEL: &str = "claude-sonnet-4-5";

/// One request: seconds since the start, and the body.
type Timed = (f64, Value);

/// Costs of one workload relative to sending it uncached.
#[derive(Debug)]
struct Costs {
    ours: f64,
    default: f64,
    hit_rate: f64,
}

fn run(workload: &[Timed], mode: Mode) -> Costs {
    let catalog = Arc::new(Catalog::builtin());
    let mut settings = Settings::default();
    settings.mode = mode;
    let engine =
        Engine::new(Arc::clone(&catalog), settings).remembering(Arc::new(InProcess::default()));
    let mut sim = Sim::new(Arc::clone(&catalog));
    let mut default_sim = Sim::new(Arc::clone(&catalog));
    let prices = catalog.model("anthropic", MODEL).prices.unwrap();
    let price = |usage: &Usage| prices.standard.cost(usage);
    let (mut ours, mut default, mut none) = (Money::ZERO, Money::ZERO, Money::ZERO);
    let (mut read, mut input) = (0, 0);
    // Responses end one second after their request, so parallel requests overlap.
    let mut open: Vec<(Timestamp, (cachewright::engine::Exchange, Usage))> = Vec::new();
    for (at, body) in workload {
        let now = Timestamp::from_secs_f64(*at);
        let due = open
            .iter()
            .position(|(end, ..)| *end > now)
            .unwrap_or(open.len());
        for (end, exchange) in open.drain(..due) {
            settle(exchange, end);
        }
        let body = Bytes::from(serde_json::to_vec(body).unwrap());
        let prepared = engine.prepare(now, &Meta::of("anthropic"), &body);
        assert_eq!(prepared.skip, None);
        let first_byte = Timestamp::from_secs_f64(at + 0.9);
        let sent = prepared.body.clone().unwrap_or_else(|| body.clone());
        let usage = serve(&mut sim, now, first_byte, &sent, Request::clone);
        let baseline = serve(
            &mut default_sim,
            now,
            first_byte,
            &body,
            Request::with_default_markers,
        );
        ours += price(&usage);
        default += price(&baseline);
        none += prices.standard.cost_without_caching(&usage);
        read += usage.read.unwrap();
        input += usage.input().unwrap();
        open.push((
            Timestamp::from_secs_f64(at + 1.0),
            (prepared.exchange, usage),
        ));
    }
    for (end, exchange) in open {
        settle(exchange, end);
    }
    let ratio = |cost: Money| cost.as_usd() / none.as_usd();
    Costs {
        ours: ratio(ours),
        default: ratio(default),
        hit_rate: read as f64 / input as f64,
    }
}

fn settle((mut exchange, usage): (cachewright::engine::Exchange, Usage), end: Timestamp) {
    exchange.on_usage(end, usage);
    assert!(exchange.finish(end, End::Complete).cost.is_some());
}

fn serve(
    sim: &mut Sim,
    now: Timestamp,
    first_byte: Timestamp,
    body: &[u8],
    edit: fn(&Request) -> Request,
) -> Usage {
    let request = edit(&sim.read(body).unwrap());
    sim.serve("w", now, first_byte, &request).unwrap()
}

fn text(seed: usize, words: usize) -> String {
    (0..words)
        .map(|n| format!("w{:x} ", (seed + 1) * 7919 + n * 31))
        .collect()
}

fn tools(count: usize) -> Value {
    let tool = |n: usize| json!({"name": format!("tool_{n}"), "description": text(n, 60), "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}});
    (0..count).map(tool).collect()
}

fn agent(session: usize, turns: usize, start: f64, gap: f64) -> Vec<Timed> {
    let mut messages = vec![json!({"role": "user", "content": text(1000 + session, 80)})];
    let mut out = Vec::new();
    for turn in 0..turns {
        let body = json!({"model": MODEL, "max_tokens": 1000, "tools": tools(8), "system": text(7, 900), "messages": messages});
        out.push((start + gap * turn as f64, body));
        let id = format!("toolu_{session}_{turn}");
        messages.push(json!({"role": "assistant", "content": [{"type": "text", "text": text(turn, 30)}, {"type": "tool_use", "id": id, "name": "tool_1", "input": {"a": "b"}}]}));
        messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": text(session * 100 + turn, 300)}]}));
    }
    out
}

fn questions(count: usize, system: impl Fn(usize) -> String, gap: f64) -> Vec<Timed> {
    let ask = |n: usize| {
        let body = json!({"model": MODEL, "max_tokens": 500, "system": system(n), "messages": [{"role": "user", "content": text(n + 50, 120)}]});
        (n as f64 * gap, body)
    };
    (0..count).map(ask).collect()
}

#[test]
fn a_growing_agent_loses_nothing_to_caution() {
    let costs = run(&agent(1, 12, 0.0, 20.0), Mode::Place);
    assert!(costs.ours <= costs.default * 1.0001, "{costs:?}");
    assert!(costs.hit_rate > 0.8, "{costs:?}");
}

#[test]
fn agents_of_one_service_share_its_prefix() {
    let mut workload: Vec<Timed> = (0..10)
        .flat_map(|n| agent(n, 10, n as f64 * 13.0, 17.0))
        .collect();
    workload.sort_by(|one, other| one.0.total_cmp(&other.0));
    let costs = run(&workload, Mode::Place);
    assert!(costs.ours <= costs.default * 1.0001, "{costs:?}");
    assert!(costs.hit_rate > 0.85, "{costs:?}");
}

#[test]
fn one_shots_cost_about_what_no_caching_costs() {
    let costs = run(&questions(30, |n| text(n * 13, 2000), 20.0), Mode::Place);
    assert!(costs.ours < 1.04, "{costs:?}");
    assert!(costs.default > 1.2, "{costs:?}");
}

#[test]
fn a_shared_prefix_is_written_once_and_its_questions_are_not() {
    let costs = run(&questions(30, |_| text(7, 2000), 20.0), Mode::Place);
    assert!(costs.ours < costs.default * 0.95, "{costs:?}");
    assert!(costs.hit_rate > 0.8, "{costs:?}");
}

#[test]
fn gaps_of_eight_minutes_end_up_with_the_longer_class() {
    let workload: Vec<Timed> = (0..6)
        .flat_map(|n| agent(n, 12, n as f64 * 1e4, 480.0))
        .collect();
    let costs = run(&workload, Mode::Place);
    assert!(costs.default > 1.15, "{costs:?}");
    assert!(costs.ours < 0.75, "{costs:?}");
}

#[test]
fn one_document_and_many_questions_write_the_document_once() {
    let document = |n: usize| text(n / 12, 3000);
    let workload: Vec<Timed> = (0..60)
        .map(|n| {
            let content = json!([{"type": "text", "text": document(n)}, {"type": "text", "text": text(n + 90, 150)}]);
            (n as f64 * 3.0, json!({"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": content}]}))
        })
        .collect();
    let costs = run(&workload, Mode::Place);
    assert!(
        costs.ours < 0.3 && costs.ours < costs.default * 0.5,
        "{costs:?}"
    );
}

#[test]
fn shuffled_tools_are_repaired_by_reshape_and_only_by_reshape() {
    let mut workload = agent(3, 12, 0.0, 20.0);
    for (n, (_, body)) in workload.iter_mut().enumerate() {
        let tools = body["tools"].as_array_mut().unwrap();
        tools.rotate_left(n % 8);
        if n >= 8 {
            tools.reverse();
        }
    }
    let placed = run(&workload, Mode::Place);
    let reshaped = run(&workload, Mode::Reshape);
    assert!(placed.hit_rate < 0.1, "{placed:?}");
    assert!(reshaped.hit_rate > 0.8, "{reshaped:?}");
    assert!(
        placed.ours < 1.12 && placed.ours < placed.default * 0.92,
        "{placed:?}"
    );
}

#[test]
fn a_clock_in_the_system_prompt_is_not_paid_for_forever() {
    let mut workload = agent(4, 12, 0.0, 20.0);
    for (n, (_, body)) in workload.iter_mut().enumerate() {
        body["system"] = json!([{"type": "text", "text": text(7, 1200)}, {"type": "text", "text": format!("It is {n}:00.")}]);
    }
    let costs = run(&workload, Mode::Place);
    assert!(costs.ours < costs.default * 0.9, "{costs:?}");
}

#[test]
fn observing_changes_no_byte() {
    let engine = Engine::new(Arc::new(Catalog::builtin()), {
        let mut settings = Settings::default();
        settings.mode = Mode::Observe;
        settings
    });
    for (at, body) in agent(1, 5, 0.0, 10.0) {
        let body = Bytes::from(serde_json::to_vec(&body).unwrap());
        let prepared = engine.prepare(Timestamp::from_secs_f64(at), &Meta::of("anthropic"), &body);
        assert!(prepared.body.is_none() && prepared.placements().is_empty());
    }
}

/// Knows after one exchange that everything is far more tokens than its length suggests.
#[derive(Debug, Default)]
struct Dense(std::sync::Mutex<Vec<cachewright::model::Fingerprint>>);

impl cachewright::model::CountTokens for Dense {
    fn count(&self, block: &cachewright::model::Block, _content: &[u8]) -> u64 {
        u64::from(block.weight)
    }

    fn known(&self, block: &cachewright::model::Block) -> Option<u64> {
        let seen = self.0.lock().unwrap().contains(&block.fingerprint);
        seen.then_some(u64::from(block.weight))
    }

    fn count_soon(&self, blocks: Vec<(cachewright::model::Block, Bytes)>) {
        let mut seen = self.0.lock().unwrap();
        seen.extend(blocks.iter().map(|(block, _)| block.fingerprint));
    }
}

#[test]
fn a_counter_finds_the_short_prompt_that_is_long_enough_once_it_has_counted() {
    let mut settings = Settings::default();
    settings.counter = Some(Arc::new(Dense::default()));
    let engine = Engine::new(Arc::new(Catalog::builtin()), settings)
        .remembering(Arc::new(InProcess::default()));
    // 1,200 bytes: 440 tokens by length, 810 by count, against a minimum of 1,024 halved.
    let body = json!({"model": MODEL, "max_tokens": 5, "system": "s".repeat(1200), "messages": [{"role": "user", "content": "go on"}]});
    let body = Bytes::from(serde_json::to_vec(&body).unwrap());
    let mut placed = Vec::new();
    for second in 0..2 {
        let now = Timestamp::from_secs_f64(f64::from(second));
        let prepared = engine.prepare(now, &Meta::of("anthropic"), &body);
        placed.push(prepared.placements().len());
        let record = prepared.exchange.finish(now, End::Dropped);
        assert_eq!(record.usage, None);
    }
    assert_eq!(placed[0], 0);
    assert!(placed[1] > 0);
}

/// How the class of a long agent's first request comes about where reads are cheap, pings being allowed
/// in general and on its route, or not.
fn class_of_an_agent(general: Option<KeepAlive>, route: Option<KeepAlive>) -> Choice {
    let mut settings = Settings::default();
    settings.keep_alive = general;
    let mut overlay = Overlay::default();
    overlay.keep_alive = route;
    settings.routes.insert("agents".into(), overlay);
    let catalog = Arc::new(Catalog::builtin().with_reads_at(50_000));
    let engine = Engine::new(catalog, settings).remembering(Arc::new(InProcess::default()));
    let body = json!({"model": MODEL, "max_tokens": 9, "tools": tools(8), "system": text(7, 20_000), "messages": [{"role": "user", "content": "go on"}]});
    let body = Bytes::from(serde_json::to_vec(&body).unwrap());
    let mut meta = Meta::of("anthropic");
    meta.route = "agents";
    let prepared = engine.prepare(Timestamp::default(), &meta, &body);
    prepared.numbers().unwrap().choice.unwrap()
}

#[test]
fn a_choice_names_the_class_that_is_asked_for() {
    let engine = Engine::new(Arc::new(Catalog::builtin()), Settings::default())
        .remembering(Arc::new(InProcess::default()));
    let mut asked = Vec::new();
    // Long agents of which none is heard of again: first an hour is worth it, then five minutes alone.
    for n in 0..8_u32 {
        let system = text(n as usize * 13, 20_000);
        let body = json!({"model": MODEL, "max_tokens": 9, "tools": [{"name": format!("t{n}"), "input_schema": {"type": "object"}}], "system": system, "messages": [{"role": "user", "content": format!("go on with {n}")}]});
        let body = Bytes::from(serde_json::to_vec(&body).unwrap());
        let at = |secs: f64| Timestamp::from_secs_f64(f64::from(n) * 60.0 + secs);
        let prepared = engine.prepare(at(0.0), &Meta::of("anthropic"), &body);
        let choice = prepared.numbers().unwrap().choice.unwrap();
        let placed = prepared.placements();
        let hour = placed.iter().any(|placed| placed.ttl == Ttl::OneHour);
        if !placed.is_empty() {
            let said = (choice.ttl == Ttl::OneHour, choice.hour > 0);
            assert_eq!(said, (hour, hour), "{n}: {choice:?} {placed:?}");
            asked.push(hour);
        }
        let mut exchange = prepared.exchange;
        let [five, one] = if hour { [0, 40_000] } else { [40_000, 0] };
        exchange.on_usage(at(1.0), Usage::reported(10, 0, five, one, 9));
        assert!(exchange.finish(at(2.0), End::Complete).cost.is_some());
    }
    assert!(asked.contains(&true) && asked.contains(&false), "{asked:?}");
}

#[test]
fn whether_pings_are_the_alternative_to_an_hour_is_the_routes_to_say() {
    let some = Some(KeepAlive::default());
    let with = class_of_an_agent(some, None);
    let without = class_of_an_agent(None, None);
    assert_eq!((with.ttl, without.ttl), (Ttl::FiveMinutes, Ttl::OneHour));
    assert_eq!(class_of_an_agent(None, some), with);
    assert_eq!(class_of_an_agent(some, Some(KeepAlive::OFF)), without);
}
