//! The layer over any `http` client: on real sockets, and around services that misbehave.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::VecDeque;
use std::future::{Ready, pending, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use cachewright::adapter::handle::{Route, Tenant};
use cachewright::adapter::tower::RequestBody;
use cachewright::model::Skip;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::mpsc;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::origin::{
    Answer, MESSAGE, ODD, Origin, PROMPT, Protocol, SECRET, body, builder, handle, json,
};

const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

type Hyper = Client<HttpConnector, RequestBody<Full<Bytes>>>;

fn client(protocol: Protocol) -> Hyper {
    Client::builder(TokioExecutor::new())
        .http2_only(protocol == Protocol::Http2)
        .build_http()
}

fn post<B>(url: &str, body: B) -> Request<B> {
    Request::post(url)
        .header("content-type", "application/json")
        .header("x-api-key", SECRET)
        .body(body)
        .unwrap()
}

fn full(text: impl Into<Bytes>) -> Full<Bytes> {
    Full::new(text.into())
}

#[tokio::test]
async fn odd_bodies_arrive_byte_for_byte() {
    for protocol in PROTOCOLS {
        let mut origin = Origin::of_messages(protocol).await;
        let cache = handle();
        let mut service = cache.wrap(client(protocol));
        for odd in ODD {
            let response = service.call(post(&origin.url(), full(odd))).await.unwrap();
            let answer = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(answer, MESSAGE);
            assert_eq!(origin.next().await.body, odd, "{protocol:?}");
        }
        let records = cache.records();
        assert_eq!(records.len(), ODD.len());
        assert!(records.iter().all(|record| record.skip.is_some()));
    }
}

#[tokio::test]
async fn a_rewritten_body_has_the_length_it_declares() {
    let text = body();
    for protocol in PROTOCOLS {
        for declared in [None, Some(text.len())] {
            let mut origin = Origin::of_messages(protocol).await;
            let mut service = handle().wrap(client(protocol));
            let mut request = post(&origin.url(), full(text.clone()));
            if let Some(length) = declared {
                request
                    .headers_mut()
                    .insert("content-length", length.into());
            }
            let response = service.call(request).await.unwrap();
            assert_eq!(response.status(), 200);
            let received = origin.next().await;
            assert!(received.body.len() > text.len(), "{protocol:?}");
            let sent = str::from_utf8(&received.body).unwrap();
            assert!(sent.contains("cache_control") && sent.ends_with("]}  "));
            let length = received.declared_length();
            assert_eq!(
                length,
                Some(received.body.len()),
                "{protocol:?} {declared:?}"
            );
        }
    }
}

#[tokio::test]
async fn observing_changes_no_byte() {
    let text = body();
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let cache = builder()
        .mode(cachewright::model::Mode::Observe)
        .build()
        .unwrap();
    let mut service = cache.wrap(client(Protocol::Http1));
    service
        .call(post(&origin.url(), full(text.clone())))
        .await
        .unwrap();
    assert_eq!(origin.next().await.body, text);
    assert_eq!(cache.totals().exchanges, 1);
}

/// An origin whose response consists of what the returned sender is given.
async fn streaming(
    protocol: Protocol,
) -> (Origin, mpsc::UnboundedSender<Result<Bytes, io::Error>>) {
    let (send, chunks) = mpsc::unbounded_channel();
    let chunks = Mutex::new(Some(chunks));
    let origin = Origin::start(protocol, move || {
        let chunks = chunks.lock().unwrap().take();
        let frames = futures_util::stream::unfold(chunks, |chunks| async {
            let mut chunks = chunks?;
            let chunk: Result<Bytes, io::Error> = chunks.recv().await?;
            Some((chunk.map(Frame::data), Some(chunks)))
        });
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(StreamBody::new(frames).boxed_unsync())
            .unwrap()
    });
    (origin.await, send)
}

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5\",\"usage\":{\"input_tokens\":3,\"cache_creation_input_tokens\":5,\"cache_read_input_tokens\":7,\"output_tokens\":1}}}\n\n";
const DELTA: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\n";
const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[tokio::test]
async fn a_stream_is_passed_on_chunk_by_chunk() {
    for protocol in PROTOCOLS {
        let (origin, send) = streaming(protocol).await;
        let cache = handle();
        let mut service = cache.wrap(client(protocol));
        let response = service
            .call(post(&origin.url(), full(body())))
            .await
            .unwrap();
        let mut answer = response.into_body();
        for chunk in [START, DELTA, STOP] {
            // The next chunk is not sent before this one has been seen.
            send.send(Ok(Bytes::from(chunk))).unwrap();
            let frame = answer.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), chunk);
        }
        drop(send);
        // HTTP/2 may end a stream by an empty frame.
        assert_eq!((&mut answer).collect().await.unwrap().to_bytes(), "");
        let records = cache.records();
        assert_eq!(records.len(), 1);
        assert!(records[0].complete);
        let usage = records[0].usage.unwrap();
        assert_eq!((usage.read, usage.output), (Some(7), Some(9)));
        drop(answer);
        assert_eq!(cache.records().len(), 1);
    }
}

#[tokio::test]
async fn a_caller_who_stops_reading_leaves_one_partial_record() {
    let (origin, send) = streaming(Protocol::Http1).await;
    let cache = handle();
    let mut service = cache.wrap(client(Protocol::Http1));
    let response = service
        .call(post(&origin.url(), full(body())))
        .await
        .unwrap();
    let mut answer = response.into_body();
    send.send(Ok(Bytes::from(START))).unwrap();
    answer.frame().await.unwrap().unwrap();
    assert_eq!(cache.records().len(), 0);
    drop(answer);
    let records = cache.records();
    assert_eq!(records.len(), 1);
    assert!(!records[0].complete);
    assert_eq!(records[0].usage.unwrap().read, Some(7));
}

#[tokio::test]
async fn a_response_that_breaks_leaves_one_record_and_its_own_error() {
    let (origin, send) = streaming(Protocol::Http1).await;
    let cache = handle();
    let mut service = cache.wrap(client(Protocol::Http1));
    let response = service
        .call(post(&origin.url(), full(body())))
        .await
        .unwrap();
    let mut answer = response.into_body();
    send.send(Ok(Bytes::from(START))).unwrap();
    answer.frame().await.unwrap().unwrap();
    send.send(Err(io::Error::other("cut"))).unwrap();
    let error: hyper::Error = answer.frame().await.unwrap().unwrap_err();
    assert!(error.is_incomplete_message() || error.is_body_write_aborted() || !error.is_user());
    drop(answer);
    let records = cache.records();
    assert_eq!(records.len(), 1);
    assert!(!records[0].complete);
}

#[tokio::test]
async fn a_call_dropped_before_its_response_leaves_one_record() {
    let cache = handle();
    let inner =
        service_fn(|_: Request<RequestBody<Full<Bytes>>>| pending::<Result<Answer, io::Error>>());
    let mut call = cache
        .wrap(inner)
        .oneshot(post("http://x/v1/messages", full(body())));
    let waiting = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut call).poll(cx)));
    assert!(waiting.await.is_pending());
    assert_eq!(cache.records().len(), 0);
    drop(call);
    let records = cache.records();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].status, records[0].complete), (0, false));
}

#[tokio::test]
async fn a_failed_call_leaves_one_record_and_its_own_error() {
    let cache = handle();
    let inner =
        service_fn(|_: Request<RequestBody<Full<Bytes>>>| ready(Err::<Answer, _>(Custom(7))));
    let call = cache
        .wrap(inner)
        .oneshot(post("http://x/v1/messages", full(body())));
    let Err(Custom(number)) = call.await else {
        panic!("the inner service failed");
    };
    assert_eq!(number, 7);
    let records = cache.records();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].status, 0);
}

#[derive(Debug, PartialEq, Eq)]
struct Custom(u8);

/// A request body of given frames that says what it likes about its size.
struct Script {
    frames: VecDeque<Result<Frame<Bytes>, Custom>>,
    claims: Option<u64>,
}

impl Body for Script {
    type Data = Bytes;
    type Error = Custom;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Custom>>> {
        Poll::Ready(self.frames.pop_front())
    }

    fn size_hint(&self) -> SizeHint {
        self.claims
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Everything a body yields, as text.
async fn drained(mut body: RequestBody<Script>) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        seen.push(match frame {
            Err(Custom(number)) => format!("error {number}"),
            Ok(frame) => match frame.into_data() {
                Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
                Err(_) => "trailers".into(),
            },
        });
    }
    seen
}

#[tokio::test]
async fn a_request_body_that_cannot_be_kept_is_replayed() {
    let data = |text: &'static str| Ok(Frame::data(Bytes::from(text)));
    let cases = [
        (
            vec![data("a"), data("b"), Err(Custom(3)), data("c")],
            Some(9),
            Skip::NotBuffered,
        ),
        (
            vec![data("a"), Ok(Frame::trailers(HeaderMap::new()))],
            Some(1),
            Skip::NotBuffered,
        ),
        (vec![data("a"), data("b")], None, Skip::NotBuffered),
        (vec![data("a"), data("b")], Some(11), Skip::TooLarge),
        // It lied about its size; found out on the way.
        (
            vec![data("abcdef"), data("ghijkl"), data("m")],
            Some(2),
            Skip::TooLarge,
        ),
    ];
    for (frames, claims, why) in cases {
        let expected = drained_plainly(&frames);
        let cache = builder().max_body(10).build().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&seen);
        let inner = service_fn(move |request: Request<RequestBody<Script>>| {
            let tell = Arc::clone(&tell);
            async move {
                let frames = drained(request.into_body()).await;
                *tell.lock().unwrap() = frames;
                Ok::<_, io::Error>(json(200, MESSAGE))
            }
        });
        let script = Script {
            frames: frames.into(),
            claims,
        };
        cache
            .wrap(inner)
            .oneshot(post("http://x/v1/messages", script))
            .await
            .unwrap();
        assert_eq!(together(&seen.lock().unwrap()), together(&expected));
        assert_eq!(cache.records()[0].skip, Some(why));
    }
}

/// Data without its borders, which mean nothing in a body.
fn together(frames: &[String]) -> Vec<String> {
    let is_data = |frame: &String| frame != "trailers" && !frame.starts_with("error");
    let runs = frames.chunk_by(|one, next| is_data(one) && is_data(next));
    runs.map(|run| run.concat()).collect()
}

fn drained_plainly(frames: &[Result<Frame<Bytes>, Custom>]) -> Vec<String> {
    let show = |frame: &Result<Frame<Bytes>, Custom>| match frame {
        Err(Custom(number)) => format!("error {number}"),
        Ok(frame) => frame.data_ref().map_or_else(
            || "trailers".into(),
            |data| String::from_utf8(data.to_vec()).unwrap(),
        ),
    };
    frames.iter().map(show).collect()
}

#[tokio::test]
async fn wrapping_twice_changes_and_counts_once() {
    let mut once = Origin::of_messages(Protocol::Http1).await;
    let mut twice = Origin::of_messages(Protocol::Http1).await;
    let (plain, outer, inner) = (handle(), handle(), handle());
    let text = body();
    let mut single = plain.wrap(client(Protocol::Http1));
    single
        .call(post(&once.url(), full(text.clone())))
        .await
        .unwrap();

    let sender = client(Protocol::Http1);
    let double = inner.layer().layer(service_fn(
        move |request: Request<RequestBody<RequestBody<Full<Bytes>>>>| {
            let sender = sender.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let request = Request::from_parts(parts, RequestBody::from(body));
                sender.request(request).await
            }
        },
    ));
    let mut double = outer.layer().layer(double);
    let response = double.call(post(&twice.url(), full(text))).await.unwrap();
    response.into_body().collect().await.unwrap();

    assert_eq!(once.next().await.body, twice.next().await.body);
    assert_eq!((outer.records().len(), inner.records().len()), (1, 0));
}

#[tokio::test]
async fn retries_outside_are_exchanges_of_their_own_and_spelled_alike() {
    let mut origin = Origin::start(Protocol::Http1, || json(529, r#"{"type":"error"}"#)).await;
    let cache = handle();
    let mut service = cache.wrap(client(Protocol::Http1));
    for _ in 0..3 {
        let response = service
            .call(post(&origin.url(), full(body())))
            .await
            .unwrap();
        assert_eq!(response.status(), 529);
        response.into_body().collect().await.unwrap();
    }
    let first = origin.next().await.body;
    assert_eq!(first, origin.next().await.body);
    assert_eq!(first, origin.next().await.body);
    let records = cache.records();
    assert_eq!(records.len(), 3);
    assert!(records.iter().all(|record| record.status == 529));
}

#[tokio::test]
async fn a_retry_inside_is_one_exchange() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let cache = handle();
    let sender = client(Protocol::Http1);
    let retrying = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
        let sender = sender.clone();
        async move {
            let (parts, body) = request.into_parts();
            let again = Request::from_parts(parts.clone(), body.try_clone().unwrap());
            sender.request(again).await?;
            sender.request(Request::from_parts(parts, body)).await
        }
    });
    let call = cache
        .wrap(retrying)
        .oneshot(post(&origin.url(), full(body())));
    call.await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(origin.next().await.body, origin.next().await.body);
    assert_eq!(cache.records().len(), 1);
}

#[tokio::test]
async fn labels_are_taken_off_and_kept_in_the_record() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let cache = builder().tenant("nobody").route("none").build().unwrap();
    let mut service = cache.wrap(client(Protocol::Http1));
    let mut by_header = post(&origin.url(), full(body()));
    by_header
        .headers_mut()
        .insert("x-cachewright-tenant", "t1".parse().unwrap());
    by_header
        .headers_mut()
        .insert("x-cachewright-route", "r1".parse().unwrap());
    by_header
        .headers_mut()
        .insert("x-cachewright-session", "s".parse().unwrap());
    let mut by_extension = post(&origin.url(), full(body()));
    by_extension.extensions_mut().insert(Tenant("t2".into()));
    by_extension.extensions_mut().insert(Route("r2".into()));
    let by_default = post(&origin.url(), full(body()));
    for request in [by_header, by_extension, by_default] {
        let response = service.call(request).await.unwrap();
        response.into_body().collect().await.unwrap();
        let received = origin.next().await;
        let mut names = received.headers.keys();
        assert!(names.all(|name| !name.as_str().contains("cachewright")));
    }
    let records = cache.records();
    let labels = records
        .iter()
        .map(|record| (&*record.tenant, &*record.route));
    let labels: Vec<_> = labels.collect();
    assert_eq!(labels, [("t1", "r1"), ("t2", "r2"), ("nobody", "none")]);
}

#[tokio::test]
async fn what_is_not_a_prompt_is_not_an_exchange() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let cache = handle();
    let mut service = cache.wrap(client(Protocol::Http1));
    let counting = post(&format!("{}/count_tokens", origin.url()), full(body()));
    let listing = Request::get(format!("{}/v1/models", origin.base))
        .body(full(""))
        .unwrap();
    for request in [counting, listing] {
        let sent = request.body().clone().collect().await.unwrap().to_bytes();
        let path = request.uri().path().to_owned();
        let response = service.call(request).await.unwrap();
        response.into_body().collect().await.unwrap();
        let received = origin.next().await;
        assert_eq!((received.path, received.body), (path, sent));
    }
    assert_eq!(cache.records().len(), 0);
    let elsewhere = post(&format!("{}/v1/elsewhere", origin.base), full(body()));
    service
        .call(elsewhere)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    assert_eq!(cache.records()[0].skip, Some(Skip::UnknownEndpoint));
}

/// A service that must be asked for readiness before each call, and whose clones are not ready.
struct Strict(bool);

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self(false)
    }
}

impl<B> Service<Request<B>> for Strict {
    type Response = Answer;
    type Error = io::Error;
    type Future = Ready<Result<Answer, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.0 = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.0), "called without being ready");
        ready(Ok(json(200, MESSAGE)))
    }
}

#[tokio::test]
async fn the_service_that_is_ready_is_the_one_called() {
    let mut service = handle().wrap(Strict(false));
    for text in [body(), "not json".into()] {
        let request = post("http://x/v1/messages", full(text));
        let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service);
        ready.await.unwrap().call(request).await.unwrap();
    }
}

#[tokio::test]
async fn a_panicking_callback_harms_nobody() {
    let cache = builder()
        .on_record(|_| panic!("user's fault"))
        .build()
        .unwrap();
    let call = cache
        .wrap(Strict(false))
        .oneshot(post("http://x/v1/messages", full(body())));
    let response = call.await.unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        MESSAGE
    );
    assert_eq!(cache.records().len(), 1);
}

#[tokio::test]
async fn nothing_shows_keys_or_prompts() {
    let cache = handle();
    let mut service = cache.wrap(Strict(true));
    let future = service.call(post("http://x/v1/messages", full(body())));
    let mut shown = format!("{service:?} {future:?} {cache:?}", service = cache.layer());
    let response = future.await.unwrap();
    shown += &format!("{:?}", response.body());
    response.into_body().collect().await.unwrap();
    shown += &format!("{:?} {}", cache.records(), cache.report());
    assert!(shown.contains("claude-sonnet-4.5"), "{shown}");
    assert!(!shown.contains(SECRET) && !shown.contains(PROMPT));
}
