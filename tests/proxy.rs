//! The proxy on real sockets: what goes through, what does not, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::proxy::{Loopback, Proxy, ProxyHandle, ProxyOptions, Upstream};
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::model::Skip;
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

use crate::support::origin::{MESSAGE, ODD, Origin, Protocol, SECRET, body, handle, json};

/// Only a fault of ours takes this long.
const FAULT: Duration = Duration::from_secs(20);

type Sender = Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>;

fn client(protocol: Protocol) -> Sender {
    Client::builder(TokioExecutor::new())
        .http2_only(protocol == Protocol::Http2)
        .build_http()
}

fn upstream(base: &str) -> Upstream {
    Upstream::new("up", base).unwrap().provider("anthropic")
}

async fn proxy(cache: &Cachewright, upstream: Upstream) -> ProxyHandle {
    start(cache, upstream, |_| {}).await
}

async fn start(
    cache: &Cachewright,
    upstream: Upstream,
    change: impl FnOnce(&mut ProxyOptions),
) -> ProxyHandle {
    let mut options = ProxyOptions::default();
    options.listen.set_port(0);
    options.upstreams = vec![upstream];
    change(&mut options);
    Proxy::new(cache, options).unwrap().bind().await.unwrap()
}

fn post(url: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(url)
        .header("content-type", "application/json")
        .header("x-api-key", SECRET)
        .body(Full::new(body.into()))
        .unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Waits for what must happen, and says so when it does not.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(FAULT, what).await.unwrap()
}

/// The records, once there are `count` of them: they are booked when a body is dropped.
async fn records(cache: &Cachewright, count: usize) -> Vec<cachewright::ledger::Record> {
    soon(async {
        while cache.records().len() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    cache.records()
}

#[tokio::test]
async fn a_prompt_is_marked_and_accounted_for_over_both_protocols() {
    for (inside, outside) in [
        (Protocol::Http1, Protocol::Http1),
        (Protocol::Http2, Protocol::Http1),
    ] {
        let mut origin = Origin::of_messages(outside).await;
        let cache = Cachewright::new();
        let proxy = proxy(&cache, upstream(&origin.base)).await;
        let mut request = post(&format!("{}/v1/messages", proxy.base_url()), body());
        let headers = request.headers_mut();
        headers.insert("accept-encoding", "gzip".parse().unwrap());
        let response = soon(client(inside).request(request)).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(text(response).await, MESSAGE);
        let received = origin.next().await;
        assert!(received.body.len() > body().len());
        assert_eq!(received.declared_length(), Some(received.body.len()));
        assert_eq!(received.headers["x-api-key"], SECRET);
        assert!(
            origin
                .base
                .ends_with(received.headers["host"].to_str().unwrap())
        );
        assert!(!received.headers.contains_key("accept-encoding"));
        let records = records(&cache, 1).await;
        assert!(records[0].complete);
        assert_eq!(records[0].usage.unwrap().output, Some(2));
    }
}

#[tokio::test]
async fn a_chunked_prompt_is_marked_as_well() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let cache = Cachewright::new();
    let proxy = proxy(&cache, upstream(&origin.base)).await;
    let halves = body().into_bytes();
    let (head, tail) = halves.split_at(halves.len() / 2);
    let chunks =
        [head, tail].map(|part| Ok::<_, io::Error>(Frame::data(Bytes::copy_from_slice(part))));
    let request = Request::post(format!("{}/v1/messages", proxy.base_url()))
        .header("content-type", "application/json")
        .body(StreamBody::new(futures_util::stream::iter(chunks)))
        .unwrap();
    let sender = Client::builder(TokioExecutor::new()).build_http();
    soon(sender.request(request)).await.unwrap();
    assert!(origin.next().await.body.len() > body().len());
    assert_eq!(records(&cache, 1).await[0].skip, None);
}

#[tokio::test]
async fn everything_else_goes_through_as_it_came() {
    // An upstream that shows what arrived, byte for byte.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cache = Cachewright::new();
    let proxy = proxy(&cache, upstream(&format!("http://{address}"))).await;
    let mut caller = TcpStream::connect(proxy.address()).await.unwrap();
    let asked = "PROPFIND /v1/files/%2e%2E/a%2Fb?x=1&x=2&y=%zz HTTP/1.1\r\nHost: elsewhere\r\n\
        X-Twice: b\r\nX-Twice: a\r\nAccept-Encoding: br\r\nConnection: keep-alive, x-hop\r\n\
        X-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authorization: Basic x\r\nTE: trailers, gzip\r\n\
        Upgrade: h2c\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x08\x00\x7f";
    caller.write_all(asked.as_bytes()).await.unwrap();
    let (mut socket, _) = listener.accept().await.unwrap();
    let (head, rest) = head(&mut socket).await;
    assert_eq!(rest, b"\x1f\x08\x00\x7f");
    let mut lines = head.lines();
    assert_eq!(
        lines.next(),
        Some("PROPFIND /v1/files/%2e%2E/a%2Fb?x=1&x=2&y=%zz HTTP/1.1")
    );
    let mut headers: Vec<String> = lines.map(str::to_ascii_lowercase).collect();
    headers.sort();
    let host = format!("host: {address}");
    let mut expected = [
        "accept-encoding: br",
        "content-encoding: gzip",
        "content-length: 4",
        &host,
        "te: trailers",
        "x-twice: a",
        "x-twice: b",
    ];
    expected.sort_unstable();
    assert_eq!(headers, expected);
    assert!(
        head.find("b\r\n") < head.find("x-twice: a"),
        "order of repeated headers: {head}"
    );
    let answer = "HTTP/1.1 418 I am one\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nConnection: x-hop\r\n\
        X-Hop: 1\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 9\r\n\r\n";
    socket.write_all(answer.as_bytes()).await.unwrap();
    let mut answered = Vec::new();
    soon(async {
        while !answered.ends_with(b"x-sum: 9\r\n\r\n") {
            assert_ne!(caller.read_buf(&mut answered).await.unwrap(), 0);
        }
    })
    .await;
    let answered = String::from_utf8(answered).unwrap().to_ascii_lowercase();
    assert!(answered.starts_with("http/1.1 418 "), "{answered}");
    assert!(
        answered.contains("set-cookie: a\r\nset-cookie: b\r\n"),
        "{answered}"
    );
    assert!(!answered.contains("x-hop"), "{answered}");
    assert!(cache.records().is_empty());
}

/// A request's head as text, and the four bytes of its body.
async fn head(socket: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    soon(async {
        loop {
            assert_ne!(socket.read_buf(&mut bytes).await.unwrap(), 0);
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end.filter(|end| bytes.len() >= end + 8) {
                let rest = bytes.split_off(end + 4);
                bytes.truncate(end);
                return (String::from_utf8(bytes.clone()).unwrap(), rest);
            }
        }
    })
    .await
}

#[tokio::test]
async fn odd_and_signed_bodies_arrive_byte_for_byte() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let cache = Cachewright::new();
    let proxy = proxy(&cache, upstream(&origin.base)).await;
    let url = format!("{}/v1/messages", proxy.base_url());
    let sender = client(Protocol::Http1);
    for odd in ODD {
        soon(sender.request(post(&url, odd))).await.unwrap();
        assert_eq!(origin.next().await.body, odd);
    }
    for (name, value) in [
        ("authorization", "AWS4-HMAC-SHA256 Credential=x"),
        ("content-encoding", "gzip"),
    ] {
        let mut request = post(&url, body());
        request.headers_mut().insert(name, value.parse().unwrap());
        soon(sender.request(request)).await.unwrap();
        let received = origin.next().await;
        assert_eq!(received.body, body());
        assert_eq!(received.headers[name], value);
    }
    let skips: Vec<_> = cache.records().iter().map(|record| record.skip).collect();
    assert!(skips.contains(&Some(Skip::Signed)) && skips.contains(&Some(Skip::Encoded)));
}

/// A body whose chunks are sent from outside; tells when it is dropped.
struct Held {
    chunks: mpsc::UnboundedReceiver<Result<Bytes, io::Error>>,
    dropped: Arc<Notify>,
}

impl Body for Held {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = self.chunks.poll_recv(cx);
        next.map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.dropped.notify_one();
    }
}

/// An origin that streams what the test tells it to.
struct Stage {
    origin: Origin,
    chunks: mpsc::UnboundedSender<Result<Bytes, io::Error>>,
    dropped: Arc<Notify>,
}

impl Stage {
    async fn set() -> Self {
        let (chunks, receiver) = mpsc::unbounded_channel();
        let dropped = Arc::new(Notify::new());
        let bodies = VecDeque::from([Held {
            chunks: receiver,
            dropped: Arc::clone(&dropped),
        }]);
        let bodies = Mutex::new(bodies);
        let origin = Origin::start(Protocol::Http1, move || {
            let body = bodies.lock().unwrap().pop_front().unwrap();
            Response::builder()
                .header("content-type", "text/event-stream")
                .body(body.boxed_unsync())
                .unwrap()
        })
        .await;
        Self {
            origin,
            chunks,
            dropped,
        }
    }

    fn say(&self, text: &'static str) {
        self.chunks.send(Ok(Bytes::from(text))).unwrap();
    }
}

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,\"cache_creation_input_tokens\":20000,\"cache_read_input_tokens\":0,\"output_tokens\":1}}}\n\n";
const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[tokio::test]
async fn the_first_event_arrives_before_the_second_is_sent() {
    let stage = Stage::set().await;
    let cache = Cachewright::new();
    let proxy = proxy(&cache, upstream(&stage.origin.base)).await;
    let url = format!("{}/v1/messages", proxy.base_url());
    let response = soon(client(Protocol::Http1).request(post(&url, body())))
        .await
        .unwrap();
    let mut events = response.into_body();
    for text in [START, STOP] {
        stage.say(text);
        let frame = soon(events.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), text);
    }
    drop(stage.chunks);
    assert!(soon(events.frame()).await.is_none());
    let records = records(&cache, 1).await;
    assert!(records[0].complete);
    assert_eq!(records[0].usage.unwrap().write_5m, Some(20000));
}

#[tokio::test]
async fn a_request_streams_upwards_as_well() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let proxy = proxy(&Cachewright::new(), upstream(&base)).await;
    let mut caller = TcpStream::connect(proxy.address()).await.unwrap();
    let start = b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nhalf";
    caller.write_all(start).await.unwrap();
    let (mut socket, _) = soon(listener.accept()).await.unwrap();
    let (_, rest) = head(&mut socket).await;
    // The other half is sent only now that the first has come through.
    assert_eq!(rest, b"half");
    caller.write_all(b"full").await.unwrap();
    let mut rest = [0; 4];
    soon(socket.read_exact(&mut rest)).await.unwrap();
    assert_eq!(&rest, b"full");
}

#[tokio::test]
async fn a_client_that_leaves_is_felt_upstream() {
    let stage = Stage::set().await;
    let cache = Cachewright::new();
    let proxy = proxy(&cache, upstream(&stage.origin.base)).await;
    let url = format!("{}/v1/messages", proxy.base_url());
    let sender = client(Protocol::Http1);
    let response = soon(sender.request(post(&url, body()))).await.unwrap();
    let mut events = response.into_body();
    stage.say(START);
    soon(events.frame()).await.unwrap().unwrap();
    drop((events, sender));
    soon(stage.dropped.notified()).await;
    let records = records(&cache, 1).await;
    assert!(!records[0].complete);
    assert_eq!(records[0].usage.unwrap().write_5m, Some(20000));
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_is_felt_upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let proxy = proxy(&Cachewright::new(), upstream(&base)).await;
    let mut caller = TcpStream::connect(proxy.address()).await.unwrap();
    caller
        .write_all(b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
        .await
        .unwrap();
    let (mut socket, _) = soon(listener.accept()).await.unwrap();
    head(&mut socket).await;
    drop(caller);
    let mut nothing = Vec::new();
    // The end of the connection, or its reset.
    let _ = soon(socket.read_to_end(&mut nothing)).await;
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn a_cut_stream_is_cut_for_the_client_and_booked_as_such() {
    let stage = Stage::set().await;
    let cache = Cachewright::new();
    let proxy = proxy(&cache, upstream(&stage.origin.base)).await;
    let url = format!("{}/v1/messages", proxy.base_url());
    let response = soon(client(Protocol::Http1).request(post(&url, body())))
        .await
        .unwrap();
    let mut events = response.into_body();
    stage.say(START);
    soon(events.frame()).await.unwrap().unwrap();
    stage.chunks.send(Err(io::Error::other("cut"))).unwrap();
    assert!(soon(events.frame()).await.unwrap().is_err());
    assert!(!records(&cache, 1).await[0].complete);
}

#[tokio::test]
async fn an_upstream_that_is_down_is_named_and_no_secret_is() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let cache = Cachewright::new();
    let proxy = proxy(&cache, upstream(&format!("http://127.0.0.1:{port}"))).await;
    let url = format!("{}/v1/messages", proxy.base_url());
    let response = soon(client(Protocol::Http1).request(post(&url, body())))
        .await
        .unwrap();
    assert_eq!(response.status(), 502);
    let said = text(response).await;
    let value: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(value["error"]["type"], "upstream_unreachable");
    assert_eq!(value["error"]["upstream"], "up");
    assert!(!said.contains(SECRET), "{said}");
    assert_eq!(records(&cache, 1).await[0].status, 0);
}

#[tokio::test]
async fn a_token_is_asked_for_and_never_sent_on() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let cache = Cachewright::new();
    let proxy = start(&cache, upstream(&origin.base), |options| {
        options.client_token = Some("t-1".into());
    })
    .await;
    let url = format!("{}/v1/messages", proxy.base_url());
    let sender = client(Protocol::Http1);
    for wrong in [None, Some("t-2")] {
        let mut request = post(&url, body());
        if let Some(wrong) = wrong {
            let headers = request.headers_mut();
            headers.insert("x-cachewright-token", wrong.parse().unwrap());
        }
        let response = soon(sender.request(request)).await.unwrap();
        assert_eq!(response.status(), 401);
    }
    for (name, value) in [
        ("x-cachewright-token", "t-1"),
        ("authorization", "Bearer t-1"),
    ] {
        let mut request = post(&url, body());
        request.headers_mut().insert(name, value.parse().unwrap());
        let response = soon(sender.request(request)).await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        let received = origin.next().await;
        assert!(!received.headers.contains_key(name));
        assert_eq!(received.headers["x-api-key"], SECRET);
    }
    let health = Request::get(format!("{}/healthz", proxy.base_url()));
    let health = health.body(Full::default()).unwrap();
    assert_eq!(text(sender.request(health).await.unwrap()).await, "ok\n");
}

#[tokio::test]
async fn others_may_not_use_it_without_a_token() {
    let mut options = ProxyOptions::default();
    options.listen = "0.0.0.0:0".parse().unwrap();
    options.upstreams = vec![upstream("http://127.0.0.1:1")];
    let error = Proxy::new(&Cachewright::new(), options.clone()).unwrap_err();
    assert!(error.is_config());
    assert!(error.to_string().contains("client_token"), "{error}");
    options.client_token = Some("t".into());
    assert!(Proxy::new(&Cachewright::new(), options).is_ok());
}

#[tokio::test]
async fn unknown_paths_and_websockets_get_a_helpful_no() {
    let cache = Cachewright::new();
    let proxy = start(
        &cache,
        upstream("http://127.0.0.1:1").path("/v1/messages"),
        |options| {
            let other = Upstream::new("other", "http://127.0.0.1:1").unwrap();
            options.upstreams.push(other);
        },
    )
    .await;
    let sender = client(Protocol::Http1);
    let request = |path: &str, header: Option<(&'static str, &'static str)>| {
        let mut request = post(&format!("{}{path}", proxy.base_url()), "{}");
        *request.method_mut() = Method::GET;
        if let Some((name, value)) = header {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request
    };
    let unknown = soon(sender.request(request("/v2/x?key=k", None)))
        .await
        .unwrap();
    assert_eq!(unknown.status(), 404);
    let said = text(unknown).await;
    assert!(
        said.contains("/v2/x") && said.contains("other") && !said.contains("key=k"),
        "{said}"
    );
    let socket = request("/v1/messages", Some(("upgrade", "websocket")));
    assert_eq!(soon(sender.request(socket)).await.unwrap().status(), 501);
}

#[tokio::test]
async fn stopping_lets_an_open_stream_end_and_cuts_it_after_the_grace() {
    for ends in [true, false] {
        let stage = Stage::set().await;
        let cache = Cachewright::new();
        let proxy = proxy(&cache, upstream(&stage.origin.base)).await;
        let address = proxy.address();
        let url = format!("{}/v1/messages", proxy.base_url());
        let response = soon(client(Protocol::Http1).request(post(&url, body())))
            .await
            .unwrap();
        let mut events = response.into_body();
        stage.say(START);
        soon(events.frame()).await.unwrap().unwrap();
        let grace = if ends { FAULT } else { Duration::ZERO };
        let stopped = tokio::spawn(proxy.stop(grace));
        // No newcomers; the listener is closed at once.
        soon(async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        if ends {
            stage.say(STOP);
            drop(stage.chunks);
            let frame = soon(events.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), STOP);
            assert!(soon(events.frame()).await.is_none());
        } else {
            assert!(soon(events.frame()).await.unwrap().is_err());
        }
        soon(stopped).await.unwrap();
        assert_eq!(records(&cache, 1).await[0].complete, ends);
    }
}

#[tokio::test]
async fn sixteen_clients_beside_each_other_each_get_their_own() {
    let sim = simulator().await;
    let cache = Cachewright::new();
    let proxy = proxy(&cache, upstream(&sim.base_url())).await;
    let url = format!("{}/v1/messages", proxy.base_url());
    let calls = (0..16_u32).map(|number| {
        let protocol = if number % 2 == 0 {
            Protocol::Http1
        } else {
            Protocol::Http2
        };
        let url = url.clone();
        tokio::spawn(async move {
            let mut request = post(&url, body().replace("1e2", "100"));
            let headers: &mut HeaderMap = request.headers_mut();
            headers.insert("x-sim-output-tokens", (number + 1).into());
            let response = client(protocol).request(request).await.unwrap();
            let answer: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
            assert_eq!(answer["usage"]["output_tokens"], number + 1);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        soon(call).await.unwrap();
    }
    let client = client(Protocol::Http1);
    let later = client.request(post(&url, body().replace("1e2", "100")));
    text(later.await.unwrap()).await;
    let records = records(&cache, 17).await;
    assert!(records.iter().all(|record| record.complete));
    let read = |record: &cachewright::ledger::Record| record.usage.unwrap().read > Some(0);
    assert!(
        records.iter().any(read),
        "sixteen times the same prompt, and the seventeenth read nothing"
    );
}

#[tokio::test]
async fn a_loopback_serves_clients_that_take_a_base_url() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let cache = handle();
    // As SDKs spell it: the base URL's own path is theirs to add or not.
    let loopback = Loopback::spawn(&cache, &format!("{}/v1", origin.base))
        .await
        .unwrap();
    for path in ["/v1/messages", "/messages"] {
        let url = format!("{}{path}", loopback.base_url());
        let response = soon(client(Protocol::Http1).request(post(&url, body())))
            .await
            .unwrap();
        assert_eq!(text(response).await, MESSAGE);
        let received = origin.next().await;
        assert_eq!(received.path, "/v1/messages");
        assert!(received.body.len() > body().len());
    }
    assert_eq!(records(&cache, 2).await.len(), 2);
    soon(loopback.stop(Duration::ZERO)).await;
}

#[tokio::test]
async fn what_was_added_and_refused_is_taken_back() {
    let refuse = std::sync::atomic::AtomicBool::new(true);
    let mut origin = Origin::start(Protocol::Http1, move || {
        match refuse.swap(false, std::sync::atomic::Ordering::SeqCst) {
            true => json(400, "{}"),
            false => json(200, MESSAGE),
        }
    })
    .await;
    let proxy = proxy(&Cachewright::new(), upstream(&origin.base)).await;
    let url = format!("{}/v1/messages", proxy.base_url());
    let response = soon(client(Protocol::Http1).request(post(&url, body())))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert!(origin.next().await.body.len() > body().len());
    assert_eq!(origin.next().await.body, body());
}

async fn simulator() -> SimHandle {
    let address = "127.0.0.1:0".parse().unwrap();
    SimServer::new(SimOptions::default())
        .bind(address)
        .await
        .unwrap()
}
