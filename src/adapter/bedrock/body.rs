//! The body of an answer: every frame passes as it came, and is shown to the exchange.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_smithy_types::body::{Error, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::call::Call;
use crate::engine::End;

/// A body that answers one attempt of a call.
pub(super) struct Watched {
    inner: SdkBody,
    call: Call,
    attempt: u32,
}

impl Watched {
    pub(super) fn new(inner: SdkBody, call: Call, attempt: u32) -> Self {
        // The consumer of a body that has already ended need not poll it.
        if inner.is_end_stream() {
            call.on_end(attempt, End::Complete);
        }
        Self {
            inner,
            call,
            attempt,
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        match &frame {
            None => this.call.on_end(this.attempt, End::Complete),
            Some(Err(_)) => this.call.on_end(this.attempt, End::Failed),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.call.on_bytes(this.attempt, data);
                }
                // The consumer need not poll again after the last frame.
                if this.inner.is_end_stream() {
                    this.call.on_end(this.attempt, End::Complete);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.inner)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
