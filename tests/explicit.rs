//! Explicit caches: when they are rented, and that callers never notice, over every adapter.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::large_enum_variant,
    reason = "helpers of tests fail the test"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::handle::{Builder, Cachewright};
use cachewright::adapter::proxy::{Proxy, ProxyHandle, ProxyOptions, Upstream};
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::adapter::tower::{PromptCache, RequestBody};
use cachewright::ledger::Record;
use cachewright::model::Money;
use cachewright::provider::Catalog;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tower::Service as _;

use crate::support::hands::Hands;

/// Only a fault of ours takes this long.
const FAULT: Duration = Duration::from_secs(20);

const GEMINI: &str = "/v1beta/models/gemini-2.5-flash:generateContent";
const VERTEX: &str =
    "/v1/projects/p-1/locations/global/publishers/google/models/gemini-2.5-pro:generateContent";

/// How requests reach the simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Without us.
    Plain,
    Hyper,
    Reqwest,
    Middleware,
    Proxy,
}

const OURS: [Way; 4] = [Way::Hyper, Way::Reqwest, Way::Middleware, Way::Proxy];

enum Sender {
    Plain(Client, String),
    Hyper(PromptCache<Hyper<HttpConnector, RequestBody<Full<Bytes>>>>),
    Reqwest(PromptCache<Client>),
    Middleware(reqwest_middleware::ClientWithMiddleware),
    Proxy(Client, ProxyHandle),
}

impl Sender {
    async fn end(self) {
        if let Self::Proxy(_, proxy) = self {
            proxy.stop(FAULT).await;
        }
    }
}

struct World {
    hands: Hands,
    sim: SimHandle,
    cache: Cachewright,
    records: mpsc::UnboundedReceiver<Record>,
    /// Records that came before they were waited for.
    early: Vec<Record>,
    /// Records of errands that were waited for.
    done: Vec<Record>,
    sender: Sender,
    errands: Option<JoinHandle<()>>,
    path: &'static str,
    /// The length of the system prompt, in sentences.
    rules: usize,
}

fn plain() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

impl World {
    async fn new(way: Way) -> Self {
        Self::with(way, Builder::with_explicit_caches).await
    }

    async fn with(way: Way, change: impl FnOnce(Builder) -> Builder) -> Self {
        let hands = Hands::default();
        let mut options = SimOptions::default();
        options.provider = "gemini".into();
        options.clock = Arc::new(hands.clone());
        options.keep_requests = 10_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let sim = SimServer::new(options).bind(address).await.unwrap();
        let (tell, records) = mpsc::unbounded_channel();
        let builder = Cachewright::builder()
            .assume("gemini")
            .by_length()
            .clock(hands.clone())
            .on_record(move |record| drop(tell.send(record.clone())));
        let cache = change(builder).build().unwrap();
        let (sender, errands) = sender(way, &cache, &sim).await;
        Self {
            hands,
            sim,
            cache,
            records,
            early: Vec::new(),
            done: Vec::new(),
            sender,
            errands,
            path: GEMINI,
            rules: 110,
        }
    }

    fn body(&self, question: &str) -> String {
        let rules = "Rule: answer in one line and be kind. ".repeat(self.rules);
        let tools = json!([{"functionDeclarations": [{"name": "f", "description": "d"}]}]);
        // The order of members, the spaces and the escapes are the caller's.
        format!(
            "{{ \"systemInstruction\" : {{\"parts\":[{{\"text\":\"\\u0041 {rules}\"}}]}},\
             \"contents\":[{{\"role\":\"user\",\"parts\":[{{\"text\":\"{question}\"}}]}}] , \
             \"generationConfig\":{{\"maxOutputTokens\":20,\"temperature\":1.0}},\"tools\":{tools}}}"
        )
    }

    /// Sends one call, and gives back its answer.
    async fn ask(&self, question: &str) -> (u16, Value) {
        let body = self.body(question);
        let base = match &self.sender {
            Sender::Plain(_, base) => base.clone(),
            Sender::Proxy(_, proxy) => proxy.base_url(),
            Sender::Hyper(_) | Sender::Reqwest(_) | Sender::Middleware(_) => self.sim.base_url(),
        };
        let url = format!("{base}{}?key=k-1", self.path);
        let request = |client: &Client| {
            let request = client.post(&url).body(body.clone());
            request
                .header("content-type", "application/json")
                .header("x-goog-user-project", "p-1")
        };
        match &self.sender {
            Sender::Plain(client, _) | Sender::Proxy(client, _) => {
                let response = request(client).send().await.unwrap();
                (response.status().as_u16(), response.json().await.unwrap())
            }
            Sender::Reqwest(client) => {
                let response = client.send(request(&plain())).await.unwrap();
                (response.status().as_u16(), response.json().await.unwrap())
            }
            Sender::Middleware(client) => {
                let request = request(&plain()).build().unwrap();
                let response = client.execute(request).await.unwrap();
                (response.status().as_u16(), response.json().await.unwrap())
            }
            Sender::Hyper(client) => {
                let request = http::Request::post(&url)
                    .header("content-type", "application/json")
                    .header("content-length", body.len())
                    .header("x-goog-user-project", "p-1")
                    .body(Full::new(Bytes::from(body)))
                    .unwrap();
                let response = client.clone().call(request).await.unwrap();
                let status = response.status().as_u16();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                (status, serde_json::from_slice(&body).unwrap())
            }
        }
    }

    /// The next record that is booked, of an errand or of a call.
    async fn record(&mut self, errand: Kind) -> Record {
        let wanted = |one: &Record| one.errand == (errand == Kind::Errand);
        if let Some(at) = self.early.iter().position(wanted) {
            return self.early.remove(at);
        }
        loop {
            let record = tokio::time::timeout(FAULT, self.records.recv()).await;
            let record = record.expect("a record is booked").unwrap();
            if wanted(&record) {
                return record;
            }
            self.early.push(record);
        }
    }

    /// Sends one call and waits for its record.
    async fn turn(&mut self, question: &str) -> (Value, Record) {
        let (status, answer) = self.ask(question).await;
        assert_eq!(status, 200, "{answer}");
        match self.sender {
            Sender::Plain(..) => (answer, Record::default()),
            Sender::Hyper(_) | Sender::Reqwest(_) | Sender::Middleware(_) | Sender::Proxy(..) => {
                (answer, self.record(Kind::Call).await)
            }
        }
    }

    /// Sends calls `seconds` apart, each of which must be answered, and waits for an errand at those
    /// that are expected to cause one. Gives back the answers.
    async fn traffic(&mut self, calls: usize, seconds: i64, errands: &[usize]) -> Vec<Value> {
        let mut answers = Vec::new();
        for number in 1..=calls {
            self.hands.advance(seconds);
            let (answer, _) = self.turn(&format!("question {number}")).await;
            answers.push(answer);
            if errands.contains(&number) && !matches!(self.sender, Sender::Plain(..)) {
                let errand = self.record(Kind::Errand).await;
                self.done.push(errand);
            }
        }
        answers
    }

    /// What arrived at the provider: method, path with its query, headers and body.
    async fn arrived(&self) -> Vec<(String, String, Value, String)> {
        let url = format!("{}/admin/requests", self.sim.base_url());
        let kept: Value = plain().get(url).send().await.unwrap().json().await.unwrap();
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let kept = kept.as_array().unwrap().iter();
        kept.map(|one| {
            let headers = one["headers"].clone();
            (
                text(one, "method"),
                text(one, "path"),
                headers,
                text(one, "body"),
            )
        })
        .collect()
    }

    /// The methods of the errands that arrived.
    async fn errands(&self) -> Vec<String> {
        let arrived = self.arrived().await.into_iter();
        let errands = arrived.filter(|(_, path, ..)| path.contains("cachedContents"));
        errands.map(|(method, ..)| method).collect()
    }

    /// The name that was used last.
    async fn name(&self) -> String {
        let arrived = self.arrived().await;
        let mut names = arrived.iter().rev().filter_map(|(.., body)| {
            let body: Value = serde_json::from_str(body).ok()?;
            Some(body.get("cachedContent")?.as_str()?.to_owned())
        });
        names.next().expect("a call used a cache")
    }

    /// Asks for a cache itself.
    async fn resource(&self, method: reqwest::Method, name: &str) -> (u16, Value) {
        let url = format!("{}/v1beta/{name}?key=k-1", self.sim.base_url());
        let response = plain().request(method, url).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Ends the client, as a program does that shuts down.
    async fn end(&mut self) {
        let sender = std::mem::replace(&mut self.sender, Sender::Plain(plain(), String::new()));
        sender.end().await;
        if let Some(errands) = self.errands.take() {
            tokio::time::timeout(FAULT, errands).await.unwrap().unwrap();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Call,
    Errand,
}

async fn sender(
    way: Way,
    cache: &Cachewright,
    sim: &SimHandle,
) -> (Sender, Option<JoinHandle<()>>) {
    match way {
        Way::Plain => (Sender::Plain(plain(), sim.base_url()), None),
        Way::Hyper => {
            let client = cache.wrap(Hyper::builder(TokioExecutor::new()).build_http());
            let errands = tokio::spawn(client.http_errands());
            (Sender::Hyper(client), Some(errands))
        }
        Way::Reqwest => {
            let client = cache.wrap(plain());
            let errands = tokio::spawn(client.errands());
            (Sender::Reqwest(client), Some(errands))
        }
        Way::Middleware => {
            let middleware = cache.middleware();
            let errands = tokio::spawn(middleware.errands(plain()));
            let client = reqwest_middleware::ClientBuilder::new(plain());
            (
                Sender::Middleware(client.with(middleware).build()),
                Some(errands),
            )
        }
        Way::Proxy => {
            let mut options = ProxyOptions::default();
            options.listen.set_port(0);
            let upstream = Upstream::new("up", &sim.base_url()).unwrap();
            options.upstreams = vec![upstream.provider("gemini")];
            let proxy = Proxy::new(cache, options).unwrap().bind().await.unwrap();
            (Sender::Proxy(plain(), proxy), None)
        }
    }
}

/// What the model said.
fn said(answer: &Value) -> &Value {
    &answer["candidates"]
}

/// Tokens of all prompts.
fn prompts(answers: &[Value]) -> u64 {
    let counts = answers
        .iter()
        .map(|answer| &answer["usageMetadata"]["promptTokenCount"]);
    counts.filter_map(Value::as_u64).sum()
}

fn cached(answer: &Value) -> u64 {
    let cached = &answer["usageMetadata"]["cachedContentTokenCount"];
    cached.as_u64().unwrap_or(0)
}

fn flash() -> cachewright::provider::Model {
    Catalog::builtin().model("gemini", "gemini-2.5-flash")
}

/// What the answers cost by what they report, at the prices of 2.5 Flash.
fn bill(answers: &[Value]) -> Money {
    let tier = flash().prices.unwrap().standard;
    answers.iter().fold(Money::ZERO, |sum, answer| {
        let usage = &answer["usageMetadata"];
        let count = |name: &str| usage[name].as_u64().unwrap_or(0);
        let (prompt, read) = (count("promptTokenCount"), cached(answer));
        sum + tier.input.times(prompt - read)
            + tier.read.times(read)
            + tier.output.times(count("candidatesTokenCount"))
    })
}

fn tokens(resource: &Value) -> u64 {
    let tokens = &resource["usageMetadata"]["totalTokenCount"];
    tokens.as_u64().unwrap()
}

/// What keeping a cache for so many seconds costs.
fn storage(resource: &Value, seconds: i128) -> Money {
    let hour = flash().storage_hour.unwrap().times(tokens(resource));
    Money::from_pico(hour.as_pico() * seconds / 3600)
}

/// What it costs at the provider to make a cache and keep it to its end, by its resource.
fn rented(resource: &Value) -> Money {
    let seconds = |name: &str| {
        let text = resource[name].as_str().unwrap();
        let clock = text.split(['T', 'Z']).nth(1).unwrap();
        let parts: Vec<i128> = clock.split(':').map(|part| part.parse().unwrap()).collect();
        parts[0] * 3600 + parts[1] * 60 + parts[2]
    };
    let made = flash().prices.unwrap().standard.input;
    let kept = seconds("expireTime") - seconds("createTime");
    made.times(tokens(resource)) + storage(resource, kept)
}

/// The calls of steady traffic, 20 seconds apart, at which something is to be asked: the third would
/// have been paid for by the two before it, and an extension is due 300 seconds before the end.
const STEADY: [usize; 3] = [3, 19, 35];

#[tokio::test]
async fn steady_traffic_rents_one_cache_and_the_caller_never_notices() {
    let mut plain = World::new(Way::Plain).await;
    let without = plain.traffic(40, 20, &[]).await;
    for way in OURS {
        let mut world = World::new(way).await;
        let answers = world.traffic(40, 20, &STEADY).await;
        let told = answers.iter().map(said);
        assert!(told.eq(without.iter().map(said)), "{way:?}");
        // A part of a token at the border of the two parts.
        assert!(prompts(&answers).abs_diff(prompts(&without)) <= 40);
        assert_eq!(world.errands().await, ["POST", "PATCH", "PATCH"], "{way:?}");
        let reads: Vec<u64> = answers.iter().map(cached).collect();
        assert!(
            reads[..3].iter().all(|read| *read == 0),
            "{way:?}: {reads:?}"
        );
        assert!(
            reads[3..].iter().all(|read| *read > 1024),
            "{way:?}: {reads:?}"
        );

        // The same credentials and project, and nothing of them in a body.
        for (_, path, headers, body) in world.arrived().await {
            assert!(path.contains("key=k-1"), "{way:?} {path}");
            assert!(!body.contains("k-1"));
            let project = json!(["x-goog-user-project", "p-1"]);
            assert!(
                headers.as_array().unwrap().contains(&project),
                "{way:?} {path}"
            );
        }

        // The provider's bill, and ours.
        let (_, resource) = world
            .resource(reqwest::Method::GET, &world.name().await)
            .await;
        assert_eq!(resource["model"], "models/gemini-2.5-flash");
        let with = bill(&answers) + rented(&resource);
        assert!(with < bill(&without), "{way:?}: {with} {}", bill(&without));
        let totals = world.cache.totals();
        assert_eq!((totals.exchanges, totals.errands), (40, 3));
        let off = (totals.cost - with).as_pico().abs();
        assert!(off < 1000, "{way:?}: {} {with}", totals.cost);
        let off = (totals.cost_without_caching - bill(&without)).as_pico();
        assert!(off.abs() * 1000 < bill(&without).as_pico(), "{way:?}");
        assert!(
            world
                .cache
                .report()
                .to_string()
                .contains("3 errands for explicit caches")
        );

        // In the end it is deleted, and the time that is left is not paid for.
        world.end().await;
        assert_eq!(world.errands().await.last().unwrap(), "DELETE", "{way:?}");
        let last = world.record(Kind::Errand).await;
        // The last extension was that of the 35th call, 100 seconds ago.
        let back = Money::ZERO - storage(&resource, 500);
        assert_eq!(last.cost, Some(back), "{way:?}");
        let gone = world
            .resource(reqwest::Method::GET, &world.name().await)
            .await;
        assert_eq!(gone.0, 403);
    }
}

#[tokio::test]
async fn a_cache_that_vanished_costs_the_caller_nothing() {
    for way in OURS {
        let mut world = World::new(way).await;
        world.traffic(4, 20, &[3]).await;
        let name = world.name().await;
        assert_eq!(world.resource(reqwest::Method::DELETE, &name).await.0, 200);
        world.hands.advance(20);
        let (answer, record) = world.turn("after").await;
        assert_eq!(cached(&answer), 0, "{way:?}");
        assert!(record.resent && record.status == 200, "{way:?}");
        let arrived = world.arrived().await;
        let (_, _, headers, body) = arrived.last().unwrap();
        assert_eq!(*body, world.body("after"), "{way:?}");
        let length = json!(["content-length", body.len().to_string()]);
        assert!(headers.as_array().unwrap().contains(&length), "{way:?}");
        assert!(arrived[arrived.len() - 2].3.contains(&name), "{way:?}");

        // It is forgotten: the next call does not try it, and another is rented.
        world.hands.advance(20);
        let (_, record) = world.turn("next").await;
        assert!(!record.resent, "{way:?}");
        world.record(Kind::Errand).await;
        world.hands.advance(20);
        let (answer, _) = world.turn("and on").await;
        assert!(cached(&answer) > 1024, "{way:?}");
        assert_ne!(world.name().await, name);
    }
}

#[tokio::test]
async fn nothing_is_asked_unless_it_is_wanted_and_driven() {
    for way in OURS {
        let mut world = World::with(way, |builder| builder).await;
        world.traffic(12, 20, &[]).await;
        assert_eq!(world.errands().await, Vec::<String>::new(), "{way:?}");
        let bodies = world.arrived().await;
        for (number, (.., body)) in bodies.iter().enumerate() {
            assert_eq!(*body, world.body(&format!("question {}", number + 1)));
        }
        assert_eq!(world.cache.totals().errands, 0);
    }
    // Wanted, but nobody runs errands.
    let mut world = World::new(Way::Reqwest).await;
    let errands = world.errands.take().unwrap();
    errands.abort();
    assert!(errands.await.unwrap_err().is_cancelled());
    world.traffic(12, 20, &[]).await;
    assert_eq!(world.errands().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_failing_errand_disturbs_nobody_and_waits_longer_each_time() {
    for way in OURS {
        let mut world = World::new(way).await;
        let order = json!({"status": 503, "count": 2, "path": "cachedContents"});
        let url = format!("{}/admin/faults", world.sim.base_url());
        plain().post(url).json(&order).send().await.unwrap();
        // Two minutes after the first, and four after the second.
        let answers = world.traffic(22, 20, &[3, 9, 21]).await;
        assert_eq!(world.errands().await, ["POST"; 3], "{way:?}");
        let states: Vec<u16> = world.done.iter().map(|one| one.status).collect();
        assert_eq!(states, [503, 503, 200], "{way:?}");
        assert!(world.done[0].cost.is_none());
        assert!(cached(&answers[21]) > 1024, "{way:?}");
    }
}

#[tokio::test]
async fn a_refused_errand_is_not_repeated_for_an_hour() {
    let mut world = World::new(Way::Reqwest).await;
    // Less than the provider keeps.
    let order = json!({"status": 400, "path": "cachedContents"});
    let url = format!("{}/admin/faults", world.sim.base_url());
    plain().post(url).json(&order).send().await.unwrap();
    world.traffic(190, 20, &[3]).await;
    assert_eq!(world.errands().await, ["POST"]);
    world.traffic(10, 20, &[5]).await;
    assert_eq!(world.errands().await, ["POST"; 2]);
}

#[tokio::test]
async fn many_calls_at_once_ask_once() {
    let mut world = World::new(Way::Reqwest).await;
    world.traffic(2, 20, &[]).await;
    let questions: Vec<String> = (0..12).map(|number| format!("at once {number}")).collect();
    let calls = questions.iter().map(|question| world.ask(question));
    for (status, _) in futures_util::future::join_all(calls).await {
        assert_eq!(status, 200);
    }
    for _ in 0..12 {
        world.record(Kind::Call).await;
    }
    world.record(Kind::Errand).await;
    assert_eq!(world.errands().await, ["POST"]);
}

#[tokio::test]
async fn vertex_names_project_and_location() {
    let mut world = World::with(Way::Reqwest, |builder| {
        builder.with_explicit_caches().assume("vertex")
    })
    .await;
    (world.path, world.rules) = (VERTEX, 250);
    // Slower than what the provider keeps by itself.
    let answers = world.traffic(8, 200, &[5, 7]).await;
    assert!(
        cached(&answers[7]) > 2048,
        "{:?}",
        world.arrived().await.last()
    );
    let paths: Vec<String> = world
        .arrived()
        .await
        .into_iter()
        .filter(|(_, path, ..)| path.contains("cachedContents"))
        .map(|(method, path, ..)| format!("{method} {path}"))
        .collect();
    let name = world.name().await;
    assert!(
        name.starts_with("projects/p-1/locations/global/cachedContents/"),
        "{name}"
    );
    let expected = [
        "POST /v1/projects/p-1/locations/global/cachedContents?key=k-1".to_owned(),
        format!("PATCH /v1/{name}?key=k-1&updateMask=ttl"),
    ];
    assert_eq!(paths, expected);
    let url = format!("{}/v1/{name}?key=k-1", world.sim.base_url());
    let resource: Value = plain().get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        resource["model"],
        "projects/p-1/locations/global/publishers/google/models/gemini-2.5-pro"
    );
}

/// A client that lives on in clones can be told to end.
#[tokio::test]
async fn errands_end_when_they_are_told_to() {
    let mut world = World::new(Way::Reqwest).await;
    world.traffic(4, 20, &[3]).await;
    let Sender::Reqwest(client) = &world.sender else {
        return;
    };
    client.end_errands();
    let errands = world.errands.take().unwrap();
    tokio::time::timeout(FAULT, errands).await.unwrap().unwrap();
    world.record(Kind::Errand).await;
    assert_eq!(world.errands().await, ["POST", "DELETE"]);
    world.traffic(12, 20, &[]).await;
    assert_eq!(world.errands().await, ["POST", "DELETE"]);
}
