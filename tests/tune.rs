//! What `tune` proposes saves what it promised: in the replay, through the layer, and on traffic
//! that it has not seen.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a test stops at the first surprise; seconds and shares of costs"
)]

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cachewright::adapter::clock::Clock;
use cachewright::adapter::handle::{Builder, Cachewright};
use cachewright::adapter::journal::JournalOptions;
use cachewright::adapter::proxy::ProxyOptions;
use cachewright::adapter::server::{SimOptions, SimServer};
use cachewright::adapter::store::{Store, StoreOptions};
use cachewright::adapter::tune::{Act, Finding, Task, check, tune};
use cachewright::adapter::workload::{Options, Workload};
use cachewright::canon::Rule;
use cachewright::model::{Money, Pattern, Timestamp, Ttl};
use cachewright::provider::Catalog;
use serde_json::{Value, json};
use tower_service::Service as _;

const MODEL: &str = "claude-sonnet-4-5";

/// One request: when, on which route, in which session, and what.
#[derive(Clone)]
struct Call {
    at: f64,
    route: &'static str,
    session: String,
    body: Value,
}

fn text(seed: usize, words: usize) -> String {
    let mut out = String::new();
    for n in 0..words {
        write!(out, "word{} ", (seed * 7919 + n * 31) % 9973).unwrap();
        if n % 12 == 11 {
            out.push('\n');
        }
    }
    out
}

/// Questions of one turn each over one system prompt, half a minute apart.
fn questions(count: usize, system: impl Fn(usize) -> String) -> Vec<Call> {
    let ask = |n: usize| Call {
        at: 1000.0 + 30.0 * n as f64,
        route: "",
        session: format!("s{n}"),
        body: json!({
            "model": MODEL,
            "max_tokens": 500,
            "system": system(n),
            "messages": [{"role": "user", "content": text(n + 50, 60)}],
        }),
    };
    (0..count).map(ask).collect()
}

/// A system prompt that says the time in its second line.
fn clocked(n: usize) -> String {
    let (minute, second) = (n / 2 % 60, n % 2 * 30);
    format!(
        "You answer questions.\nCurrent time: 2026-11-25T10:{minute:02}:{second:02}Z\n{}",
        text(1, 2500)
    )
}

fn recorded(dir: &Path, calls: &[Call]) -> PathBuf {
    let mut lines = String::new();
    for call in calls {
        let mut line = json!({
            "t": call.at, "end": call.at + 2.0, "session": call.session, "request": call.body,
        });
        if !call.route.is_empty() {
            line["route"] = call.route.into();
        }
        writeln!(lines, "{line}").unwrap();
    }
    let path = dir.join("requests.jsonl");
    std::fs::write(&path, lines).unwrap();
    path
}

fn task(path: &Path) -> Task {
    Task::new(vec![path.to_owned()], Arc::new(Catalog::builtin()))
}

fn found(calls: &[Call]) -> Finding {
    let dir = tempfile::tempdir().unwrap();
    tune(&task(&recorded(dir.path(), calls)), &()).unwrap()
}

fn names(finding: &Finding) -> Vec<&'static str> {
    let all = finding.changes.iter();
    all.map(|advice| advice.change.name()).collect()
}

/// A clock that is set by hand.
#[derive(Clone, Debug, Default)]
struct Virtual(Arc<AtomicI64>);

impl Virtual {
    fn set(&self, seconds: f64) {
        let now = Timestamp::from_secs_f64(seconds);
        self.0.store(now.as_micros(), Ordering::Relaxed);
    }
}

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// Sends everything through the layer to the simulator over HTTP, in virtual time, and returns the
/// handle that accounted for it.
async fn through_the_layer(calls: &[Call], builder: Builder) -> Cachewright {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let provider = SimServer::new(SimOptions::default())
        .bind(loopback)
        .await
        .unwrap();
    let clock = Virtual::default();
    let cache = builder
        .assume("anthropic")
        .by_length()
        .clock(clock.clone())
        .build()
        .unwrap();
    let mut client = cache.wrap(reqwest::Client::new());
    for call in calls {
        clock.set(call.at);
        let request = client
            .get_ref()
            .post(format!("{}/v1/messages", provider.base_url()))
            .header("content-type", "application/json")
            .header("x-api-key", "key")
            .header("x-cachewright-route", call.route)
            .header("x-sim-time", call.at.to_string())
            .header("x-sim-output-tokens", "10")
            .body(call.body.to_string())
            .build()
            .unwrap();
        let answer = client.call(request).await.unwrap();
        clock.set(call.at + 2.0);
        assert!(answer.status().is_success());
        answer.text().await.unwrap();
    }
    provider.stop(Duration::from_secs(1)).await;
    cache
}

fn near(one: Money, other: Money, percent: i128) -> bool {
    let (one, other) = (one.as_pico(), other.as_pico());
    (one - other).abs() * 100 <= other.abs() * percent
}

fn cachewright(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cachewright"));
    command.args(args).env("NO_COLOR", "1").output().unwrap()
}

#[tokio::test]
async fn a_clock_is_found_and_moving_it_saves_as_much_through_the_layer() {
    let calls = questions(40, clocked);
    let finding = found(&calls);
    let first = &finding.changes[0];
    assert_eq!(first.change.act, Act::Rule(Rule::MoveVolatile));
    let spot = &first.change.spots[0];
    assert_eq!(&*spot.pointer, "/system/0", "{spot:?}");
    assert_eq!(spot.pattern, Some(Pattern::Timestamp));
    let shown = serde_json::to_vec(&calls[39].body["system"]).unwrap();
    let bytes = &shown[spot.span.start as usize..spot.span.end as usize];
    assert_eq!(bytes, b"2026-11-25T10:19:30Z");
    for half in first.halves.iter().flatten() {
        assert!(half.share() > 3000, "{half:?}");
    }

    let patch = finding.patch(&[1]).to_string();
    let before = through_the_layer(&calls, Cachewright::builder()).await;
    let tuned = Cachewright::builder().config("a.toml", &patch).unwrap();
    let after = through_the_layer(&calls, tuned).await;
    let measured = before.totals().cost - after.totals().cost;
    let promised = first.alone.amount();
    assert!(promised > Money::ZERO);
    assert!(near(promised, measured, 5), "{promised} {measured}");
}

#[test]
fn shuffled_tools_are_sorted() {
    let tools = |turn: usize| -> Value {
        let mut tools: Vec<Value> = (0..8)
            .map(|n| {
                json!({
                    "name": format!("tool_{n}"),
                    "description": text(n, 80),
                    "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}},
                })
            })
            .collect();
        tools.rotate_left(turn * 3 % 8);
        tools.into()
    };
    let mut calls = questions(24, |_| text(1, 900));
    for (n, call) in calls.iter_mut().enumerate() {
        call.body["tools"] = tools(n);
    }
    let finding = found(&calls);
    assert_eq!(names(&finding), ["tool_order"]);
    let change = &finding.changes[0].change;
    assert_eq!(change.spots[0].pattern, Some(Pattern::Order));
    assert!(finding.changes[0].alone.share() > 3000);
    let patch = finding.patch(&[1]).to_string();
    assert_eq!(patch, "mode = \"reshape\"\nrules = [\"tool_order\"]\n");
}

#[test]
fn a_line_with_an_id_can_be_dropped() {
    let calls = questions(24, |n| {
        let id = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("x-request-id: {id:016x}{id:016x}\n{}", text(1, 2500))
    });
    let finding = found(&calls);
    let all = finding.changes.iter().chain(&finding.others);
    let drop = all
        .clone()
        .position(|advice| advice.change.act == Act::Drop("x-request-id:".into()));
    let rank = drop.expect("the line can be dropped") + 1;
    let advice = finding.advice(rank).unwrap();
    assert!(advice.alone.share() > 3000);
    assert!(advice.change.caution().is_some());
    let patch = finding.patch(&[rank]).to_string();
    assert!(patch.contains("nonces = [\"x-request-id:\"]"), "{patch}");
}

/// Conversations whose turns are eight minutes apart.
fn slow() -> Vec<Call> {
    let mut calls = Vec::new();
    for session in 0..6 {
        let mut messages = vec![json!({"role": "user", "content": text(session + 70, 400)})];
        for turn in 0..6 {
            calls.push(Call {
                at: 1000.0 + 7200.0 * session as f64 + 480.0 * turn as f64,
                route: "",
                session: format!("s{session}"),
                body: json!({
                    "model": MODEL, "max_tokens": 500, "system": text(1, 2500),
                    "messages": messages,
                }),
            });
            messages.push(json!({"role": "assistant", "content": text(turn, 60)}));
            messages.push(json!({"role": "user", "content": text(session * 10 + turn, 120)}));
        }
    }
    calls
}

#[test]
fn gaps_above_five_minutes_ask_for_the_class_of_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    let mut task = task(&recorded(dir.path(), &slow()));
    task.settings.ttl = Some(Ttl::FiveMinutes);
    let finding = tune(&task, &()).unwrap();
    assert_eq!(finding.changes[0].change.act, Act::Ttl(Ttl::OneHour));
    assert!(finding.changes[0].alone.share() > 1000);
    assert_eq!(finding.patch(&[1]).to_string(), "ttl = \"1h\"\n");
}

#[test]
fn where_nothing_helps_nothing_is_proposed() {
    let finding = found(&questions(24, |_| text(1, 2500)));
    assert_eq!(names(&finding), [""; 0]);
    assert!(finding.others.is_empty());
    assert_eq!(finding.before, finding.after);
    let dir = tempfile::tempdir().unwrap();
    let path = recorded(dir.path(), &questions(8, |_| text(1, 2500)));
    let output = cachewright(&["tune", path.to_str().unwrap()]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("\nNothing "), "{said}");
}

#[test]
fn a_route_is_changed_and_no_other() {
    let mut calls = questions(24, clocked);
    let mut others = questions(24, |_| text(3, 2500));
    for call in &mut calls {
        call.route = "support";
    }
    for call in &mut others {
        call.at += 7.0;
        call.session.push('o');
        call.route = "search";
    }
    calls.append(&mut others);
    let finding = found(&calls);
    assert_eq!(names(&finding), ["move_volatile"]);
    let patch = finding.patch(&[1]).to_string();
    assert_eq!(
        patch,
        "[routes.support]\nmode = \"reshape\"\nrules = [\"move_volatile\"]\n"
    );
}

#[test]
fn lines_that_no_rule_knows_are_an_edit_of_the_prompt() {
    let people = ["Ann of Kent", "Bob of Rome", "Cid of Oslo", "Dee of Bern"];
    let finding = found(&questions(24, |n| {
        let who = people[n * 5 % 4];
        format!("You help.\nThe customer is {who} today.\n{}", text(1, 2500))
    }));
    assert_eq!(names(&finding), ["prompt"]);
    let change = &finding.changes[0].change;
    assert!(!change.is_setting());
    assert_eq!(&*change.spots[0].pointer, "/system/0");
    assert!(finding.patch(&[1]).lines.is_empty());
}

#[test]
fn applied_changes_are_what_the_proxy_takes_and_save_what_was_promised() {
    let dir = tempfile::tempdir().unwrap();
    let calls = questions(24, clocked);
    let path = recorded(dir.path(), &calls);
    let config = dir.path().join("cachewright.toml");
    let old = "# ours\nlisten = \"127.0.0.1:4040\" # for now\n\n[routes.search]\nttl = \"1h\"\n";
    std::fs::write(&config, old).unwrap();
    let (file, config_file) = (path.to_str().unwrap(), config.to_str().unwrap());
    let args = ["tune", file, "--config", config_file];
    let output = cachewright(&[&args[..], &["--json"]].concat());
    let promised: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(promised["changes"][0]["change"], "move_volatile");

    let output = cachewright(&[&args[..], &["--apply", "1"]].concat());
    assert!(output.status.success(), "{output:?}");
    let diff = String::from_utf8(output.stdout).unwrap();
    assert!(diff.contains("+mode = \"reshape\""), "{diff}");
    let written = std::fs::read_to_string(&config).unwrap();
    for kept in old.lines() {
        assert!(written.contains(kept), "{kept} in {written}");
    }
    let text = ("cachewright.toml", written.as_str());
    let builder = Cachewright::builder().config(text.0, text.1).unwrap();
    ProxyOptions::builtin(&Catalog::builtin(), &|_| None)
        .unwrap()
        .config(text, &Catalog::builtin(), &|_| None)
        .unwrap();

    let mut task = task(&path);
    task.settings = builder.settings().clone();
    let again = tune(&task, &()).unwrap();
    let cost = promised["changes"][0]["alone"]["after_usd"]
        .as_str()
        .unwrap();
    let now = again.before.cost.as_pico();
    assert_eq!(cost.replace('.', "").parse::<i128>().unwrap(), now);
    // Nothing else was left in the directory, and a second time there is nothing to do.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    let output = cachewright(&[&args[..], &["--apply", "7"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&config).unwrap(), written);
}

#[test]
fn promises_hold_on_steady_traffic_and_are_found_out_on_other() {
    let dir = tempfile::tempdir().unwrap();
    let steady = recorded(dir.path(), &questions(48, clocked));
    let proof = check(&task(&steady), &()).unwrap();
    assert_eq!((proof.chosen_on, proof.measured_on), (24, 24));
    assert!(proof.held(), "{:?}", proof.tests);
    assert!(proof.total.unwrap().promised.share() > 3000);
    let output = cachewright(&["tune", "--check", steady.to_str().unwrap()]);
    assert!(output.status.success());

    let changed = recorded(
        dir.path(),
        &questions(48, |n| if n < 24 { clocked(n) } else { text(1, 2500) }),
    );
    let proof = check(&task(&changed), &()).unwrap();
    assert!(!proof.held());
    assert!(!proof.tests[0].held);
    let output = cachewright(&["tune", "--check", changed.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("did not hold"), "{said}");
}

#[tokio::test]
async fn the_journal_is_traffic_to_tune_by() {
    let dir = tempfile::tempdir().unwrap();
    let mut calls = questions(12, clocked);
    for call in &mut calls {
        call.route = "support";
    }
    let path = dir.path().join("journal.jsonl");
    let builder = Cachewright::builder().journal(JournalOptions::at(&path));
    let cache = through_the_layer(&calls, builder).await;
    let journal = cache.journal().unwrap();
    journal.flush();
    assert_eq!((journal.written(), journal.dropped()), (12, 0));
    let read = Workload::open(&path, Options::default()).unwrap();
    let read: Vec<_> = read.map(Result::unwrap).collect();
    let mut billed = Money::ZERO;
    let prices = Catalog::builtin().model("anthropic", MODEL).prices.unwrap();
    for (timed, call) in read.iter().zip(&calls) {
        assert_eq!(timed.route.as_deref(), Some("support"));
        assert_eq!(timed.at, Timestamp::from_secs_f64(call.at));
        assert_eq!(timed.body, call.body.to_string());
        billed += prices.standard.cost(&timed.usage.unwrap());
    }
    assert_eq!(billed, cache.totals().cost);
    let config = dir.path().join("cachewright.toml");
    let text = format!("[journal]\npath = {:?}\n", path.to_str().unwrap());
    std::fs::write(&config, text).unwrap();
    let args = ["tune", "--json", "--config", config.to_str().unwrap()];
    let output = cachewright(&args);
    let finding: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(finding["requests"], 12);
    assert_eq!(finding["billed"]["requests"], 12);
    assert_eq!(finding["changes"][0]["route"], "support");
}

#[tokio::test]
async fn a_ledger_alone_is_ranked_by_its_figures_and_says_what_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("ledger.db");
    let ledger = ledger.to_str().unwrap();
    let store = Store::lazy(StoreOptions::at(ledger).unwrap());
    let builder = Cachewright::builder().ledger(&store);
    through_the_layer(&questions(6, clocked), builder).await;
    tokio::task::spawn_blocking(move || store.flush())
        .await
        .unwrap()
        .unwrap();
    let output = cachewright(&["tune", "--ledger", ledger]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("[journal]") && said.contains("nothing was replayed"),
        "{said}"
    );
    let output = cachewright(&["tune"]);
    assert_eq!(output.status.code(), Some(2));
}
