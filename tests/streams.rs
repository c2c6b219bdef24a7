//! Lifetime classes and pings by expected dollars.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::memory::InProcess;
use cachewright::engine::{End, Engine, Meta, Pinged, Settings};
use cachewright::ledger::Record;
use cachewright::model::{KeepAlive, Money, Stop, Timestamp, Usage, Vigil};
use cachewright::provider::Catalog;

const META: Meta<'static> = Meta::of("anthropic");

fn at(secs: f64) -> Timestamp {
    Timestamp::from_secs_f64(secs)
}

fn engine(keep_alive: Option<KeepAlive>) -> Engine {
    let settings = Settings {
        keep_alive,
        ..Settings::default()
    };
    Engine::new(Arc::new(Catalog::bundled()), settings).remembering(Arc::new(InProcess::default()))
}

/// An agent's conversation: a long system prompt, and so many turns.
fn body(turns: usize) -> Bytes {
    let system = "Follow the rules of this house. ".repeat(4_000);
    let mut messages = vec![r#"{"role":"user","content":"go on"}"#.to_owned()];
    for turn in 0..turns {
        messages.push(format!(r#"{{"role":"assistant","content":"step {turn}"}}"#));
        messages.push(format!(r#"{{"role":"user","content":"and then {turn}?"}}"#));
    }
    let messages = messages.join(",");
    format!(
        r#"{{"model":"claude-opus-4-5","max_tokens":99,"system":"{system}","messages":[{messages}]}}"#
    )
    .into()
}

/// Sends one turn at `secs` and has it answered four seconds later.
fn turn(engine: &Engine, secs: f64, turns: usize, stop: Stop) -> Record {
    let prepared = engine.prepare(at(secs), &META, &body(turns));
    let mut exchange = prepared.exchange;
    let usage = Usage {
        plain: Some(10),
        read: Some(0),
        write_5m: Some(32_000),
        write_1h: Some(0),
        output: Some(50),
        ..Usage::default()
    };
    exchange.on_usage(at(secs + 1.0), usage);
    exchange.on_stop(stop);
    exchange.finish(at(secs + 4.0), End::Complete)
}

fn read(vigil: &Vigil) -> Option<Usage> {
    Some(Usage {
        plain: Some(0),
        read: Some(vigil.tokens),
        write_5m: Some(0),
        write_1h: Some(0),
        output: Some(0),
        ..Usage::default()
    })
}

#[test]
fn nobody_pings_who_did_not_ask_for_it() {
    assert!(turn(&engine(None), 0.0, 0, Stop::ToolUse).vigil.is_none());
}

#[test]
fn a_vigil_is_due_before_the_entry_expires_and_a_ping_renews_it() {
    let engine = engine(Some(KeepAlive::default()));
    let vigil = *turn(&engine, 0.0, 0, Stop::ToolUse).vigil.unwrap();
    assert_eq!(vigil.expires, at(300.0));
    assert!(vigil.due > at(240.0) && vigil.due < vigil.expires);
    assert!(vigil.chance > vigil.threshold);
    assert!(engine.still_pays(vigil.due, &META, &vigil));
    let ping = Pinged::new(vigil.due, 200, read(&vigil));
    let (record, next) = engine.pinged(vigil.due, &META, &vigil, &ping);
    assert!(record.errand && record.cost > Some(Money::ZERO));
    assert_eq!((record.errand_kind, record.cost), ("ping", vigil.price));
    let next = next.unwrap();
    assert_eq!(next.pings, 1);
    assert_eq!(next.spent, vigil.price.unwrap());
    assert_eq!(next.expires.since(vigil.due).as_secs(), 300);
    // The vigil of before is outdated.
    assert!(!engine.still_pays(vigil.due, &META, &vigil));
}

#[test]
fn pings_stop_where_the_silence_grows_long() {
    let engine = engine(Some(KeepAlive::default()));
    let mut vigil = turn(&engine, 0.0, 0, Stop::EndTurn).vigil.map(|one| *one);
    let mut pings = 0;
    while let Some(watched) = vigil {
        if !engine.still_pays(watched.due, &META, &watched) {
            break;
        }
        pings += 1;
        let ping = Pinged::new(watched.due, 200, read(&watched));
        vigil = engine.pinged(watched.due, &META, &watched, &ping).1;
    }
    assert!((1..30).contains(&pings), "{pings}");
}

#[test]
fn a_request_of_the_conversation_ends_its_vigil() {
    let engine = engine(Some(KeepAlive::default()));
    let vigil = *turn(&engine, 0.0, 0, Stop::ToolUse).vigil.unwrap();
    let later = *turn(&engine, 100.0, 1, Stop::ToolUse).vigil.unwrap();
    assert!(!engine.still_pays(vigil.due, &META, &vigil));
    assert!(engine.still_pays(later.due, &META, &later));
}

#[test]
fn a_ping_that_writes_trips_the_breaker() {
    let engine = engine(Some(KeepAlive::default()));
    let vigil = *turn(&engine, 0.0, 0, Stop::ToolUse).vigil.unwrap();
    let usage = Usage {
        read: Some(0),
        write_5m: Some(vigil.tokens),
        ..read(&vigil).unwrap()
    };
    let ping = Pinged::new(vigil.due, 200, Some(usage));
    let (record, next) = engine.pinged(vigil.due, &META, &vigil, &ping);
    assert!(record.cost > vigil.price && next.is_none());
    assert!(turn(&engine, 600.0, 1, Stop::ToolUse).vigil.is_none());
    assert!(turn(&engine, 9_000.0, 2, Stop::ToolUse).vigil.is_some());
}

#[test]
fn budgets_hold() {
    let price = {
        let engine = engine(Some(KeepAlive::default()));
        let vigil = *turn(&engine, 0.0, 0, Stop::ToolUse).vigil.unwrap();
        vigil.price.unwrap()
    };
    let below = Money::from_pico(price.as_pico() - 1);
    let budgets = [
        KeepAlive {
            per_ping: below,
            ..KeepAlive::default()
        },
        KeepAlive {
            per_session: below,
            ..KeepAlive::default()
        },
        KeepAlive {
            per_day: below,
            ..KeepAlive::default()
        },
    ];
    for budget in budgets {
        let engine = engine(Some(budget));
        assert!(
            turn(&engine, 0.0, 0, Stop::ToolUse).vigil.is_none(),
            "{budget:?}"
        );
    }
}

#[test]
fn the_deadline_ends_it() {
    let budget = KeepAlive {
        deadline: std::time::Duration::from_secs(200),
        ..KeepAlive::default()
    };
    assert!(
        turn(&engine(Some(budget)), 0.0, 0, Stop::ToolUse)
            .vigil
            .is_none()
    );
}
