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
