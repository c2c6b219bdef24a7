//! What the proxy sends: the upstream's body as it comes, or a few words of its own.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use serde_json::json;

use crate::adapter::gateway::{Answer, BoxError};
use crate::adapter::handle::{Cold, Prewarmed};
use crate::adapter::tower::ResponseBody;
use crate::model::Timestamp;

pin_project! {
    /// The body of a response.
    #[project = OutgoingProj]
    pub(super) enum Outgoing {
        /// The upstream's.
        Upstream { #[pin] body: ResponseBody<Incoming> },
        /// A route's.
        Route { #[pin] body: Answer<Incoming> },
        /// The proxy's own.
        Own { text: Option<Bytes> },
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project() {
            OutgoingProj::Upstream { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            OutgoingProj::Route { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            OutgoingProj::Own { text } => {
                Poll::Ready(text.take().map(|text| Ok(Frame::data(text))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Upstream { body } => body.is_end_stream(),
            Self::Route { body } => body.is_end_stream(),
            Self::Own { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Upstream { body } => body.size_hint(),
            Self::Route { body } => body.size_hint(),
            Self::Own { text } => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
        }
    }
}

/// A plain text.
pub(super) fn text(text: &'static str) -> Response<Outgoing> {
    own(
        StatusCode::OK,
        "text/plain",
        Bytes::from_static(text.as_bytes()),
    )
}

/// An error of the proxy, in a shape that the SDKs of all providers read.
pub(super) fn error(
    status: StatusCode,
    kind: &str,
    (message, upstream): (&str, Option<&str>),
) -> Response<Outgoing> {
    let message = format!("cachewright proxy: {message}");
    let mut error = json!({"type": kind, "message": message});
    if let (Some(name), Some(members)) = (upstream, error.as_object_mut()) {
        members.insert("upstream".into(), name.into());
    }
    // AWS's SDKs look for both outside, and show a message only with a code.
    let body = json!({"type": "error", "error": error, "code": kind, "message": message});
    own(status, "application/json", body.to_string().into())
}

/// What came of pre-warming.
pub(super) fn prewarmed(prewarmed: &Prewarmed) -> Response<Outgoing> {
    let status = match (prewarmed.cold, StatusCode::from_u16(prewarmed.status)) {
        (None, _) => StatusCode::OK,
        (Some(Cold::Unanswered), Ok(status)) if !status.is_success() => status,
        (Some(Cold::Unanswered), _) => StatusCode::BAD_GATEWAY,
        (Some(_), _) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let until = prewarmed.until.map(Timestamp::as_secs_f64);
    let body = json!({
        "warm": prewarmed.cold.is_none(),
        "why": prewarmed.cold.map(Cold::as_str),
        "status": prewarmed.status,
        "read_tokens": prewarmed.read,
        "written_tokens": prewarmed.written,
        "cost_usd": prewarmed.cost.map(|cost| cost.to_string()),
        // Seconds since the epoch.
        "warm_until": until,
    });
    own(status, "application/json", body.to_string().into())
}

fn own(status: StatusCode, kind: &'static str, text: Bytes) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::Own { text: Some(text) });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
