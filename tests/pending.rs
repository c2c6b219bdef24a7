//! What a request under way is writing is not paid for a second time by those that begin beside it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::memory::InProcess;
use cachewright::engine::{End, Engine, Meta, Prepared, Settings};
use cachewright::model::{Timestamp, Usage, Why};
use cachewright::provider::Catalog;
use cachewright::wire::Framing;
use serde_json::Value;

use crate::support::traffic::{Agent, Service};

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_secs_f64(seconds)
}

fn engine() -> Engine {
    Engine::new(Arc::new(Catalog::builtin()), Settings::default())
        .remembering(Arc::new(InProcess::default()))
}

/// The bodies of an agent's first turns; all agents share their tools and system prompt.
fn turns(seed: u64) -> Vec<Value> {
    let agent = Agent {
        seed,
        turns: 3,
        start: 0.0,
        keeps: None,
    };
    let sent = agent.run(&Service::agents(1));
    sent.into_iter().map(|one| one.body).collect()
}

fn first(seed: u64) -> Value {
    turns(seed).swap_remove(0)
}

fn send(engine: &Engine, seconds: f64, body: &Value) -> Prepared {
    let body = Bytes::from(serde_json::to_vec(body).unwrap());
    let prepared = engine.prepare(at(seconds), &Meta::of("anthropic"), &body);
    assert_eq!(prepared.skip, None);
    prepared
}

/// Why its markers stand where they stand.
fn marked(prepared: &Prepared) -> Vec<Why> {
    prepared.placements().iter().map(|one| one.why).collect()
}

fn answer(prepared: Prepared, seconds: f64, usage: Usage) {
    let mut exchange = prepared.exchange;
    exchange.on_usage(at(seconds), usage);
    drop(exchange.finish(at(seconds), End::Complete));
}

#[test]
fn agents_that_begin_at_once_write_what_they_share_once() {
    let engine = engine();
    let leader = send(&engine, 0.0, &first(1));
    assert!(marked(&leader).contains(&Why::SystemEnd));
    let follower = send(&engine, 0.1, &first(2));
    assert_eq!(marked(&follower), []);
    assert!(follower.numbers().unwrap().pending.is_some());
    answer(leader, 1.0, Usage::reported(0, 0, 4_000, 0, 10));
    answer(follower, 1.2, Usage::reported(4_000, 0, 0, 0, 10));
    // What was written is there for all of them: from now on each writes what is its own.
    let next = send(&engine, 4.0, &turns(2)[1]);
    assert!(marked(&next).contains(&Why::Tail), "{:?}", marked(&next));
    let third = send(&engine, 5.0, &first(3));
    assert!(
        marked(&third).contains(&Why::SystemEnd),
        "{:?}",
        marked(&third)
    );
}

#[test]
fn whoever_comes_after_a_failure_writes() {
    let refused = |prepared: Prepared| {
        let mut exchange = prepared.exchange;
        let _ = exchange.on_response(at(0.3), 529, Framing::Json);
        drop(exchange);
    };
    let cut = |prepared: Prepared| drop(prepared.exchange.finish(at(0.3), End::Failed));
    let dropped = |prepared: Prepared| drop(prepared.exchange.finish(at(0.3), End::Dropped));
    for fail in [refused as fn(Prepared), cut, dropped] {
        let engine = engine();
        fail(send(&engine, 0.0, &first(1)));
        // The same again, as clients try it, and then another one beside it.
        let again = send(&engine, 0.5, &first(1));
        assert!(marked(&again).contains(&Why::SystemEnd));
        assert_eq!(marked(&send(&engine, 0.6, &first(2))), []);
    }
    // Nobody waits for an answer that does not come.
    let engine = engine();
    let lost = send(&engine, 0.0, &first(1));
    assert!(!marked(&send(&engine, 25.0, &first(2))).is_empty());
    drop(lost);
}

#[test]
fn a_conversation_that_goes_on_writes_whatever_begins_beside_it() {
    let engine = engine();
    let long = turns(1);
    answer(
        send(&engine, 0.0, &long[0]),
        1.0,
        Usage::reported(0, 0, 4_000, 0, 10),
    );
    // All of it has expired when another conversation of the service begins.
    let leader = send(&engine, 400.0, &first(2));
    assert!(marked(&leader).contains(&Why::SystemEnd));
    let next = send(&engine, 400.1, &long[1]);
    assert!(marked(&next).contains(&Why::Tail), "{:?}", marked(&next));
}
