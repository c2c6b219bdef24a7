//! Every dialect of the simulated providers, over real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

use std::net::{Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// One dialect: where documents and streams come from, what is asked, and where the usage is.
struct Case {
    name: &'static str,
    document: &'static str,
    stream: &'static str,
    body: Value,
    /// Where the usage is in a document, and the members that count reads and output.
    usage: &'static str,
    read: &'static str,
    output: &'static str,
}

fn long() -> String {
    (0..2000).fold(String::new(), |text, n| text + &format!("fact {n}; "))
}

fn tool_schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases(say: &str) -> Vec<Case> {
    let text = long();
    let marked = json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral"}});
    let claude = json!({
        "max_tokens": 20, "system": [marked], "messages": [{"role": "user", "content": say}],
        "tools": [{"name": "weather", "input_schema": tool_schema()}],
    });
    let with = |body: &Value, name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        body
    };
    let chat = json!({
        "prompt_cache_key": "k", "max_tokens": 20, "messages": [
            {"role": "system", "content": text}, {"role": "user", "content": say}],
        "tools": [{"type": "function",
                   "function": {"name": "weather", "parameters": tool_schema()}}],
    });
    let responses = json!({
        "model": "gpt-5", "prompt_cache_key": "k", "max_output_tokens": 20, "instructions": text,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": say}]}],
        "tools": [{"type": "function", "name": "weather", "parameters": tool_schema()}],
    });
    let converse = json!({
        "system": [{"text": text}, {"cachePoint": {"type": "default"}}],
        "messages": [{"role": "user", "content": [{"text": say}]}],
        "inferenceConfig": {"maxTokens": 20},
        "toolConfig": {"tools": [{"toolSpec": {
            "name": "weather", "inputSchema": {"json": tool_schema()}}}]},
    });
    let nova = with(
        &converse,
        "system",
        json!([{"text": text, "cachePoint": {"type": "default"}}]),
    );
    let generate = json!({
        "systemInstruction": {"parts": [{"text": text}]},
        "contents": [{"role": "user", "parts": [{"text": say}]}],
        "generationConfig": {"maxOutputTokens": 20},
        "tools": [{"functionDeclarations": [{"name": "weather", "parameters": tool_schema()}]}],
    });
    let case = |name, [document, stream, usage, read, output]: [&'static str; 5], body| Case {
        name,
        document,
        stream,
        body,
        usage,
        read,
        output,
    };
    let sonnet = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0";
    let [invoke, invoke_stream, say_converse, converse_stream] = [
        "/invoke",
        "/invoke-with-response-stream",
        "/converse",
        "/converse-stream",
    ]
    .map(|verb| &*format!("{sonnet}{verb}").leak());
    let anthropic = ["/usage", "/cache_read_input_tokens", "/output_tokens"];
    let details = [
        "/usage",
        "/prompt_tokens_details/cached_tokens",
        "/completion_tokens",
    ];
    let aws = ["/usage", "/cacheReadInputTokens", "/outputTokens"];
    let google = [
        "/usageMetadata",
        "/cachedContentTokenCount",
        "/candidatesTokenCount",
    ];
    let five = |[a, b]: [&'static str; 2], [c, d, e]: [&'static str; 3]| [a, b, c, d, e];
    let at = |path| [path, path];
    vec![
        case(
            "messages",
            five(at("/v1/messages"), anthropic),
            with(&claude, "model", json!("claude-sonnet-4-5")),
        ),
        case("invoke", five([invoke, invoke_stream], anthropic), {
            with(&claude, "anthropic_version", json!("bedrock-2023-05-31"))
        }),
        case(
            "vertex claude",
            five(
                [
                    "/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
                    "/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict",
                ],
                anthropic,
            ),
            with(&claude, "anthropic_version", json!("vertex-2023-10-16")),
        ),
        case(
            "chat",
            five(at("/v1/chat/completions"), details),
            with(&chat, "model", json!("gpt-4.1")),
        ),
        case(
            "deepseek",
            five(at("/deepseek/chat/completions"), details),
            with(&chat, "model", json!("deepseek-flash")),
        ),
        case(
            "responses",
            [
                "/v1/responses",
                "/v1/responses",
                "/usage",
                "/input_tokens_details/cached_tokens",
                "/output_tokens",
            ],
            responses,
        ),
        case(
            "converse",
            five([say_converse, converse_stream], aws),
            converse,
        ),
        case(
            "nova",
            [
                "/model/us.amazon.nova-lite-v1%3A0/invoke",
                "/model/us.amazon.nova-lite-v1%3A0/invoke-with-response-stream",
                "/usage",
                "/cacheReadInputTokenCount",
                "/outputTokens",
            ],
            nova,
        ),
        case(
            "generate",
            five(
                [
                    "/v1beta/models/gemini-2.5-flash:generateContent",
                    "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
                ],
                google,
            ),
            generate.clone(),
        ),
        case(
            "vertex gemini",
            five(
                [
                    "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash:generateContent",
                    "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash:streamGenerateContent",
                ],
                google,
            ),
            generate,
        ),
    ]
}

impl Case {
    fn streamed(&self) -> Value {
        let mut body = self.body.clone();
        if self.document == self.stream || self.stream.ends_with(":streamRawPredict") {
            body["stream"] = true.into();
        }
        if body.pointer("/messages/0/role") == Some(&json!("system")) {
            body["stream_options"] = json!({"include_usage": true});
        }
        body
    }

    fn counts(&self, usage: &Value) -> (u64, u64) {
        let count = |at: &str| usage.pointer(at).and_then(Value::as_u64).unwrap_or(0);
        (count(self.read), count(self.output))
    }
}

async fn start_with(change: impl FnOnce(&mut SimOptions)) -> SimHandle {
    let mut options = SimOptions::default();
    change(&mut options);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    SimServer::new(options).bind(address).await.unwrap()
}

async fn start() -> SimHandle {
    start_with(|_| {}).await
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

fn post(server: &SimHandle, path: &str, body: &Value) -> RequestBuilder {
    let url = format!("{}{path}", server.base_url());
    client().post(url).header("x-sim-workspace", "w").json(body)
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// All events of a stream, with their names where they have any.
async fn events(request: RequestBuilder) -> Vec<(String, Value)> {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let kind = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let bytes = response.bytes().await.unwrap();
    if kind.contains("amazon.eventstream") {
        return frames(&bytes);
    }
    if kind.contains("json") {
        let all: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
        return all.into_iter().map(|data| (String::new(), data)).collect();
    }
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.ends_with("\n\n"));
    let mut events = Vec::new();
    for event in text.split("\n\n").filter(|event| !event.is_empty()) {
        let (name, data) = event.split_once("data: ").unwrap();
        if data == "[DONE]" {
            events.push(("[DONE]".into(), Value::Null));
            continue;
        }
        let name = name.trim_start_matches("event: ").trim().to_owned();
        events.push((name, serde_json::from_str(data).unwrap()));
    }
    events
}

/// Reads frames with a decoder of its own; what InvokeModel wraps is unwrapped.
fn frames(mut bytes: &[u8]) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let (whole, headers) = (number(0) as usize, number(4) as usize);
        assert_eq!(number(8), crc(&bytes[..8]));
        assert_eq!(number(whole - 4), crc(&bytes[..whole - 4]));
        let mut head = &bytes[12..12 + headers];
        let mut kind = String::new();
        while !head.is_empty() {
            let (name, rest) = head[1..].split_at(head[0].into());
            assert_eq!(rest[0], 7);
            let length: usize = u16::from_be_bytes(rest[1..3].try_into().unwrap()).into();
            let value = std::str::from_utf8(&rest[3..3 + length]).unwrap();
            match name {
                b":event-type" => kind = value.into(),
                b":message-type" => assert_eq!(value, "event"),
                _ => assert_eq!((name, value), (&b":content-type"[..], "application/json")),
            }
            head = &rest[3 + length..];
        }
        let payload: Value = serde_json::from_slice(&bytes[12 + headers..whole - 4]).unwrap();
        events.push(match payload.get("bytes") {
            Some(wrapped) => {
                assert_eq!(kind, "chunk");
                let inner = STANDARD.decode(wrapped.as_str().unwrap()).unwrap();
                (kind, serde_json::from_slice(&inner).unwrap())
            }
            None => (kind, payload),
        });
        bytes = &bytes[whole..];
    }
    events
}

/// By table, unlike the encoder's.
fn crc(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256)
        .map(|byte| {
            (0..8).fold(byte, |crc: u32, _| {
                if crc & 1 == 1 {
                    0xEDB8_8320 ^ (crc >> 1)
                } else {
                    crc >> 1
                }
            })
        })
        .collect();
    let step = |crc: u32, byte: &u8| table[((crc ^ u32::from(*byte)) & 0xFF) as usize] ^ (crc >> 8);
    bytes.iter().fold(u32::MAX, step) ^ u32::MAX
}

/// The last thing in a stream that is a usage of this dialect, wherever it stands.
fn last_usage(case: &Case, events: &[(String, Value)]) -> Value {
    let places = ["", "/message", "/response", "/metadata"];
    let found = events.iter().rev().find_map(|(_, data)| {
        places.iter().find_map(|place| {
            let usage = data.pointer(&format!("{place}{}", case.usage))?;
            usage.is_object().then(|| usage.clone())
        })
    });
    found.unwrap_or_else(|| panic!("{}: no usage in {events:?}", case.name))
}

/// All text of a document or an event of any dialect, in order.
fn texts(value: &Value) -> String {
    match value {
        Value::Array(all) => all.iter().map(texts).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("text" | "content" | "delta", Value::String(text)) => text.clone(),
                _ => texts(value),
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => String::new(),
    }
}

#[tokio::test]
async fn documents_and_streams_of_every_dialect_say_and_count_the_same() {
    let server = start().await;
    for case in cases("hello") {
        let at = |request: RequestBuilder, second: u32| {
            request.header("x-sim-time", (second * 20).to_string())
        };
        let document = || post(&server, case.document, &case.body);
        let (status, cold) = answer(at(document(), 1)).await;
        assert_eq!(status, StatusCode::OK, "{}: {cold}", case.name);
        let usage = cold.pointer(case.usage).unwrap();
        assert_eq!(case.counts(usage), (0, 20), "{}: {usage}", case.name);
        let (_, warm) = answer(at(document(), 2)).await;
        let (read, output) = case.counts(warm.pointer(case.usage).unwrap());
        assert!(read > 1000 && output == 20, "{}: {warm}", case.name);
        let stream = post(&server, case.stream, &case.streamed());
        let events = events(at(stream, 3)).await;
        let usage = last_usage(&case, &events);
        assert_eq!(case.counts(&usage), (read, output), "{}", case.name);
        let said: Vec<_> = events
            .iter()
            .filter(|(name, _)| !name.ends_with(".done") && !name.ends_with("d.completed"))
            .filter(|(name, _)| name != "response.incomplete")
            .map(|(_, data)| texts(data))
            .collect();
        assert_eq!(said.concat(), texts(&warm), "{}", case.name);
        assert!(said.iter().filter(|text| !text.is_empty()).count() > 2);
    }
}

#[tokio::test]
async fn two_tools_are_called_and_thinking_is_shown_in_every_dialect() {
    let server = start().await;
    for case in cases("think first, then use both tools") {
        let (status, document) = answer(post(&server, case.document, &case.body)).await;
        assert_eq!(status, StatusCode::OK, "{}: {document}", case.name);
        let document = document.to_string();
        let events = events(post(&server, case.stream, &case.streamed())).await;
        let stream: String = events.iter().map(|(_, data)| data.to_string()).collect();
        for said in [document, stream] {
            // The second call has a number of its own.
            let ids = ["_1\",", "_1\"}"]
                .iter()
                .map(|end| said.matches(end).count());
            assert!(ids.sum::<usize>() > 0, "{}: {said}", case.name);
            let words = [
                "thinking",
                "reasoningContent",
                "reasoning_tokens\":10",
                "thought",
            ];
            let thought = words.iter().any(|word| said.contains(word));
            assert!(thought || case.name == "responses", "{}: {said}", case.name);
            if case.name == "responses" {
                assert!(said.contains("summary_text"), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_ends_before_a_stop_sequence() {
    let server = start().await;
    let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 400,
        "stop_sequences": ["until"], "messages": [{"role": "user", "content": "hi"}]});
    let (_, message) = answer(post(&server, "/v1/messages", &body)).await;
    assert_eq!(message["stop_reason"], "stop_sequence");
    assert_eq!(message["stop_sequence"], "until");
    assert!(!texts(&message["content"]).contains("until"));
}

#[tokio::test]
async fn a_tool_is_called_in_every_dialect() {
    let server = start().await;
    for case in cases("please use the tool") {
        let (status, document) = answer(post(&server, case.document, &case.body)).await;
        assert_eq!(status, StatusCode::OK, "{}: {document}", case.name);
        let document = document.to_string();
        let events = events(post(&server, case.stream, &case.streamed())).await;
        let stream: String = events.iter().map(|(_, data)| data.to_string()).collect();
        for said in [document, stream] {
            assert!(
                said.contains("\"name\":\"weather\""),
                "{}: {said}",
                case.name
            );
            assert!(said.contains("city"), "{}: {said}", case.name);
            let reasons = ["tool_use", "tool_calls", "function_call", "functionCall"];
            assert!(reasons.iter().any(|reason| said.contains(reason)), "{said}");
        }
    }
}

#[tokio::test]
async fn chat_streams_end_as_each_provider_ends_them() {
    let server = start().await;
    let all = cases("hello");
    let chat = all.iter().find(|case| case.name == "chat").unwrap();
    let mut body = chat.streamed();
    let streamed = events(post(&server, chat.stream, &body)).await;
    let [.., (_, finish), (_, usage), (done, _)] = streamed.as_slice() else {
        panic!("too short")
    };
    assert_eq!(done, "[DONE]");
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(finish["choices"][0]["finish_reason"], "length");
    assert!(finish["usage"].is_null() && finish.get("usage").is_some());
    body["stream_options"] = json!({});
    let unasked = events(post(&server, chat.stream, &body)).await;
    assert!(unasked.iter().all(|(_, data)| data.get("usage").is_none()));
    body["stream_options"] = json!({"include_usage": true});
    body["model"] = "deepseek-flash".into();
    let streamed = events(post(&server, "/deepseek/chat/completions", &body)).await;
    let [.., (_, finish), _] = streamed.as_slice() else {
        panic!("too short")
    };
    let usage = &finish["usage"];
    let count = |name: &str| usage[name].as_u64().unwrap();
    assert_eq!(
        count("prompt_cache_hit_tokens") + count("prompt_cache_miss_tokens"),
        count("prompt_tokens")
    );
}

#[tokio::test]
async fn money_is_reported_as_each_provider_reports_it() {
    let server = start().await;
    let all = cases("hello");
    let chat = all.iter().find(|case| case.name == "chat").unwrap();
    let mut body = chat.body.clone();
    body["model"] = "grok-4.3".into();
    let (_, xai) = answer(post(&server, "/xai/v1/chat/completions", &body)).await;
    let usage = &xai["usage"];
    // 1.25 dollars per million plain tokens, 2.50 of output; a tick is 1e-10 dollars.
    let tokens = |at: &str| usage.pointer(at).and_then(Value::as_u64).unwrap();
    let read = tokens("/prompt_tokens_details/cached_tokens");
    let plain = tokens("/prompt_tokens") - read;
    let ticks = plain * 12_500 + read * 2_000 + tokens("/completion_tokens") * 25_000;
    assert_eq!(tokens("/cost_in_usd_ticks"), ticks, "{usage}");
    body["model"] = "anthropic/claude-sonnet-4.5".into();
    let (status, open) = answer(post(&server, "/openrouter/api/v1/chat/completions", &body)).await;
    assert_eq!(status, StatusCode::OK, "{open}");
    assert!(open["usage"]["cost"].as_f64().unwrap() > 0.0);
}

/// Vector 20: the first reply says of the same tokens that they were read and written.
#[tokio::test]
async fn a_cache_of_gemini_behind_a_gateway_is_counted_twice_when_it_is_made() {
    let server = start().await;
    let body = |model: &str| {
        let marker = json!({"type": "ephemeral"});
        let system = json!([{"type": "text", "text": long(), "cache_control": marker}]);
        json!({"model": model, "max_tokens": 9, "messages": [
            {"role": "system", "content": system}, {"role": "user", "content": "hello"}]})
    };
    let mut counts = Vec::new();
    for model in ["google/gemini-2.5-flash", "anthropic/claude-sonnet-4.6"] {
        for _ in 0..2 {
            let sent = post(&server, "/openrouter/api/v1/chat/completions", &body(model));
            let (status, said) = answer(sent).await;
            assert_eq!(status, StatusCode::OK, "{said}");
            let count = |at: &str| said["usage"].pointer(at).and_then(Value::as_u64).unwrap();
            let read = count("/prompt_tokens_details/cached_tokens");
            let written = count("/prompt_tokens_details/cache_write_tokens");
            assert!(read.max(written) < count("/prompt_tokens"), "{said}");
            counts.push((read, written));
        }
    }
    let [(gemini, _), _, (_, claude), _] = counts[..] else {
        panic!("four answers")
    };
    assert!(gemini > 1024 && claude > 1024, "{counts:?}");
    let expected = [(gemini, gemini), (gemini, 0), (0, claude), (claude, 0)];
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn refusals_have_the_shape_of_the_dialect() {
    let server = start().await;
    for case in cases("hello") {
        let request = post(&server, case.document, &case.body).header("x-sim-fault", "429");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let kind = response.headers().get("x-amzn-errortype").cloned();
        let error: Value = response.json().await.unwrap();
        let (at, expected) = match case.name {
            "messages" => ("/error/type", "rate_limit_error"),
            "chat" | "deepseek" | "responses" => ("/error/code", "rate_limit_exceeded"),
            "generate" | "vertex claude" | "vertex gemini" => {
                ("/error/status", "RESOURCE_EXHAUSTED")
            }
            _ => {
                assert_eq!(kind.unwrap(), "ThrottlingException", "{}", case.name);
                assert!(error["message"].is_string(), "{error}");
                continue;
            }
        };
        assert_eq!(error.pointer(at), Some(&json!(expected)), "{}", case.name);
        let (status, error) = answer(post(&server, case.document, &json!("no object"))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{}: {error}", case.name);
    }
}

#[tokio::test]
async fn streams_of_every_dialect_break_off_and_stand_still() {
    let server = start().await;
    for case in cases("hello") {
        let stream = || post(&server, case.stream, &case.streamed());
        let cut = stream().header("x-sim-fault", "cut").send().await.unwrap();
        assert_eq!(cut.status(), StatusCode::OK);
        assert!(cut.bytes().await.is_err(), "{}", case.name);
        let order = json!({"stall_ms": 5});
        answer(post(&server, "/admin/faults", &order)).await;
        assert!(events(stream()).await.len() > 2, "{}", case.name);
    }
}

#[tokio::test]
async fn the_provider_is_told_by_host_header_prefix_or_path() {
    let server = start().await;
    let all = cases("hello");
    let chat = all.iter().find(|case| case.name == "chat").unwrap();
    let hits = |usage: &Value| usage["usage"].get("prompt_cache_hit_tokens").is_some();
    let mut body = chat.body.clone();
    let path = "/v1/chat/completions";
    assert!(!hits(&answer(post(&server, path, &body)).await.1));
    body["model"] = "deepseek-flash".into();
    let host = post(&server, path, &body).header("host", "api.deepseek.com");
    assert!(hits(&answer(host).await.1));
    let header = post(&server, path, &body).header("x-sim-provider", "deepseek");
    assert!(hits(&answer(header).await.1));
    assert!(hits(
        &answer(post(&server, &format!("/deepseek{path}"), &body))
            .await
            .1
    ));
    let (status, error) = answer(post(&server, "/deepseek/v1/nothing", &body)).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{error}");
}

/// Signed by botocore 1.43 with the credentials of AWS's published examples.
#[tokio::test]
async fn a_signature_holds_for_these_bytes_only() {
    let server = start().await;
    let body = r#"{"messages":[{"role":"user","content":[{"text":"hello"}]}],"inferenceConfig":{"maxTokens":20}}"#;
    let url = format!(
        "{}/model/us.amazon.nova-lite-v1%3A0/converse",
        server.base_url()
    );
    let send = async |body: String, token: Option<&str>, signature: &str| {
        let more = if token.is_some() {
            ";x-amz-security-token"
        } else {
            ""
        };
        let mut request = client()
            .post(&url)
            .header("host", "bedrock-runtime.us-east-1.amazonaws.com")
            .header("content-type", "application/json")
            .header("x-amz-date", "20150830T123600Z")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 \
                     Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, \
                     SignedHeaders=content-type;host;x-amz-date{more}, Signature={signature}"
                ),
            )
            .body(body);
        if let Some(token) = token {
            request = request.header("x-amz-security-token", token);
        }
        request.send().await.unwrap()
    };
    let plain = "746316e0e01cf46db047511594dd9cbdcf31ffeecc52ae17679902db9d940cee";
    let with_token = "b654738da0269bd05d2606b7345493caf2ed1a2126c4a00098eea3738d3d9179";
    assert_eq!(send(body.into(), None, plain).await.status(), 200);
    assert_eq!(
        send(body.into(), Some("TOKEN+/="), with_token)
            .await
            .status(),
        200
    );
    for refused in [
        send(body.replace("hello", "hallo"), None, plain).await,
        send(format!("{body} "), None, plain).await,
        send(body.into(), Some("TOKEN"), with_token).await,
    ] {
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        let kind = &refused.headers()["x-amzn-errortype"];
        assert_eq!(kind, "InvalidSignatureException");
        let error: Value = refused.json().await.unwrap();
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with("The request signature we calculated does not match"));
    }
    let bearer = client().post(&url).bearer_auth("key").body(body);
    assert_eq!(bearer.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn kept_requests_are_what_arrived() {
    let server = start_with(|options| options.keep_requests = 2).await;
    let url = format!("{}/v1/messages?beta=true", server.base_url());
    for body in [
        b"first".to_vec(),
        b"{ \"odd\":  1 }".to_vec(),
        vec![0xFF, 0],
    ] {
        let request = client().post(&url).header("x-own", "yes").body(body);
        assert_eq!(request.send().await.unwrap().status(), 400);
    }
    let kept = client().get(format!("{}/admin/requests", server.base_url()));
    let (_, kept) = answer(kept).await;
    assert_eq!(kept.as_array().unwrap().len(), 2);
    assert_eq!(kept[0]["body"], "{ \"odd\":  1 }");
    assert_eq!(kept[0]["path"], "/v1/messages?beta=true");
    assert_eq!(kept[0]["method"], "POST");
    let headers = kept[0]["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["x-own", "yes"])));
    assert_eq!(kept[1]["body_base64"], "/wA=");
    let forgetful = start().await;
    let kept = client().get(format!("{}/admin/requests", forgetful.base_url()));
    assert_eq!(answer(kept).await.1, json!([]));
}

#[tokio::test]
async fn explicit_caches_are_made_used_prolonged_and_deleted() {
    let server = start().await;
    let content = json!({"model": "models/gemini-2.5-flash", "ttl": "600s",
        "contents": [{"role": "user", "parts": [{"text": long()}]}]});
    let at = |request: RequestBuilder, second: &str| request.header("x-sim-time", second);
    let (status, made) = answer(at(post(&server, "/v1beta/cachedContents", &content), "0")).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    assert_eq!(made["expireTime"], "1970-01-01T00:10:00Z");
    let tokens = made["usageMetadata"]["totalTokenCount"].as_u64().unwrap();
    let name = made["name"].as_str().unwrap();
    let path = format!("/v1beta/{name}");
    let ask = json!({"cachedContent": name,
        "contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
    let generate = "/v1beta/models/gemini-2.5-flash:generateContent";
    let (status, said) = answer(at(post(&server, generate, &ask), "10")).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert_eq!(said["usageMetadata"]["cachedContentTokenCount"], tokens);
    let url = format!("{}{path}", server.base_url());
    let own = |request: RequestBuilder| request.header("x-sim-workspace", "w");
    let patch = own(client().patch(&url).json(&json!({"ttl": "900s"})));
    let (_, longer) = answer(at(patch, "20")).await;
    assert_eq!(longer["expireTime"], "1970-01-01T00:15:20Z");
    let (status, shown) = answer(at(own(client().get(&url)), "30")).await;
    assert_eq!((status, &shown), (StatusCode::OK, &longer));
    let (status, gone) = answer(at(own(client().delete(&url)), "40")).await;
    assert_eq!((status, gone), (StatusCode::OK, json!({})));
    let (status, error) = answer(at(post(&server, generate, &ask), "50")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(error["error"]["status"], "PERMISSION_DENIED");
    let vertex = "/v1/projects/p/locations/global/cachedContents";
    let (status, made) = answer(at(post(&server, vertex, &content), "0")).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let name = made["name"].as_str().unwrap();
    assert!(
        name.starts_with("projects/p/locations/global/cachedContents/"),
        "{name}"
    );
}

#[tokio::test]
async fn constant_answers_are_those_of_the_dialect() {
    let server = start_with(|options| options.constant = true).await;
    for case in cases("hello") {
        let (status, document) = answer(post(&server, case.document, &case.body)).await;
        assert_eq!(status, StatusCode::OK);
        let usage = document.pointer(case.usage).unwrap();
        assert_eq!(case.counts(usage), (1024, 64), "{}", case.name);
        let events = events(post(&server, case.stream, &case.streamed())).await;
        let usage = last_usage(&case, &events);
        assert_eq!(case.counts(&usage), (1024, 64), "{}", case.name);
    }
}

/// Forty MiB over HTTP/2 without TLS.
#[tokio::test]
async fn large_bodies_come_over_both_versions_of_http() {
    let server = start_with(|options| options.constant = true).await;
    let body = vec![b' '; 40 << 20];
    let url = format!("{}/v1/messages", server.base_url());
    for client in [
        Client::builder().no_proxy(),
        Client::builder().no_proxy().http2_prior_knowledge(),
    ] {
        let request = client.build().unwrap().post(&url).body(body.clone());
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
}
