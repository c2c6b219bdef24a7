//! Requests of this crate's own, sent by reqwest.

use std::future;
use std::time::Duration;

use ::reqwest::{Request, Response};
use bytes::{Bytes, BytesMut};
use tower_service::Service;

use crate::adapter::caller::framing;
use crate::adapter::errands::{Answer, LONGEST};

/// How long an errand may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The head of a request.
pub(super) fn head_of(request: &Request) -> Option<http::request::Parts> {
    let uri = http::Uri::try_from(request.url().as_str()).ok()?;
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.uri = uri;
    parts.version = request.version();
    parts.headers = request.headers().clone();
    Some(parts)
}

/// Sends an errand and reads what comes of it.
pub(in crate::adapter) async fn answer<S>(
    mut service: S,
    request: http::Request<Bytes>,
) -> Option<Answer>
where
    S: Service<Request, Response = Response>,
{
    let mut request = Request::try_from(request).ok()?;
    *request.timeout_mut() = Some(PATIENCE);
    future::poll_fn(|cx| service.poll_ready(cx)).await.ok()?;
    let mut response = service.call(request).await.ok()?;
    let status = response.status().as_u16();
    let framing = framing(response.headers());
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return None;
        }
    }
    Some(Answer {
        status,
        framing,
        body: body.freeze(),
    })
}
