//! The two bodies: a request's that loses nothing, a response's that is watched as it passes.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::adapter::running::{Left, Running};
use crate::engine::End;

/// A request's body on its way to the inner service.
///
/// Either one buffer, or the caller's own body with whatever was already taken from it put back
/// in front.
pub struct RequestBody<B: Body> {
    ahead: VecDeque<Result<Frame<Bytes>, B::Error>>,
    ahead_len: u64,
    rest: Option<Pin<Box<B>>>,
    /// Set when the first frame is asked for: whoever asks has somewhere to send it.
    left: Option<Left>,
}

impl<B: Body> RequestBody<B> {
    /// The same body, which says when it may have left.
    pub(super) fn telling(mut self, left: Option<Left>) -> Self {
        self.left = left;
        self
    }

    pub(super) fn whole(data: Bytes) -> Self {
        let length = data.len() as u64;
        let frame = (length > 0).then(|| Ok(Frame::data(data)));
        Self {
            ahead: frame.into_iter().collect(),
            ahead_len: length,
            rest: None,
            left: None,
        }
    }

    pub(crate) fn untouched(body: B) -> Self {
        Self {
            ahead: VecDeque::new(),
            ahead_len: 0,
            rest: Some(Box::pin(body)),
            left: None,
        }
    }

    pub(crate) fn replay(
        taken: Bytes,
        last: Option<Result<Frame<Bytes>, B::Error>>,
        rest: Pin<Box<B>>,
    ) -> Self {
        let ahead_len = taken.len() as u64;
        let taken = (ahead_len > 0).then(|| Ok(Frame::data(taken)));
        Self {
            ahead: taken.into_iter().chain(last).collect(),
            ahead_len,
            rest: Some(rest),
            left: None,
        }
    }

    /// The same body once more, when it is one buffer: what a retry below this layer needs.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        if self.rest.is_some() {
            return None;
        }
        let data = self.ahead.iter().flatten().find_map(Frame::data_ref);
        let whole = Self::whole(data.cloned().unwrap_or_default());
        Some(whole.telling(self.left.clone()))
    }
}

impl<B: Body<Data = Bytes>> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if let Some(left) = this.left.take() {
            left.set();
        }
        if let Some(frame) = this.ahead.pop_front() {
            let data = frame.as_ref().ok().and_then(Frame::data_ref);
            this.ahead_len -= data.map_or(0, |data| data.len() as u64);
            return Poll::Ready(Some(frame));
        }
        match &mut this.rest {
            Some(rest) => rest.as_mut().poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let ended = self.rest.as_ref().is_none_or(|rest| rest.is_end_stream());
        self.ahead.is_empty() && ended
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map(|rest| rest.size_hint());
        let rest = rest.unwrap_or_else(|| SizeHint::with_exact(0));
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(self.ahead_len));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(self.ahead_len));
        }
        hint
    }
}

/// A body that is one buffer.
impl<B: Body> From<Bytes> for RequestBody<B> {
    fn from(data: Bytes) -> Self {
        Self::whole(data)
    }
}

impl<B: Body> Unpin for RequestBody<B> {}

impl<B: Body> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("buffered", &self.rest.is_none())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// A response's body: every frame passes as it came, and is shown to the exchange.
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        running: Option<Running>,
    }
}

impl<B> ResponseBody<B> {
    pub(crate) const fn unwatched(inner: B) -> Self {
        Self {
            inner,
            running: None,
        }
    }

    pub(crate) fn watched(inner: B, mut running: Running) -> Self
    where
        B: Body,
    {
        // The consumer of a body that has already ended need not poll it.
        if inner.is_end_stream() {
            running.finish(End::Complete);
        }
        Self {
            inner,
            running: Some(running),
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Data: AsRef<[u8]>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        if let Some(running) = this.running {
            match &frame {
                None => running.finish(End::Complete),
                Some(Err(_)) => running.finish(End::Failed),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        running.on_bytes(data.as_ref());
                    }
                    // The consumer need not poll again after the last frame.
                    if this.inner.is_end_stream() {
                        running.finish(End::Complete);
                    }
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("watched", &self.running.is_some())
            .finish_non_exhaustive()
    }
}
