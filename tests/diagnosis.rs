//! Causes through the layer, against the simulator over HTTP, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::clock::Clock;
use cachewright::adapter::handle::{Builder, Cachewright};
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::ledger::{Record, Verdict};
use cachewright::model::{Cause, Miss, Mode, Money, Pattern, Section, Timestamp};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tower::Service;

const MODEL: &str = "claude-sonnet-4-5";

/// A clock that the layer and the provider share, and that only a test moves.
#[derive(Clone, Debug, Default)]
struct Hands(Arc<AtomicI64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

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
        clock.0.store(1_000_000_000, Ordering::SeqCst);
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
        self.clock
            .0
            .fetch_add(seconds * 1_000_000, Ordering::SeqCst);
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
    record
        .miss
        .as_ref()
        .unwrap_or_else(|| panic!("no miss in {record:?}"))
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
    beta.headers_mut()
        .insert("anthropic-beta", "context-1m-2025-08-07".parse().unwrap());
    let beta = world.sent(beta).await;
    assert_eq!(found(&beta).0, Cause::ScopeChanged);
    // A first message that is alike makes no conversation.
    let mut fresh = body(&names(), &text(1, 1500), &talk(1, 1));
    fresh["model"] = json!("claude-opus-4-6");
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
