//! Amazon's event stream through a wrapped client and through the proxy: passed on frame by frame,
//! cut where it was cut, and accounted for as what it was.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::proxy::{Proxy, ProxyHandle, ProxyOptions, Upstream};
use cachewright::ledger::Record;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{mpsc, oneshot};
use tower::Service as _;

use crate::bedrock::event;
use crate::support::origin::{Origin, Protocol};

/// Only a fault of ours takes this long.
const FAULT: Duration = Duration::from_secs(20);

const PATH: &str = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream";

/// A body whose chunks are sent from outside; tells when it is dropped.
struct Held {
    chunks: mpsc::UnboundedReceiver<Result<Bytes, io::Error>>,
    _dropped: oneshot::Sender<()>,
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

/// Bedrock's stand-in, which says what the test tells it to, when it is told.
struct Stage {
    origin: Origin,
    chunks: mpsc::UnboundedSender<Result<Bytes, io::Error>>,
    dropped: oneshot::Receiver<()>,
    cache: Cachewright,
}

impl Stage {
    async fn set() -> Self {
        let (chunks, receiver) = mpsc::unbounded_channel();
        let (tell, dropped) = oneshot::channel();
        let bodies = Mutex::new(VecDeque::from([Held {
            chunks: receiver,
            _dropped: tell,
        }]));
        let origin = Origin::start(Protocol::Http1, move || {
            let body = bodies.lock().unwrap().pop_front().unwrap();
            Response::builder()
                .header("content-type", "application/vnd.amazon.eventstream")
                .body(body.boxed_unsync())
                .unwrap()
        })
        .await;
        let cache = Cachewright::builder().assume("bedrock").build().unwrap();
        Self {
            origin,
            chunks,
            dropped,
            cache,
        }
    }

    /// The body of the answer by one of the ways, and what must live as long.
    async fn ask(&mut self, way: Way) -> (Answer, Option<ProxyHandle>) {
        let (answer, proxy) = match way {
            Way::Layer => {
                let request = request(&format!("{}{PATH}", self.origin.base));
                let client = Client::builder(TokioExecutor::new()).build_http();
                let answer = self.cache.wrap(client).call(request).await.unwrap();
                (answer.into_body().boxed_unsync(), None)
            }
            Way::Proxy => {
                let mut options = ProxyOptions::default();
                options.listen.set_port(0);
                let upstream = Upstream::new("up", &self.origin.base).unwrap();
                options.upstreams = vec![upstream.provider("bedrock")];
                let proxy = Proxy::new(&self.cache, options).unwrap();
                let proxy = proxy.bind().await.unwrap();
                let request = request(&format!("{}{PATH}", proxy.base_url()));
                let client = Client::builder(TokioExecutor::new()).build_http();
                let answer = soon(client.request(request)).await.unwrap();
                (answer.into_body().boxed_unsync(), Some(proxy))
            }
        };
        let received = self.origin.next().await.body;
        assert!(received.windows(10).any(|part| part == b"cachePoint"));
        (answer, proxy)
    }

    fn say(&self, frame: &[u8]) {
        self.chunks.send(Ok(Bytes::copy_from_slice(frame))).unwrap();
    }

    /// The one record, once there is one: it is booked when a body is dropped.
    async fn record(&self) -> Record {
        soon(async {
            loop {
                if let Some(record) = self.cache.records().first() {
                    return record.clone();
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

type Answer = http_body_util::combinators::UnsyncBoxBody<Bytes, hyper::Error>;

#[derive(Clone, Copy, Debug)]
enum Way {
    Layer,
    Proxy,
}

const WAYS: [Way; 2] = [Way::Layer, Way::Proxy];

fn request(url: &str) -> Request<Full<Bytes>> {
    let system = "A rule that never changes. ".repeat(2000);
    let body = format!(
        r#"{{"system":[{{"text":"{system}"}}],"messages":[{{"role":"user","content":[{{"text":"hi"}}]}}]}}"#
    );
    Request::post(url)
        .header("content-type", "application/json")
        .header("authorization", "Bearer key")
        .body(Full::new(body.into()))
        .unwrap()
}

/// Waits for what must happen, and says so when it does not.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(FAULT, what).await.unwrap()
}

async fn next(answer: &mut Answer) -> Bytes {
    let frame = soon(answer.frame()).await.unwrap().unwrap();
    frame.into_data().unwrap()
}

fn frames() -> [Vec<u8>; 4] {
    [
        event("messageStart", r#"{"role":"assistant"}"#),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"text":"ok"}}"#,
        ),
        event("messageStop", r#"{"stopReason":"end_turn"}"#),
        event(
            "metadata",
            r#"{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":8005,"cacheReadInputTokens":0,"cacheWriteInputTokens":8000,"cacheDetails":[{"ttl":"5m","inputTokens":8000}]}}"#,
        ),
    ]
}

#[tokio::test]
async fn each_frame_arrives_before_the_next_is_sent() {
    for way in WAYS {
        let mut stage = Stage::set().await;
        let (mut answer, _proxy) = stage.ask(way).await;
        // Even half a frame waits for nothing.
        for frame in frames() {
            for half in frame.chunks(frame.len() / 2 + 1) {
                stage.say(half);
                assert_eq!(next(&mut answer).await, half, "{way:?}");
            }
        }
        let (closed, _) = mpsc::unbounded_channel();
        stage.chunks = closed;
        assert!(soon(answer.frame()).await.is_none(), "{way:?}");
        let record = stage.record().await;
        assert!(record.complete, "{way:?}");
        let usage = record.usage.unwrap();
        assert_eq!((usage.plain, usage.write_5m), (Some(3), Some(8000)));
        assert!(record.cost.is_some());
    }
}

#[tokio::test]
async fn a_cut_stream_is_cut_for_the_caller_and_booked_as_such() {
    for way in WAYS {
        let mut stage = Stage::set().await;
        let (mut answer, _proxy) = stage.ask(way).await;
        let [start, ..] = frames();
        stage.say(&start);
        assert_eq!(next(&mut answer).await, start);
        stage.chunks.send(Err(io::Error::other("cut"))).unwrap();
        assert!(soon(answer.frame()).await.unwrap().is_err(), "{way:?}");
        drop(answer);
        let record = stage.record().await;
        assert_eq!((record.complete, record.usage), (false, None), "{way:?}");
        assert_eq!((record.status, record.cost), (200, None));
    }
}

#[tokio::test]
async fn a_caller_who_leaves_is_felt_at_bedrock() {
    for way in WAYS {
        let mut stage = Stage::set().await;
        let (mut answer, _proxy) = stage.ask(way).await;
        let [start, ..] = frames();
        stage.say(&start);
        next(&mut answer).await;
        drop(answer);
        let _ = soon(&mut stage.dropped).await;
        assert!(!stage.record().await.complete, "{way:?}");
    }
}
