//! The simulated provider over real sockets.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

/// About 2,500 tokens behind one marker.
fn body() -> Value {
    json!({
        "model": "claude-opus-4-8", "max_tokens": 20,
        "system": [{"type": "text", "text": "x".repeat(4975),
                    "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": "hello"}],
    })
}

fn streamed() -> Value {
    let mut body = body();
    if let Some(fields) = body.as_object_mut() {
        fields.insert("stream".into(), true.into());
    }
    body
}

async fn start() -> SimHandle {
    start_with(SimOptions::default()).await
}

async fn start_with(options: SimOptions) -> SimHandle {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    SimServer::new(options).bind(address).await.unwrap()
}

fn post(server: &SimHandle, path: &str, body: &Value) -> RequestBuilder {
    let client = Client::builder().no_proxy().build().unwrap();
    let url = format!("{}{path}", server.base_url());
    client.post(url).header("x-api-key", "key").json(body)
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = send(request).await;
    (response.status(), response.json().await.unwrap())
}

/// Read and written tokens of one more request.
async fn counters(request: RequestBuilder) -> (u64, u64) {
    let (status, message) = answer(request).await;
    assert_eq!(status, StatusCode::OK, "{message}");
    let usage = message.get("usage").unwrap();
    let field = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap();
    (
        field("cache_read_input_tokens"),
        field("cache_creation_input_tokens"),
    )
}

#[tokio::test]
async fn a_document_has_the_usage_of_the_real_one() {
    let server = start().await;
    let response = send(post(&server, "/v1/messages", &body())).await;
    let headers = response.headers().clone();
    assert!(headers["request-id"].to_str().unwrap().starts_with("req_"));
    let workspace = headers["anthropic-workspace-id"].to_str().unwrap();
    assert!(workspace.starts_with("wrkspc_") && !workspace.contains("key"));
    let message: Value = response.json().await.unwrap();
    assert_eq!(message["type"], "message");
    assert_eq!(message["stop_reason"], "max_tokens");
    let text = message["content"][0]["text"].as_str().unwrap();
    assert_eq!(text.split(' ').count(), 20);
    assert_eq!(
        message["usage"],
        json!({
            "input_tokens": 17, "output_tokens": 20,
            "cache_creation_input_tokens": 2500, "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 2500, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard", "inference_geo": "global",
        })
    );
    let again = counters(post(&server, "/v1/messages", &body())).await;
    assert_eq!(again, (2500, 0));
    let (_, counted) = answer(post(&server, "/v1/messages/count_tokens", &body())).await;
    assert_eq!(counted, json!({"input_tokens": 2517}));
}

#[tokio::test]
async fn events_split_the_writes_only_at_the_start() {
    let server = start().await;
    let response = send(post(&server, "/v1/messages", &streamed())).await;
    let kind = response.headers()["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    let text = response.text().await.unwrap();
    let events: Vec<Value> = text
        .split("\n\n")
        .filter_map(|event| event.split_once("\ndata: "))
        .map(|(name, data)| {
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
            data
        })
        .collect();
    let names: Vec<_> = events.iter().map(|data| data["type"].clone()).collect();
    let deltas = names.iter().filter(|name| *name == "content_block_delta");
    assert_eq!(deltas.count(), 3);
    assert_eq!(names.first().unwrap(), "message_start");
    assert_eq!(names.last().unwrap(), "message_stop");
    let first = &events[0]["message"]["usage"];
    assert_eq!(first["cache_creation"]["ephemeral_5m_input_tokens"], 2500);
    let last = &events[events.len() - 2]["usage"];
    let expected = json!({"input_tokens": 17, "cache_creation_input_tokens": 2500,
                          "cache_read_input_tokens": 0, "output_tokens": 20});
    assert_eq!(last, &expected);
}

#[tokio::test]
async fn the_clock_can_be_moved() {
    let server = start().await;
    let messages = || post(&server, "/v1/messages", &body());
    let (_, clock) = answer(post(&server, "/admin/clock", &json!({"now": 1000}))).await;
    assert!(clock["now"].as_f64().unwrap() >= 1000.0);
    assert_eq!(counters(messages()).await, (0, 2500));
    let advance = |by: u32| answer(post(&server, "/admin/clock", &json!({"advance": by})));
    advance(200).await;
    assert_eq!(counters(messages()).await, (2500, 0));
    advance(301).await;
    assert_eq!(counters(messages()).await, (0, 2500));
    // One request can have a time of its own.
    let late = messages().header("x-sim-time", "9000");
    assert_eq!(counters(late).await, (0, 2500));
    answer(post(&server, "/admin/reset", &json!({}))).await;
    assert_eq!(counters(messages()).await, (0, 2500));
    let (status, _) = answer(post(&server, "/admin/clock", &json!({"then": 1}))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn workspaces_are_told_by_key_or_name() {
    let server = start().await;
    let messages = || post(&server, "/v1/messages", &body());
    assert_eq!(counters(messages()).await, (0, 2500));
    let named = || messages().header("x-sim-workspace", "other");
    assert_eq!(counters(named()).await, (0, 2500));
    assert_eq!(counters(named()).await, (2500, 0));
    assert_eq!(counters(messages()).await, (2500, 0));
}

#[tokio::test]
async fn refusals_have_the_shape_of_the_real_ones() {
    let server = start().await;
    let mut empty = body();
    empty["messages"] = json!([]);
    let (status, error) = answer(post(&server, "/v1/messages", &empty)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(error["type"], "error");
    assert_eq!(error["error"]["type"], "invalid_request_error");
    let message = error["error"]["message"].as_str().unwrap();
    assert_eq!(message, "messages: at least one message is required");
    let (status, error) = answer(post(&server, "/v1/nothing", &empty)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(error["error"]["type"], "not_found_error");
    let mut options = SimOptions::default();
    options.max_body = 1000;
    let small = start_with(options).await;
    let (status, error) = answer(post(&small, "/v1/messages", &body())).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(error["error"]["type"], "request_too_large");
}

#[tokio::test]
async fn faults_happen_as_often_as_asked_and_write_nothing() {
    let server = start().await;
    let messages = || post(&server, "/v1/messages", &body());
    let order = json!({"status": 529, "count": 2});
    let (_, queued) = answer(post(&server, "/admin/faults", &order)).await;
    assert_eq!(queued, json!({"queued": 2}));
    for _ in 0..2 {
        let (status, error) = answer(messages()).await;
        assert_eq!(status.as_u16(), 529);
        assert_eq!(error["error"]["type"], "overloaded_error");
    }
    let limited = send(messages().header("x-sim-fault", "429")).await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()["retry-after"], "1");
    let (status, _) = answer(messages().header("x-sim-fault", "500")).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(counters(messages()).await, (0, 2500));
    let nonsense = json!({"status": 529, "stall_ms": 1});
    let (status, _) = answer(post(&server, "/admin/faults", &nonsense)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn answers_break_off_and_stand_still() {
    let server = start().await;
    let order = json!({"cut_after_bytes": 700});
    answer(post(&server, "/admin/faults", &order)).await;
    let mut cut = send(post(&server, "/v1/messages", &streamed())).await;
    assert_eq!(cut.status(), StatusCode::OK);
    let mut seen = 0;
    let ended = loop {
        match cut.chunk().await {
            Ok(Some(chunk)) => seen += chunk.len(),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert!(ended.is_err());
    assert_eq!(seen, 700);
    let document = post(&server, "/v1/messages", &body()).header("x-sim-fault", "cut");
    assert!(send(document).await.text().await.is_err());
    let order = json!({"stall_ms": 5});
    answer(post(&server, "/admin/faults", &order)).await;
    let stalled = send(post(&server, "/v1/messages", &streamed())).await;
    assert!(stalled.text().await.unwrap().contains("message_stop"));
}

#[tokio::test]
async fn a_stopped_server_takes_no_more_requests() {
    let server = start().await;
    let request = || post(&server, "/v1/messages", &body()).build().unwrap();
    let (first, second) = (request(), request());
    let client = Client::builder().no_proxy().build().unwrap();
    assert!(client.execute(first).await.is_ok());
    server.stop(Duration::from_secs(5)).await;
    assert!(client.execute(second).await.is_err());
}

/// What came of requests under one fault: the status, or nothing where there was no answer.
async fn under(server: &SimHandle, order: &Value, request: RequestBuilder) -> Option<StatusCode> {
    let (status, said) = answer(post(server, "/admin/faults", order)).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    Some(request.send().await.ok()?.status())
}

/// What is kept of the requests.
async fn kept(server: &SimHandle) -> Vec<Value> {
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("{}/admin/requests", server.base_url()));
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn connections_are_reset_answers_are_garbage_and_somebody_hangs() {
    let mut options = SimOptions::default();
    options.keep_requests = 100;
    let server = start_with(options).await;
    let messages = || post(&server, "/v1/messages", &body());
    let reset = json!({"fault": "reset"});
    assert_eq!(under(&server, &reset, messages()).await, None);
    let hang = json!({"fault": "hang", "billed": true});
    let short = messages().timeout(Duration::from_millis(200));
    assert_eq!(under(&server, &hang, short).await, None);
    let garbage = json!({"fault": "garbage", "billed": true});
    answer(post(&server, "/admin/faults", &garbage)).await;
    let lost = send(messages()).await;
    assert_eq!(lost.status(), StatusCode::OK);
    assert!(lost.text().await.unwrap().starts_with("<html>"));
    // What was lost was billed where that was asked for, and the entry is there.
    assert_eq!(counters(messages()).await, (2500, 0));
    let kept = kept(&server).await;
    let bills: Vec<_> = kept.iter().map(|one| &one["billed"]["input"]).collect();
    assert_eq!(
        bills,
        [&Value::Null, &json!(2517), &json!(2517), &json!(2517)]
    );
    // 17 plain tokens at 5 dollars a million, 2,500 read at a half, 20 said at 25.
    assert_eq!(kept[3]["billed"]["picodollars"], "1835000000");
    assert!(kept.iter().all(|one| one["provider"] == "anthropic"));
}

#[tokio::test]
async fn faults_are_for_one_provider_and_say_when_to_come_back() {
    let server = start().await;
    let order = json!({"status": 429, "retry_after": 30, "provider": "bedrock"});
    answer(post(&server, "/admin/faults", &order)).await;
    assert_eq!(
        counters(post(&server, "/v1/messages", &body())).await,
        (0, 2500)
    );
    let mut invoked = body();
    invoked["anthropic_version"] = "bedrock-2023-05-31".into();
    let at = "/model/anthropic.claude-opus-4-8/invoke";
    let limited = send(post(&server, at, &invoked)).await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()["retry-after"], "30");
    assert_eq!(limited.headers()["x-amzn-errortype"], "ThrottlingException");
    let at =
        "/v1/projects/p/locations/global/publishers/anthropic/models/claude-opus-4-8:rawPredict";
    let order = json!({"status": 503, "provider": "vertex"});
    answer(post(&server, "/admin/faults", &order)).await;
    let (status, lost) = answer(post(&server, at, &invoked)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(lost["error"]["status"], "UNAVAILABLE");
}

#[tokio::test]
async fn limits_on_spending_are_said_as_each_provider_says_it() {
    let server = start().await;
    let chat = json!({"model": "gpt-5.6", "messages": [{"role": "user", "content": "hi"}]});
    for (path, body, whose, status, word) in [
        (
            "/v1/messages",
            body(),
            "enforced",
            429,
            "enforced_spend_limit_reached",
        ),
        (
            "/v1/messages",
            body(),
            "own",
            400,
            "specified API usage limits",
        ),
        (
            "/v1/chat/completions",
            chat.clone(),
            "enforced",
            429,
            "insufficient_quota",
        ),
        (
            "/openrouter/api/v1/chat/completions",
            chat,
            "enforced",
            402,
            "Insufficient credits",
        ),
    ] {
        let order = json!({"spend_limit": whose});
        answer(post(&server, "/admin/faults", &order)).await;
        let refused = send(post(&server, path, &body)).await;
        assert_eq!(refused.status().as_u16(), status, "{path}");
        assert!(!refused.headers().contains_key("retry-after"), "{path}");
        let said = refused.text().await.unwrap();
        assert!(said.contains(word), "{said}");
    }
}

#[tokio::test]
async fn drops_add_up_and_errors_end_streams() {
    let server = start().await;
    let streamed = || post(&server, "/v1/messages", &streamed());
    let whole = send(streamed()).await.text().await.unwrap();
    let order = json!({"drip_ms": 0, "drip_bytes": 11});
    answer(post(&server, "/admin/faults", &order)).await;
    let mut dripping = send(streamed()).await;
    let mut drops = Vec::new();
    while let Some(drop) = dripping.chunk().await.unwrap() {
        drops.extend_from_slice(&drop);
    }
    let said = |text: &str| {
        let lines = text.lines().filter(|line| line.contains("text_delta"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(said(std::str::from_utf8(&drops).unwrap()), said(&whole));
    let order = json!({"error_after_events": 4});
    answer(post(&server, "/admin/faults", &order)).await;
    let failed = send(streamed()).await.text().await.unwrap();
    assert_eq!(failed.matches("event: ").count(), 5);
    let last = failed.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("event: error\ndata: {"), "{last}");
    assert!(last.contains("overloaded_error"), "{last}");
    let chat = json!({"model": "gpt-5.6", "stream": true,
                      "messages": [{"role": "user", "content": "hi"}]});
    answer(post(&server, "/admin/faults", &order)).await;
    let failed = send(post(&server, "/v1/chat/completions", &chat)).await;
    let failed = failed.text().await.unwrap();
    assert!(failed.contains(r#"data: {"error":{"#) && !failed.contains("[DONE]"));
}

#[tokio::test]
async fn limits_are_told_held_and_renewed() {
    let server = start().await;
    let at = |seconds: &str| post(&server, "/v1/messages", &body()).header("x-sim-time", seconds);
    let left = |response: &Response, name: &str| {
        let value = response.headers()[&format!("anthropic-ratelimit-{name}")].to_str();
        value.unwrap().to_owned()
    };
    let order = json!({"provider": "anthropic", "requests": 2, "input_tokens": 3000});
    answer(post(&server, "/admin/limits", &order)).await;
    let first = send(at("100")).await;
    assert_eq!(left(&first, "requests-remaining"), "1");
    assert_eq!(left(&first, "input-tokens-remaining"), "483");
    assert_eq!(left(&first, "input-tokens-reset"), "1970-01-01T00:02:40Z");
    // What is read is not counted.
    let second = send(at("110")).await;
    assert_eq!(left(&second, "input-tokens-remaining"), "466");
    let third = send(at("120")).await;
    assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(third.headers()["retry-after"], "40");
    let renewed = send(at("160")).await;
    assert_eq!(renewed.status(), StatusCode::OK);
    assert_eq!(left(&renewed, "requests-remaining"), "1");
    let chat = json!({"model": "gpt-5.6", "messages": [{"role": "user", "content": "hi"}]});
    let order = json!({"provider": "openai", "requests": 2, "input_tokens": 3000});
    answer(post(&server, "/admin/limits", &order)).await;
    let told = send(post(&server, "/v1/chat/completions", &chat)).await;
    assert_eq!(told.headers()["x-ratelimit-remaining-requests"], "1");
    assert_eq!(told.headers()["x-ratelimit-reset-tokens"], "60s");
}

#[tokio::test]
async fn what_no_model_does_is_refused() {
    let server = start().await;
    let mut long = body();
    long["max_tokens"] = 10_000_000.into();
    let (status, error) = answer(post(&server, "/v1/messages", &long)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let message = error["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("max_tokens: 10000000 > 128000"),
        "{message}"
    );
    let mut unknown = body();
    unknown["model"] = "claude-no-such".into();
    let (status, error) = answer(post(&server, "/v1/messages", &unknown)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(error["error"]["type"], "not_found_error");
}
