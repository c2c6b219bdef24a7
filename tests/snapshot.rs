//! A stored history: what goes on from it, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::float_arithmetic, reason = "times of generated traffic")]

use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::memory::InProcess;
use cachewright::adapter::snapshot::Snapshot;
use cachewright::engine::{End, Engine, Exchange, Framing, Meta, Settings};
use cachewright::model::{Timestamp, Usage};
use cachewright::provider::Catalog;
use cachewright::sim::Sim;
use serde_json::{Value, json};

/// Conversations before the stop, and as many after it.
const HALF: usize = 24;
/// The first one after it: the longest one before has ended by then.
const LATER: usize = 66;

/// One turn: its conversation, when it is sent, and the body.
type Turn = (usize, f64, Value);

/// Conversations under one system prompt, some of which parallel each other: one in nine goes on,
/// one in four pauses for longer than the shorter class lives, and one in five has a document.
fn conversations(from: usize) -> Vec<Turn> {
    let mut turns = Vec::new();
    for number in from..from + HALF {
        let start = f64::from(u32::try_from(number).unwrap()) * 41.0;
        let pause = if number % 4 == 0 { 420.5 } else { 7.25 };
        let opening = if number % 5 == 0 {
            "A long document. ".repeat(900)
        } else {
            format!("{} {number}", "A question about it. ".repeat(90))
        };
        let mut messages = vec![json!({"role":"user","content":opening})];
        let count = if number % 9 == 0 { 6 } else { 1 };
        let mut at = start;
        for turn in 0..count {
            turns.push((number, at, body(&messages)));
            at += pause;
            let answer = format!("{} {number}.{turn}", "An answer. ".repeat(200));
            messages.push(json!({"role":"assistant","content":answer}));
            let next = format!("{} {turn}", "And then? ".repeat(100 + 30 * number));
            messages.push(json!({"role":"user","content":next}));
        }
    }
    turns.sort_by(|one, other| one.1.total_cmp(&other.1));
    turns
}

fn body(messages: &[Value]) -> Value {
    let system = "You know the handbook by heart. ".repeat(400);
    let schema = json!({"type":"object","properties":{"page":{"type":"integer"}}});
    json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 100,
        "system": [{"type":"text","text":system}],
        "tools": [{"name":"look_up","description":"Turns to a page","input_schema":schema}],
        "messages": messages,
    })
}

fn engine(memory: &InProcess) -> Engine {
    Engine::new(Arc::new(Catalog::builtin()), Settings::default())
        .remembering(Arc::new(memory.clone()))
}

/// Sends the turns and returns the bodies as they were sent, with what each was billed.
fn drive(memory: &InProcess, sim: &mut Sim, turns: &[Turn]) -> Vec<(Bytes, Usage)> {
    let engine = engine(memory);
    let mut open: Option<(Timestamp, Exchange)> = None;
    let mut sent = Vec::new();
    let settle = |open: &mut Option<(Timestamp, Exchange)>| {
        if let Some((at, exchange)) = open.take() {
            let _ = exchange.finish(at, End::Complete);
        }
    };
    for (_, at, body) in turns {
        settle(&mut open);
        let now = Timestamp::from_secs_f64(*at);
        let body = Bytes::from(serde_json::to_vec(body).unwrap());
        let prepared = engine.prepare(now, &Meta::of("anthropic"), &body);
        let body = prepared.body.unwrap_or(body);
        let request = sim.read(&body).unwrap();
        let usage = sim.serve("", now, now, &request).unwrap();
        let mut exchange = prepared.exchange;
        let _ = exchange.on_response(now, 200, Framing::Opaque);
        exchange.on_usage(now, usage);
        open = Some((now, exchange));
        sent.push((body, usage));
    }
    settle(&mut open);
    sent
}

fn sim() -> Sim {
    Sim::new(Arc::new(Catalog::builtin()))
}

#[test]
fn a_stored_history_gives_the_plans_of_one_that_went_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.json");
    let (before, after) = (conversations(0), conversations(LATER));

    let (memory, mut world) = (InProcess::default(), sim());
    drive(&memory, &mut world, &before);
    let went_on = drive(&memory, &mut world, &after);

    let mut world = sim();
    let snapshot = Snapshot::open(&path).unwrap();
    drive(snapshot.memory(), &mut world, &before);
    snapshot.save().unwrap();
    let mut fresh_world = world.clone();
    let snapshot = Snapshot::open(&path).unwrap();
    let resumed = drive(snapshot.memory(), &mut world, &after);
    assert!(went_on == resumed, "a body or a bill differs");

    let forgot = drive(&InProcess::default(), &mut fresh_world, &after);
    assert!(forgot != went_on, "the history makes no difference here");
}

#[test]
fn what_is_read_is_what_was_stored() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.json");
    let snapshot = Snapshot::open(&path).unwrap();
    drive(snapshot.memory(), &mut sim(), &conversations(0));
    snapshot.save().unwrap();
    let stored = std::fs::read_to_string(&path).unwrap();
    Snapshot::open(&path).unwrap().save().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), stored);
    let state: Value = serde_json::from_str(&stored).unwrap();
    assert!(state["prefixes"].as_object().unwrap().len() > HALF);
    assert!(!state["scopes"].as_object().unwrap().is_empty());
    for text in ["handbook", "document", "look_up", "claude"] {
        assert!(!stored.contains(text), "{text}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn what_is_no_state_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.json");
    let snapshot = Snapshot::open(&path).unwrap();
    drive(snapshot.memory(), &mut sim(), &conversations(0)[..3]);
    snapshot.save().unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    let other = whole.replacen("state\":3", "state\":4", 1);
    let odd = whole.replacen("\"log_gap\":\"", "\"log_gap\":\"NaN", 1);
    let digest = whole.replacen("\"prefixes\":{\"", "\"prefixes\":{\"+", 1);
    assert!(whole != odd && whole != digest);
    for (content, what) in [
        ("", "is not a state of cachewright"),
        ("{\"a\":1}", "is not a state of cachewright"),
        ("\u{7f}ELF", "is not a state of cachewright"),
        (&whole[..whole.len() / 2], "damaged state (line 1, column"),
        (&odd, "damaged state (line 1, column"),
        (&digest, "damaged state (line 1, column"),
        (&format!("{whole}x"), "damaged state (line 2, column 1)"),
        (&other, "state of version 4"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = Snapshot::open(&path).unwrap_err();
        let expected = format!("{}: {what}", path.display());
        assert!(
            error.is_input() && error.to_string().starts_with(&expected),
            "{error}"
        );
    }
    assert!(Snapshot::open(dir.path()).unwrap_err().is_io());
    assert!(
        Snapshot::open(&dir.path().join("no/history.json"))
            .unwrap_err()
            .is_io()
    );
}

/// A file of the version before has nothing of what was learned of providers and variants, and is read.
#[test]
fn an_older_history_is_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.json");
    let snapshot = Snapshot::open(&path).unwrap();
    drive(snapshot.memory(), &mut sim(), &conversations(0));
    snapshot.save().unwrap();
    let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let learned = state.as_object_mut().unwrap().remove("economy").unwrap();
    assert!(!learned["leaders"].as_object().unwrap().is_empty());
    for part in ["shadows", "streams", "returns"] {
        assert!(!learned[part].as_object().unwrap().is_empty(), "{part}");
    }
    state["cachewright_state"] = 1.into();
    std::fs::write(&path, state.to_string()).unwrap();
    Snapshot::open(&path).unwrap().save().unwrap();
    let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(kept["prefixes"], state["prefixes"]);
    assert_eq!(kept["scopes"], state["scopes"]);
    assert_eq!(kept["cachewright_state"], 3);
}

/// Questions about documents, each beside notes of its own, which nobody sends again: two in a row about
/// each document, beside one note. Some documents are asked of once by each half, beside more notes.
fn questions(from: usize) -> Vec<Turn> {
    let mut turns = Vec::new();
    for number in from..from + HALF {
        let block = |text: String| json!({"type": "text", "text": text});
        let again = (100 + number % HALF, if number < HALF { 5 } else { 4 });
        let asked = [(200 + number / 2, 2), again];
        let asked = asked.into_iter().take(1 + usize::from(number % 4 == 0));
        for (document, own) in asked {
            let page = |page: usize| {
                let text = format!("{} {document}.{page}", "A page of a document. ".repeat(300));
                block(text)
            };
            let mut content: Vec<Value> = (0..6).map(page).collect();
            content.extend((0..own).map(|note| {
                let text = "A note on it, or a question. ".repeat(100);
                block(format!("{text} {number}.{note}"))
            }));
            let at = f64::from(u32::try_from(number).unwrap()) * 61.0;
            let messages = [json!({"role": "user", "content": content})];
            turns.push((number, at, body(&messages)));
        }
    }
    turns
}

/// The bodies that follow a stored history, which `change` may have damaged.
fn resumed(change: impl FnOnce(&mut Value)) -> Vec<(Bytes, Usage)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.json");
    let snapshot = Snapshot::open(&path).unwrap();
    let mut world = sim();
    drive(snapshot.memory(), &mut world, &questions(0));
    snapshot.save().unwrap();
    let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut state);
    std::fs::write(&path, state.to_string()).unwrap();
    let snapshot = Snapshot::open(&path).unwrap();
    drive(snapshot.memory(), &mut world, &questions(HALF))
}

#[test]
fn what_was_sent_and_where_requests_part_is_known_after_a_restart() {
    let (memory, mut world) = (InProcess::default(), sim());
    drive(&memory, &mut world, &questions(0));
    let went_on = drive(&memory, &mut world, &questions(HALF));
    assert!(resumed(|_| ()) == went_on, "a body or a bill differs");
    let unsent = resumed(|state| {
        state.as_object_mut().unwrap().remove("sent").unwrap();
    });
    assert!(unsent != went_on, "what was sent makes no difference here");
    let unparted = resumed(|state| {
        for (_, scope) in state["scopes"].as_object_mut().unwrap() {
            scope.as_object_mut().unwrap().remove("partings").unwrap();
        }
    });
    assert!(unparted != went_on, "where they part makes none");
    // A file of the second version has neither.
    let old = resumed(|state| {
        let state = state.as_object_mut().unwrap();
        state.remove("sent").unwrap();
        state["cachewright_state"] = 2.into();
        for (_, scope) in state["scopes"].as_object_mut().unwrap() {
            scope.as_object_mut().unwrap().remove("partings").unwrap();
        }
    });
    assert_eq!(old.len(), went_on.len());
}
