//! Routes in process, on real sockets: who serves, who is asked next, and what the caller is told.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::gateway::{Answer, Claim, Gateway, GatewayOptions, Site, Whole};
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::adapter::tower::RequestBody;
use cachewright::ledger::Record;
use cachewright::provider::Catalog;
use cachewright::route::{Amount, Backend, Cap, CapScope, Network, Offer, Period, Route as Way};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::support::origin::{ODD, SECRET};

/// Only a fault of ours takes this long.
const FAULT: Duration = Duration::from_secs(20);

const MODEL: &str = "claude-sonnet-4.5";

type Sender = Client<HttpConnector, RequestBody<Whole>>;
type Answered = Response<Answer<Incoming>>;

/// Simulated providers, each on a port of its own, and a route over all of them.
struct World {
    sims: Vec<SimHandle>,
    options: GatewayOptions,
    cache: Cachewright,
}

impl World {
    /// Backends of these names, each of the provider behind the colon.
    async fn of(backends: &[&str]) -> Self {
        let rows = Catalog::builtin();
        let (mut sims, mut network, mut sites) = (Vec::new(), Network::default(), Vec::new());
        let mut route = Way::default();
        route.name = "contracts".into();
        for (at, backend) in backends.iter().enumerate() {
            let (name, provider) = backend.split_once(':').unwrap_or((backend, "anthropic"));
            let mut options = SimOptions::default();
            options.keep_requests = 100;
            let address = "127.0.0.1:0".parse().unwrap();
            let sim = SimServer::new(options).bind(address).await.unwrap();
            let row = rows.provider(provider).unwrap();
            let site = Site::new(name, row, &sim.base_url()).unwrap();
            let site = site.fill("project", "p").fill("region", "europe-west1");
            let meant = "x-sim-provider".parse().unwrap();
            let site = site.header(meant, provider.parse().unwrap());
            sites.push(Arc::new(site.key("sk-backend").unwrap()));
            sims.push(sim);
            let mut backend = Backend::default();
            backend.name = name.into();
            backend.provider = provider.into();
            network.backends.push(backend);
            let profile = row.access.profile(&[]).unwrap();
            let (facts, id) = rows.offer(provider, MODEL, profile).unwrap();
            let mut offer = Offer::new(at, MODEL, facts);
            offer.id = id.into();
            offer.dialects = vec!["messages".into()];
            route.offers.push(offer);
        }
        network.routes.push(route);
        let mut options = GatewayOptions::default();
        options.network = Arc::new(network);
        options.sites = sites;
        Self {
            sims,
            options,
            cache: Cachewright::new(),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Way)) -> Self {
        let mut network = Network::clone(&self.options.network);
        change(&mut network.routes[0]);
        self.options.network = Arc::new(network);
        self
    }

    fn capped(mut self, cap: Cap) -> Self {
        self.options.caps.push(cap);
        self
    }

    fn gateway(&self) -> Gateway<Sender> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        self.cache.gateway(client, self.options.clone()).unwrap()
    }

    /// What goes wrong at a backend next.
    async fn fault(&self, at: usize, order: Value) {
        let url = format!("{}/admin/faults", self.sims[at].base_url());
        let told = reqwest::Client::new().post(url).json(&order).send().await;
        assert!(told.unwrap().status().is_success(), "{order}");
    }

    /// The requests that a backend has seen.
    async fn seen(&self, at: usize) -> Vec<Value> {
        let url = format!("{}/admin/requests", self.sims[at].base_url());
        let seen = reqwest::get(url)
            .await
            .unwrap()
            .json::<Value>()
            .await
            .unwrap();
        let seen = seen.as_array().cloned();
        seen.unwrap_or_default()
            .into_iter()
            .filter(|one| !one["path"].as_str().unwrap().starts_with("/admin"))
            .collect()
    }

    /// The records, once there are `count` of them.
    async fn records(&self, count: usize) -> Vec<Record> {
        soon(async {
            while self.cache.records().len() < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        self.cache.records()
    }
}

/// Waits for what must happen, and says so when it does not.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(FAULT, what).await.unwrap()
}

#[expect(clippy::fn_params_excessive_bools, reason = "the body's own member")]
fn message(stream: bool) -> Value {
    json!({
        "model": "anything",
        "max_tokens": 64,
        "stream": stream,
        "system": "You answer.",
        "messages": [{"role": "user", "content": "What is the answer?"}],
    })
}

fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("content-type", "application/json")
        .header("x-api-key", SECRET)
        .header("anthropic-version", "2023-06-01")
        .body(Full::new(body.into()))
        .unwrap()
}

async fn ask(gateway: &Gateway<Sender>, body: &Value) -> Answered {
    let request = post("/contracts/v1/messages", body.to_string());
    soon(gateway.answer(request)).await.unwrap()
}

fn way(response: &Answered) -> String {
    let header = &response.headers()["x-cachewright-route"];
    header.to_str().unwrap().to_owned()
}

async fn text(response: Answered) -> String {
    let body = soon(response.into_body().collect()).await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

async fn value(response: Answered) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

/// The events of a stream, by name, with their data.
fn events(text: &str) -> Vec<(String, Value)> {
    let events = text.split("\n\n").filter(|event| !event.is_empty());
    events
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let name = name.strip_prefix("event: ").unwrap();
            let data = data.strip_prefix("data: ").unwrap();
            (name.to_owned(), serde_json::from_str(data).unwrap())
        })
        .collect()
}

#[tokio::test]
async fn every_provider_of_messages_serves_the_same_call() {
    for stream in [false, true] {
        let mut told = Vec::new();
        for backend in [
            "direct:anthropic",
            "aws:bedrock",
            "azure:foundry",
            "google:vertex",
            "vercel:vercel",
            "router:openrouter",
        ] {
            let world = World::of(&[backend]).await;
            let gateway = world.gateway();
            let response = ask(&gateway, &message(stream)).await;
            let status = response.status();
            let said = way(&response);
            let text = text(response).await;
            assert_eq!(status, StatusCode::OK, "{backend}: {text} {said}");
            let (name, provider) = backend.split_once(':').unwrap();
            assert!(
                said.starts_with(&format!("contracts; backend={name}; attempts=1; ")),
                "{said}"
            );
            let content = if stream {
                let events = events(&text);
                let names: Vec<_> = events.iter().map(|(name, _)| name.clone()).collect();
                let parts = events
                    .iter()
                    .filter_map(|(_, data)| data.pointer("/delta/text"));
                let parts: String = parts.filter_map(Value::as_str).collect();
                json!([names, parts])
            } else {
                let value: Value = serde_json::from_str(&text).unwrap();
                json!([value["content"], value["stop_reason"], value["role"]])
            };
            told.push((backend, content));
            let records = world.records(1).await;
            let record = &records[0];
            assert_eq!(&*record.provider, provider);
            assert!(
                record.complete && record.usage.is_some(),
                "{backend}: {record:?}"
            );
            assert_eq!(record.attempt.as_ref().unwrap().number, 1);
            let seen = world.seen(0).await;
            assert_eq!(seen.len(), 1);
            assert!(!seen[0].to_string().contains(SECRET), "{backend}");
        }
        let (_, wanted) = &told[0];
        for (backend, content) in &told {
            assert_eq!(content, wanted, "{backend}, stream: {stream}");
        }
    }
}

#[tokio::test]
async fn the_next_backend_serves_what_the_first_does_not() {
    for (order, kind) in [
        (json!({"status": 529}), "overloaded (529)"),
        (json!({"status": 500}), "failed (500)"),
        (
            json!({"status": 429, "retry_after": 30}),
            "rate limited (429)",
        ),
        (json!({"fault": "reset"}), "broke off"),
        (json!({"fault": "garbage"}), "answered nonsense"),
        (json!({"cut_after_bytes": 20}), "broke off"),
        (json!({"status": 401}), "credential refused (401)"),
    ] {
        for stream in [false, true] {
            let world = World::of(&["first", "second"]).await;
            world.fault(0, order.clone()).await;
            let response = ask(&world.gateway(), &message(stream)).await;
            assert_eq!(response.status(), 200, "{order}");
            let said = way(&response);
            assert!(
                said.contains("backend=second; attempts=2"),
                "{order}: {said}"
            );
            assert!(said.contains(&format!("first: {kind}")), "{order}: {said}");
            text(response).await;
            let records = world.records(2).await;
            let attempts = records.iter().map(|one| one.attempt.as_ref().unwrap());
            let attempts: Vec<_> = attempts.map(|one| (&*one.backend, one.number)).collect();
            assert_eq!(attempts, [("first", 1), ("second", 2)]);
            assert!(records[1].complete && records[1].usage.is_some());
        }
    }
}

#[tokio::test]
async fn a_closed_port_is_never_billed() {
    let mut world = World::of(&["first", "second"]).await;
    world.sims.remove(0).stop(Duration::ZERO).await;
    let response = ask(&world.gateway(), &message(false)).await;
    assert!(
        way(&response).contains("first: cannot be reached"),
        "{}",
        way(&response)
    );
    text(response).await;
    let records = world.records(2).await;
    assert_eq!((records[0].presumed, records[0].usage), (None, None));
}

#[tokio::test]
async fn a_silent_backend_is_given_up_and_presumed_to_have_billed() {
    let world = World::of(&["first", "second"]).await.change(|route| {
        route.patience.first_byte = Duration::from_millis(50);
    });
    world.fault(0, json!({"fault": "hang"})).await;
    let mut body = message(false);
    body["max_tokens"] = json!(1);
    let response = ask(&world.gateway(), &body).await;
    assert!(
        way(&response).contains("first: silent"),
        "{}",
        way(&response)
    );
    text(response).await;
    let records = world.records(2).await;
    assert!(records[0].presumed.is_some());
    assert_eq!(records[1].presumed, None);
}

#[tokio::test]
async fn a_stream_fails_over_until_its_first_event_and_never_after_it() {
    let world = World::of(&["first", "second"]).await;
    world.fault(0, json!({"error_after_events": 0})).await;
    let response = ask(&world.gateway(), &message(true)).await;
    let said = way(&response);
    assert!(said.contains("backend=second; attempts=2"), "{said}");
    let last = events(&text(response).await).pop().unwrap().0;
    assert_eq!(last, "message_stop");

    for order in [
        json!({"error_after_events": 2}),
        json!({"cut_after_bytes": 700}),
    ] {
        let world = World::of(&["first", "second"]).await;
        world.fault(0, order.clone()).await;
        let response = ask(&world.gateway(), &message(true)).await;
        assert!(way(&response).contains("backend=first; attempts=1"));
        let events = events(&text(response).await);
        let (name, data) = events.last().unwrap();
        assert_eq!(name, "error", "{order}");
        assert!(data["error"]["message"].is_string(), "{data}");
        let errors = events.iter().filter(|(name, _)| name == "error").count();
        assert_eq!((events[0].0.as_str(), errors), ("message_start", 1));
        assert!(world.seen(1).await.is_empty());
    }
}

#[tokio::test]
async fn silence_within_a_stream_ends_it_with_one_error() {
    let world = World::of(&["first"]).await.change(|route| {
        route.patience.between = Duration::from_millis(50);
    });
    world.fault(0, json!({"stall_ms": 60_000})).await;
    let response = ask(&world.gateway(), &message(true)).await;
    assert_eq!(response.status(), 200);
    let (name, data) = events(&text(response).await).pop().unwrap();
    assert_eq!(name, "error");
    assert!(data.to_string().contains("fell silent"), "{data}");
}

#[tokio::test]
async fn a_second_backend_is_asked_beside_a_silent_one() {
    let world = World::of(&["first", "second"]).await.change(|route| {
        route.hedge = Some(Duration::from_millis(20));
    });
    world.fault(0, json!({"fault": "hang"})).await;
    let response = ask(&world.gateway(), &message(true)).await;
    let said = way(&response);
    assert!(said.contains("backend=second; attempts=2"), "{said}");
    text(response).await;
    let mut records = world.records(2).await;
    records.sort_by_key(|record| record.attempt.as_ref().unwrap().number);
    assert!(
        records[0].presumed.is_some(),
        "the loser may have been billed"
    );
    assert!(records[1].usage.is_some());
    assert_eq!(
        (world.seen(0).await.len(), world.seen(1).await.len()),
        (1, 1)
    );
}

#[tokio::test]
async fn a_refusal_of_the_request_ends_a_call_whose_first_attempt_is_silent() {
    let world = World::of(&["first", "second"]).await.change(|route| {
        route.hedge = Some(Duration::from_millis(20));
    });
    world.fault(0, json!({"fault": "hang"})).await;
    // The second is what is sent again without markers.
    world.fault(1, json!({"status": 400, "count": 2})).await;
    let response = ask(&world.gateway(), &message(true)).await;
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn when_all_fail_the_most_telling_answer_is_the_callers() {
    let world = World::of(&["first", "second"]).await.change(|route| {
        route.retries.attempts = 2;
    });
    world
        .fault(0, json!({"status": 429, "retry_after": 70}))
        .await;
    world.fault(1, json!({"fault": "reset"})).await;
    let response = ask(&world.gateway(), &message(false)).await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "70");
    assert!(way(&response).contains("attempts=2"), "{}", way(&response));
    let body = value(response).await;
    assert_eq!(body["error"]["type"], "rate_limit_error", "{body}");
}

#[tokio::test]
async fn a_request_that_is_wrong_everywhere_is_asked_once() {
    let world = World::of(&["first", "second"]).await;
    let mut body = message(false);
    body["max_tokens"] = json!(-1);
    world.fault(0, json!({"status": 400})).await;
    let response = ask(&world.gateway(), &body).await;
    assert_eq!(response.status(), 400);
    assert!(world.seen(1).await.is_empty());
}

#[tokio::test]
async fn there_is_an_error_within_the_deadline_when_nobody_answers() {
    let world = World::of(&["first", "second"]).await.change(|route| {
        route.patience.deadline = Duration::from_millis(150);
    });
    for at in 0..2 {
        world.fault(at, json!({"fault": "hang", "count": 9})).await;
    }
    let response = ask(&world.gateway(), &message(true)).await;
    assert_eq!(response.status(), 504);
    let body = value(response).await;
    assert_eq!(body["type"], "error");
    let told = body["error"]["message"].as_str().unwrap();
    assert!(
        told.contains("contracts") && told.contains("in time"),
        "{told}"
    );
}

fn cap(dollars: &str) -> Cap {
    let most = Amount::parse(dollars).unwrap();
    Cap::new(CapScope::Route("contracts".into()), most, Period::Day)
}

#[tokio::test]
async fn a_call_that_no_cap_can_hold_is_refused_before_anything_is_sent() {
    let world = World::of(&["first"]).await.capped(cap("0.00001 USD"));
    let response = ask(&world.gateway(), &message(false)).await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["x-should-retry"], "false");
    let body = value(response).await;
    assert_eq!(body["error"]["type"], "rate_limit_error", "{body}");
    assert!(world.seen(0).await.is_empty() && world.cache.records().is_empty());
}

#[tokio::test]
async fn a_dropped_call_gives_its_room_back() {
    // Room for one call at its worst, and not for two.
    let world = World::of(&["first"]).await.capped(cap("0.15 USD"));
    let mut body = message(false);
    body["max_tokens"] = json!(6000);
    world.fault(0, json!({"fault": "hang"})).await;
    let gateway = world.gateway();
    let first = {
        let (gateway, body) = (gateway.clone(), body.clone());
        tokio::spawn(async move { ask(&gateway, &body).await })
    };
    soon(async {
        while world.seen(0).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    let refused = ask(&gateway, &body).await;
    assert_eq!(refused.status(), 429);
    let headers = refused.headers();
    let resets = headers["x-cachewright-resets"].to_str().unwrap().to_owned();
    assert!(headers.contains_key("retry-after"));
    let told = value(refused).await;
    assert_eq!(told["error"]["type"], "rate_limit_error", "{told}");
    assert!(
        told["error"]["message"].as_str().unwrap().contains(&resets),
        "{told}"
    );
    assert_eq!(world.seen(0).await.len(), 1);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.records(1).await;
    let served = ask(&gateway, &body).await;
    assert_eq!(served.status(), 200, "{}", way(&served));
}

#[tokio::test]
async fn a_reload_holds_for_the_next_call() {
    let world = World::of(&["first", "second"]).await;
    let gateway = world.gateway();
    assert!(way(&ask(&gateway, &message(false)).await).contains("backend=first"));
    let mut options = world.options.clone();
    let mut network = Network::clone(&options.network);
    network.routes[0].offers.remove(0);
    options.network = Arc::new(network);
    gateway.reload(options.clone()).unwrap();
    assert!(way(&ask(&gateway, &message(false)).await).contains("backend=second"));
    options.sites.pop();
    assert!(gateway.reload(options).is_err());
    assert!(way(&ask(&gateway, &message(false)).await).contains("backend=second"));
}

#[tokio::test]
async fn what_is_nobodys_comes_back_byte_for_byte() {
    let world = World::of(&["first"]).await;
    let gateway = world.gateway();
    for body in ODD {
        let request = post("/v1/messages", body);
        let (parts, ()) = post("/v1/messages", "").map(|_| ()).into_parts();
        assert_eq!(gateway.claims(&parts), Claim::Perhaps);
        let back = soon(gateway.answer(request)).await.unwrap_err();
        assert_eq!(back.headers()["x-api-key"], SECRET);
        let back = back.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(back, body);
    }
    let other = soon(gateway.answer(post("/v1/files", "x")))
        .await
        .unwrap_err();
    assert_eq!(other.uri(), "/v1/files");
    let mut named = message(false);
    named["model"] = json!("contracts");
    let request = post("/v1/messages", named.to_string());
    let served = soon(gateway.answer(request)).await.unwrap();
    assert_eq!(served.status(), 200, "{}", way(&served));
}

#[tokio::test]
async fn tokens_are_counted_where_that_is_spoken_and_cost_nothing() {
    let world = World::of(&["aws:bedrock", "direct:anthropic"])
        .await
        .capped(cap("0.00001 USD"));
    let gateway = world.gateway();
    let path = "/contracts/v1/messages/count_tokens";
    let response = soon(gateway.answer(post(path, message(false).to_string())))
        .await
        .unwrap();
    assert!(
        way(&response).contains("backend=direct"),
        "{}",
        way(&response)
    );
    text(response).await;
    assert!(world.seen(0).await.is_empty() && world.cache.records().is_empty());
    let seen = world.seen(1).await;
    assert_eq!(seen[0]["path"], "/v1/messages/count_tokens");
}

/// Panics when it is asked, and at no other time.
#[derive(Clone)]
struct Panics;

impl tower::Service<Request<RequestBody<Whole>>> for Panics {
    type Response = Response<Full<Bytes>>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    #[expect(clippy::panic, reason = "that is what it is for")]
    fn call(&mut self, _: Request<RequestBody<Whole>>) -> Self::Future {
        panic!("a client of the user's own")
    }
}

#[tokio::test]
async fn a_client_that_panics_keeps_no_room() {
    // Room for one call at its worst, and not for two.
    let world = World::of(&["first"]).await.capped(cap("0.15 USD"));
    let mut body = message(false);
    body["max_tokens"] = json!(6000);
    let gateway = world.cache.gateway(Panics, world.options.clone()).unwrap();
    for _ in 0..3 {
        let (gateway, body) = (gateway.clone(), body.to_string());
        let asked = tokio::spawn(async move {
            let request = post("/contracts/v1/messages", body);
            gateway.answer(request).await.map(drop).map_err(drop)
        });
        assert!(asked.await.unwrap_err().is_panic());
    }
    assert_eq!(world.cache.records().len(), 3);
}

/// Remembers what it was told.
#[derive(Debug, Default)]
struct Heard(std::sync::Mutex<Vec<String>>);

impl cachewright::adapter::gateway::Watch for Heard {
    fn crossed(&self, crossed: &cachewright::route::Crossed) {
        self.0.lock().unwrap().push(crossed.to_string());
    }

    fn broken(
        &self,
        backend: &str,
        _: cachewright::model::Timestamp,
        last: &cachewright::route::Failure,
    ) {
        self.0
            .lock()
            .unwrap()
            .push(format!("{backend} {:?}", last.kind));
    }
}

#[tokio::test]
async fn soft_caps_and_breakers_are_told_of() {
    let mut soft = cap("0.00001 USD");
    soft.hardness = cachewright::route::Hardness::Soft;
    let mut world = World::of(&["first", "second"]).await.capped(soft);
    let heard = Arc::new(Heard::default());
    world.options.watch = Some(Arc::clone(&heard) as _);
    world.fault(0, json!({"status": 500, "count": 50})).await;
    let gateway = world.gateway();
    for _ in 0..20 {
        assert_eq!(ask(&gateway, &message(false)).await.status(), 200);
    }
    let told = heard.0.lock().unwrap().clone();
    assert!(told[0].contains("routes.contracts is crossed"), "{told:?}");
    assert_eq!(told[1..], ["first Server"], "each once");
    assert!(world.seen(0).await.len() < 20, "it is left alone");
}

#[tokio::test]
async fn a_gateway_stands_in_the_place_of_a_reqwest_client() {
    use cachewright::adapter::gateway::Transport;
    let world = World::of(&["first"]).await;
    let transport = Transport::new(reqwest::Client::builder()).unwrap();
    let gateway = world
        .cache
        .gateway(transport, world.options.clone())
        .unwrap();
    let client = reqwest::Client::new();
    let request = client
        .post("http://nowhere/contracts/v1/messages")
        .json(&message(false));
    let response = soon(gateway.execute(request.build().unwrap()))
        .await
        .unwrap();
    assert_eq!(
        response.url().as_str(),
        "http://nowhere/contracts/v1/messages"
    );
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["type"], "message", "{body}");
    // What is no route's goes where its own address says.
    let other = client.get(format!("{}/healthz", world.sims[0].base_url()));
    let other = soon(gateway.execute(other.build().unwrap())).await.unwrap();
    assert_eq!(other.text().await.unwrap(), "ok");
}

#[tokio::test]
async fn what_cannot_be_read_goes_to_a_backend_of_the_dialect_as_it_came() {
    let world = World::of(&["aws:bedrock", "direct:anthropic"]).await;
    let gateway = world.gateway();
    for body in ["not json", "[1,2 , 3]", "{\"messages\":[]"] {
        let request = post("/contracts/v1/messages", body);
        let response = soon(gateway.answer(request)).await.unwrap();
        assert!(response.status().is_client_error());
        assert!(
            way(&response).contains("backend=direct"),
            "{}",
            way(&response)
        );
    }
    assert!(world.seen(0).await.is_empty());
    let seen = world.seen(1).await;
    assert_eq!(seen.len(), 3);
    assert!(seen[0].to_string().contains("not json"), "{}", seen[0]);
}
