//! What attempts leave in the ledger, metrics and explanations.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]
#![expect(clippy::too_many_lines, reason = "one call is followed everywhere")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::admin::Scrape;
use cachewright::adapter::gateway::{Gateway, GatewayOptions, Whole};
use cachewright::adapter::handle::{Attempted, Builder, Cachewright, Route};
use cachewright::adapter::page;
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::adapter::store::{Query, Store, StoreOptions};
use cachewright::adapter::tower::RequestBody;
use cachewright::ledger::{Attempt, Group, Record};
use cachewright::model::{Cause, Money, Usage};
use cachewright::provider::Catalog;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tower::{Service as _, ServiceExt as _};

/// A model of which every price is known, and what its million tokens cost.
const MODEL: &str = "claude-opus-4-8";
/// Long enough to be worth a marker.
const SYSTEM: usize = 40_000;

/// A body that says when it is asked for, as whoever sends a route's attempts does.
struct Telling {
    inner: RequestBody<Full<Bytes>>,
    attempted: Option<Attempted>,
}

impl Body for Telling {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(attempted) = self.attempted.take() {
            attempted.reach();
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}

type Http = Client<HttpConnector, Telling>;

/// One handle over a client, and where it sends.
struct Bench {
    cache: Cachewright,
    client: Http,
    base: String,
}

impl Bench {
    fn at(base: &str) -> Self {
        Self::with(base, |builder| builder)
    }

    fn with(base: &str, configure: impl FnOnce(Builder) -> Builder) -> Self {
        let builder = Cachewright::builder().assume("anthropic");
        Self {
            cache: configure(builder).build().unwrap(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            base: base.into(),
        }
    }

    /// Sends one call and reads its answer to the end, whatever comes of it.
    async fn call(&self, attempt: Option<Attempt>, head: &[(&str, &str)], body: String) {
        self.send(attempt.map(Attempted::new), head, body).await;
    }

    async fn send(&self, attempted: Option<Attempted>, head: &[(&str, &str)], body: String) {
        let client = self.client.clone().map_request(|request: Request<_>| {
            let attempted = request.extensions().get().cloned();
            request.map(|inner| Telling { inner, attempted })
        });
        let mut request = Request::post(format!("{}/v1/messages", self.base))
            .header("content-type", "application/json")
            .extension(Route("contracts".into()));
        for (name, value) in head {
            request = request.header(*name, *value);
        }
        if let Some(attempted) = attempted {
            request = request.extension(attempted);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        if let Ok(answer) = self.cache.wrap(client).call(request).await {
            // A body that breaks off is one of the cases.
            let _ = answer.into_body().collect().await;
        }
    }

    fn last(&self) -> Record {
        self.cache.records().pop().unwrap()
    }
}

/// How an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Whole,
    Stream,
}

fn body(turn: &str, delivery: Delivery) -> String {
    let stream = delivery == Delivery::Stream;
    let system = "s".repeat(SYSTEM);
    format!(
        r#"{{"model":"{MODEL}","max_tokens":20,"stream":{stream},"system":"{system}","messages":[{{"role":"user","content":"{turn}"}}]}}"#
    )
}

fn attempt(backend: &str, number: u32) -> Attempt {
    let mut attempt = Attempt::default();
    attempt.backend = backend.into();
    attempt.call = 7;
    attempt.number = number;
    attempt
}

async fn sim(options: SimOptions) -> SimHandle {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    SimServer::new(options).bind(address).await.unwrap()
}

/// Listens, reads something and closes, without a word.
async fn resetting() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut some = [0; 4096];
            let _ = socket.read(&mut some).await;
        }
    });
    base
}

/// An address where nobody listens.
async fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Of a routed call and of one that no route decided on.
fn both() -> [Option<Attempt>; 2] {
    [None, Some(attempt("direct", 1))]
}

/// The record of one call whose answer goes wrong like this.
async fn faulty(attempt: Option<Attempt>, fault: &str, delivery: Delivery) -> Record {
    let server = sim(SimOptions::default()).await;
    let bench = Bench::at(&server.base_url());
    let admin = format!("{}/admin/faults", server.base_url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ordered = client.post(admin).body(fault.to_owned()).send().await;
    assert!(ordered.unwrap().status().is_success(), "{fault}");
    bench.call(attempt, &[], body("hi", delivery)).await;
    assert_eq!(bench.cache.records().len(), 1);
    bench.last()
}

#[tokio::test]
async fn what_was_sent_and_never_answered_is_presumed_to_be_billed() {
    for attempt in both() {
        let bench = Bench::at(&resetting().await);
        bench.call(attempt, &[], body("hi", Delivery::Whole)).await;
        let record = bench.last();
        assert_eq!((record.status, record.usage), (0, None));
        // The system prompt was to be written at $6.25 per million tokens.
        let tokens = record.estimated_input;
        assert!(tokens > 10_000, "{tokens}");
        let presumed = record.presumed.unwrap().as_pico();
        let least = i128::from(tokens) * 5_000_000;
        assert!(
            presumed > least * 12 / 10 && presumed <= least * 5 / 4,
            "{presumed}"
        );
        assert_eq!(record.cost, None);
    }
}

#[tokio::test]
async fn a_caller_who_gives_up_waiting_may_pay_for_it() {
    for attempt in both() {
        let mut options = SimOptions::default();
        options.first_byte = Duration::from_secs(3600);
        options.keep_requests = 1;
        let server = sim(options).await;
        let bench = Bench::at(&server.base_url());
        let call = bench.call(attempt, &[], body("hi", Delivery::Whole));
        let mut call = Box::pin(call);
        // The simulator has the whole request once it counts it.
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/admin/requests", server.base_url());
        let mut arrived = false;
        for _ in 0..10_000 {
            assert!(futures_util::poll!(&mut call).is_pending());
            let kept = client.get(&url).send().await.unwrap().text().await.unwrap();
            arrived = kept.contains("model");
            if arrived {
                break;
            }
        }
        assert!(arrived);
        drop(call);
        let record = bench.last();
        assert_eq!((record.status, record.complete), (0, false));
        assert!(record.presumed.is_some());
    }
}

#[tokio::test]
async fn what_never_left_is_not_presumed() {
    for attempt in both() {
        let bench = Bench::at(&refusing().await);
        bench.call(attempt, &[], body("hi", Delivery::Whole)).await;
        assert_eq!(bench.last().status, 0);
        assert_eq!(bench.last().presumed, None);
    }
}

#[tokio::test]
async fn a_refusal_is_not_presumed_and_a_fault_of_the_server_is() {
    for attempt in both() {
        for (status, billed) in [(400, false), (429, false), (529, false), (500, true)] {
            // What was refused is sent once more as the caller spelled it.
            let fault = format!(r#"{{"status":{status},"count":2}}"#);
            let record = faulty(attempt.clone(), &fault, Delivery::Whole).await;
            assert_eq!(record.status, status);
            assert_eq!(record.presumed.is_some(), billed, "{status}");
        }
    }
}

#[tokio::test]
async fn a_cut_answer_is_presumed_only_where_its_usage_never_came() {
    for attempt in both() {
        let early = r#"{"cut_after_bytes":60}"#;
        for delivery in [Delivery::Stream, Delivery::Whole] {
            let cut = faulty(attempt.clone(), early, delivery).await;
            assert_eq!((cut.status, cut.usage), (200, None));
            assert!(cut.presumed.is_some(), "{delivery:?}");
        }
        // Of a stream, the first event says what was billed.
        let late = faulty(attempt, r#"{"cut_after_bytes":900}"#, Delivery::Stream).await;
        assert!(!late.complete);
        assert!(late.usage.as_ref().and_then(Usage::input).unwrap() > 10_000);
        assert!(late.cost.unwrap() > Money::ZERO);
        assert_eq!(late.presumed, None);
    }
}

#[tokio::test]
async fn a_warm_prefix_is_presumed_to_be_read() {
    let server = sim(SimOptions::default()).await;
    let bench = Bench::at(&server.base_url());
    bench.call(None, &[], body("hi", Delivery::Whole)).await;
    assert_eq!(bench.last().presumed, None);
    let cut = &[("x-sim-fault", "cut")];
    bench
        .call(Some(attempt("direct", 1)), cut, body("ho", Delivery::Whole))
        .await;
    let record = bench.last();
    let tokens = i128::from(record.estimated_input);
    let presumed = record.presumed.unwrap().as_pico();
    // Read at $0.50 per million tokens, and little else.
    assert!(presumed < tokens * 1_000_000, "{presumed} for {tokens}");
    assert!(presumed >= tokens * 400_000, "{presumed} for {tokens}");
}

/// Turns of one conversation; the system prompt can be another one.
fn talk(turns: usize, system: char) -> String {
    let say = |role: &str, turn: usize| json!({"role": role, "content": format!("{role} {turn} {}", "w".repeat(900))});
    let mut messages: Vec<Value> = (0..turns)
        .flat_map(|turn| [say("user", turn), say("assistant", turn)])
        .collect();
    messages.push(say("user", turns));
    let system = system.to_string().repeat(SYSTEM);
    json!({"model": MODEL, "max_tokens": 20, "system": system, "messages": messages}).to_string()
}

fn hop(backend: &str, number: u32, cost: i128) -> Attempt {
    let mut attempt = attempt(backend, number);
    attempt.hop = Some(Money::from_pico(cost));
    attempt.why = format!("{backend}: direct is overloaded").into();
    attempt
}

/// The keys of two backends, and their caches.
const DIRECT: [(&str, &str); 2] = [("x-api-key", "one"), ("x-sim-workspace", "one")];
const BEDROCK: [(&str, &str); 2] = [("x-api-key", "two"), ("x-sim-workspace", "two")];

fn cause(record: &Record) -> Option<Cause> {
    record.miss.as_ref().map(|miss| miss.cause)
}

#[tokio::test]
async fn a_miss_after_a_hop_is_blamed_on_the_hop() {
    let moved = async |second: Attempt, system: char| {
        // Of the second backend nothing is warm.
        let server = sim(SimOptions::default()).await;
        let bench = Bench::at(&server.base_url());
        for turns in 0..3 {
            bench
                .call(Some(attempt("direct", 1)), &DIRECT, talk(turns, 's'))
                .await;
        }
        let warm = bench.last().usage.unwrap().input().unwrap();
        bench.call(Some(second), &BEDROCK, talk(3, system)).await;
        (bench, warm, server)
    };
    let (bench, warm, _server) = moved(hop("bedrock", 1, 9), 's').await;
    let record = bench.last();
    assert_eq!(cause(&record), Some(Cause::Hop));
    let miss = record.miss.as_ref().unwrap();
    assert_eq!((miss.tokens, &miss.place), (warm, &None));
    assert!(!miss.cause.is_avoidable());
    // The conversation goes on there, and comes back to what is warm still.
    bench
        .call(Some(attempt("bedrock", 1)), &BEDROCK, talk(4, 's'))
        .await;
    assert_eq!(cause(&bench.last()), None);
    bench
        .call(Some(hop("direct", 1, 9)), &DIRECT, talk(5, 's'))
        .await;
    let back = bench.last();
    assert!(back.usage.unwrap().read.unwrap() > 10_000);
    assert_eq!(cause(&back), None, "it read all that was warm there");

    // Nobody left anything: the same miss is one of another scope.
    let (bench, ..) = moved(attempt("bedrock", 1), 's').await;
    assert_eq!(cause(&bench.last()), Some(Cause::ScopeChanged));
    // What the caller changed is not the route's doing.
    let (bench, ..) = moved(hop("bedrock", 1, 9), 'x').await;
    assert_ne!(cause(&bench.last()), Some(Cause::Hop));
}

#[tokio::test]
async fn whoever_follows_an_attempt_is_told_once_what_it_may_have_cost() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let bench = Bench::at(&resetting().await);
    for number in 1..=3 {
        let told = Arc::clone(&told);
        let attempted = Attempted::new(attempt("direct", number))
            .then(move |record| told.lock().unwrap().push(record.presumed.unwrap()));
        bench
            .send(Some(attempted), &[], body("hi", Delivery::Whole))
            .await;
    }
    let booked: Vec<Money> = bench
        .cache
        .records()
        .iter()
        .filter_map(|one| one.presumed)
        .collect();
    assert_eq!(booked.len(), 3);
    assert_eq!(*told.lock().unwrap(), booked);
    let totals = bench.cache.totals();
    assert_eq!((totals.attempts, totals.presumed), (3, 3));
    assert_eq!(totals.presumed_cost, booked.into_iter().sum());
    assert_eq!(totals.cost, Money::ZERO, "it is no part of what was spent");
}

fn ours(args: &[&str], dir: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_cachewright"))
        .args(args)
        .env("XDG_STATE_HOME", dir)
        .env("HOME", dir)
        .env("COLUMNS", "200")
        .env_remove("CACHEWRIGHT_LEDGER")
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn parsed(args: &[&str], dir: &Path) -> Value {
    serde_json::from_str(&ours(args, dir)).unwrap()
}

/// A failed-over call, a hung one and one without a route, in a ledger.
async fn failed_over(dir: &Path) -> (Bench, Scrape, Store) {
    let file = dir.join("ledger.db");
    let store = Store::open(StoreOptions::at(file.to_str().unwrap()).unwrap()).unwrap();
    let scrape = Scrape::new(|metrics| metrics).unwrap();
    let server = sim(SimOptions::default()).await;
    let with = |builder: Builder| builder.ledger(&store).scrape(&scrape);
    let mut bench = Bench::with(&server.base_url(), with);
    let overloaded = [&DIRECT[..], &[("x-sim-fault", "529")]].concat();
    bench
        .call(Some(attempt("direct", 1)), &overloaded, talk(1, 's'))
        .await;
    bench
        .call(
            Some(hop("bedrock", 2, 1_230_000_000)),
            &BEDROCK,
            talk(1, 's'),
        )
        .await;
    let mut other = attempt("direct", 1);
    other.call = 8;
    bench.base = resetting().await;
    bench
        .call(Some(other), &DIRECT, body("hi", Delivery::Whole))
        .await;
    bench.base = server.base_url();
    bench.call(None, &DIRECT, body("ho", Delivery::Whole)).await;
    let written = store.clone();
    tokio::task::spawn_blocking(move || written.flush().unwrap())
        .await
        .unwrap();
    (bench, scrape, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_over_call_is_told_whole() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (bench, scrape, store) = failed_over(dir).await;
    let records = bench.cache.records();
    let ids: Vec<String> = records.iter().map(|one| one.id.to_string()).collect();
    // By the ledger that a configuration names.
    let settings = dir.join("cachewright.toml");
    let ledger = dir.join("ledger.db").display().to_string();
    std::fs::write(&settings, format!("[ledger]\npath = \"{ledger}\"\n")).unwrap();
    let settings = settings.display().to_string();

    let told = ours(&["explain", &ids[1], "--config", &settings], dir);
    for part in [
        "bedrock, attempt 2 of 2",
        "bedrock: direct is overloaded",
        "$0.0012, reckoned for leaving a warm prefix",
        &format!("1. direct: HTTP 529, overloaded ({})", ids[0]),
        &format!("({}, this one)", ids[1]),
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    let told = parsed(&["explain", &ids[0], "--config", &settings, "--json"], dir);
    let attempts = told["call"]["attempts"].as_array().unwrap();
    let of = |name: &str| {
        attempts
            .iter()
            .map(|one| one[name].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("id"), [json!(ids[0]), json!(ids[1])]);
    assert_eq!(of("outcome"), [json!("overloaded"), json!("answered")]);
    assert_eq!(
        told["call"]["cost"]["picodollars"],
        pico(records[1].cost.unwrap())
    );
    assert_eq!(told["call"]["hops_cost"]["picodollars"], 1_230_000_000);
    assert_eq!(
        (&told["presumed"], &told["hop_cost"]),
        (&Value::Null, &Value::Null)
    );

    let hung = parsed(&["explain", &ids[2], "--ledger", &ledger, "--json"], dir);
    let presumed = pico(records[2].presumed.unwrap());
    assert_eq!(hung["presumed"]["picodollars"], presumed);
    assert_eq!(hung["call"]["attempts"].as_array().unwrap().len(), 1);
    let plain = ours(&["explain", &ids[3], "--ledger", &ledger], dir);
    assert!(
        !plain.contains("attempt") && !plain.contains("backend"),
        "{plain}"
    );

    report_tells_of_routes(&ledger, dir, presumed);
    exports_hold_the_columns(&ledger, dir);
    let text = scrape.text();
    for series in [
        "cachewright_attempts_total{route=\"contracts\",backend=\"direct\",outcome=\"overloaded\"} 1",
        "cachewright_attempts_total{route=\"contracts\",backend=\"direct\",outcome=\"silent\"} 1",
        "cachewright_hops_nanodollars_total{route=\"contracts\",backend=\"bedrock\"} 1230000",
    ] {
        assert!(text.contains(series), "{series} is not in\n{text}");
    }
    let shown = tokio::task::spawn_blocking(move || {
        let story = store.story(&Query::default()).unwrap();
        assert_eq!(story.by[&Group::Backend].len(), 3);
        page::render(&story)
    });
    let shown = shown.await.unwrap();
    assert!(shown.contains("Attempts and hops") && shown.contains("Perhaps billed"));
    for (artefact, name) in [
        (text, "metrics"),
        (shown, "page"),
        (told.to_string(), "explain"),
    ] {
        for secret in ["wwwww", "sssss", "\"two\""] {
            assert!(!artefact.contains(secret), "{secret} is in {name}");
        }
    }
}

fn pico(amount: Money) -> i64 {
    i64::try_from(amount.as_pico()).unwrap()
}

fn report_tells_of_routes(ledger: &str, dir: &Path, presumed: i64) {
    let place = ["--ledger", ledger];
    let report = |more: &[&str]| ours(&[&["report"], more, &place[..]].concat(), dir);
    for text in [report(&[]), report(&["--md"])] {
        for part in [
            "Hops: $0.0012 for 1 attempt",
            "Attempts by backend",
            "1 exchange may have been billed",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }
    let by = report(&["--by", "backend"]);
    assert!(by.contains("By backend") && by.contains("(none)"), "{by}");
    let told: Value = serde_json::from_str(&report(&["--json"])).unwrap();
    let total = &told["total"];
    assert_eq!(
        [&total["attempts"], &total["hops"], &total["presumed"]],
        [3, 1, 1]
    );
    assert_eq!(total["presumed_cost"]["picodollars"], presumed);
    let backends = told["by"]["backend"].as_array().unwrap();
    let sum: u64 = backends
        .iter()
        .map(|one| one["attempts"].as_u64().unwrap())
        .sum();
    assert_eq!((backends.len(), sum), (3, 3));
    let csv = report(&["--csv", "--by", "backend"]);
    let header = csv.lines().next().unwrap();
    assert!(header.starts_with("backend,") && header.ends_with("presumed,presumed_cost_usd"));
}

fn exports_hold_the_columns(ledger: &str, dir: &Path) {
    let args = ["ledger", "export", "--ledger", ledger];
    let lines = ours(&args, dir);
    let rows: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 4);
    let row = &rows[1];
    assert_eq!(
        (
            &row["backend"],
            &row["call"],
            &row["attempt"],
            &row["hop_pico"]
        ),
        (
            &json!("bedrock"),
            &json!(7),
            &json!(2),
            &json!(1_230_000_000)
        )
    );
    assert_eq!(row["decided"], "bedrock: direct is overloaded");
    assert!(rows[2]["presumed_pico"].as_i64().unwrap() > 0);
    assert_eq!(
        (&rows[3]["backend"], &rows[3]["call"]),
        (&json!(""), &Value::Null)
    );
    let csv = ours(&[&args[..], &["--format", "csv"]].concat(), dir);
    assert!(csv.contains("backend,call,attempt,hop_pico,decided,presumed_pico,held_micros,errand_kind,arm,kept_saved_pico,wasted_pico"));
    let file = dir.join("rows.parquet");
    let file = file.to_str().unwrap();
    ours(
        &[&args[..], &["--format", "parquet", "-o", file]].concat(),
        dir,
    );
    let bytes = std::fs::read(file).unwrap();
    let holds = |name: &str| {
        bytes
            .windows(name.len())
            .any(|part| part == name.as_bytes())
    };
    assert!(holds("presumed_pico") && holds("bedrock: direct is overloaded"));
}

type Sender = Client<HttpConnector, RequestBody<Whole>>;

/// A route over two backends in this order, each a simulator of its own, on a handle with a ledger.
struct Routed {
    sims: [SimHandle; 2],
    cache: Cachewright,
    gateway: Gateway<Sender>,
}

impl Routed {
    async fn with(store: &Store) -> Self {
        let sims = [
            sim(SimOptions::default()).await,
            sim(SimOptions::default()).await,
        ];
        let [direct, spare] = sims.each_ref().map(SimHandle::base_url);
        let text = format!(
            "[providers.direct]\nkind = \"anthropic\"\nendpoint = \"{direct}\"\nkey = \"one\"\n\
             [providers.spare]\nkind = \"anthropic\"\nendpoint = \"{spare}\"\nkey = \"two\"\n\
             [routes.contracts]\nmodel = \"{MODEL}\"\norder = [\"direct\", \"spare\"]\n"
        );
        let rows = Catalog::builtin();
        let options = GatewayOptions::config(("routes.toml", &text), &rows, &|_| None).unwrap();
        let cache = Cachewright::builder().ledger(store).build().unwrap();
        let client: Sender = Client::builder(TokioExecutor::new()).build_http();
        let gateway = cache.gateway(client, options).unwrap();
        Self {
            sims,
            cache,
            gateway,
        }
    }

    /// What the first backend does wrong next.
    async fn fault(&self, order: &str) {
        let admin = format!("{}/admin/faults", self.sims[0].base_url());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let told = client.post(admin).body(order.to_owned()).send().await;
        assert!(told.unwrap().status().is_success(), "{order}");
    }

    async fn ask(&self, body: String) {
        let request = Request::post("/contracts/v1/messages")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let answer = self.gateway.answer(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_fails_over_leaves_two_rows_of_one_call() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let ledger = dir.join("ledger.db").display().to_string();
    let store = Store::open(StoreOptions::at(&ledger).unwrap()).unwrap();
    let routed = Routed::with(&store).await;
    for turns in 0..3 {
        routed.ask(talk(turns, 's')).await;
    }
    let warm = routed.cache.records().pop().unwrap();
    assert_eq!(warm.attempt.as_ref().unwrap().hop, None);
    routed.fault(r#"{"status":529}"#).await;
    routed.ask(talk(3, 's')).await;
    let records = routed.cache.records();
    let [.., failed, hopped] = &records[..] else {
        unreachable!("two attempts at least");
    };
    let [first, second] = [failed, hopped].map(|one| one.attempt.as_ref().unwrap());
    assert_eq!(first.call, second.call);
    assert_ne!(Some(first.call), warm.attempt.as_ref().map(|one| one.call));
    assert_eq!((&*first.backend, first.number), ("direct", 1));
    assert_eq!((&*second.backend, second.number), ("spare", 2));
    assert_eq!((failed.status, failed.presumed), (529, None));
    assert_eq!(cause(hopped), Some(Cause::Hop));
    // What was reckoned is what it came to, but for what estimates are off by.
    let (hop, came) = (
        hopped.hop().unwrap(),
        hopped.miss.as_ref().unwrap().cost.unwrap(),
    );
    let (hop, came) = (hop.as_pico(), came.as_pico());
    assert!(
        (hop - came).abs() * 4 < came,
        "{hop} was reckoned, {came} it was"
    );
    assert!(
        second.why.contains("direct") || second.why.contains("spare"),
        "{}",
        second.why
    );
    assert!(!second.why.contains("www") && !first.why.contains("www"));

    // And one that broke off after it had left.
    routed.fault(r#"{"fault":"reset"}"#).await;
    routed.ask(body("another talk", Delivery::Whole)).await;
    let broken = routed.cache.records();
    let broken = broken.iter().find(|one| one.status == 0).unwrap();
    assert!(broken.presumed.unwrap() > Money::ZERO);
    let written = store.clone();
    tokio::task::spawn_blocking(move || written.flush().unwrap())
        .await
        .unwrap();
    let id = hopped.id.to_string();
    let told = parsed(&["explain", &id, "--ledger", &ledger, "--json"], dir);
    let attempts = told["call"]["attempts"].as_array().unwrap();
    let of = |name: &str| {
        attempts
            .iter()
            .map(|one| one[name].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("backend"), ["direct", "spare"]);
    assert_eq!(of("outcome"), ["overloaded", "answered"]);
    assert_eq!(of("cause"), [Value::Null, json!("hop")]);
    assert_eq!(
        told["call"]["hops_cost"]["picodollars"],
        pico(hopped.hop().unwrap())
    );
    let told = parsed(&["report", "--ledger", &ledger, "--json"], dir);
    let totals = routed.cache.totals();
    assert_eq!(told["total"]["attempts"], totals.attempts);
    assert_eq!(
        told["total"]["presumed_cost"]["picodollars"],
        pico(totals.presumed_cost)
    );
    assert_eq!(told["total"]["cost"]["picodollars"], pico(totals.cost));
}
