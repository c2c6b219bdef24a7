//! What is learned of providers, and variants that follow the leader.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![expect(clippy::float_arithmetic, reason = "moments, and shares of tokens")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::memory::InProcess;
use cachewright::economy::{Behaviour, Foreseen};
use cachewright::engine::{End, Engine, Meta, Settings};
use cachewright::ledger::Record;
use cachewright::model::{Money, Rates, Timestamp, Ttl, Usage};
use cachewright::provider::Catalog;
use cachewright::sim::{Ask, Sim};
use serde_json::{Value, json};

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_secs_f64(seconds)
}

fn engine() -> Engine {
    Engine::new(Arc::new(Catalog::builtin()), Settings::default())
        .remembering(Arc::new(InProcess::default()))
}

/// A deterministic stream of numbers below one.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX)
    }
}

/// How requests of a service that is busier than one machine allows are keyed.
#[derive(Clone, Copy, PartialEq)]
enum Keyed {
    Not,
    ByOne,
    ByUs,
}

/// Share of the tokens that are read, of forty conversations that go on side by side, and the keys
/// that were used.
fn busy(keyed: Keyed, per_minute: f64) -> (f64, usize) {
    let engine = engine();
    let mut meta = Meta::of("openai");
    meta.dialect = "chat";
    let mut sim = Sim::of(Arc::new(Catalog::builtin()), "openai");
    let system = "Every answer is checked against the handbook. ".repeat(200);
    let mut turns: Vec<Vec<Value>> = (0..40)
        .map(|n| vec![json!({"role": "user", "content": format!("Case {n}: begin.")})])
        .collect();
    let (mut read, mut sum, mut now) = (0, 0, 0.0);
    let mut dice = Dice(5);
    let mut keys = std::collections::BTreeSet::new();
    for step in 0..1_200_usize {
        now += 120.0 / per_minute * dice.roll();
        let at_turn = step % 40;
        let talk = &mut turns[at_turn];
        let mut messages = vec![json!({"role": "system", "content": system})];
        messages.extend(talk.iter().cloned());
        let mut body = json!({"model": "gpt-4o", "messages": messages});
        if keyed == Keyed::ByOne {
            body["prompt_cache_key"] = "one".into();
        }
        let mut sent = Bytes::from(serde_json::to_vec(&body).unwrap());
        if keyed == Keyed::ByUs {
            let prepared = engine.prepare(at(now), &meta, &sent);
            sent = prepared.body.clone().unwrap_or(sent);
            let sent: Value = serde_json::from_slice(&sent).unwrap();
            keys.insert(sent["prompt_cache_key"].as_str().unwrap().to_owned());
        }
        let ask = Ask::new("chat", &sent);
        let request = sim.ask(&ask).unwrap();
        let usage = sim.serve("w", at(now), at(now + 1.0), &request).unwrap();
        // The first ones are cold whatever is done.
        if step >= 400 {
            read += usage.read.unwrap();
            sum += usage.input().unwrap();
        }
        let more = format!("Step {step} of case {at_turn}. ").repeat(40);
        talk.push(json!({"role": "assistant", "content": more}));
        talk.push(json!({"role": "user", "content": "Go on."}));
    }
    let part = |tokens: u64| f64::from(u32::try_from(tokens).unwrap());
    (part(read) / part(sum), keys.len())
}

#[test]
fn a_busy_service_is_split_among_as_many_keys_as_its_pace_asks_for() {
    let (none, _) = busy(Keyed::Not, 120.0);
    let (one, _) = busy(Keyed::ByOne, 120.0);
    let (ours, keys) = busy(Keyed::ByUs, 120.0);
    assert!(ours > none + 0.1 && ours > one + 0.1, "{none} {one} {ours}");
    assert!((10..=16).contains(&keys), "{keys}");
    // A quiet one keeps its one key, and loses nothing by it.
    let (none, _) = busy(Keyed::Not, 10.0);
    let (ours, keys) = busy(Keyed::ByUs, 10.0);
    assert!(ours >= none - 0.005 && keys <= 2, "{none} {ours} {keys}");
}

/// One agent that goes on every minute, before a provider of which `lost` says what it forgets.
fn agent(engine: &Engine, turns: u32, mut lost: impl FnMut(u32) -> bool) -> Vec<Record> {
    let system = "A rule that never changes. ".repeat(600);
    let mut messages = vec![json!({"role": "user", "content": "Begin."})];
    let mut sim = Sim::new(Arc::new(Catalog::builtin()));
    let mut records = Vec::new();
    for turn in 0..turns {
        let now = at(f64::from(turn) * 60.0);
        let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 9, "system": system,
            "messages": messages});
        let body = Bytes::from(serde_json::to_vec(&body).unwrap());
        let prepared = engine.prepare(now, &Meta::of("anthropic"), &body);
        if lost(turn) {
            sim.clear();
        }
        let request = sim.read(&prepared.body.unwrap_or(body)).unwrap();
        let usage = sim.serve("", now, now, &request).unwrap();
        let mut exchange = prepared.exchange;
        exchange.on_usage(now, usage);
        records.push(exchange.finish(now, End::Complete));
        messages.push(
            json!({"role": "assistant", "content": format!("Step {turn} is done. ").repeat(20)}),
        );
        messages.push(json!({"role": "user", "content": "Go on."}));
    }
    records
}

/// The chance of a hit as the engine has it.
fn hit(engine: &Engine) -> f64 {
    let seen = engine.behaviour(&Meta::of("anthropic"), "claude-sonnet-4-5");
    seen.hit_of(at(3_600.0), 5_000)
}

#[test]
fn what_the_provider_loses_is_learned_and_what_we_change_is_not() {
    let true_to_its_word = engine();
    agent(&true_to_its_word, 40, |_| false);
    assert!(hit(&true_to_its_word) > 0.999);
    let forgetful = engine();
    agent(&forgetful, 40, |turn| turn % 2 == 1);
    let hit = hit(&forgetful);
    assert!((0.45..0.75).contains(&hit), "{hit}");
}

#[test]
fn a_forgetful_provider_is_written_to_less() {
    // What is read again in one of three cases pays at the usual prices, and not at half the hits.
    let mut known = Behaviour::default();
    let like = Foreseen::new(2_000, Duration::from_secs(60), 0);
    for n in 0..100 {
        known.observe(at(f64::from(n)), &like, (n % 2 == 0).into());
    }
    let rates = known.effective(at(100.0), &Rates::USUAL, 2_000);
    assert!(Rates::USUAL.break_even(Ttl::FiveMinutes) < 0.33);
    assert!(rates.break_even(Ttl::FiveMinutes) > 0.38);
    assert!(rates.ping_even(Ttl::FiveMinutes) > 0.15);
}

#[test]
fn an_hour_that_is_not_granted_is_noticed() {
    let mut settings = Settings::default();
    settings.ttl = Some(Ttl::OneHour);
    let engine = Engine::new(Arc::new(Catalog::builtin()), settings)
        .remembering(Arc::new(InProcess::default()));
    let system = "A rule that never changes. ".repeat(600);
    for n in 0..6 {
        let body = format!(
            r#"{{"model":"claude-sonnet-4-5","max_tokens":9,"system":"{system}{n}","messages":[{{"role":"user","content":"hi"}}]}}"#
        );
        let now = at(f64::from(n));
        let prepared = engine.prepare(now, &Meta::of("anthropic"), &Bytes::from(body));
        let mut exchange = prepared.exchange;
        exchange.on_usage(now, Usage::reported(10, 0, 3_300, 0, 9));
        let _ = exchange.finish(now, End::Complete);
    }
    let seen = engine.behaviour(&Meta::of("anthropic"), "claude-sonnet-4-5");
    let granted = seen.granted(at(6.0));
    assert!(granted < 0.5, "{granted}");
}

/// No session.
const NEVER: u32 = u32::MAX;

/// How often one hour is asked for of a provider that gives five minutes, in eight long sessions that
/// begin within the hour, with what was set aside for that; from this one on it gives what it is asked
/// for.
fn asked_again(per_day: Option<Money>, relents: u32) -> (Vec<bool>, Money) {
    let mut settings = Settings::default();
    settings.explore_per_day = per_day;
    let engine = Engine::new(Arc::new(Catalog::builtin()), settings)
        .remembering(Arc::new(InProcess::default()));
    let tool = json!({"name": "look", "input_schema": {"type": "object"}});
    let mut asked = Vec::new();
    for n in 0..8_u32 {
        let system = format!(
            "Session {n}. {}",
            "A rule that never changes. ".repeat(6_000)
        );
        let mut messages = vec![json!({"role": "user", "content": "Begin."})];
        for turn in 0..2 {
            let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 9, "tools": [tool],
                "system": system, "messages": messages});
            let body = Bytes::from(serde_json::to_vec(&body).unwrap());
            let now = at(f64::from(n) * 400.0 + f64::from(turn) * 30.0);
            let prepared = engine.prepare(now, &Meta::of("anthropic"), &body);
            let hour = prepared
                .placements()
                .iter()
                .any(|one| one.ttl == Ttl::OneHour);
            let usage = match turn {
                0 if hour && n >= relents => Usage::reported(10, 0, 0, 36_000, 9),
                0 => Usage::reported(10, 0, 36_000, 0, 9),
                _ => Usage::reported(10, 36_000, 0, 0, 9),
            };
            asked.extend((turn == 0).then_some(hour));
            let mut exchange = prepared.exchange;
            exchange.on_usage(now, usage);
            let _ = exchange.finish(now, End::Complete);
            messages.push(json!({"role": "assistant", "content": "Done."}));
            messages.push(json!({"role": "user", "content": "Go on."}));
        }
    }
    (asked, engine.explored(at(3_000.0)))
}

#[test]
fn what_was_not_granted_is_asked_for_again_within_a_stated_budget_only() {
    let dollars = |dollars: i128| Some(Money::from_pico(dollars * 1_000_000_000_000));
    let times = |(asked, _): &(Vec<bool>, Money)| asked.iter().filter(|hour| **hour).count();
    let none = asked_again(None, NEVER);
    assert_eq!((times(&none), none.1), (1, Money::ZERO), "{none:?}");
    // Four refusals are enough to know, whatever is left of the budget.
    let wide = asked_again(dollars(100), NEVER);
    assert_eq!(times(&wide), 4, "{wide:?}");
    assert!(wide.1 > Money::ZERO && wide.1 < Money::from_pico(1_000_000_000_000));
    // A premium is some eight cents: there is room for one.
    let narrow = asked_again(Some(Money::from_pico(120_000_000_000)), NEVER);
    assert_eq!(times(&narrow), 2, "{narrow:?}");
    assert!(narrow.1 <= Money::from_pico(120_000_000_000));
}

#[test]
fn what_is_granted_again_is_asked_for_from_then_on() {
    let wide = Some(Money::from_pico(100_000_000_000_000));
    let (asked, _) = asked_again(wide, 2);
    assert!(asked.iter().all(|hour| *hour), "{asked:?}");
}

/// What was learned of a provider is the same after it was stored.
#[cfg(feature = "replay")]
#[test]
fn a_stored_behaviour_is_the_one_that_was_learned() {
    use cachewright::adapter::snapshot::Snapshot;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.json");
    let with = |memory: &InProcess| {
        Engine::new(Arc::new(Catalog::builtin()), Settings::default())
            .remembering(Arc::new(memory.clone()))
    };
    let snapshot = Snapshot::open(&path).unwrap();
    let before = with(snapshot.memory());
    agent(&before, 30, |turn| turn % 3 == 1);
    snapshot.save().unwrap();
    let after = with(Snapshot::open(&path).unwrap().memory());
    let behaviour = |engine: &Engine| engine.behaviour(&Meta::of("anthropic"), "claude-sonnet-4-5");
    assert_ne!(behaviour(&before), Behaviour::default());
    assert_eq!(behaviour(&before), behaviour(&after));
}
