//! Causes through the layer, against the simulator over HTTP, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::handle::{Builder, Cachewright};
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::ledger::{Record, Verdict};
use cachewright::model::{Cause, Miss, Mode, Money, Pattern, Section};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tower::Service;

use crate::support::hands::Hands;
use crate::support::origin::{Origin, Protocol};

const MODEL: &str = "claude-sonnet-4-5";

/// A provider, and a client with the layer before it.
struct World {
    clock: Hands,
    server: SimHandle,
    cache: Cachewright,
}

impl World {
    async fn of(mode: Mode) -> Self {
        Self::with(|builder| builder.mode(mode)).await
    }

    async fn with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = Hands::default();
        let mut options = SimOptions::default();
        options.clock = Arc::new(clock.clone());
        // What is written can be read from the answer's first byte on, and not before.
        options.first_byte = Duration::from_micros(1);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = SimServer::new(options).bind(address).await.unwrap();
        let builder = Cachewright::builder()
            .by_length()
            .clock(clock.clone())
            .assume("anthropic");
        Self {
            clock,
            server,
            cache: configure(builder).build().unwrap(),
        }
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(seconds);
    }

    /// The provider loses all it had.
    async fn forget(&self) {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let url = format!("{}/admin/forget", self.server.base_url());
        let request = Request::post(url).body(Full::<Bytes>::default()).unwrap();
        assert!(client.request(request).await.unwrap().status().is_success());
    }

    fn request(&self, path: &str, key: &str, body: &Value) -> Request<Full<Bytes>> {
        Request::post(format!("{}{path}", self.server.base_url()))
            .header("content-type", "application/json")
            .header("x-api-key", key)
            .body(Full::new(Bytes::from(serde_json::to_vec(body).unwrap())))
            .unwrap()
    }

    /// Sends a request and returns its row.
    async fn sent(&self, request: Request<Full<Bytes>>) -> Record {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut service = self.cache.wrap(client);
        let answer = service.call(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(status.is_success(), "{status} {body:?}");
        self.cache.records().pop().unwrap()
    }

    /// Sends a body two seconds after what came before it.
    async fn send(&self, body: &Value) -> Record {
        self.advance(2);
        self.sent(self.request("/v1/messages", "key", body)).await
    }
}

/// About `tokens` tokens that say nothing else than `seed`.
fn text(seed: usize, tokens: usize) -> String {
    let words = tokens * 27 / 60;
    (0..words)
        .map(|n| format!("{:05x} ", (seed + 1) * 7919 + n * 31))
        .collect()
}

fn tool(name: &str) -> Value {
    let seed = name.bytes().map(usize::from).sum();
    json!({"name": name, "description": text(seed, 300),
           "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}})
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

/// A conversation of so many turns, each of about 400 tokens.
fn talk(topic: usize, turns: usize) -> Vec<Value> {
    let mut messages = vec![user(&text(topic, 400))];
    for turn in 1..turns {
        messages.push(json!({"role": "assistant", "content": text(topic * 100 + turn, 100)}));
        messages.push(user(&text(topic * 100 + 50 + turn, 300)));
    }
    messages
}

fn body(tools: &[Value], system: &str, messages: &[Value]) -> Value {
    json!({"model": MODEL, "max_tokens": 10, "tools": tools, "system": system, "messages": messages})
}

fn names() -> Vec<Value> {
    ["alpha", "beta", "gamma", "delta"].map(tool).into()
}

/// The miss of a request, which must have one.
fn miss(record: &Record) -> &Miss {
    assert!(record.miss.is_some(), "no miss in {record:?}");
    record.miss.as_ref().unwrap()
}

/// Cause, section, block and byte of a request's miss.
fn found(record: &Record) -> (Cause, Option<(Section, u32, u32)>) {
    let miss = miss(record);
    let place = miss.place.as_ref();
    let place = place.map(|place| (place.section, place.block, place.byte));
    (miss.cause, place)
}

/// What so many tokens cost above the price of a read where all of them were written for five
/// minutes: 3.75 less 0.30 dollars a million.
fn rewritten(tokens: u64) -> Option<Money> {
    Some(Money::per_mtok("3.45").unwrap().times(tokens))
}

fn input(record: &Record) -> u64 {
    record.usage.unwrap().input().unwrap()
}

fn read(record: &Record) -> u64 {
    record.usage.unwrap().read.unwrap()
}

#[tokio::test]
async fn a_growing_conversation_misses_nothing_but_its_first_use() {
    for mode in [Mode::Observe, Mode::Place] {
        let world = World::of(mode).await;
        let body = |turns: usize| {
            let mut body = body(&names(), &text(1, 1500), &talk(1, turns));
            body["cache_control"] = json!({"type": "ephemeral"});
            body
        };
        let mut before = world.send(&body(1)).await;
        assert_eq!(before.verdict, Verdict::Written, "{mode:?}");
        assert_eq!(found(&before), (Cause::FirstUse, None));
        assert_eq!(miss(&before).tokens, input(&before));
        assert_eq!(before.readable, Some(0));
        for turns in 2..6 {
            let record = world.send(&body(turns)).await;
            assert_eq!(record.miss, None, "{mode:?}");
            assert_eq!(record.verdict, Verdict::Hit, "{mode:?}");
            assert_eq!(record.readable, Some(input(&before)));
            assert_eq!(record.predicted_read, Some(read(&record)), "{mode:?}");
            assert_eq!(record.breakpoints_honoured, Some(record.breakpoints));
            assert_eq!(record.lineage, before.lineage);
            assert_eq!(record.ends[..2], before.ends[..2]);
            before = record;
        }
        // A conversation of its own that reads what all share is none the worse for being new.
        if mode == Mode::Place {
            let other = world
                .send(&super::diagnosis::body(
                    &names(),
                    &text(1, 1500),
                    &talk(2, 1),
                ))
                .await;
            assert_eq!((other.verdict, &other.miss), (Verdict::Hit, &None));
            assert_eq!(other.readable, Some(read(&other)));
            assert_ne!(other.lineage, before.lineage);
        }
    }
}

#[tokio::test]
async fn what_nobody_answered_is_no_earlier_use() {
    let world = World::of(Mode::Place).await;
    let body = body(&names(), &text(1, 3000), &talk(1, 0));
    // Nobody listens, then the provider fails.
    let nobody = Request::post("http://127.0.0.1:1/v1/messages")
        .header("content-type", "application/json")
        .header("x-api-key", "key")
        .body(Full::new(Bytes::from(serde_json::to_vec(&body).unwrap())))
        .unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut service = world.cache.wrap(client.clone());
    assert!(service.call(nobody).await.is_err());
    let mut failing = world.request("/v1/messages", "key", &body);
    let fault = "529".parse().unwrap();
    failing.headers_mut().insert("x-sim-fault", fault);
    assert_eq!(service.call(failing).await.unwrap().status(), 529);
    let record = world.send(&body).await;
    assert_eq!(miss(&record).cause, Cause::FirstUse);
}

#[tokio::test]
async fn text_that_differs_from_call_to_call_is_named_to_the_byte() {
    let head = text(3, 700);
    for (volatile, pattern) in [
        (
            ["2026-11-25T13:01:11Z", "2026-11-25T13:02:47Z"],
            Pattern::Timestamp,
        ),
        (
            [
                "0b5e7c1e-7d0c-4a53-9d4e-0c1f2a3b4c5d",
                "9f1c2d3e-7a8b-4c5d-8e9f-a1b2c3d4e5f6",
            ],
            Pattern::Uuid,
        ),
    ] {
        let system = |at: usize| format!("{head}\nrun {}\n{}", volatile[at], text(4, 800));
        let [one, other] = volatile.map(str::as_bytes);
        let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
        let byte = u32::try_from(1 + head.len() + "\\nrun ".len() + same).unwrap();
        // Within one conversation, then across two of one route.
        for talks in [[talk(5, 1), talk(5, 2)], [talk(6, 1), talk(7, 1)]] {
            let world = World::of(Mode::Place).await;
            let first = world.send(&body(&names(), &system(0), &talks[0])).await;
            let second = world.send(&body(&names(), &system(1), &talks[1])).await;
            let at = Some((Section::System, 4, byte));
            assert_eq!(found(&second), (Cause::Volatile, at));
            let missed = miss(&second);
            assert_eq!(missed.pattern, Some(pattern));
            assert_eq!(missed.cost, rewritten(missed.tokens));
            assert_eq!(missed.place.as_ref().unwrap().excerpts, None);
            // All that the first had sent could have been read, or the system prompt's end.
            if first.lineage == second.lineage {
                assert_eq!(missed.tokens, input(&first) - read(&second));
            } else {
                let expected = input(&first) - 400 - read(&second);
                assert!(
                    missed.tokens.abs_diff(expected) < 100,
                    "{missed:?} {expected}"
                );
            }
        }
    }
}

#[tokio::test]
async fn changes_of_the_prompt_are_told_apart() {
    let system = text(1, 1500);
    let mut shuffled = names();
    shuffled.swap(1, 3);
    let mut integer = names();
    integer[2]["input_schema"]["properties"]["path"]["type"] = json!("integer");
    let schema = serde_json::to_string(&names()[2]).unwrap();
    let byte = u32::try_from(schema.rfind("\"string\"").unwrap() + 1).unwrap();
    let mut late = names();
    late.push(tool("late"));
    let mut edited = talk(1, 4);
    edited[2] = user(&text(77, 300));
    let plain = || talk(1, 4);
    for (later, cause, place) in [
        (
            body(&shuffled, &system, &plain()),
            Cause::ToolsOrder,
            (Section::Tools, 1, 0),
        ),
        (
            body(&integer, &system, &plain()),
            Cause::ToolsSchema,
            (Section::Tools, 2, byte),
        ),
        (
            body(&late, &system, &plain()),
            Cause::ToolsSet,
            (Section::Tools, 4, 0),
        ),
        (
            body(&names(), &text(9, 1500), &plain()),
            Cause::SystemChanged,
            (Section::System, 4, 1),
        ),
        (
            body(&names(), &system, &edited),
            Cause::HistoryRewritten,
            (Section::Messages, 7, 1),
        ),
    ] {
        let world = World::of(Mode::Place).await;
        world.send(&body(&names(), &system, &talk(1, 2))).await;
        let before = world.send(&body(&names(), &system, &talk(1, 3))).await;
        let record = world.send(&later).await;
        assert_eq!(found(&record), (cause, Some(place)));
        let missed = miss(&record);
        assert_eq!(missed.tokens, input(&before) - read(&record), "{cause:?}");
        assert_eq!(missed.cost, rewritten(missed.tokens), "{cause:?}");
        // The next turn goes on from there and misses nothing.
        let mut next = later.clone();
        let messages = next["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": text(800, 100)}));
        messages.push(user(&text(801, 100)));
        assert_eq!(world.send(&next).await.miss, None, "{cause:?}");
    }
}

#[tokio::test]
async fn an_entry_expires_to_the_second_and_is_lost_before() {
    let at = |turns: usize| body(&names(), &text(1, 1500), &talk(1, turns));
    for (gap, forgets, wanted) in [
        (299, false, None),
        (300, false, Some(Cause::Expired)),
        (299, true, Some(Cause::Lost)),
        (300, true, Some(Cause::Expired)),
    ] {
        let world = World::of(Mode::Place).await;
        let before = world.send(&at(1)).await;
        if forgets {
            world.forget().await;
        }
        world.advance(gap - 2);
        let record = world.send(&at(2)).await;
        let cause = record.miss.as_ref().map(|miss| miss.cause);
        assert_eq!(cause, wanted, "{gap} {forgets}");
        let Some(missed) = &record.miss else { continue };
        assert_eq!(missed.place, None);
        assert!(missed.tokens.abs_diff(input(&before)) <= 3);
        assert_eq!(missed.cost, rewritten(missed.tokens));
        let verdict = if gap == 299 {
            Verdict::Lost
        } else {
            Verdict::Written
        };
        assert_eq!(record.verdict, verdict);
        // Whether it could have been read does not depend on when.
        assert_eq!(record.readable, Some(input(&before)));
    }
}

#[tokio::test]
async fn what_is_sent_in_parallel_is_not_to_be_seen_yet() {
    let world = World::of(Mode::Place).await;
    let one = body(&names(), &text(1, 1500), &talk(1, 1));
    let other = body(&names(), &text(1, 1500), &talk(2, 1));
    world.advance(2);
    let requests = [&one, &other].map(|body| world.request("/v1/messages", "key", body));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut service = world.cache.wrap(client);
    // Both are sent before the first answer can arrive: nothing else runs in between.
    let answers = requests.map(|request| service.call(request));
    for answer in futures_util::future::join_all(answers).await {
        answer.unwrap().into_body().collect().await.unwrap();
    }
    let causes: Vec<Cause> = world
        .cache
        .records()
        .iter()
        .map(|one| miss(one).cause)
        .collect();
    let mut causes = causes;
    causes.sort_unstable();
    assert_eq!(causes, [Cause::FirstUse, Cause::NotYetVisible]);
    // One that comes after them reads it.
    let third = world
        .send(&body(&names(), &text(1, 1500), &talk(3, 1)))
        .await;
    assert_eq!(third.miss, None);
}

#[tokio::test]
async fn a_prompt_below_the_minimum_is_not_blamed_for_anything_else() {
    let world = World::of(Mode::Observe).await;
    let marked = |turns: usize| {
        let mut body = body(&[], &text(1, 100), &talk(1, turns));
        body["cache_control"] = json!({"type": "ephemeral"});
        body
    };
    let first = world.send(&marked(1)).await;
    assert_eq!(first.verdict, Verdict::BelowMinimum);
    assert_eq!(found(&first), (Cause::BelowMinimum, None));
    assert_eq!(first.breakpoints_honoured, Some(0));
    let second = world.send(&marked(2)).await;
    assert_eq!(found(&second).0, Cause::BelowMinimum);
    assert_eq!(second.readable, Some(0));
}

#[tokio::test]
async fn another_model_account_or_set_of_betas_has_another_cache() {
    let at = |turns: usize| body(&names(), &text(1, 1500), &talk(1, turns));
    let world = World::of(Mode::Place).await;
    world.send(&at(1)).await;
    let before = world.send(&at(2)).await;
    let mut opus = at(3);
    opus["model"] = json!("claude-opus-4-5");
    let moved = world.send(&opus).await;
    assert_eq!(found(&moved), (Cause::ModelChanged, None));
    assert_eq!(miss(&moved).tokens, input(&before));
    world.advance(2);
    let other = world.request("/v1/messages", "another key", &at(3));
    let other = world.sent(other).await;
    assert_eq!(found(&other), (Cause::ScopeChanged, None));
    assert_eq!(miss(&other).cost, rewritten(input(&before)));
    assert_ne!(other.scope, before.scope);
    let mut beta = world.request("/v1/messages", "key", &at(3));
    let headers = beta.headers_mut();
    headers.insert("anthropic-beta", "context-1m-2025-08-07".parse().unwrap());
    // The simulator looks at bodies only; here the header changes the prefix.
    headers.insert("x-sim-workspace", "beta".parse().unwrap());
    let beta = world.sent(beta).await;
    assert_eq!(found(&beta).0, Cause::ScopeChanged);
    // A first message that is alike makes no conversation.
    let mut fresh = body(&names(), &text(1, 1500), &talk(1, 1));
    fresh["model"] = json!("claude-opus-4-8");
    assert_eq!(found(&world.send(&fresh).await).0, Cause::FirstUse);
}

#[tokio::test]
async fn agents_that_take_turns_are_compared_with_themselves() {
    let world = World::of(Mode::Place).await;
    let agent = |which: usize, turns: usize| {
        // All of them open with the same words.
        let mut messages = talk(which, turns);
        messages[0] = user(&text(50, 400));
        body(&names(), &text(1 + which * 10, 1500), &messages)
    };
    for turns in 1..5 {
        for which in 0..3 {
            let record = world.send(&agent(which, turns)).await;
            let cause = record.miss.as_ref().map(|miss| miss.cause);
            let wanted = (turns == 1 && which == 0).then_some(Cause::FirstUse);
            if turns > 1 || which == 0 {
                assert_eq!(cause, wanted, "{which} {turns}");
            }
        }
    }
    // One of them changes; the others' requests, which are nearer in time, do not hide it.
    let mut late = names();
    late.push(tool("late"));
    let mut changed = agent(0, 5);
    changed["tools"] = json!(late);
    let record = world.send(&changed).await;
    assert_eq!(
        found(&record),
        (Cause::ToolsSet, Some((Section::Tools, 4, 0)))
    );
}

#[tokio::test]
async fn the_callers_own_markers_may_stand_where_nothing_is_found() {
    let marked = |text: String| json!([{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]);
    // The end of a growing conversation, with more blocks between than are looked at.
    let world = World::of(Mode::Observe).await;
    let long = |blocks: usize| {
        let mut parts: Vec<Value> = (0..blocks)
            .map(|n| json!({"type": "text", "text": text(n, 100)}))
            .collect();
        parts[blocks - 1]["cache_control"] = json!({"type": "ephemeral"});
        body(
            &[],
            "be brief",
            &[json!({"role": "user", "content": parts})],
        )
    };
    let before = world.send(&long(20)).await;
    let near = world.send(&long(39)).await;
    assert_eq!((near.verdict, &near.miss), (Verdict::Hit, &None));
    let far = world.send(&long(59)).await;
    assert_eq!(found(&far), (Cause::Lookback, None));
    assert_eq!(miss(&far).tokens, input(&near) - read(&far));
    assert!(input(&before) < input(&near));
    // Only the system prompt is marked, and the conversation grows.
    let world = World::of(Mode::Observe).await;
    let head = |turns: usize| {
        let mut body = body(&[], "", &talk(1, turns));
        body["system"] = marked(text(1, 1500));
        body
    };
    let first = world.send(&head(1)).await;
    let second = world.send(&head(2)).await;
    assert_eq!(found(&second), (Cause::OwnMarkers, None));
    assert_eq!(miss(&second).tokens, input(&first) - read(&second));
    assert_eq!(first.written.len(), 1);
    assert_eq!(second.read_prefix, Some(first.written[0].0));
}

#[tokio::test]
async fn excerpts_are_quoted_where_the_user_wants_them_and_nowhere_else() {
    for wanted in [false, true] {
        let world = World::with(|builder| {
            if wanted {
                builder.with_excerpts()
            } else {
                builder
            }
        })
        .await;
        let system =
            |city: &str| format!("{} The office is in {city}. {}", text(1, 900), text(2, 900));
        world
            .send(&body(&names(), &system("Oslo"), &talk(1, 1)))
            .await;
        let record = world
            .send(&body(&names(), &system("Bergen"), &talk(1, 2)))
            .await;
        let place = miss(&record).place.as_ref().unwrap();
        match &place.excerpts {
            None => assert!(!wanted && !format!("{record:?}").contains("office")),
            Some([before, now]) => {
                assert!(wanted && before.contains("Oslo") && now.contains("Bergen"));
                assert!(before.len() <= 90 && now.len() <= 90, "{before} {now}");
            }
        }
    }
}

/// A provider that answers as it is told, one answer after the other, and shows what it received.
async fn scripted(
    answers: Vec<(u16, Value)>,
    configure: impl FnOnce(Builder) -> Builder,
) -> (Origin, Cachewright) {
    let answers = Mutex::new(VecDeque::from(answers));
    let origin = Origin::start(Protocol::Http1, move || {
        let (status, answer) = answers.lock().unwrap().pop_front().unwrap();
        http::Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(
                Full::new(Bytes::from(answer.to_string()))
                    .map_err(|never| match never {})
                    .boxed_unsync(),
            )
            .unwrap()
    });
    let cache = configure(Cachewright::builder().by_length().assume("anthropic"));
    (origin.await, cache.build().unwrap())
}

/// Sends a body to such a provider and returns its row, and the body as it arrived.
async fn told(origin: &mut Origin, cache: &Cachewright, body: &Value) -> (Record, Value) {
    let request = Request::post(origin.url())
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = cache.wrap(client).call(request).await.unwrap();
    answer.into_body().collect().await.unwrap();
    let record = cache.records().pop().unwrap();
    let mut received = origin.next().await;
    if record.resent {
        received = origin.next().await;
    }
    (record, serde_json::from_slice(&received.body).unwrap())
}

/// A message with this usage, and with what else is said of it.
fn message(id: &str, usage: &Value, more: &Value) -> (u16, Value) {
    let mut message = json!({"id": id, "type": "message", "role": "assistant", "model": MODEL,
        "content": [], "stop_reason": "end_turn", "usage": usage});
    let fields = message.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    (200, message)
}

fn usage(plain: u64, read: u64, write_5m: u64, write_1h: u64) -> Value {
    json!({"input_tokens": plain, "cache_read_input_tokens": read, "output_tokens": 1,
           "cache_creation_input_tokens": write_5m + write_1h,
           "cache_creation": {"ephemeral_5m_input_tokens": write_5m, "ephemeral_1h_input_tokens": write_1h}})
}

#[tokio::test]
async fn what_came_of_the_markers_is_told() {
    let at = |turns: usize| body(&names(), &text(1, 1500), &talk(1, turns));
    let all = [
        (usage(3, 0, 3796, 0), Verdict::Downgraded, Some(3)),
        (usage(3, 3796, 0, 470), Verdict::Hit, Some(4)),
        // Two thirds of it are gone.
        (usage(3, 1300, 0, 3436), Verdict::Partial, Some(4)),
        (usage(5209, 0, 0, 0), Verdict::Ignored, Some(0)),
        (
            json!({"input_tokens": 5600, "output_tokens": 1}),
            Verdict::Unreported,
            None,
        ),
        (json!({}), Verdict::Unreported, None),
    ];
    let answers = all
        .iter()
        .map(|(usage, ..)| message("msg", usage, &json!({})));
    let hour = |builder: Builder| builder.ttl(cachewright::model::Ttl::OneHour);
    let (mut origin, cache) = scripted(answers.collect(), hour).await;
    for (turn, (reported, wanted, honoured)) in all.iter().enumerate() {
        let (record, _) = told(&mut origin, &cache, &at(turn + 1)).await;
        assert_eq!(record.verdict, *wanted, "{reported}");
        assert_eq!(record.breakpoints_honoured, *honoured, "{reported}");
        if *wanted == Verdict::Unreported {
            assert_eq!((record.miss, record.verdict), (None, Verdict::Unreported));
        }
    }
}

#[tokio::test]
async fn failures_and_unread_bodies_are_no_verdict_on_the_cache() {
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "no"}});
    let answers = vec![(529, error), message("msg", &usage(9, 0, 0, 0), &json!({}))];
    let (mut origin, cache) = scripted(answers, |builder| builder).await;
    let (failed, _) = told(&mut origin, &cache, &body(&[], "", &talk(1, 1))).await;
    assert_eq!((failed.verdict, failed.miss), (Verdict::Failed, None));
    assert!(failed.first_byte.is_some() && failed.ended >= failed.at);
    let (unread, _) = told(&mut origin, &cache, &json!({"messages": 7})).await;
    assert_eq!((unread.verdict, unread.miss), (Verdict::Unread, None));
    assert_eq!((unread.predicted_read, unread.readable), (None, None));
    assert_eq!(&*unread.dialect, "messages");
}

#[tokio::test]
async fn the_providers_own_reason_is_asked_for_and_merged() {
    for stream in [false, true] {
        let world = World::with(Builder::with_provider_diagnostics).await;
        let at = |turns: usize, system: &str| {
            let mut body = body(&names(), system, &talk(1, turns));
            body["stream"] = stream.into();
            body
        };
        let system = text(1, 1500);
        world.send(&at(1, &system)).await;
        let same = world.send(&at(2, &system)).await;
        assert_eq!(same.miss, None);
        let changed = world.send(&at(3, &text(2, 1500))).await;
        // Ours is finer, theirs is kept beside it.
        assert_eq!(found(&changed).0, Cause::SystemChanged);
        assert_eq!(miss(&changed).reported.as_deref(), Some("system_changed"));
    }
    // Nothing is asked where nobody wanted it, or where nothing may be added.
    for world in [
        World::of(Mode::Place).await,
        World::with(|builder| builder.mode(Mode::Observe).with_provider_diagnostics()).await,
    ] {
        world
            .send(&body(&names(), &text(1, 1500), &talk(1, 1)))
            .await;
        let changed = world
            .send(&body(&names(), &text(2, 1500), &talk(1, 2)))
            .await;
        assert_eq!(miss(&changed).reported, None);
    }
}

#[tokio::test]
async fn the_providers_reason_speaks_where_nothing_can_be_shown_here() {
    let said = |reason: Value| json!({"diagnostics": {"cache_miss_reason": reason}});
    let lost = json!({"type": "system_changed", "cache_missed_input_tokens": 3000});
    let answers = vec![
        message("msg_1", &usage(3, 0, 3796, 0), &said(Value::Null)),
        message("msg_2", &usage(3, 0, 4266, 0), &said(lost)),
    ];
    let (mut origin, cache) = scripted(answers, Builder::with_provider_diagnostics).await;
    let at = |turns: usize| body(&names(), &text(1, 1500), &talk(1, turns));
    let (_, first) = told(&mut origin, &cache, &at(1)).await;
    assert_eq!(first["diagnostics"], json!({"previous_message_id": null}));
    let (record, second) = told(&mut origin, &cache, &at(2)).await;
    assert_eq!(
        second["diagnostics"],
        json!({"previous_message_id": "msg_1"})
    );
    assert_eq!(record.verdict, Verdict::Lost);
    assert_eq!(found(&record), (Cause::SystemChanged, None));
}

#[tokio::test]
async fn a_question_that_is_refused_is_not_asked_again_and_costs_no_marker() {
    let refusal = json!({"type": "error", "error": {"type": "invalid_request_error",
        "message": "diagnostics: Extra inputs are not permitted"}});
    let answers = vec![
        (400, refusal),
        message("msg_1", &usage(3799, 0, 0, 0), &json!({})),
        message("msg_2", &usage(3, 0, 4266, 0), &json!({})),
        message("msg_3", &usage(3, 4266, 470, 0), &json!({})),
    ];
    let (mut origin, cache) = scripted(answers, Builder::with_provider_diagnostics).await;
    let at = |turns: usize| body(&names(), &text(1, 1500), &talk(1, turns));
    let (record, sent) = told(&mut origin, &cache, &at(1)).await;
    assert_eq!((record.verdict, record.resent), (Verdict::Refused, true));
    assert_eq!(sent, at(1), "the caller's own");
    let (record, sent) = told(&mut origin, &cache, &at(2)).await;
    assert_eq!(sent.get("diagnostics"), None);
    assert!(record.breakpoints_placed > 0);
    // The caller's own question stands, whatever was refused of ours.
    let mut asked = at(3);
    asked["diagnostics"] = json!({"previous_message_id": "msg_of_mine"});
    let (_, sent) = told(&mut origin, &cache, &asked).await;
    assert_eq!(sent["diagnostics"], asked["diagnostics"]);
}

#[tokio::test]
async fn openai_is_asked_in_the_options_of_its_cache() {
    let world = World::with(|builder| builder.assume("openai").with_provider_diagnostics()).await;
    let at = |turns: usize, system: &str| json!({"model": "gpt-5.6-sol", "instructions": system, "input": talk(1, turns)});
    let send = async |body: Value| {
        world.advance(2);
        world
            .sent(world.request("/v1/responses", "key", &body))
            .await
    };
    send(at(1, &text(1, 1500))).await;
    let same = send(at(2, &text(1, 1500))).await;
    assert_eq!((same.verdict, &same.miss), (Verdict::Hit, &None));
    let changed = send(at(3, &text(2, 1500))).await;
    assert_eq!(found(&changed).0, Cause::SystemChanged);
    assert_eq!(miss(&changed).reported.as_deref(), Some("input_changed"));
}
