//! A provider's stand-in on a real socket: hands over what it received, answers as it is told.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::handle::{Builder, Cachewright};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What arrived at the origin.
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn declared_length(&self) -> Option<usize> {
        let length = self.headers.get("content-length")?;
        Some(length.to_str().unwrap().parse().unwrap())
    }
}

/// A response's body as the origin sends it.
pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// The protocol the origin speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// A listening origin.
pub(crate) struct Origin {
    pub(crate) base: String,
    pub(crate) received: mpsc::UnboundedReceiver<Received>,
}

impl Origin {
    /// Listens on a free port of the loopback, and answers every request by `answer`.
    pub(crate) async fn start(
        protocol: Protocol,
        answer: impl Fn() -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (tell, received) = mpsc::unbounded_channel();
        let answer: Arc<dyn Fn() -> Answer + Send + Sync> = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (tell, answer) = (tell.clone(), Arc::clone(&answer));
                let service =
                    service_fn(move |request| receive(request, tell.clone(), Arc::clone(&answer)));
                let io = TokioIo::new(socket);
                match protocol {
                    Protocol::Http1 => {
                        let serving = hyper::server::conn::http1::Builder::new();
                        tokio::spawn(serving.serve_connection(io, service));
                    }
                    Protocol::Http2 => {
                        let serving =
                            hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        tokio::spawn(serving.serve_connection(io, service));
                    }
                }
            }
        });
        Self { base, received }
    }

    /// An origin that answers every request with a small message.
    pub(crate) async fn of_messages(protocol: Protocol) -> Self {
        Self::start(protocol, || json(200, MESSAGE)).await
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/v1/messages", self.base)
    }

    pub(crate) async fn next(&mut self) -> Received {
        self.received.recv().await.unwrap()
    }
}

async fn receive(
    request: Request<Incoming>,
    tell: mpsc::UnboundedSender<Received>,
    answer: Arc<dyn Fn() -> Answer + Send + Sync>,
) -> Result<Answer, Infallible> {
    let (parts, body) = request.into_parts();
    if let Ok(body) = body.collect().await {
        let received = Received {
            path: parts.uri.path().into(),
            headers: parts.headers,
            body: body.to_bytes(),
        };
        let _ = tell.send(received);
    }
    Ok(answer())
}

/// A response that is one JSON document.
pub(crate) fn json(status: u16, text: &'static str) -> Answer {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(body.map_err(|never| match never {}).boxed_unsync())
        .unwrap()
}

/// A message as the provider answers, with usage.
pub(crate) const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"cache_creation_input_tokens":20000,"cache_read_input_tokens":0,"output_tokens":2}}"#;

/// A handle that takes the loopback for the provider.
pub(crate) fn handle() -> Cachewright {
    builder().build().unwrap()
}

/// The same, to be configured further.
pub(crate) fn builder() -> Builder {
    Cachewright::builder().assume("anthropic")
}

/// What no log may show.
pub(crate) const SECRET: &str = "sk-ant-secret-key";

/// What the prompt says, and no log may show.
pub(crate) const PROMPT: &str = "the crown jewels";

/// A request that is long enough to be cached, spelled in an odd way.
pub(crate) fn body() -> String {
    let system = format!("{PROMPT} \\u00e9\\/ ").repeat(4000);
    format!(
        "{{ \"model\":\"claude-sonnet-4-5\" ,\n\"max_tokens\": 1e2,\"x_unknown\":[1.10,-0],\
         \"system\":\"{system}\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}} ]}}  "
    )
}

/// Bodies that must arrive byte for byte.
pub(crate) const ODD: [&str; 8] = [
    "",
    "not json",
    "[1,2 , 3]",
    "{\"messages\":[]",
    "{\"model\":\"m\",\"model\":\"n\",\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}",
    "{\"messages\": 7, \"n\": 12345678901234567890.10}",
    "\u{feff}{\"messages\":[]}",
    " { \"prompt\" : \"\\u00e9\\/\" , \"n\":1e3 }\r\n",
];
