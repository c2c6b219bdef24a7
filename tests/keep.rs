//! Pings in process and through the proxy, against the simulator.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::large_enum_variant,
    reason = "helpers of tests fail the test"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::admin::{Admin, AdminOptions, Scrape};
use cachewright::adapter::gateway::{GatewayOptions, Gauge};
use cachewright::adapter::handle::{Builder, Cachewright};
use cachewright::adapter::keep::{Pinger, Retained, Retention};
use cachewright::adapter::proxy::{Proxy, ProxyHandle, ProxyOptions, Upstream};
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::adapter::tower::{PromptCache, RequestBody};
use cachewright::engine::Overlay;
use cachewright::ledger::{Record, Totals};
use cachewright::model::{KeepAlive, Money, Ttl};
use cachewright::provider::Catalog;
use cachewright::route::Amount;
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

/// An entry of five minutes is pinged this many seconds after its last use.
const DUE: i64 = 281;

const KEY: &str = "sk-ant-quetzalcoatl";
const SECRET: &str = "xylophonist";

/// How requests reach the simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Hyper,
    Reqwest,
    Middleware,
    Proxy,
    /// The proxy, by a route over backends.
    Route,
}

const WAYS: [Way; 5] = [
    Way::Hyper,
    Way::Reqwest,
    Way::Middleware,
    Way::Proxy,
    Way::Route,
];

enum Sender {
    Hyper(PromptCache<Hyper<HttpConnector, RequestBody<Full<Bytes>>>>),
    Reqwest(PromptCache<Client>),
    Middleware(reqwest_middleware::ClientWithMiddleware),
    Proxy(ProxyHandle),
}

struct World {
    hands: Hands,
    sim: SimHandle,
    cache: Cachewright,
    calls: mpsc::UnboundedReceiver<Record>,
    pings: mpsc::UnboundedReceiver<Record>,
    sender: Option<Sender>,
    errands: Option<JoinHandle<()>>,
    /// How full the caps of the proxy's routes are.
    gauge: Option<Gauge>,
    /// Where the proxy takes prompts.
    path: &'static str,
}

fn plain() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

fn on(builder: Builder) -> Builder {
    paused(builder, KeepAlive::default())
}

/// Entries of five minutes, whatever the pauses suggest.
fn paused(builder: Builder, budget: KeepAlive) -> Builder {
    builder.ttl(Ttl::FiveMinutes).with_keep_alive(budget)
}

const ROUTES: &str = "[providers.inside]\nkind = \"anthropic\"\nresidency = \"eu\"\n\
    endpoint = \"{sim}\"\nkey = \"sk-ant-quetzalcoatl\"\nheaders = { x-backend = \"inside\" }\n\
    [providers.outside]\nkind = \"anthropic\"\nresidency = \"us\"\n\
    endpoint = \"{sim}\"\nkey = \"sk-ant-quetzalcoatl\"\nheaders = { x-backend = \"outside\" }\n\
    [routes.app]\nmodel = \"claude-opus-4.5\"\norder = [\"inside\", \"outside\"]\n\
    cooldown = \"0s\"\n";

impl World {
    async fn new(way: Way, change: impl FnOnce(Builder) -> Builder) -> Self {
        let hands = Hands::default();
        let mut options = SimOptions::default();
        options.clock = Arc::new(hands.clone());
        options.keep_requests = 10_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let sim = SimServer::new(options).bind(address).await.unwrap();
        let (call, calls) = mpsc::unbounded_channel();
        let (ping, pings) = mpsc::unbounded_channel();
        let builder = Cachewright::builder()
            .assume("anthropic")
            .by_length()
            .clock(hands.clone())
            .on_record(move |record| {
                let to = if record.errand { &ping } else { &call };
                drop(to.send(record.clone()));
            });
        let cache = change(builder).build().unwrap();
        let (sender, errands, gauge) = sender(way, &cache, &sim).await;
        Self {
            hands,
            sim,
            cache,
            calls,
            pings,
            sender: Some(sender),
            errands,
            gauge,
            path: if way == Way::Route {
                "/app/v1/messages"
            } else {
                "/v1/messages"
            },
        }
    }

    /// Sends the turn of a conversation, and waits for its record.
    async fn ask(&mut self, conversation: &str, turn: usize) -> Record {
        let body = body(conversation, turn).to_string();
        let base = match self.sender.as_ref().unwrap() {
            Sender::Proxy(proxy) => proxy.base_url(),
            Sender::Hyper(_) | Sender::Reqwest(_) | Sender::Middleware(_) => self.sim.base_url(),
        };
        let url = format!("{base}{}", self.path);
        let request = || {
            plain()
                .post(&url)
                .body(body.clone())
                .header("content-type", "application/json")
                .header("x-api-key", KEY)
                .header("idempotency-key", format!("{conversation}-{turn}"))
                .header("anthropic-version", "2023-06-01")
        };
        let status = match self.sender.as_ref().unwrap() {
            Sender::Proxy(_) => read(request().send().await.unwrap()).await,
            Sender::Reqwest(client) => read(client.send(request()).await.unwrap()).await,
            Sender::Middleware(client) => {
                read(client.execute(request().build().unwrap()).await.unwrap()).await
            }
            Sender::Hyper(client) => {
                let request = http::Request::post(&url)
                    .header("content-type", "application/json")
                    .header("x-api-key", KEY)
                    .header("idempotency-key", "once")
                    .body(Full::new(Bytes::from(body)))
                    .unwrap();
                let response = client.clone().call(request).await.unwrap();
                let status = response.status().as_u16();
                drop(response.into_body().collect().await.unwrap());
                status
            }
        };
        assert_eq!(status, 200);
        next(&mut self.calls).await
    }

    /// Waits for the next ping that is booked.
    async fn ping(&mut self) -> Record {
        next(&mut self.pings).await
    }

    /// Waits until so many conversations are held.
    async fn holds(&self, sessions: usize) -> Retained {
        let waited = async {
            loop {
                let held = self.cache.retained();
                if held.sessions == sessions {
                    return held;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let held = tokio::time::timeout(FAULT, waited).await;
        let held = held.expect("so many conversations are held");
        assert_eq!(held.bytes > 0, sessions > 0);
        held
    }

    async fn order(&self, path: &str, body: Value) {
        let url = format!("{}{path}", self.sim.base_url());
        let told = plain().post(url).json(&body).send().await.unwrap();
        assert!(told.status().is_success());
    }

    /// Headers and bodies that arrived, of pings or of calls.
    async fn arrived(&self, pings: Kind) -> Vec<(Value, Value)> {
        let url = format!("{}/admin/requests", self.sim.base_url());
        let kept: Value = plain().get(url).send().await.unwrap().json().await.unwrap();
        let kept = kept.as_array().unwrap().iter().map(|one| {
            let body = serde_json::from_str(one["body"].as_str().unwrap()).unwrap_or_default();
            (one["headers"].clone(), body)
        });
        let wanted = |body: &Value| (body["max_tokens"] == json!(0)) == (pings == Kind::Ping);
        kept.filter(|(_, body)| wanted(body)).collect()
    }

    async fn end(&mut self) {
        self.gauge = None;
        if let Some(Sender::Proxy(proxy)) = self.sender.take() {
            proxy.stop(FAULT).await;
        }
        if let Some(errands) = self.errands.take() {
            tokio::time::timeout(FAULT, errands).await.unwrap().unwrap();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Call,
    Ping,
}

async fn read(response: reqwest::Response) -> u16 {
    let status = response.status().as_u16();
    drop(response.bytes().await.unwrap());
    status
}

async fn next(records: &mut mpsc::UnboundedReceiver<Record>) -> Record {
    let record = tokio::time::timeout(FAULT, records.recv()).await;
    record.expect("a record is booked").unwrap()
}

/// One turn of a conversation; every second one is streamed.
fn body(conversation: &str, turn: usize) -> Value {
    let rules = format!("The {SECRET} follows the rules of this house. ").repeat(2000);
    let tools = json!([{"name": "look", "input_schema": {"type": "object"}}]);
    let mut messages = vec![json!({"role": "user", "content": format!("{conversation}: go on")})];
    for at in 0..turn {
        messages.push(json!({"role": "assistant", "content": format!("step {at}")}));
        messages.push(json!({"role": "user", "content": format!("and then {at}?")}));
    }
    let model = "claude-opus-4-5";
    json!({"model": model, "max_tokens": 30, "tools": tools, "system": rules, "messages": messages,
        "stream": turn % 2 == 1})
}

async fn sender(
    way: Way,
    cache: &Cachewright,
    sim: &SimHandle,
) -> (Sender, Option<JoinHandle<()>>, Option<Gauge>) {
    match way {
        Way::Hyper => {
            let client = cache.wrap(Hyper::builder(TokioExecutor::new()).build_http());
            let errands = tokio::spawn(client.http_errands());
            (Sender::Hyper(client), Some(errands), None)
        }
        Way::Reqwest => {
            let client = cache.wrap(plain());
            let errands = tokio::spawn(client.errands());
            (Sender::Reqwest(client), Some(errands), None)
        }
        Way::Middleware => {
            let middleware = cache.middleware();
            let errands = tokio::spawn(middleware.errands(plain()));
            let client = reqwest_middleware::ClientBuilder::new(plain());
            let client = client.with(middleware).build();
            (Sender::Middleware(client), Some(errands), None)
        }
        Way::Proxy | Way::Route => {
            let mut options = ProxyOptions::default();
            options.listen.set_port(0);
            if way == Way::Route {
                options.gateway = routes(sim);
            } else {
                let upstream = Upstream::new("up", &sim.base_url()).unwrap();
                options.upstreams = vec![upstream.provider("anthropic")];
            }
            let proxy = Proxy::new(cache, options).unwrap();
            let gauge = proxy.gauge();
            let proxy = proxy.bind().await.unwrap();
            (Sender::Proxy(proxy), None, Some(gauge))
        }
    }
}

fn routes(sim: &SimHandle) -> GatewayOptions {
    let text = ROUTES.replace("{sim}", &sim.base_url());
    GatewayOptions::config(("routes.toml", &text), &Catalog::builtin(), &|_| None).unwrap()
}

fn header<'a>(headers: &'a Value, name: &str) -> &'a str {
    let mut pairs = headers.as_array().unwrap().iter();
    let found = pairs.find(|pair| pair[0] == name);
    found.map_or("", |pair| pair[1].as_str().unwrap())
}

#[tokio::test]
async fn an_idle_prefix_is_read_and_renewed_until_its_conversation_goes_on() {
    for way in WAYS {
        let mut world = World::new(way, on).await;
        let first = world.ask("one", 0).await;
        let written = first.usage.unwrap().written().unwrap();
        assert!(first.vigil.is_some() && written > 0, "{way:?}");
        world.holds(1).await;
        for _ in 0..2 {
            world.hands.advance(DUE);
            let ping = world.ping().await;
            let usage = ping.usage.unwrap();
            assert_eq!((ping.status, ping.errand_kind), (200, "ping"), "{way:?}");
            assert!(
                usage.read >= Some(written) && usage.written() == Some(0),
                "{usage:?}"
            );
            assert_eq!(usage.output, Some(0));
            assert!(ping.cost > Some(Money::ZERO));
            world.holds(1).await;
        }
        // Without pings it would have expired twice by now.
        world.hands.advance(200);
        let second = world.ask("one", 1).await;
        assert!(second.usage.unwrap().read >= Some(written), "{way:?}");
        // A read instead of a write, by the prices of the model: 0.50 and 6.25 dollars a million.
        let saved = Money::from_pico(5_750_000).times(second.usage.unwrap().read.unwrap());
        assert_eq!((first.kept_saved, second.kept_saved), (None, Some(saved)));
        let mut total = Totals::default();
        world.cache.records().iter().for_each(|one| total.add(one));
        assert_eq!((total.pings, total.pings_saved), (2, saved), "{way:?}");
        assert!(Money::ZERO < total.pings_cost && total.pings_cost == total.errands_cost);
        world.holds(1).await;
        world.hands.advance(DUE);
        world.ping().await;
        let pings = world.arrived(Kind::Ping).await;
        let calls = world.arrived(Kind::Call).await;
        assert_eq!((pings.len(), calls.len()), (3, 2), "{way:?}");
        let (last, call) = (&pings[2], &calls[1]);
        for part in ["model", "system", "messages"] {
            assert_eq!(last.1[part], call.1[part], "{way:?}");
        }
        assert_eq!(last.1["stream"], json!(false));
        for name in [
            "x-api-key",
            "content-type",
            "anthropic-version",
            "x-backend",
        ] {
            assert_eq!(
                header(&last.0, name),
                header(&call.0, name),
                "{way:?} {name}"
            );
        }
        assert_eq!(header(&last.0, "x-api-key"), KEY);
        assert_eq!(header(&last.0, "idempotency-key"), "");
        world.end().await;
        assert_eq!(world.cache.retained(), Retained::default(), "{way:?}");
    }
}

/// A way of wrapping, and what is asked of it.
type Changed = (Way, fn(Builder) -> Builder);

#[tokio::test]
async fn nothing_is_held_where_nobody_asked_for_it_or_nobody_would_send_it() {
    let off = |builder: Builder| {
        let mut overlay = Overlay::default();
        overlay.keep_alive = Some(KeepAlive::OFF);
        on(builder).route("batch").overlay("batch", overlay)
    };
    let changes: [Changed; 2] = [(Way::Proxy, |one| one), (Way::Proxy, off)];
    for (way, change) in changes {
        let mut world = World::new(way, change).await;
        assert!(world.ask("one", 0).await.vigil.is_none());
        assert_eq!(world.cache.retained(), Retained::default());
        world.end().await;
    }
    let mut world = World::new(Way::Reqwest, on).await;
    let errands = world.errands.take().unwrap();
    errands.abort();
    assert!(errands.await.is_err());
    assert!(world.ask("one", 0).await.vigil.is_some());
    assert_eq!(world.cache.retained(), Retained::default());
}

#[tokio::test]
async fn what_is_spent_stays_below_every_budget() {
    let price = {
        let mut world = World::new(Way::Reqwest, on).await;
        let vigil = world.ask("one", 0).await.vigil.unwrap();
        vigil.price.unwrap()
    };
    let half = Money::from_pico(price.as_pico() / 2);
    let limits: [fn(&mut KeepAlive) -> &mut Money; 3] = [
        |budget| &mut budget.per_ping,
        |budget| &mut budget.per_session,
        |budget| &mut budget.per_day,
    ];
    for (at, limit) in limits.into_iter().enumerate() {
        let mut budget = KeepAlive::default();
        *limit(&mut budget) = if at == 0 { half } else { price + half };
        let with = move |builder: Builder| paused(builder, budget);
        let mut world = World::new(Way::Reqwest, with).await;
        world.ask("one", 0).await;
        if at == 2 {
            world.ask("two", 0).await;
        }
        world.hands.advance(DUE);
        // A day's budget is for all conversations; each of them has one of its own.
        if at > 0 {
            assert!(world.ping().await.cost <= Some(price + half));
        }
        world.holds(0).await;
        let pings = world.arrived(Kind::Ping).await;
        assert_eq!(pings.len(), usize::from(at > 0), "budget {at}");
    }
}

#[tokio::test]
async fn a_deadline_ends_the_pings_of_a_conversation() {
    let mut budget = KeepAlive::default();
    budget.deadline = Duration::from_secs(500);
    let with = move |builder: Builder| paused(builder, budget);
    let mut world = World::new(Way::Reqwest, with).await;
    world.ask("one", 0).await;
    world.hands.advance(DUE);
    world.ping().await;
    // The next one would keep the entry beyond the deadline.
    world.holds(0).await;
    assert_eq!(world.arrived(Kind::Ping).await.len(), 1);
}

#[tokio::test]
async fn the_switch_drops_what_is_held_and_says_how_much() {
    let scrape = Scrape::new(|metrics| metrics).unwrap();
    let mut world = World::new(Way::Proxy, on).await;
    let options = AdminOptions::default().at("127.0.0.1:0").unwrap();
    let admin = Admin::new(&world.cache, &scrape, &options)
        .unwrap()
        .unwrap();
    let admin = admin.bind().await.unwrap();
    let post = |path: &str| plain().post(format!("{}pings/{path}", admin.url()));
    world.ask("one", 0).await;
    world.ask("two", 0).await;
    let held = world.holds(2).await;
    let refused = post("stop").header("origin", "https://evil.example").send();
    assert_eq!(refused.await.unwrap().status(), 403);
    assert_eq!(world.cache.retained(), held);
    let told: Value = post("stop").send().await.unwrap().json().await.unwrap();
    assert_eq!(
        told,
        json!({"stopped": true, "sessions": 2, "bytes": held.bytes})
    );
    assert_eq!(world.cache.retained(), Retained::default());
    world.ask("one", 1).await;
    assert_eq!(world.cache.retained(), Retained::default());
    let told: Value = post("resume").send().await.unwrap().json().await.unwrap();
    assert_eq!(told, json!({"stopped": false, "sessions": 0, "bytes": 0}));
    world.ask("one", 2).await;
    world.holds(1).await;
    let url = format!("{}pings.json", admin.url());
    let told: Value = plain().get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["sessions"], json!(1));
    world.end().await;
}

#[tokio::test]
async fn a_ping_that_writes_ends_all_of_its_account_for_an_hour() {
    let mut world = World::new(Way::Reqwest, on).await;
    world.ask("one", 0).await;
    world.hands.advance(60);
    world.ask("two", 0).await;
    world.holds(2).await;
    world.order("/admin/forget", json!({})).await;
    world.hands.advance(DUE - 60);
    let ping = world.ping().await;
    assert!(ping.usage.unwrap().written() > Some(0), "{:?}", ping.usage);
    world.holds(0).await;
    world.ask("one", 1).await;
    assert_eq!(world.cache.retained(), Retained::default());
    world.hands.advance(3700);
    world.ask("one", 2).await;
    world.holds(1).await;
    assert_eq!(world.arrived(Kind::Ping).await.len(), 1);
}

#[tokio::test]
async fn a_key_that_is_refused_is_held_no_longer_and_no_call_fails() {
    let mut world = World::new(Way::Proxy, on).await;
    world.ask("one", 0).await;
    world.hands.advance(60);
    world.ask("two", 0).await;
    world.holds(2).await;
    world.order("/admin/faults", json!({"status": 401})).await;
    world.hands.advance(DUE - 60);
    assert_eq!(world.ping().await.status, 401);
    world.holds(0).await;
    assert_eq!(world.ask("one", 1).await.status, 200);
    // So is one that is not answered at all.
    world.holds(1).await;
    world
        .order("/admin/faults", json!({"fault": "reset"}))
        .await;
    world.hands.advance(DUE);
    assert_eq!(world.ping().await.status, 0);
    world.holds(0).await;
    assert_eq!(world.ask("one", 2).await.status, 200);
    world.end().await;
}

#[tokio::test]
async fn a_conversation_that_is_over_is_held_no_longer() {
    let mut world = World::new(Way::Reqwest, on).await;
    let record = world.ask("one", 0).await;
    world.holds(1).await;
    world.cache.end_pings(&record.lineage.unwrap());
    assert_eq!(world.cache.retained(), Retained::default());
    world.ask("two", 0).await;
    world.holds(1).await;
    // The client goes, and with it what is held of it.
    world.end().await;
    assert_eq!(world.cache.retained(), Retained::default());
    assert_eq!(world.arrived(Kind::Ping).await.len(), 0);
}

#[tokio::test]
async fn what_is_held_stays_within_its_bounds() {
    let mut retention = Retention::default();
    retention.max_sessions = 2;
    let mut world = World::new(Way::Reqwest, move |builder| {
        on(builder).retention(retention)
    })
    .await;
    for conversation in ["one", "two", "three"] {
        world.ask(conversation, 0).await;
        world.hands.advance(10);
    }
    let held = world.holds(2).await;
    world.end().await;
    // The one that is due first made room.
    retention.max_bytes = held.bytes / 2 + 100;
    let mut world = World::new(Way::Reqwest, move |builder| {
        on(builder).retention(retention)
    })
    .await;
    for conversation in ["one", "two"] {
        world.ask(conversation, 0).await;
        world.hands.advance(10);
    }
    world.holds(1).await;
    world.hands.advance(DUE - 10);
    world.ping().await;
    let pinged = &world.arrived(Kind::Ping).await[0].1;
    assert!(pinged["messages"].to_string().contains("two: go on"));
    retention.max_bytes = 100;
    let mut world = World::new(Way::Reqwest, move |builder| {
        on(builder).retention(retention)
    })
    .await;
    world.ask("one", 0).await;
    assert_eq!(world.cache.retained(), Retained::default());
}

#[tokio::test]
async fn the_users_own_code_is_told_when_to_ping() {
    let mut retention = Retention::default();
    retention.pinger = Pinger::Caller;
    let change = move |builder: Builder| on(builder).retention(retention);
    let mut world = World::new(Way::Reqwest, change).await;
    world.ask("one", 0).await;
    world.ask("two", 0).await;
    world.holds(2).await;
    assert_eq!(world.cache.due_pings().len(), 0);
    world.hands.advance(DUE);
    let told = tokio::time::timeout(FAULT, world.cache.due_ping())
        .await
        .unwrap();
    let request = told.request();
    assert!(!format!("{told:?} {request:?}").contains(KEY));
    assert!(
        told.vigil()
            .is_some_and(|vigil| vigil.chance > vigil.threshold)
    );
    let answer = plain().execute(request.try_into().unwrap()).await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    told.answered(status, &headers, &answer.bytes().await.unwrap());
    let booked = world.ping().await;
    assert_eq!(
        (booked.errand_kind, booked.usage.unwrap().written()),
        ("ping", Some(0))
    );
    // One is held again; the other is let go once nobody says what came of it.
    drop(world.cache.due_pings());
    world.holds(1).await;
    world.hands.advance(DUE);
    let mut due = world.cache.due_pings();
    assert_eq!(due.len(), 1);
    due.remove(0).unanswered();
    assert_eq!(world.ping().await.status, 0);
    world.holds(0).await;
}

#[tokio::test]
async fn a_ping_goes_to_the_backend_of_its_request_and_nowhere_else() {
    let mut world = World::new(Way::Route, on).await;
    world.ask("one", 0).await;
    world.holds(1).await;
    let down = json!({"status": 529, "count": 1});
    world.order("/admin/faults", down).await;
    world.hands.advance(DUE);
    // Its backend is down, and another one would take calls of this route.
    assert_eq!(world.ping().await.status, 529);
    world.holds(0).await;
    for (headers, _) in world.arrived(Kind::Ping).await {
        assert_eq!(header(&headers, "x-backend"), "inside");
    }
    world.ask("one", 1).await;
    world.holds(1).await;
    // Where other backends are in force, it may not be allowed any more.
    let Some(Sender::Proxy(proxy)) = &world.sender else {
        unreachable!()
    };
    let mut options = ProxyOptions::default();
    options.gateway = routes(&world.sim);
    proxy.reload(options).unwrap();
    assert_eq!(world.cache.retained(), Retained::default());
    assert_eq!(world.arrived(Kind::Ping).await.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn no_key_and_no_prompt_is_shown() {
    let mut world = World::new(Way::Proxy, on).await;
    world.ask("one", 0).await;
    world.holds(1).await;
    world.hands.advance(DUE);
    world.ping().await;
    let cache = &world.cache;
    let shown = format!("{cache:?} {:?} {:?}", cache.records(), cache.retained());
    assert!(shown.contains("\"ping\"") && !shown.contains(KEY) && !shown.contains(SECRET));
    world.end().await;
}

#[tokio::test]
async fn the_simulator_takes_no_output_where_the_service_does() {
    let world = World::new(Way::Reqwest, |builder| builder).await;
    let ask = |path: &str, more: Value| {
        let mut body = body("one", 0);
        body["max_tokens"] = json!(0);
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let request = plain().post(format!("{}{path}", world.sim.base_url()));
        let request = request
            .header("anthropic-version", "2023-06-01")
            .json(&body);
        async move {
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            (status, answer.json::<Value>().await.unwrap())
        }
    };
    let marked = json!({"system": [{"type": "text", "text": "A long rule. ".repeat(2000),
        "cache_control": {"type": "ephemeral"}}]});
    for (read, written) in [(false, true), (true, false)] {
        let (status, answer) = ask("/v1/messages", marked.clone()).await;
        assert_eq!((status, &answer["content"]), (200, &json!([])), "{answer}");
        assert_eq!(answer["stop_reason"], json!("max_tokens"));
        let usage = &answer["usage"];
        assert_eq!(usage["output_tokens"], json!(0));
        assert_eq!(usage["cache_read_input_tokens"].as_u64() > Some(0), read);
        assert_eq!(
            usage["cache_creation_input_tokens"].as_u64() > Some(0),
            written
        );
    }
    for (path, more) in [
        ("/v1/messages", json!({"stream": true})),
        (
            "/v1/messages",
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ),
        ("/v1/messages", json!({"tool_choice": {"type": "any"}})),
        (
            "/v1/messages",
            json!({"output_config": {"format": {"type": "json_schema"}}}),
        ),
        ("/vercel/v1/messages", json!({})),
    ] {
        let (status, answer) = ask(path, more).await;
        assert_eq!(status, 400, "{path} {answer}");
        assert!(answer.to_string().contains("max_tokens"), "{answer}");
    }
}

/// Puts a cap of the day on all that routes cost.
fn cap(world: &World, most: Money) {
    let Some(Sender::Proxy(proxy)) = &world.sender else {
        return;
    };
    let text = ROUTES.replace("{sim}", &world.sim.base_url());
    let pico = most.as_pico();
    let usd = format!(
        "{}.{:012}",
        pico / 1_000_000_000_000,
        pico % 1_000_000_000_000
    );
    let text = format!("{text}[caps]\ntotal = [\"{usd} USD/day\"]\n");
    let mut options = ProxyOptions::default();
    let told = ("routes.toml", &*text);
    options.gateway = GatewayOptions::config(told, &Catalog::builtin(), &|_| None).unwrap();
    proxy.reload(options).unwrap();
}

/// What counts as spent, and what as reserved.
fn level(world: &World) -> [Amount; 2] {
    let caps = world.gauge.as_ref().unwrap().read().caps;
    let cap = caps.first().unwrap();
    [cap.spent, cap.reserved]
}

#[tokio::test]
async fn pings_of_a_route_take_room_in_its_caps() {
    let mut world = World::new(Way::Route, on).await;
    cap(&world, Money::from_pico(5_000_000_000_000));
    let call = world.ask("one", 0).await.cost.unwrap();
    world.holds(1).await;
    world.hands.advance(DUE);
    let ping = world.ping().await.cost.unwrap();
    world.holds(1).await;
    assert!(call > ping && ping > Money::ZERO);
    let nothing = Amount::Money(Money::ZERO);
    assert_eq!(level(&world), [Amount::Money(call + ping), nothing]);
    world.end().await;
}
