//! What stands between the layer and the client: it shows the credential of the backend, or signs,
//! and tells the attempt when its request may have left.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use super::Site;
use super::body::Whole;
use super::site::Unauthorized;
use crate::adapter::clock::{Clock as _, SystemClock};
use crate::adapter::handle::Attempted;
use crate::adapter::tower::RequestBody;

/// An error of a client, whichever.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What a [`Gateway`](super::Gateway) sends by: every service over `http::Request` whose bodies are
/// `Bytes`, such as hyper's clients. Implemented for all of them.
pub trait Carrier: Clone + Send + Sync + 'static {
    /// The body of its responses.
    type Reply: Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + 'static;

    /// Sends one request.
    fn carry(self, request: Request<RequestBody<Whole>>) -> Carried<Self::Reply>;
}

/// A request under way.
pub type Carried<R> = Pin<Box<dyn Future<Output = Result<Response<R>, BoxError>> + Send>>;

impl<S, R> Carrier for S
where
    S: Service<Request<RequestBody<Whole>>, Response = Response<R>>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError> + Send,
{
    type Reply = R;

    fn carry(mut self, request: Request<RequestBody<Whole>>) -> Carried<R> {
        Box::pin(async move {
            poll_fn(|cx| self.poll_ready(cx))
                .await
                .map_err(Into::into)?;
            self.call(request).await.map_err(Into::into)
        })
    }
}

/// The client, with the credentials before it.
#[derive(Clone, Debug)]
pub(super) struct Below<S>(pub(super) S);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Missed {
    /// There is no credential; what to do about it.
    Unauthorized(Unauthorized),
    /// The client's own error.
    Client(BoxError),
}

impl<S: Carrier> Service<Request<RequestBody<Whole>>> for Below<S> {
    type Response = Response<S::Reply>;
    type Error = Missed;
    type Future = Pin<Box<dyn Future<Output = Result<Response<S::Reply>, Missed>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Missed>> {
        // Every call takes a clone of its own and waits for it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<RequestBody<Whole>>) -> Self::Future {
        let carrier = self.0.clone();
        let Some(site) = request.extensions_mut().remove::<Arc<Site>>() else {
            let carried = carrier.carry(request);
            return Box::pin(async move { carried.await.map_err(Missed::Client) });
        };
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let attempted: Option<Attempted> = parts.extensions.remove();
            let data = bytes_of(body).await;
            let shown = site.authorize(&mut parts, &data).await;
            shown.map_err(Missed::Unauthorized)?;
            let body = RequestBody::untouched(Whole::telling(data, attempted));
            let sent = SystemClock.now();
            let carried = carrier.carry(Request::from_parts(parts, body)).await;
            if matches!(&carried, Ok(response) if response.status() == StatusCode::UNAUTHORIZED) {
                site.refused(sent).await;
            }
            carried.map_err(Missed::Client)
        })
    }
}

/// The bytes of a body that is at hand.
async fn bytes_of(mut body: RequestBody<Whole>) -> Bytes {
    let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
    let data = frame.and_then(|frame| {
        let Ok(frame) = frame;
        frame.into_data().ok()
    });
    data.unwrap_or_default()
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized(Unauthorized(help)) => f.write_str(help),
            Self::Client(error) => {
                let mut cause: &dyn StdError = &**error;
                while let Some(deeper) = cause.source() {
                    cause = deeper;
                }
                fmt::Display::fmt(cause, f)
            }
        }
    }
}
