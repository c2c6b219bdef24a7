//! The two bodies: a request's in one buffer, and an answer's, taken out of its envelope.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::events::Events;
use super::trial::Trial;
use crate::adapter::handle::Attempted;
use crate::adapter::tower::ResponseBody;
use crate::route::{Billed, Failure, FailureKind};

/// A request's body in one buffer: every attempt has its bytes at hand.
#[derive(Default)]
pub struct Whole {
    data: Option<Bytes>,
    /// Learns that the body was asked for, and so that there is a connection to send it on.
    attempted: Option<Attempted>,
}

impl Whole {
    /// These bytes, which say so when they may have left.
    pub(super) fn telling(data: Bytes, attempted: Option<Attempted>) -> Self {
        Self {
            attempted,
            ..Self::from(data)
        }
    }
}

impl From<Bytes> for Whole {
    fn from(data: Bytes) -> Self {
        Self {
            data: Some(data).filter(|data| !data.is_empty()),
            attempted: None,
        }
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(attempted) = self.attempted.take() {
            attempted.reach();
        }
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The prompt stays out.
        f.debug_struct("Whole").finish_non_exhaustive()
    }
}

/// Why an answer that had begun broke off.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Cut<E> {
    /// The backend broke it off.
    Broken(E),
    /// The backend fell silent for longer than the route waits.
    Silent(Duration),
}

impl<E: fmt::Display> fmt::Display for Cut<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) => write!(f, "the answer broke off: {error}"),
            Self::Silent(time) => write!(f, "the answer fell silent for {time:?}"),
        }
    }
}

impl<E: StdError + 'static> StdError for Cut<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Broken(error) => Some(error),
            Self::Silent(_) => None,
        }
    }
}

/// An answer's body: the backend's, in the caller's dialect, or a few words of the gateway's own.
pub struct Answer<R> {
    kind: Kind<R>,
}

enum Kind<R> {
    Own(Option<Bytes>),
    Passed(Box<Passed<R>>),
}

/// What a backend sends.
pub(super) struct Passed<R> {
    pub(super) inner: Pin<Box<ResponseBody<R>>>,
    /// What was taken from it already, in the caller's dialect.
    pub(super) ahead: VecDeque<Bytes>,
    /// Takes events out of their envelope; `None` for documents.
    pub(super) events: Option<Events>,
    /// How long it may be silent; `None` for as long as it likes.
    pub(super) between: Option<Duration>,
    /// Whom to tell if it breaks off.
    pub(super) trial: Option<Trial>,
    pub(super) ended: bool,
    silence: Option<Pin<Box<Sleep>>>,
}

impl<R> Passed<R> {
    pub(super) fn new(inner: Pin<Box<ResponseBody<R>>>) -> Self {
        Self {
            inner,
            ahead: VecDeque::new(),
            events: None,
            between: None,
            trial: None,
            silence: None,
            ended: false,
        }
    }
}

impl<R> Answer<R> {
    /// A few words of the gateway's own.
    pub(super) const fn own(text: Bytes) -> Self {
        Self {
            kind: Kind::Own(Some(text)),
        }
    }

    pub(super) fn passed(passed: Passed<R>) -> Self {
        Self {
            kind: Kind::Passed(Box::new(passed)),
        }
    }
}

impl<R: Body<Data = Bytes>> Body for Answer<R> {
    type Data = Bytes;
    type Error = Cut<R::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.kind {
            Kind::Own(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Kind::Passed(passed) => passed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Own(text) => text.is_none(),
            Kind::Passed(passed) => {
                let over = passed.events.is_none() && passed.inner.is_end_stream();
                passed.ahead.is_empty() && (passed.ended || over)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Own(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            // What comes out of an envelope, or is told of a cut, has another length.
            Kind::Passed(passed) if passed.events.is_some() => SizeHint::new(),
            Kind::Passed(passed) => {
                let ahead = passed.ahead.iter().map(|data| data.len() as u64).sum();
                if passed.ended {
                    return SizeHint::with_exact(ahead);
                }
                let rest = passed.inner.size_hint();
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(ahead));
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper.saturating_add(ahead));
                }
                hint
            }
        }
    }
}

type Polled<E> = Poll<Option<Result<Frame<Bytes>, Cut<E>>>>;

impl<R: Body<Data = Bytes>> Passed<R> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled<R::Error> {
        loop {
            if let Some(data) = self.ahead.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let frame = match ready!(self.poll_inner(cx)) {
                None => return self.end(None),
                Some(Err(cut)) => return self.end(Some(cut)),
                Some(Ok(frame)) => frame,
            };
            let Some(events) = &mut self.events else {
                return Poll::Ready(Some(Ok(frame)));
            };
            match frame.into_data() {
                Ok(data) => {
                    let whole = events.feed(&data);
                    let is_failed = events.is_failed();
                    self.ahead.extend(whole);
                    if is_failed {
                        self.tell();
                    }
                }
                // Trailers end the message: nothing is held back before them.
                Err(trailers) => {
                    self.ahead.extend(events.end());
                    match self.ahead.pop_front() {
                        // Events have no trailers that anybody reads.
                        Some(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                        None => return Poll::Ready(Some(Ok(trailers))),
                    }
                }
            }
        }
    }

    /// The next frame, or the end of patience.
    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Polled<R::Error> {
        if let Poll::Ready(frame) = self.inner.as_mut().poll_frame(cx) {
            self.silence = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Cut::Broken)));
        }
        let Some(between) = self.between else {
            return Poll::Pending;
        };
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(between)));
        ready!(silence.as_mut().poll(cx));
        Poll::Ready(Some(Err(Cut::Silent(between))))
    }

    /// The answer is over, or broke off: of a stream, the caller learns that by one event.
    fn end(&mut self, cut: Option<Cut<R::Error>>) -> Polled<R::Error> {
        self.ended = true;
        let Some(events) = &mut self.events else {
            if cut.is_some() {
                self.tell();
            }
            return Poll::Ready(cut.map(Err));
        };
        let last = events.end();
        let is_whole = events.is_over() || (cut.is_none() && !events.is_begun());
        self.ahead.extend(last.filter(|_| is_whole));
        if !is_whole {
            let what = match cut {
                Some(Cut::Silent(time)) => format!("fell silent for {time:?}"),
                Some(Cut::Broken(_)) | None => "broke off".to_owned(),
            };
            self.ahead.extend(events.cut(&what));
            self.tell();
        }
        Poll::Ready(self.ahead.pop_front().map(|data| Ok(Frame::data(data))))
    }

    /// The backend learns that it failed, and the exchange ends here.
    fn tell(&mut self) {
        if let Some(trial) = self.trial.take() {
            let kind = FailureKind::Reset;
            trial.failed(&Failure::without_answer(kind, Billed::Perhaps));
        }
    }
}

impl<R> fmt::Debug for Answer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = matches!(self.kind, Kind::Passed(_));
        f.debug_struct("Answer")
            .field("passed", &passed)
            .finish_non_exhaustive()
    }
}
