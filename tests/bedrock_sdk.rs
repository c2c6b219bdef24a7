//! The interceptor within the real SDK, against the simulator and against an origin that is told
//! what to say.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::{
    BehaviorVersion, Builder, ConfigBag, Credentials, Intercept, Region, RuntimeComponents,
};
use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::converse::builders::ConverseFluentBuilder;
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ConversationRole, ConverseStreamOutput, GuardrailContentBlock,
    GuardrailContentSource, GuardrailTextBlock, InferenceConfiguration, Message, ResponseStream,
    SystemContentBlock, TokenUsage,
};
use bytes::Bytes;
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::ledger::Record;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

use crate::bedrock::frame;
use crate::support::origin::{Answer, Origin, Protocol, json as answer};

pub(crate) const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
pub(crate) const KEYS: (&str, &str) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");

pub(crate) fn long() -> String {
    (0..2000).fold(String::new(), |text, n| text + &format!("fact {n}; "))
}

pub(crate) async fn simulator() -> SimHandle {
    let mut options = SimOptions::default();
    options.keep_requests = 10;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    SimServer::new(options).bind(address).await.unwrap()
}

/// A client of the documented example account, without an interceptor.
pub(crate) fn config(base: &str, keys: (&str, &str)) -> Builder {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new(keys.0, keys.1, None, None, "test"))
        .retry_config(retries)
        .endpoint_url(base)
}

fn client(base: &str, cache: &Cachewright) -> Client {
    Client::from_conf(config(base, KEYS).interceptor(cache.bedrock()).build())
}

pub(crate) fn say(text: &str) -> Message {
    Message::builder()
        .role(ConversationRole::User)
        .content(ContentBlock::Text(text.into()))
        .build()
        .unwrap()
}

fn limit() -> InferenceConfiguration {
    InferenceConfiguration::builder().max_tokens(20).build()
}

pub(crate) fn converse(client: &Client, model: &str) -> ConverseFluentBuilder {
    client
        .converse()
        .model_id(model)
        .system(SystemContentBlock::Text(long()))
        .messages(say("hello"))
        .inference_config(limit())
}

/// All of a stream's events, and the usage of its last one.
pub(crate) async fn converse_stream(client: &Client, model: &str) -> TokenUsage {
    let stream = client
        .converse_stream()
        .model_id(model)
        .system(SystemContentBlock::Text(long()))
        .messages(say("hello"))
        .inference_config(limit());
    let mut events = stream.send().await.unwrap().stream;
    let mut usage = None;
    while let Some(event) = events.recv().await.unwrap() {
        if let ConverseStreamOutput::Metadata(event) = event {
            usage = event.usage;
        }
    }
    usage.unwrap()
}

fn claude() -> Blob {
    let body = json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 20, "system": long(),
        "messages": [{"role": "user", "content": "hello"}],
    });
    Blob::new(body.to_string())
}

/// Which of the four operations is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Converse,
    ConverseStream,
    Invoke,
    InvokeStream,
}

const ALL: [Operation; 4] = [
    Operation::Converse,
    Operation::ConverseStream,
    Operation::Invoke,
    Operation::InvokeStream,
];

/// Calls the operation; tokens read from the cache and output, as the SDK's user sees them.
async fn call(client: &Client, operation: Operation) -> (u64, u64) {
    let of_tokens = |usage: &TokenUsage| {
        let read = usage.cache_read_input_tokens().unwrap_or_default();
        let count = |count: i32| u64::try_from(count).unwrap();
        (count(read), count(usage.output_tokens()))
    };
    let of_message = |usage: &Value| {
        let count = |name: &str| usage[name].as_u64().unwrap_or_default();
        (count("cache_read_input_tokens"), count("output_tokens"))
    };
    match operation {
        Operation::Converse => {
            let said = converse(client, SONNET).send().await.unwrap();
            of_tokens(said.usage().unwrap())
        }
        Operation::ConverseStream => of_tokens(&converse_stream(client, SONNET).await),
        Operation::Invoke => {
            // Says nothing of the body's type.
            let invoke = client.invoke_model().model_id(SONNET).body(claude());
            let said = invoke.send().await.unwrap().body;
            let said: Value = serde_json::from_slice(said.as_ref()).unwrap();
            of_message(&said["usage"])
        }
        Operation::InvokeStream => {
            let invoke = client.invoke_model_with_response_stream();
            let invoke = invoke.model_id(SONNET).body(claude());
            let invoke = invoke.content_type("application/json");
            let mut events = invoke.send().await.unwrap().body;
            let mut counts = (0, 0);
            while let Some(event) = events.recv().await.unwrap() {
                if let ResponseStream::Chunk(chunk) = event {
                    let bytes = chunk.bytes.unwrap();
                    let event: Value = serde_json::from_slice(bytes.as_ref()).unwrap();
                    for usage in [&event["message"]["usage"], &event["usage"]] {
                        let (read, output) = of_message(usage);
                        counts = (counts.0.max(read), counts.1.max(output));
                    }
                }
            }
            counts
        }
    }
}

/// A request as the simulator received it.
pub(crate) struct Kept {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Kept {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    fn markers(&self) -> usize {
        let of = |word: &str| self.body.matches(word).count();
        of("cachePoint") + of("cache_control")
    }
}

pub(crate) async fn kept(server: &SimHandle) -> Vec<Kept> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/admin/requests", server.base_url());
    let all: Value = client.get(url).send().await.unwrap().json().await.unwrap();
    let kept = all.as_array().unwrap().iter().map(|one| Kept {
        headers: serde_json::from_value(one["headers"].clone()).unwrap(),
        body: one["body"].as_str().unwrap().into(),
    });
    kept.collect()
}

async fn order(server: &SimHandle, fault: Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/admin/faults", server.base_url());
    let ordered = client.post(url).json(&fault).send().await.unwrap();
    assert!(ordered.status().is_success());
}

fn only(cache: &Cachewright) -> Record {
    let records = cache.records();
    assert_eq!(records.len(), 1, "one call, one exchange");
    records.into_iter().next().unwrap()
}

#[tokio::test]
async fn every_operation_reads_the_cache_the_second_time() {
    for operation in ALL {
        let server = simulator().await;
        let cache = Cachewright::new();
        let client = client(&server.base_url(), &cache);
        let (cold, _) = call(&client, operation).await;
        let (warm, output) = call(&client, operation).await;
        assert_eq!(cold, 0, "{operation:?}");
        assert!(warm > 1000, "{operation:?}: {warm}");
        for sent in kept(&server).await {
            // The simulator has verified the signature over this body.
            assert!(
                sent.header("authorization")
                    .unwrap()
                    .starts_with("AWS4-HMAC")
            );
            let length = sent.header("content-length").unwrap();
            assert_eq!(
                length.parse(),
                Ok::<usize, _>(sent.body.len()),
                "{operation:?}"
            );
            assert!(sent.markers() > 0, "{operation:?}: {}", sent.markers());
        }
        let records = cache.records();
        assert_eq!(records.len(), 2, "{operation:?}");
        for (record, read) in records.iter().zip([cold, warm]) {
            let usage = record.usage.unwrap();
            assert_eq!(usage.read.unwrap_or(0), read, "{operation:?}");
            assert_eq!(usage.output, Some(output), "{operation:?}");
            assert!(record.complete && record.status == 200, "{operation:?}");
            assert_eq!(&*record.model, "claude-sonnet-4.5");
            assert!(record.breakpoints_placed > 0 && record.cost.is_some());
        }
    }
}

/// Changes a request when it is too late, as an interceptor at the wrong hook would.
#[derive(Debug)]
struct Late;

impl Intercept for Late {
    fn name(&self) -> &'static str {
        "Late"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let request = context.request_mut();
        let body = std::str::from_utf8(request.body().bytes().unwrap()).unwrap();
        *request.body_mut() = body.replace("hello", "hallo").into();
        Ok(())
    }
}

#[tokio::test]
async fn a_rewrite_after_signing_would_be_refused() {
    let server = simulator().await;
    let client = Client::from_conf(config(&server.base_url(), KEYS).interceptor(Late).build());
    let refused = converse(&client, SONNET).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidSignatureException"));
}

#[tokio::test]
async fn attempts_that_fail_and_are_repeated_are_one_exchange() {
    for status in [503, 429, 500] {
        let server = simulator().await;
        order(&server, json!({"status": status, "count": 2})).await;
        let cache = Cachewright::new();
        let client = client(&server.base_url(), &cache);
        converse(&client, SONNET).send().await.unwrap();
        // A fault comes behind the check of the signature, so that three attempts had a valid one.
        let sent = kept(&server).await;
        assert_eq!(sent.len(), 3, "{status}");
        for attempt in &sent {
            assert!(attempt.markers() > 0);
            assert_eq!(attempt.body, sent.first().unwrap().body, "{status}");
        }
        let record = only(&cache);
        assert!(record.complete && record.status == 200 && !record.resent);
        assert!(record.usage.unwrap().written().unwrap_or(0) > 1000);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_and_is_repeated_is_one_exchange() {
    let server = simulator().await;
    order(&server, json!({"cut_after_bytes": 9})).await;
    let cache = Cachewright::new();
    let client = client(&server.base_url(), &cache);
    let said = converse(&client, SONNET).send().await.unwrap();
    assert_eq!(kept(&server).await.len(), 2);
    let record = only(&cache);
    assert!(record.complete);
    let read = said.usage().unwrap().cache_read_input_tokens();
    let read = read.and_then(|count| u64::try_from(count).ok());
    assert_eq!(record.usage.unwrap().read, read);
}

#[tokio::test]
async fn a_call_that_fails_for_good_is_one_exchange_too() {
    let server = simulator().await;
    order(&server, json!({"status": 503, "count": 3})).await;
    let cache = Cachewright::new();
    let client = client(&server.base_url(), &cache);
    converse(&client, SONNET).send().await.unwrap_err();
    let record = only(&cache);
    assert_eq!((record.status, record.usage), (503, None));
    let gone = self::client("http://127.0.0.1:1", &cache);
    converse(&gone, SONNET).send().await.unwrap_err();
    let records = cache.records();
    assert_eq!(records.len(), 2);
    assert!(
        records
            .iter()
            .any(|record| record.status == 0 && !record.complete)
    );
}

#[tokio::test]
async fn the_interceptor_may_be_registered_more_than_once() {
    let mut counts = Vec::new();
    for times in [1, 3] {
        let server = simulator().await;
        let cache = Cachewright::new();
        let builder = (1..times).fold(config(&server.base_url(), KEYS), |builder, _| {
            builder.interceptor(cache.bedrock())
        });
        let client = Client::from_conf(builder.build());
        let call = converse(&client, SONNET).customize();
        call.interceptor(cache.bedrock()).send().await.unwrap();
        only(&cache);
        counts.push(kept(&server).await.first().unwrap().markers());
    }
    assert!(counts.first() > Some(&0));
    assert_eq!(counts.first(), counts.last());
}

/// A handle that believes a model to cache which does not.
fn mistaken() -> Cachewright {
    let row = "[[model]]\nprovider = \"bedrock\"\nname = \"claude-haiku-3\"\n\
               like = \"anthropic/claude-sonnet-4.5\"\nsource = \"test\"\nas_of = \"2026-11-22\"\n";
    let builder = Cachewright::builder().rows("rows.toml", row).unwrap();
    builder.build().unwrap()
}

const HAIKU: &str = "anthropic.claude-3-haiku-20240307-v1:0";

#[tokio::test]
async fn a_refused_marker_is_taken_back_within_the_call_and_remembered() {
    let server = simulator().await;
    let cache = mistaken();
    let client = client(&server.base_url(), &cache);
    converse(&client, HAIKU).send().await.unwrap();
    let record = only(&cache);
    assert!(record.resent && record.complete && record.status == 200);
    assert_eq!(record.breakpoints_placed, 0);
    converse(&client, HAIKU).send().await.unwrap();
    let sent: Vec<usize> = kept(&server).await.iter().map(Kept::markers).collect();
    assert!(
        matches!(sent.as_slice(), [(1..), 0, 0]),
        "marked, the caller's own, unmarked: {sent:?}"
    );
    assert!(!cache.records().last().unwrap().resent);
}

#[tokio::test]
async fn where_nothing_is_retried_a_refusal_is_shown_once_and_remembered() {
    let server = simulator().await;
    let cache = mistaken();
    let config = config(&server.base_url(), KEYS).retry_config(RetryConfig::disabled());
    let client = Client::from_conf(config.interceptor(cache.bedrock()).build());
    let refused = converse(&client, HAIKU).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDeniedException"));
    let raw = refused.raw_response().unwrap();
    assert_eq!(raw.status().as_u16(), 403, "its own status is back");
    assert!(!raw.headers().contains_key("x-amz-retry-after"));
    let record = only(&cache);
    assert!(!record.resent && record.status == 403);
    assert!(record.breakpoints_placed > 0);
    converse(&client, HAIKU).send().await.unwrap();
    let sent: Vec<usize> = kept(&server).await.iter().map(Kept::markers).collect();
    assert!(matches!(sent.as_slice(), [(1..), 0]), "{sent:?}");
}

const TOO_LONG: &str = r#"{"message":"Input is too long for requested model."}"#;

#[tokio::test]
async fn a_fault_of_the_callers_own_is_shown_to_the_caller() {
    for retries in [RetryConfig::standard(), RetryConfig::disabled()] {
        let mut origin = Origin::start(Protocol::Http1, || answer(400, TOO_LONG)).await;
        let cache = Cachewright::new();
        let config = config(&origin.base, KEYS).retry_config(retries);
        let client = Client::from_conf(config.interceptor(cache.bedrock()).build());
        for _ in 0..2 {
            let failed = converse(&client, SONNET).send().await.unwrap_err();
            assert_eq!(failed.raw_response().unwrap().status().as_u16(), 400);
            // Nothing is learned from it: the second call is marked as the first was.
            let body = origin.next().await.body;
            assert!(String::from_utf8_lossy(&body).contains("cachePoint"));
            while origin.received.try_recv().is_ok() {}
        }
        assert_eq!(cache.records().len(), 2);
    }
}

/// Refuses prompt caching, whoever asks.
const NO_CACHING: &str = r#"{"message":"You invoked an unsupported model or your request did not allow prompt caching"}"#;

/// What is learned of one profile says nothing of another; their caches are apart as well.
#[tokio::test]
async fn profiles_hosts_and_arns_are_apart() {
    let mut origin = Origin::start(Protocol::Http1, || answer(403, NO_CACHING)).await;
    let cache = Cachewright::new();
    let config = config(&origin.base, KEYS).retry_config(RetryConfig::disabled());
    let client = Client::from_conf(config.interceptor(cache.bedrock()).build());
    let eu = SONNET.replace("us.", "eu.");
    let arn = format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{SONNET}");
    for model in [SONNET, &eu, &arn] {
        for marked in [true, false] {
            converse(&client, model).send().await.unwrap_err();
            let body = origin.next().await.body;
            let sent = String::from_utf8_lossy(&body).contains("cachePoint");
            assert_eq!(sent, marked, "{model}");
        }
    }
    let mut elsewhere = Origin::start(Protocol::Http1, || answer(403, NO_CACHING)).await;
    let config = client.config().to_builder();
    let config = config.endpoint_url(elsewhere.base.replace("127.0.0.1", "localhost"));
    let other = Client::from_conf(config.build());
    converse(&other, SONNET).send().await.unwrap_err();
    let body = elsewhere.next().await.body;
    assert!(String::from_utf8_lossy(&body).contains("cachePoint"));
    for record in cache.records() {
        assert_eq!(&*record.model, "claude-sonnet-4.5");
    }
}

#[tokio::test]
async fn other_operations_and_odd_bodies_go_through_untouched() {
    let mut origin = Origin::start(Protocol::Http1, || answer(200, "{}")).await;
    let cache = Cachewright::new();
    let client = client(&origin.base, &cache);
    let text = GuardrailTextBlock::builder().text(long()).build().unwrap();
    let guard = client
        .apply_guardrail()
        .guardrail_identifier("g")
        .guardrail_version("1")
        .source(GuardrailContentSource::Input)
        .content(GuardrailContentBlock::Text(text));
    let _ = guard.send().await;
    assert!(origin.next().await.path.starts_with("/guardrail/"));
    assert!(cache.records().is_empty());
    for odd in ["{ \"messages\" : 7 }", "not json", ""] {
        let invoke = client.invoke_model().model_id(SONNET);
        invoke.body(Blob::new(odd)).send().await.unwrap();
        assert_eq!(origin.next().await.body, odd);
    }
    assert!(cache.records().iter().all(|record| record.skip.is_some()));
    assert_eq!(cache.records().len(), 3);
}

/// One event of a Converse stream.
pub(crate) fn event(kind: &str, payload: &str) -> Bytes {
    let headers = [
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    frame(&headers, payload).into()
}

pub(crate) const START: &str = r#"{"role":"assistant"}"#;
pub(crate) const METADATA: &str = r#"{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":4005,"cacheReadInputTokens":4000,"cacheWriteInputTokens":0},"metrics":{"latencyMs":1}}"#;

/// An origin that streams the events it is handed, as it is handed them.
pub(crate) async fn stage() -> (Origin, mpsc::UnboundedSender<Bytes>) {
    let (say, said) = mpsc::unbounded_channel::<Bytes>();
    let said = std::sync::Mutex::new(Some(said));
    let origin = Origin::start(Protocol::Http1, move || -> Answer {
        let said = said.lock().unwrap().take().unwrap();
        let frames = futures_util::stream::unfold(said, async |mut said| {
            let next = said.recv().await?;
            Some((Ok::<_, io::Error>(Frame::data(next)), said))
        });
        Response::builder()
            .header("content-type", "application/vnd.amazon.eventstream")
            .body(StreamBody::new(frames).boxed_unsync())
            .unwrap()
    });
    (origin.await, say)
}

#[tokio::test]
async fn the_first_event_arrives_before_the_second_is_sent() {
    let (origin, say) = stage().await;
    let cache = Cachewright::new();
    let client = client(&origin.base, &cache);
    let stream = client.converse_stream().model_id(SONNET);
    let stream = stream.messages(self::say(&long())).send().await.unwrap();
    let mut events = stream.stream;
    say.send(event("messageStart", START)).unwrap();
    let first = events.recv().await.unwrap().unwrap();
    assert!(matches!(first, ConverseStreamOutput::MessageStart(_)));
    // Only now that the first has arrived is there a second.
    say.send(event("metadata", METADATA)).unwrap();
    let second = events.recv().await.unwrap().unwrap();
    assert!(matches!(second, ConverseStreamOutput::Metadata(_)));
    assert!(cache.records().is_empty(), "it is still under way");
    drop(say);
    assert!(events.recv().await.unwrap().is_none());
    let record = only(&cache);
    assert!(record.complete);
    assert_eq!(record.usage.unwrap().read, Some(4000));
}

#[tokio::test]
async fn a_dropped_stream_is_booked_as_far_as_it_came() {
    let start = ("messageStart", START);
    let stop = ("messageStop", r#"{"stopReason":"end_turn"}"#);
    let metadata = ("metadata", METADATA);
    for (sent, complete) in [(vec![start], false), (vec![start, stop, metadata], true)] {
        let (origin, say) = stage().await;
        let cache = Cachewright::new();
        let client = client(&origin.base, &cache);
        let stream = client.converse_stream().model_id(SONNET);
        let stream = stream.messages(self::say(&long())).send().await.unwrap();
        let mut events = stream.stream;
        for (kind, payload) in sent {
            say.send(event(kind, payload)).unwrap();
            events.recv().await.unwrap().unwrap();
        }
        assert!(cache.records().is_empty());
        drop(events);
        let record = only(&cache);
        assert_eq!(record.complete, complete);
        assert_eq!(record.usage.is_some(), complete);
    }
}

#[tokio::test]
async fn a_call_dropped_before_its_answer_is_one_exchange() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let cache = Cachewright::new();
    let client = client(&base, &cache);
    // Held open, so that the call waits for an answer that does not come.
    let held = Mutex::new(None);
    let arrives = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut some = [0; 16];
        socket.read_exact(&mut some).await.unwrap();
        *held.lock().await = Some(socket);
    };
    tokio::select! {
        answered = converse(&client, SONNET).send() => {
            panic!("nobody answers: {:?}", answered.map_err(SdkError::into_service_error));
        }
        () = arrives => {}
    }
    let record = only(&cache);
    assert_eq!((record.status, record.complete), (0, false));
    assert!(record.breakpoints_placed > 0);
}
