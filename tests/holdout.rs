//! The control arm, and the saving that is measured with it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "a test may stop at the first surprise"
)]

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cachewright::adapter::handle::{Builder, Cachewright};
use cachewright::adapter::page;
use cachewright::adapter::store::{Query, Store, StoreOptions};
use cachewright::adapter::tower::RequestBody;
use cachewright::engine::{Engine, Meta, Overlay, Settings};
use cachewright::ledger::{Group, Id, Record};
use cachewright::model::{Arm, Digest, Keyring, Mode, Money, Share, Timestamp};
use cachewright::provider::Catalog;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::{Service as _, service_fn};

use crate::support::origin::{MESSAGE, builder};
use crate::support::postgres::Postgres;

/// A turn of a conversation with tools in an odd order.
fn body(opening: &str, turns: usize) -> String {
    let mut messages = vec![json!({"role": "user", "content": opening})];
    for turn in 0..turns {
        messages.push(json!({"role": "assistant", "content": format!("answer {turn}")}));
        messages.push(json!({"role": "user", "content": format!("question {turn}")}));
    }
    let system = "It is 2026-11-30T17:00:00Z. The crown jewels are in the tower. ".repeat(400);
    let body = json!({
        "model": "claude-opus-4-8", "max_tokens": 9, "system": system, "messages": messages,
        "tools": [{"name": "b", "input_schema": {"type": "object"}},
                  {"name": "a", "input_schema": {"type": "object"}}],
    });
    format!(" {body}\n")
}

/// A handle over a provider that keeps what it gets.
struct Bench {
    cache: Cachewright,
    got: Arc<Mutex<Vec<Bytes>>>,
}

impl Bench {
    fn new(builder: Builder) -> Self {
        let cache = builder.secret(b"the same everywhere").build().unwrap();
        let got = Arc::default();
        Self { cache, got }
    }

    async fn ask(&self, body: &str) -> (Bytes, Record) {
        let got = Arc::clone(&self.got);
        let provider = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
            let got = Arc::clone(&got);
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                got.lock().unwrap().push(body);
                let answer = Response::builder().header("content-type", "application/json");
                io::Result::Ok(answer.body(Full::<Bytes>::from(MESSAGE)).unwrap())
            }
        });
        let request = Request::post("http://localhost/v1/messages")
            .header("content-type", "application/json")
            .header("x-api-key", "k")
            .body(Full::from(body.to_owned()))
            .unwrap();
        let answer = self.cache.wrap(provider).call(request).await.unwrap();
        answer.into_body().collect().await.unwrap();
        let sent = self.got.lock().unwrap().pop().unwrap();
        (sent, self.cache.records().pop().unwrap())
    }
}

#[tokio::test]
async fn control_conversations_pass_untouched_and_are_accounted_for() {
    let half = Share::hundredths(5000);
    for (mode, rules) in [
        (Mode::Place, ""),
        (Mode::Reshape, "rules = [\"tool_order\"]"),
    ] {
        let builder = builder().config("a.toml", rules).unwrap();
        let bench = Bench::new(builder.mode(mode).holdout(half));
        let mut arms = [0, 0];
        for number in 0..60 {
            let body = body(&format!("conversation {number}"), 0);
            let (sent, record) = bench.ask(&body).await;
            assert!(record.usage.is_some() && record.skip.is_none());
            assert!(record.cost_without_caching.is_some());
            match record.arm.unwrap() {
                Arm::Control => {
                    assert_eq!(sent, body.as_bytes(), "byte for byte");
                    assert_eq!(record.breakpoints_placed, 0);
                    arms[1] += 1;
                }
                Arm::Treated => {
                    assert!(record.breakpoints_placed > 0);
                    assert!(sent.windows(13).any(|window| window == b"cache_control"));
                    arms[0] += 1;
                }
            }
        }
        // Thirty of sixty, within four standard deviations.
        assert!((15..=45).contains(&arms[1]), "{arms:?}");
    }
}

#[tokio::test]
async fn a_conversation_keeps_its_arm_over_turns_processes_and_modes() {
    let bench = |change: fn(Builder) -> Builder| {
        Bench::new(change(builder().holdout(Share::hundredths(5000))))
    };
    let benches = [
        bench(|builder| builder),
        bench(|builder| builder.mode(Mode::Reshape)),
        bench(|builder| builder.mode(Mode::Observe)),
        bench(|builder| builder.tenant("another").route("elsewhere")),
    ];
    let mut seen = Vec::new();
    for number in 0..24 {
        let mut arms = Vec::new();
        for bench in &benches {
            for turns in [0, 1, 3] {
                let body = body(&format!("conversation {number}"), turns);
                arms.push(bench.ask(&body).await.1.arm);
            }
        }
        assert!(arms.iter().all(|arm| *arm == arms[0]), "{arms:?}");
        seen.push(arms[0]);
    }
    assert!(seen.contains(&Some(Arm::Control)) && seen.contains(&Some(Arm::Treated)));
}

#[tokio::test]
async fn without_a_holdout_there_are_no_arms_and_a_route_can_have_its_own() {
    let (_, record) = Bench::new(builder()).ask(&body("hi", 0)).await;
    assert_eq!(record.arm, None);
    let mut none = Overlay::default();
    none.holdout = Some(Share::NONE);
    let all = builder().holdout(Share::hundredths(10_000));
    let (_, record) = Bench::new(all).ask(&body("hi", 0)).await;
    assert_eq!(record.arm, Some(Arm::Control));
    let all = builder().holdout(Share::hundredths(10_000));
    let but = all.overlay("quiet", none).route("quiet");
    let (_, record) = Bench::new(but).ask(&body("hi", 0)).await;
    assert_eq!(record.arm, None);
}

#[test]
fn the_share_is_about_what_was_asked_for() {
    let mut settings = Settings::default();
    settings.holdout = Share::hundredths(500);
    settings.keyring = Keyring::new(b"a secret");
    let engine = Engine::new(Arc::new(Catalog::builtin()), settings);
    let control = (0..4000).filter(|number| {
        let text = json!({"model": "claude-opus-4-8", "max_tokens": 9,
            "messages": [{"role": "user", "content": format!("conversation {number}")}]});
        let body = Bytes::from(text.to_string());
        let prepared = engine.prepare(Timestamp::default(), &Meta::of("anthropic"), &body);
        prepared.exchange.record().arm == Some(Arm::Control)
    });
    // Two hundred of four thousand, within four standard deviations.
    let control = control.count();
    assert!((145..=255).contains(&control), "{control}");
}

const START: i64 = 1_789_995_600_000_000;

fn cents(cents: i128) -> Option<Money> {
    Some(Money::from_pico(cents * 10_000_000_000))
}

fn conversation(name: &str) -> Digest {
    Keyring::new(b"test").scope(&[name.as_bytes()])
}

fn record(number: u64, arm: Option<Arm>, costs: [Option<Money>; 2]) -> Record {
    let mut record = Record::default();
    record.id = Id { run: 7, number };
    record.at = Timestamp::from_micros(START + i64::try_from(number).unwrap() * 1_000_000);
    record.ended = record.at;
    record.provider = "anthropic".into();
    record.model = "claude-opus-4.8".into();
    record.status = 200;
    record.arm = arm;
    [record.cost, record.cost_without_caching] = costs;
    record.usage = Some(cachewright::model::Usage::reported(1, 2, 3, 0, 4));
    record
}

/// Forty treated conversations of two calls each at 0.3 of the price without caching, a ping among
/// them, and `control` that were left alone at 0.6; beside them what is in no arm or has no price.
fn filled(target: &str, control: u64) -> Store {
    let store = Store::open(StoreOptions::at(target).unwrap()).unwrap();
    let observer = store.observer();
    let mut number = 0;
    let mut book = |arm, name: Option<String>, costs, change: fn(&mut Record)| {
        number += 1;
        let mut record = record(number, arm, costs);
        record.lineage = name.as_deref().map(conversation);
        change(&mut record);
        observer.booked(&record);
    };
    let (treated, left) = (Some(Arm::Treated), Some(Arm::Control));
    for at in 0..40 {
        let name = || Some(format!("treated {at}"));
        book(treated, name(), [cents(20), cents(50)], |_| {});
        book(treated, name(), [cents(10), cents(50)], |record| {
            record.route = "support".into();
        });
    }
    for at in 0..control {
        book(
            left,
            Some(format!("control {at}")),
            [cents(60), cents(100)],
            |_| {},
        );
    }
    book(treated, None, [cents(80), cents(80)], |record| {
        record.errand = true;
        record.errand_kind = "ping";
    });
    book(treated, Some("unpriced".into()), [None, None], |_| {});
    book(
        None,
        Some("before".into()),
        [cents(9000), cents(9000)],
        |_| {},
    );
    store.flush().unwrap();
    store
}

fn measured(target: &str) {
    let store = filled(target, 30);
    let holdout = store.story(&Query::default()).unwrap().holdout.unwrap();
    assert_eq!(
        (holdout.treated.conversations, holdout.control.conversations),
        (40, 30)
    );
    // The ping replaced no call, so that nothing of it would have been paid without caching.
    assert_eq!(holdout.treated.cost, cents(40 * 30 + 80).unwrap());
    assert_eq!(holdout.treated.cost_without_caching, cents(4000).unwrap());
    assert_eq!(holdout.control.ratio(), Some(0.6));
    let saving = holdout.saving.unwrap();
    assert!(
        (saving.share - (1.0 - 0.32 / 0.6)).abs() < 1e-9,
        "{saving:?}"
    );
    let [low, high] = saving.interval;
    assert!(
        low < saving.share && saving.share < high && low > 0.35,
        "{saving:?}"
    );
    assert_eq!(saving.amount, cents(2400 - 1280).unwrap());
    // One route has no control of its own.
    let support = Query::default().only(Group::Route, "support");
    let few = store.story(&support).unwrap().holdout.unwrap();
    let few = few.saving.unwrap_err();
    assert_eq!((few.arm, few.conversations), (Arm::Control, 0));
    let late = Query::default().since(Timestamp::from_micros(START + 1_000_000_000));
    assert_eq!(store.story(&late).unwrap().holdout, None);
    // What stands in the rows comes back.
    let (mut arms, mut pings) = ([0, 0, 0], 0);
    let read = store.rows(&Query::default(), |row| {
        let at = match row.record.arm {
            Some(Arm::Treated) => 0,
            Some(Arm::Control) => 1,
            None => 2,
        };
        arms[at] += 1;
        pings += usize::from(row.record.errand_kind == "ping");
        Ok::<_, cachewright::error::Error>(())
    });
    read.unwrap();
    assert_eq!((arms, pings), ([82, 30, 1], 1));
}

#[test]
fn sqlite_measures_the_saving() {
    let dir = tempfile::tempdir().unwrap();
    measured(&dir.path().join("ledger.db").display().to_string());
}

#[test]
fn postgres_measures_the_saving() {
    if let Some(cluster) = Postgres::shared() {
        measured(&cluster.database());
    }
}

fn said(dir: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_cachewright"))
        .args(args)
        .args(["--ledger", "ledger.db"])
        .current_dir(dir)
        .env("COLUMNS", "200")
        .env_remove("CACHEWRIGHT_LEDGER")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn reports_tell_what_was_measured_beside_what_is_modelled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db").display().to_string();
    let store = filled(&path, 30);
    let text = said(dir.path(), &["report"]);
    for part in [
        "Measured: 46.7 % less than 30 conversations that were left alone (",
        "which is $11.20.",
        "They paid 32.0 % of the price without caching, the others 60.0 %.",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let report: Value = serde_json::from_str(&said(dir.path(), &["report", "--json"])).unwrap();
    let holdout = &report["holdout"];
    assert_eq!(holdout["control"]["conversations"], 30);
    assert_eq!(holdout["treated"]["cost"]["usd"], "12.800000000000");
    assert_eq!(holdout["measured"]["amount"]["usd"], "11.200000000000");
    assert_eq!(holdout["too_few"], Value::Null);
    let html = page::render(&store.story(&Query::default()).unwrap());
    assert!(html.contains("46.7\u{a0}%"), "the page tells it as well");
    let rows = said(dir.path(), &["ledger", "export"]);
    let control = rows
        .lines()
        .filter(|line| line.contains("\"arm\":\"control\""));
    assert_eq!(control.count(), 30);
}

#[test]
fn a_small_control_arm_is_no_figure() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db").display().to_string();
    let store = filled(&path, 12);
    let text = said(dir.path(), &["report"]);
    let sentence = "Measured: nothing yet. The control arm has 12 conversations with prices";
    assert!(text.contains(sentence), "{text}");
    let report: Value = serde_json::from_str(&said(dir.path(), &["report", "--json"])).unwrap();
    assert_eq!(report["holdout"]["measured"], Value::Null);
    assert_eq!(report["holdout"]["too_few"]["needed"], 30);
    let html = page::render(&store.story(&Query::default()).unwrap());
    assert!(html.contains("12 of 30 conversations"), "the page says why");
}
