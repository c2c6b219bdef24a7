//! Single flight per cold prefix, and pre-warming.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::handle::{Attempted, Builder, Cachewright, Cold, Tenant};
use cachewright::adapter::proxy::{Proxy, ProxyHandle, ProxyOptions, Upstream};
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::adapter::tower::{RequestBody, ResponseBody};
use cachewright::engine::Overlay;
use cachewright::ledger::Attempt;
use cachewright::model::{FanOut, Mode, Share, Skip};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tower::{Service as _, service_fn};

use crate::support::origin::{SECRET, builder};

/// A model of which every price is known.
const MODEL: &str = "claude-opus-4-8";

/// One of several calls that share tools and a system prompt of this many bytes.
fn body(system: usize, question: &str) -> String {
    json!({
        "model": MODEL,
        "max_tokens": 100,
        "system": "The crown jewels are in the tower. ".repeat(system / 35),
        "messages": [{"role": "user", "content": question}],
    })
    .to_string()
}

/// Long enough that reading it instead of writing it saves cents.
const LONG: usize = 60_000;
/// Too short to be kept.
const SHORT: usize = 0;

fn post(url: &str, body: String) -> Request<Full<Bytes>> {
    Request::post(url)
        .header("content-type", "application/json")
        .header("x-api-key", SECRET)
        .body(Full::new(body.into()))
        .unwrap()
}

/// A call that has reached the provider.
struct Arrived {
    body: Value,
    reply: oneshot::Sender<io::Result<Response<Full<Bytes>>>>,
}

impl Arrived {
    fn answer(self, usage: &Value) {
        let message = json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": MODEL,
            "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn", "usage": usage,
        });
        let response = Response::builder()
            .header("content-type", "application/json")
            .body(Full::new(message.to_string().into()))
            .unwrap();
        self.reply.send(Ok(response)).unwrap();
    }

    fn wrote(self) {
        self.answer(
            &json!({"input_tokens": 9, "cache_creation_input_tokens": 15_000,
            "cache_read_input_tokens": 0, "output_tokens": 2}),
        );
    }

    fn read(self) {
        self.answer(&json!({"input_tokens": 9, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 15_000, "output_tokens": 2}));
    }

    fn fail(self) {
        self.reply
            .send(Err(io::ErrorKind::ConnectionReset.into()))
            .unwrap();
    }

    fn question(&self) -> &str {
        let content = &self.body["messages"][0]["content"];
        content
            .as_str()
            .or_else(|| content[0]["text"].as_str())
            .unwrap()
    }
}

type Answer = io::Result<Response<ResponseBody<Full<Bytes>>>>;
type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A handle over a provider whose answers the test gives.
struct Bench {
    cache: Cachewright,
    calls: mpsc::UnboundedReceiver<Arrived>,
    call: Box<dyn Fn(Request<Full<Bytes>>) -> Pending>,
}

impl Bench {
    fn new(builder: Builder) -> Self {
        let (tell, calls) = mpsc::unbounded_channel();
        let cache = builder.build().unwrap();
        let provider = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
            let tell = tell.clone();
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let (reply, answer) = oneshot::channel();
                let body = serde_json::from_slice(&body).unwrap();
                tell.send(Arrived { body, reply }).unwrap();
                answer.await.unwrap()
            }
        });
        // Boxed, so that the service can be cloned whatever it holds.
        let client = cache.wrap(provider);
        let call = move |request| -> Pending { Box::pin(client.clone().call(request)) };
        Self {
            cache,
            calls,
            call: Box::new(call),
        }
    }

    fn waiting() -> Self {
        Self::new(builder().with_fan_out())
    }

    /// One whose provider was seen to show late what was written.
    async fn late() -> Self {
        let mut bench = Self::waiting();
        // Four prefixes that the request after their write did not find.
        for n in 0..4 {
            for question in ["first", "then"] {
                let long = body(LONG, question).replace("tower", &format!("tower {n}"));
                let mut call = (bench.call)(post("http://localhost/v1/messages", long));
                assert!(poll(&mut call).is_none());
                bench.one().wrote();
                read(call).await;
            }
        }
        bench
    }

    fn ask(&self, question: &str) -> Pending {
        (self.call)(post("http://localhost/v1/messages", body(LONG, question)))
    }

    /// What has reached the provider since the last look.
    fn arrived(&mut self) -> Vec<Arrived> {
        std::iter::from_fn(|| self.calls.try_recv().ok()).collect()
    }

    fn one(&mut self) -> Arrived {
        let mut arrived = self.arrived();
        assert_eq!(arrived.len(), 1);
        arrived.pop().unwrap()
    }
}

/// Polls a call once.
fn poll(call: &mut Pending) -> Option<Answer> {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

fn poll_all(calls: &mut [Pending]) -> usize {
    calls.iter_mut().filter_map(poll).count()
}

/// Reads an answer to its end, so that its exchange is booked.
async fn read(call: Pending) -> Bytes {
    let body = call.await.unwrap().into_body();
    body.collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn the_first_leads_and_the_others_read_what_it_wrote() {
    let mut bench = Bench::waiting();
    let questions = ["one", "two", "three", "four"];
    let mut calls: Vec<Pending> = questions.iter().map(|one| bench.ask(one)).collect();
    assert_eq!(poll_all(&mut calls), 0);
    assert_eq!(poll_all(&mut calls), 0, "polling again lets nobody go");
    let leader = bench.one();
    assert_eq!(leader.question(), "one");
    leader.wrote();
    read(calls.remove(0)).await;
    assert_eq!(poll_all(&mut calls), 0);
    let followers = bench.arrived();
    assert_eq!(followers.len(), 3);
    for follower in followers {
        let marked = follower.body.to_string();
        assert!(marked.contains("cache_control"), "{marked}");
        follower.read();
    }
    for call in calls {
        read(call).await;
    }
    let records = bench.cache.records();
    assert_eq!(records.len(), 4);
    let foreseen: Vec<bool> = records
        .iter()
        .map(|record| record.predicted_read > Some(0))
        .collect();
    assert_eq!(foreseen, [false, true, true, true], "planned anew");
    let held = records.iter().filter(|record| !record.held.is_zero());
    assert_eq!(held.count(), 3);
    assert!(records[0].held.is_zero());
}

#[tokio::test]
async fn where_writes_become_visible_late_the_others_wait_for_that_too() {
    let mut bench = Bench::late().await;
    let mut calls: Vec<Pending> = ["one", "two"].map(|one| bench.ask(one)).into();
    poll_all(&mut calls);
    bench.one().wrote();
    read(calls.remove(0)).await;
    assert_eq!(poll_all(&mut calls), 0);
    assert!(bench.arrived().is_empty(), "it cannot be read yet");
    let follower = tokio::spawn(read(calls.remove(0)));
    bench.calls.recv().await.unwrap().read();
    follower.await.unwrap();
    let last = bench.cache.records().pop().unwrap();
    assert!(last.predicted_read > Some(0) && !last.held.is_zero());
}

#[tokio::test]
async fn where_an_entry_is_there_with_the_end_of_the_answer_the_others_wait_for_that() {
    let row = format!(
        r#"
        [[model]]
        provider = "anthropic"
        name = "late"
        like = "anthropic/claude-opus-4.8"
        match = ["{MODEL}"]
        written_at_end = true
        source = "this test"
        as_of = "2026-11-30"
        "#
    );
    let builder = builder().with_fan_out().rows("rows.toml", &row).unwrap();
    let mut bench = Bench::new(builder);
    let mut calls: Vec<Pending> = ["one", "two", "three"].map(|one| bench.ask(one)).into();
    poll_all(&mut calls);
    bench.one().wrote();
    let begun = calls.remove(0).await.unwrap().into_body();
    poll_all(&mut calls);
    assert!(bench.arrived().is_empty(), "its answer has only begun");
    begun.collect().await.unwrap();
    poll_all(&mut calls);
    let followers = bench.arrived();
    assert_eq!(followers.len(), 2);
    followers.into_iter().for_each(Arrived::read);
    for call in calls {
        read(call).await;
    }
}

#[tokio::test]
async fn nobody_waits_for_what_a_failed_leader_did_not_write_to_become_visible() {
    let refuse = |leader: Arrived| {
        let response = Response::builder().status(529).body(Full::default());
        leader.reply.send(Ok(response.unwrap())).unwrap();
    };
    let fails: [Option<fn(Arrived)>; 3] = [Some(Arrived::fail), Some(refuse), None];
    for fail in fails {
        let mut bench = Bench::late().await;
        let mut calls: Vec<Pending> = ["one", "two"].map(|one| bench.ask(one)).into();
        poll_all(&mut calls);
        let leader = bench.one();
        let call = calls.remove(0);
        match fail {
            Some(fail) => {
                fail(leader);
                drop(call.await);
            }
            None => drop(call),
        }
        poll_all(&mut calls);
        assert_eq!(bench.one().question(), "two");
    }
}

#[tokio::test]
async fn whoever_waits_is_woken() {
    let mut bench = Bench::waiting();
    let leader = tokio::spawn(read(bench.ask("one")));
    let arrived = bench.calls.recv().await.unwrap();
    let follower = tokio::spawn(read(bench.ask("two")));
    tokio::task::yield_now().await;
    assert!(bench.arrived().is_empty());
    arrived.wrote();
    leader.await.unwrap();
    // Nobody polls the follower but its own task.
    bench.calls.recv().await.unwrap().read();
    follower.await.unwrap();
}

#[tokio::test]
async fn when_the_leader_fails_the_next_one_leads() {
    let mut bench = Bench::waiting();
    let mut calls: Vec<Pending> = ["one", "two", "three"].map(|one| bench.ask(one)).into();
    poll_all(&mut calls);
    bench.one().fail();
    assert!(calls.remove(0).await.is_err(), "its error is its own");
    poll_all(&mut calls);
    let next = bench.one();
    assert_eq!(next.question(), "two");
    poll_all(&mut calls);
    assert!(bench.arrived().is_empty(), "the third waits for the second");
    next.wrote();
    read(calls.remove(0)).await;
    poll_all(&mut calls);
    bench.one().read();
    read(calls.remove(0)).await;
}

#[tokio::test]
async fn an_error_of_the_providers_lands_as_well() {
    let mut bench = Bench::waiting();
    let mut calls: Vec<Pending> = ["one", "two"].map(|one| bench.ask(one)).into();
    poll_all(&mut calls);
    let response = Response::builder().status(529).body(Full::default());
    bench.one().reply.send(Ok(response.unwrap())).unwrap();
    assert_eq!(calls.remove(0).await.unwrap().status(), 529);
    poll_all(&mut calls);
    let second = bench.one();
    let marked = second.body.to_string();
    assert!(marked.contains("cache_control"), "it writes for itself");
    second.wrote();
    read(calls.remove(0)).await;
    assert_eq!(bench.cache.records()[1].predicted_read, Some(0));
}

#[tokio::test]
async fn a_leader_that_is_dropped_lets_the_others_go() {
    let mut bench = Bench::waiting();
    let mut calls: Vec<Pending> = ["one", "two"].map(|one| bench.ask(one)).into();
    poll_all(&mut calls);
    drop(calls.remove(0));
    poll_all(&mut calls);
    let questions: Vec<String> = bench
        .arrived()
        .iter()
        .map(|call| call.question().to_owned())
        .collect();
    assert_eq!(questions, ["one", "two"]);
}

#[tokio::test]
async fn a_follower_that_is_dropped_leaves_without_a_trace() {
    let mut bench = Bench::waiting();
    let mut calls: Vec<Pending> = ["one", "two", "three"].map(|one| bench.ask(one)).into();
    poll_all(&mut calls);
    drop(calls.remove(1));
    bench.one().wrote();
    read(calls.remove(0)).await;
    poll_all(&mut calls);
    bench.one().read();
    read(calls.remove(0)).await;
    assert_eq!(bench.cache.records().len(), 2, "it was never sent");
}

#[tokio::test]
async fn nobody_waits_for_longer_than_the_cap() {
    let mut bench = Bench::new(
        builder()
            .with_fan_out()
            .fan_out_wait(Duration::from_millis(5)),
    );
    let mut leader = bench.ask("one");
    assert!(poll(&mut leader).is_none());
    let unanswered = bench.one();
    let follower = tokio::spawn(read(bench.ask("two")));
    // It goes although the leader is never answered.
    let second = bench.calls.recv().await.unwrap();
    assert_eq!(second.question(), "two");
    second.wrote();
    follower.await.unwrap();
    drop(unanswered);
}

#[tokio::test]
async fn where_it_is_not_asked_for_all_go_at_once() {
    let quick = Overlay::default();
    let routed = |mut overlay: Overlay| {
        overlay.fan_out = Some(FanOut::Off);
        overlay
    };
    for builder in [
        builder(),
        builder().with_fan_out().mode(Mode::Observe),
        builder().with_fan_out().holdout(Share::hundredths(10_000)),
        builder()
            .with_fan_out()
            .overlay("quick", routed(quick))
            .route("quick"),
    ] {
        let mut bench = Bench::new(builder);
        let mut calls: Vec<Pending> = ["one", "two", "three"].map(|one| bench.ask(one)).into();
        poll_all(&mut calls);
        assert_eq!(bench.arrived().len(), 3);
    }
}

#[tokio::test]
async fn nobody_waits_for_what_they_could_not_read_or_would_not_save() {
    let mut bench = Bench::waiting();
    let url = "http://localhost/v1/messages";
    let tenant = |name: &str| {
        let mut request = post(url, body(LONG, "one"));
        request.extensions_mut().insert(Tenant(name.into()));
        request
    };
    let other_model = body(LONG, "one").replace(MODEL, "claude-sonnet-4-5");
    let requests = [
        tenant("a"),
        tenant("b"),
        post(url, other_model),
        post(url, body(LONG + 35, "one")),
        post(url, body(SHORT, "one")),
        post(url, body(SHORT, "two")),
        post(url, "not a prompt".into()),
    ];
    let mut calls: Vec<Pending> = requests.map(|request| (bench.call)(request)).into();
    // The last one is no JSON, which the bench does not read.
    calls.pop();
    poll_all(&mut calls);
    assert_eq!(bench.arrived().len(), calls.len());
}

#[tokio::test]
async fn what_is_warm_is_not_waited_for() {
    let mut bench = Bench::waiting();
    let first = tokio::spawn(read(bench.ask("one")));
    bench.calls.recv().await.unwrap().wrote();
    first.await.unwrap();
    let mut calls: Vec<Pending> = ["two", "three", "four"].map(|one| bench.ask(one)).into();
    poll_all(&mut calls);
    assert_eq!(
        bench.arrived().len(),
        3,
        "the system prompt is there already"
    );
}

#[tokio::test]
async fn a_second_attempt_waits_for_nobody() {
    let mut bench = Bench::waiting();
    let attempt = |number: u32, patience: Duration| {
        let mut request = post("http://localhost/v1/messages", body(LONG, "one"));
        let mut attempt = Attempt::default();
        attempt.number = number;
        let attempted = Attempted::new(attempt).patient(patience);
        request.extensions_mut().insert(attempted.clone());
        (request, attempted)
    };
    let (first, _) = attempt(1, Duration::from_secs(9));
    let (hedge, hedged) = attempt(2, Duration::ZERO);
    let (other, waits) = attempt(1, Duration::from_secs(9));
    let mut calls: Vec<Pending> = [first, hedge, other].map(|one| (bench.call)(one)).into();
    poll_all(&mut calls);
    assert_eq!(bench.arrived().len(), 2, "the other call waits");
    assert!(!hedged.was_held() && waits.was_held());
}

/// A simulator whose answers take a while to begin.
async fn sim(first_byte: Duration, change: impl FnOnce(&mut SimOptions)) -> SimHandle {
    let mut options = SimOptions::default();
    options.first_byte = first_byte;
    options.keep_requests = 64;
    change(&mut options);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    SimServer::new(options).bind(address).await.unwrap()
}

async fn proxy(cache: &Cachewright, sim: &SimHandle) -> ProxyHandle {
    let mut options = ProxyOptions::default();
    options.listen.set_port(0);
    let upstream = Upstream::new("up", &sim.base_url()).unwrap();
    options.upstreams = vec![upstream.provider("anthropic")];
    Proxy::new(cache, options).unwrap().bind().await.unwrap()
}

/// Asks at once, on as many connections, and waits for all answers.
async fn ask_at_once(base: &str, count: usize) -> Vec<Value> {
    let asked = (0..count).map(|number| {
        let url = format!("{base}/v1/messages");
        tokio::spawn(async move {
            let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
            let request = post(&url, body(LONG, &format!("question {number}")));
            let answer = client.request(request).await.unwrap();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            serde_json::from_slice::<Value>(&body).unwrap()
        })
    });
    let mut answers = Vec::new();
    for answer in asked.collect::<Vec<_>>() {
        answers.push(answer.await.unwrap());
    }
    answers
}

/// How many of these wrote, and how many read.
fn wrote_and_read(answers: &[Value]) -> (usize, usize) {
    // Each ends on a question of its own, which may be written with what stands before it.
    let tokens = |answer: &Value, kind: &str| answer["usage"][kind].as_u64().unwrap();
    let wrote = |one: &&Value| tokens(one, "cache_creation_input_tokens") > 1000;
    let read = |one: &&Value| tokens(one, "cache_read_input_tokens") > 1000;
    let (wrote, read) = (answers.iter().filter(wrote), answers.iter().filter(read));
    (wrote.count(), read.count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_fan_out_through_the_proxy_writes_once() {
    const COUNT: usize = 12;
    for fan_out in [true, false] {
        let sim = sim(Duration::from_millis(300), |_| {}).await;
        let builder = Cachewright::builder();
        let cache = match fan_out {
            true => builder.with_fan_out().build().unwrap(),
            false => builder.build().unwrap(),
        };
        let proxy = proxy(&cache, &sim).await;
        let answers = ask_at_once(&proxy.base_url(), COUNT).await;
        let (wrote, read) = wrote_and_read(&answers);
        match fan_out {
            true => assert_eq!((wrote, read), (1, COUNT - 1)),
            // They do not wait, and pay in full for what one of them writes; those that are planned at the
            // very same moment, one by each thread, write it too.
            false => assert!((1..=4).contains(&wrote) && read == 0, "{wrote} {read}"),
        }
    }
}

#[tokio::test]
async fn pre_warming_writes_what_is_shared_and_says_until_when() {
    let sim = sim(Duration::ZERO, |_| {}).await;
    let cache = builder().build().unwrap();
    let client = cache.wrap(Client::builder(TokioExecutor::new()).build_http());
    let url = format!("{}/v1/messages", sim.base_url());
    let before = cache.records().len();
    let warm = client.http_prewarm(post(&url, body(LONG, "one"))).await;
    assert_eq!((warm.status, warm.cold), (200, None));
    assert!(
        warm.written > Some(5000) && warm.read == Some(0),
        "{warm:?}"
    );
    let records = cache.records();
    assert_eq!(records.len(), before + 1, "one row");
    let row = &records[0];
    assert!(row.errand && row.errand_kind == "prewarm");
    assert_eq!(row.usage.unwrap().output, Some(0), "nothing is said");
    assert_eq!(row.cost, warm.cost);
    let lasts = warm.until.unwrap().since(row.first_byte.unwrap());
    assert_eq!(lasts, Duration::from_secs(300));
    assert_eq!(cache.totals().exchanges, 0, "no call of the user's");
    // The question is not what is shared.
    let again = client.http_prewarm(post(&url, body(LONG, "two"))).await;
    assert_eq!((again.read, again.written), (warm.written, Some(0)));
    let mut call = client.clone();
    let answer = call.call(post(&url, body(LONG, "three"))).await.unwrap();
    answer.into_body().collect().await.unwrap();
    let usage = cache.records().pop().unwrap().usage.unwrap();
    assert_eq!(usage.read, warm.written);
}

#[tokio::test]
async fn what_cannot_be_warmed_is_not_sent() {
    let mut bench = Bench::waiting();
    let client = bench
        .cache
        .wrap(service_fn(|_: Request<RequestBody<Full<Bytes>>>| async {
            Err::<Response<Full<Bytes>>, io::Error>(io::ErrorKind::BrokenPipe.into())
        }));
    let url = "http://localhost/v1/messages";
    let mut thinks: Value = serde_json::from_str(&body(LONG, "one")).unwrap();
    thinks["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
    for (body, why) in [
        (body(0, "one"), Cold::TooShort),
        (thinks.to_string(), Cold::NoCheapForm),
        ("no prompt".into(), Cold::Skipped(Skip::NotJson)),
    ] {
        let cold = client.http_prewarm(post(url, body)).await;
        assert_eq!((cold.cold, cold.status), (Some(why), 0));
    }
    assert!(bench.arrived().is_empty() && bench.cache.records().is_empty());
    let failed = client.http_prewarm(post(url, body(LONG, "one"))).await;
    assert_eq!(failed.cold, Some(Cold::Unanswered));
    assert_eq!(bench.cache.records().len(), 1);
    let all = builder().holdout(Share::hundredths(10_000));
    let left = Bench::new(all)
        .cache
        .wrap(Client::builder(TokioExecutor::new()).build_http());
    let left = left.http_prewarm(post(url, body(LONG, "one"))).await;
    assert_eq!(left.cold, Some(Cold::LeftAlone));
}

#[tokio::test]
async fn a_client_of_reqwest_pre_warms_as_well() {
    let sim = sim(Duration::ZERO, |_| {}).await;
    let cache = builder().with_fan_out().build().unwrap();
    let client = cache.wrap(reqwest::Client::new());
    let url = format!("{}/v1/messages", sim.base_url());
    let request = |question: &str| {
        let asked = reqwest::Client::new()
            .post(&url)
            .header("x-api-key", SECRET);
        let asked = asked.header("content-type", "application/json");
        asked.body(body(LONG, question)).build().unwrap()
    };
    let warm = client.prewarm(request("one")).await;
    assert!(warm.written > Some(5000), "{warm:?}");
    let answers = ["two", "three"].map(|question| client.execute(request(question)));
    for answer in futures_util::future::join_all(answers).await {
        let answer: Value = answer.unwrap().json().await.unwrap();
        assert_eq!(
            answer["usage"]["cache_read_input_tokens"].as_u64(),
            warm.written
        );
    }
}

#[tokio::test]
async fn calls_over_reqwest_wait_as_well() {
    let sim = sim(Duration::from_millis(100), |_| {}).await;
    let cache = builder().with_fan_out().build().unwrap();
    let client = cache.wrap(reqwest::Client::new());
    let url = format!("{}/v1/messages", sim.base_url());
    let asked = (0..6).map(|number| {
        let asked = reqwest::Client::new()
            .post(&url)
            .header("x-api-key", SECRET);
        let asked = asked.header("content-type", "application/json");
        let request = asked
            .body(body(LONG, &format!("question {number}")))
            .build();
        let client = client.clone();
        async move {
            let answer = client.execute(request.unwrap()).await.unwrap();
            answer.json::<Value>().await.unwrap()
        }
    });
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(wrote_and_read(&answers), (1, 5));
}

#[tokio::test]
async fn the_proxy_pre_warms_on_request() {
    let sim = sim(Duration::ZERO, |_| {}).await;
    let cache = Cachewright::new();
    let proxy = proxy(&cache, &sim).await;
    let url = format!("{}/v1/messages", proxy.base_url());
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let prewarm = |body: String| {
        let mut request = post(&url, body);
        let one = "1".parse().unwrap();
        request.headers_mut().insert("x-cachewright-prewarm", one);
        let answer = client.request(request);
        async move {
            let answer = answer.await.unwrap();
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, serde_json::from_slice::<Value>(&body).unwrap())
        }
    };
    let (status, told) = prewarm(body(LONG, "one")).await;
    assert_eq!((status, &told["warm"]), (200, &json!(true)));
    let written = told["written_tokens"].as_u64().unwrap();
    assert!(
        written > 5000 && told["warm_until"].as_f64() > Some(1e9),
        "{told}"
    );
    let (status, told) = prewarm(body(0, "one")).await;
    assert_eq!((status, &told["warm"]), (422, &json!(false)));
    assert!(told["why"].as_str().unwrap().contains("too short"));
    let seen = reqwest::get(format!("{}/admin/requests", sim.base_url())).await;
    let seen: Value = seen.unwrap().json().await.unwrap();
    let seen = seen.as_array().unwrap();
    assert_eq!(seen.len(), 1, "what is too short is not sent");
    assert!(!seen[0].to_string().contains("x-cachewright-prewarm"));
    let answers = ask_at_once(&proxy.base_url(), 3).await;
    assert_eq!(wrote_and_read(&answers), (0, 3));
}

/// A route over backends at the simulator, with `more` settings.
async fn route(cache: &Cachewright, sim: &SimHandle, more: &str) -> ProxyHandle {
    let base = sim.base_url();
    let text = format!(
        "[providers.one]\nkind = \"anthropic\"\nendpoint = \"{base}/anthropic\"\nkey = \"k1\"\n\
         [providers.two]\nkind = \"anthropic\"\nendpoint = \"{base}/anthropic\"\nkey = \"k2\"\n\
         [routes.app]\nmodel = \"claude-opus-4.8\"\norder = [\"one\", \"two\"]\n{more}"
    );
    let mut options = ProxyOptions::default();
    options.listen.set_port(0);
    let catalog = cache.engine().catalog();
    let options = options
        .config(("c.toml", &text), catalog, &|_| None)
        .unwrap();
    Proxy::new(cache, options).unwrap().bind().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_route_wait_unless_it_hedges() {
    const COUNT: usize = 6;
    for (more, waits) in [("", true), ("hedge = \"20ms\"\n", false)] {
        let sim = sim(Duration::from_millis(300), |_| {}).await;
        let cache = Cachewright::builder().with_fan_out().build().unwrap();
        let proxy = route(&cache, &sim, more).await;
        let answers = ask_at_once(&format!("{}/app", proxy.base_url()), COUNT).await;
        assert_eq!(answers.len(), COUNT);
        let held = || {
            cache
                .records()
                .into_iter()
                .filter(|one| !one.held.is_zero())
        };
        if waits {
            assert_eq!(wrote_and_read(&answers), (1, COUNT - 1));
            assert_eq!(held().count(), COUNT - 1);
        } else {
            assert_eq!(held().count(), 0, "neither an attempt nor its hedge");
        }
    }
}
