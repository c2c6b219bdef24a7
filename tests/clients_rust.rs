//! Rust clients that others wrote, wrapped as their users would, against the simulator.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop at the first surprise"
)]

use std::time::Duration;

use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_openai::types::chat::{CompletionUsage, CreateChatCompletionRequest};
use async_openai::types::responses::{CreateResponse, ResponseStreamEvent};
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::proxy::Loopback;
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::ledger::Record;
use futures_util::{Stream, StreamExt as _};
use genai::ServiceTarget;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use rig_core::completion::CompletionRequest;
use rig_core::providers::anthropic::wire::AnthropicConfig;
use rig_reqwest::{ReqwestClient, ReqwestMiddlewareClient};
use serde_json::json;
use tower::service_fn;

const CLAUDE: &str = "claude-sonnet-5";
const GPT: &str = "gpt-5.6";

/// Only a fault of ours takes this long.
const FAULT: Duration = Duration::from_secs(20);

/// What a client sees of one answer.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    text: String,
    read: u64,
}

/// A client as its user holds it.
trait Client {
    async fn ask(&self, question: &str) -> Seen;

    /// The same as a stream; `None` where the client has none.
    async fn stream(&self, question: &str) -> Option<Seen>;

    /// Begins a stream, and drops it at its first event.
    async fn leave(&self, question: &str);
}

/// Text that every question repeats.
fn long() -> String {
    (0..1500).fold(String::new(), |text, n| {
        text + &format!("shelf {n} holds maps; ")
    })
}

async fn simulator() -> SimHandle {
    let mut options = SimOptions::default();
    // A stream is still under way when its first event is there.
    options.between_chunks = Duration::from_millis(10);
    let address = "127.0.0.1:0".parse().unwrap();
    SimServer::new(options).bind(address).await.unwrap()
}

fn cachewright(provider: &str) -> Cachewright {
    Cachewright::builder().assume(provider).build().unwrap()
}

/// The records, once there are `count` of them: they are booked when a body is dropped.
async fn records(cache: &Cachewright, count: usize) -> Vec<Record> {
    let booked = async {
        while cache.records().len() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(FAULT, booked).await.unwrap();
    cache.records()
}

/// Asks both the same: the wrapped one sees the same texts, reads where the other pays in full, and
/// our records agree with what it is told.
async fn prove(bare: &impl Client, wrapped: &impl Client, cache: &Cachewright) {
    let mut reads = Vec::new();
    for question in ["Which maps?", "Which shelf?"] {
        let (plain, seen) = (bare.ask(question).await, wrapped.ask(question).await);
        assert_eq!(plain.read, 0, "the simulator read without us: {question}");
        reads.push(same(&plain, &seen));
    }
    if let Some(seen) = wrapped.stream("Which room?").await {
        let plain = bare.stream("Which room?").await.unwrap();
        reads.push(same(&plain, &seen));
    }
    let (first, others) = reads.split_first().unwrap();
    assert_eq!(*first, 0);
    assert!(others.iter().all(|read| *read > 1024), "{reads:?}");
    let booked = records(cache, reads.len()).await;
    assert!(booked.iter().all(|record| record.complete), "{booked:#?}");
    let booked = booked
        .iter()
        .map(|record| record.usage.unwrap().read.unwrap());
    assert_eq!(booked.collect::<Vec<_>>(), reads);
}

/// What was read of an answer whose text is the same without us.
fn same(plain: &Seen, seen: &Seen) -> u64 {
    assert!(!seen.text.is_empty());
    assert_eq!(seen.text, plain.text);
    seen.read
}

/// A stream that is dropped under way has its record.
async fn prove_leaving(wrapped: &impl Client, cache: &Cachewright) {
    let before = cache.records().len();
    wrapped.leave("Which building?").await;
    let records = records(cache, before + 1).await;
    assert_eq!(records.len(), before + 1);
    assert_eq!(records.last().unwrap().status, 200);
}

/// Chat Completions of async-openai.
struct Chat(async_openai::Client<OpenAIConfig>);

/// The API of Responses of async-openai.
struct Responses(async_openai::Client<OpenAIConfig>);

fn openai(sim: &SimHandle) -> async_openai::Client<OpenAIConfig> {
    let config = OpenAIConfig::new()
        .with_api_base(format!("{}/v1", sim.base_url()))
        .with_api_key("sk-test");
    async_openai::Client::with_config(config)
}

fn wrapped_openai(sim: &SimHandle, cache: &Cachewright) -> async_openai::Client<OpenAIConfig> {
    let http = cache.wrap(reqwest::Client::new());
    openai(sim).with_http_service(service_fn(move |request: HttpRequestFactory| {
        let http = http.clone();
        async move { Ok::<_, OpenAIError>(http.execute(request.build().await?).await?) }
    }))
}

fn chat(question: &str) -> CreateChatCompletionRequest {
    let request = json!({
        "model": GPT, "max_completion_tokens": 60,
        "messages": [{"role": "system", "content": long()}, {"role": "user", "content": question}],
    });
    serde_json::from_value(request).unwrap()
}

fn streamed_chat(question: &str) -> CreateChatCompletionRequest {
    let mut request = chat(question);
    let options = json!({"include_usage": true});
    request.stream_options = serde_json::from_value(options).unwrap();
    request
}

fn read(usage: &CompletionUsage) -> u64 {
    let details = usage.prompt_tokens_details.as_ref();
    details
        .and_then(|details| details.cached_tokens)
        .unwrap()
        .into()
}

impl Client for Chat {
    async fn ask(&self, question: &str) -> Seen {
        let answer = self.0.chat().create(chat(question)).await.unwrap();
        Seen {
            text: answer.choices[0].message.content.clone().unwrap(),
            read: read(&answer.usage.unwrap()),
        }
    }

    async fn stream(&self, question: &str) -> Option<Seen> {
        let request = streamed_chat(question);
        let mut stream = self.0.chat().create_stream(request).await.unwrap();
        let (mut text, mut usage) = (String::new(), None);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.unwrap();
            usage = chunk.usage.or(usage);
            let choices = chunk.choices.into_iter();
            text.extend(choices.filter_map(|choice| choice.delta.content));
        }
        let read = read(&usage.unwrap());
        Some(Seen { text, read })
    }

    async fn leave(&self, question: &str) {
        let request = streamed_chat(question);
        first(self.0.chat().create_stream(request).await.unwrap()).await;
    }
}

/// Takes the first item, and drops the stream.
async fn first<T>(stream: impl Stream<Item = T>) {
    let mut stream = std::pin::pin!(stream);
    let first = tokio::time::timeout(FAULT, stream.next()).await;
    assert!(first.unwrap().is_some());
}

fn response(question: &str) -> CreateResponse {
    let request = json!({
        "model": GPT, "max_output_tokens": 60,
        "input": [{"role": "developer", "content": long()}, {"role": "user", "content": question}],
    });
    serde_json::from_value(request).unwrap()
}

fn seen(response: &async_openai::types::responses::Response) -> Seen {
    let usage = response.usage.as_ref().unwrap();
    Seen {
        text: response.output_text().unwrap(),
        read: usage.input_tokens_details.cached_tokens.into(),
    }
}

impl Client for Responses {
    async fn ask(&self, question: &str) -> Seen {
        seen(&self.0.responses().create(response(question)).await.unwrap())
    }

    async fn stream(&self, question: &str) -> Option<Seen> {
        let request = response(question);
        let mut stream = self.0.responses().create_stream(request).await.unwrap();
        let (mut text, mut last) = (String::new(), None);
        while let Some(event) = stream.next().await {
            match event.unwrap() {
                ResponseStreamEvent::ResponseOutputTextDelta(delta) => text += &delta.delta,
                ResponseStreamEvent::ResponseCompleted(event) => last = Some(event.response),
                ResponseStreamEvent::ResponseIncomplete(event) => last = Some(event.response),
                _ => {}
            }
        }
        let last = seen(&last.unwrap());
        assert_eq!(last.text, text);
        Some(last)
    }

    async fn leave(&self, question: &str) {
        let request = response(question);
        first(self.0.responses().create_stream(request).await.unwrap()).await;
    }
}

#[tokio::test]
async fn async_openai_takes_a_service() {
    let (one, two, cache) = (simulator().await, simulator().await, cachewright("openai"));
    let wrapped = Chat(wrapped_openai(&two, &cache));
    prove(&Chat(openai(&one)), &wrapped, &cache).await;
    prove_leaving(&wrapped, &cache).await;
}

#[tokio::test]
async fn async_openai_takes_it_for_responses_as_well() {
    let (one, two, cache) = (simulator().await, simulator().await, cachewright("openai"));
    let wrapped = Responses(wrapped_openai(&two, &cache));
    prove(&Responses(openai(&one)), &wrapped, &cache).await;
    prove_leaving(&wrapped, &cache).await;
}

/// Anthropic through rig.
struct Rig(rig_core::providers::anthropic::Anthropic);

impl Rig {
    fn request(question: &str) -> CompletionRequest {
        CompletionRequest::new(question)
            .preamble(long())
            .max_tokens(60)
    }

    fn seen(answer: &rig_core::completion::CompletionResponse) -> Seen {
        Seen {
            text: answer.text(),
            read: answer.usage.cached_input_tokens.unwrap_or(0),
        }
    }
}

impl Client for Rig {
    async fn ask(&self, question: &str) -> Seen {
        let model = self.0.completion(CLAUDE);
        Self::seen(&model.call(Self::request(question)).await.unwrap())
    }

    async fn stream(&self, question: &str) -> Option<Seen> {
        let model = self.0.completion(CLAUDE);
        let stream = model.stream(Self::request(question)).unwrap();
        Some(Self::seen(&stream.finish().await.unwrap()))
    }

    async fn leave(&self, question: &str) {
        let model = self.0.completion(CLAUDE);
        first(model.stream(Self::request(question)).unwrap()).await;
    }
}

#[tokio::test]
async fn rig_takes_a_client_with_middleware() {
    let (one, two, cache) = (
        simulator().await,
        simulator().await,
        cachewright("anthropic"),
    );
    let config =
        |sim: &SimHandle| AnthropicConfig::new("sk-ant-test").with_base_url(sim.base_url());
    let bare = Rig(config(&one).connect(ReqwestClient::from(reqwest::Client::new())));
    let http = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
        .with(cache.middleware())
        .build();
    let wrapped = Rig(config(&two).connect(ReqwestMiddlewareClient::from(http)));
    prove(&bare, &wrapped, &cache).await;
    prove_leaving(&wrapped, &cache).await;
}

/// Anthropic through genai; the loopback, if any, lives as long.
struct Genai(genai::Client, Option<Loopback>);

impl Genai {
    fn at(base: &str, loopback: Option<Loopback>) -> Self {
        let endpoint = Endpoint::from_owned(format!("{base}/v1/"));
        let resolver = ServiceTargetResolver::from_resolver_fn(move |mut target: ServiceTarget| {
            target.endpoint = endpoint.clone();
            target.auth = AuthData::from_single("sk-ant-test");
            Ok(target)
        });
        let client = genai::Client::builder()
            .with_service_target_resolver(resolver)
            .build();
        Self(client.unwrap(), loopback)
    }

    fn request(question: &str) -> ChatRequest {
        ChatRequest::from_system(long()).append_message(ChatMessage::user(question))
    }

    fn options() -> ChatOptions {
        ChatOptions::default()
            .with_max_tokens(60)
            .with_capture_usage(true)
    }

    fn read(usage: genai::chat::Usage) -> u64 {
        let read = usage.prompt_tokens_details.and_then(|it| it.cached_tokens);
        u64::try_from(read.unwrap_or(0)).unwrap()
    }
}

impl Client for Genai {
    async fn ask(&self, question: &str) -> Seen {
        let (request, options) = (Self::request(question), Self::options());
        let answer = self.0.exec_chat(CLAUDE, request, Some(&options)).await;
        let answer = answer.unwrap();
        Seen {
            text: answer.first_text().unwrap().to_owned(),
            read: Self::read(answer.usage),
        }
    }

    async fn stream(&self, question: &str) -> Option<Seen> {
        let (request, options) = (Self::request(question), Self::options());
        let answer = self.0.exec_chat_stream(CLAUDE, request, Some(&options));
        let mut stream = answer.await.unwrap().stream;
        let (mut text, mut usage) = (String::new(), None);
        while let Some(event) = stream.next().await {
            match event.unwrap() {
                ChatStreamEvent::Chunk(chunk) => text += &chunk.content,
                ChatStreamEvent::End(end) => usage = end.captured_usage,
                _ => {}
            }
        }
        let read = Self::read(usage.unwrap());
        Some(Seen { text, read })
    }

    async fn leave(&self, question: &str) {
        let (request, options) = (Self::request(question), Self::options());
        let answer = self.0.exec_chat_stream(CLAUDE, request, Some(&options));
        let stream = answer.await.unwrap().stream;
        let said = stream.skip_while(|event| {
            let started = matches!(event, Ok(ChatStreamEvent::Start));
            async move { started }
        });
        first(said).await;
    }
}

#[tokio::test]
async fn genai_takes_a_loopback_as_its_endpoint() {
    let (one, two, cache) = (
        simulator().await,
        simulator().await,
        cachewright("anthropic"),
    );
    let bare = Genai::at(&one.base_url(), None);
    let loopback = Loopback::spawn(&cache, &two.base_url()).await.unwrap();
    let wrapped = Genai::at(&loopback.base_url(), Some(loopback));
    prove(&bare, &wrapped, &cache).await;
    prove_leaving(&wrapped, &cache).await;
    assert!(wrapped.1.is_some());
}

/// anthropic-async, whose streams do not compile.
struct AnthropicAsync(anthropic_async::Client<anthropic_async::AnthropicConfig>);

impl AnthropicAsync {
    fn at(base: &str) -> Self {
        let config = anthropic_async::AnthropicConfig::new()
            .with_api_base(base)
            .with_api_key("sk-ant-test");
        Self(anthropic_async::Client::with_config(config))
    }
}

impl Client for AnthropicAsync {
    async fn ask(&self, question: &str) -> Seen {
        let request = anthropic_async::types::MessagesCreateRequest {
            model: CLAUDE.into(),
            max_tokens: 60,
            system: Some(long().into()),
            messages: vec![anthropic_async::types::MessageParam {
                role: anthropic_async::types::MessageRole::User,
                content: question.into(),
            }],
            ..Default::default()
        };
        let answer = self.0.messages().create(request).await.unwrap();
        let text = match &answer.content[..] {
            [anthropic_async::types::ContentBlock::Text { text, .. }] => text.clone(),
            other => panic!("{other:?}"),
        };
        let read = answer.usage.unwrap().cache_read_input_tokens.unwrap();
        Seen { text, read }
    }

    async fn stream(&self, _: &str) -> Option<Seen> {
        None
    }

    async fn leave(&self, _: &str) {
        panic!("there is no stream to leave");
    }
}

#[tokio::test]
async fn anthropic_async_takes_a_loopback_as_its_base() {
    let (one, two, cache) = (
        simulator().await,
        simulator().await,
        cachewright("anthropic"),
    );
    let loopback = Loopback::spawn(&cache, &two.base_url()).await.unwrap();
    let (bare, wrapped) = (
        AnthropicAsync::at(&one.base_url()),
        AnthropicAsync::at(&loopback.base_url()),
    );
    prove(&bare, &wrapped, &cache).await;
}
