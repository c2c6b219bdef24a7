//! What stands between the layer and the client: it signs for upstreams whose credentials are the
//! proxy's own. Everything else passes.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_util::client::legacy::{Error as ClientError, ResponseFuture};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::client::{Inward, Upward};
use crate::adapter::sign::Sign;
use crate::adapter::taken::Taken;
use crate::adapter::tower::RequestBody;
use crate::engine::Engine;

/// A request's events are signed one by one, by whoever sends them.
const EVENTS: &[u8] = b"application/vnd.amazon.eventstream";

/// The signer of one request, as a request extension.
#[derive(Clone, Debug)]
pub(super) struct SignedBy(pub(super) Arc<dyn Sign>);

/// The client, with the signers before it.
#[derive(Clone)]
pub(super) struct Signing {
    client: Upward,
    /// Lends buffers, and says how long a body may be that is collected for its digest.
    engine: Engine,
}

impl Signing {
    pub(super) const fn new(client: Upward, engine: Engine) -> Self {
        Self { client, engine }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    Client(ClientError),
    /// The client's body broke off before it could be signed.
    Body,
    TooLarge(usize),
    EventsIn,
    /// There are no credentials; what to do about it.
    Unsigned(String),
}

impl Service<Request<RequestBody<Inward>>> for Signing {
    type Response = Response<Incoming>;
    type Error = Failed;
    type Future = Sent;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.client.poll_ready(cx).map_err(Failed::Client)
    }

    fn call(&mut self, mut request: Request<RequestBody<Inward>>) -> Sent {
        let Some(SignedBy(signer)) = request.extensions_mut().remove() else {
            let sent = self.client.call(request);
            return Sent::Plain { sent };
        };
        let this = self.clone();
        Sent::Signed {
            sent: Box::pin(async move { this.send(&*signer, request).await }),
        }
    }
}

impl Signing {
    async fn send(
        mut self,
        signer: &dyn Sign,
        request: Request<RequestBody<Inward>>,
    ) -> Result<Response<Incoming>, Failed> {
        let (mut parts, body) = request.into_parts();
        let kind = parts.headers.get(CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes() == EVENTS) {
            return Err(Failed::EventsIn);
        }
        let body = collected(body, &self.engine).await?;
        let signed = signer.sign(&mut parts, &body).await;
        signed.map_err(Failed::Unsigned)?;
        let request = Request::from_parts(parts, RequestBody::from(body));
        self.client.call(request).await.map_err(Failed::Client)
    }
}

/// The whole body: a signature covers its digest, and Bedrock takes none without it.
async fn collected(mut body: RequestBody<Inward>, engine: &Engine) -> Result<Bytes, Failed> {
    let limit = engine.settings().max_body;
    let mut taken = Taken::new(engine);
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        // AWS takes no trailers.
        if let Ok(data) = frame.map_err(|_| Failed::Body)?.into_data() {
            taken.push(data, 0);
        }
        if taken.len() > limit {
            return Err(Failed::TooLarge(limit));
        }
    }
    Ok(taken.into_bytes())
}

pin_project! {
    /// A request under way.
    #[project = SentProj]
    pub(super) enum Sent {
        Plain { #[pin] sent: ResponseFuture },
        Signed { sent: Pin<Box<dyn Future<Output = Result<Response<Incoming>, Failed>> + Send>> },
    }
}

impl Future for Sent {
    type Output = Result<Response<Incoming>, Failed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            SentProj::Plain { sent } => {
                let answered = ready!(sent.poll(cx));
                Poll::Ready(answered.map_err(Failed::Client))
            }
            SentProj::Signed { sent } => sent.as_mut().poll(cx),
        }
    }
}
