//! The future: collects the request's body, sends it, and hands out a watched response.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::request::Parts;
use http::{Request, Response};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{RequestBody, ResponseBody};
use crate::adapter::caller::Caller;
use crate::adapter::handle::Cachewright;
use crate::adapter::running::Running;
use crate::engine::End;
use crate::model::Skip;

pin_project! {
    /// The response future of [`PromptCache`](super::PromptCache).
    pub struct ResponseFuture<S, F, B> {
        #[pin]
        state: State<S, F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        /// The request's body is being collected.
        Collect { request: Option<Collecting<S, B>> },
        /// The request has been sent.
        Call { #[pin] sent: F, running: Option<Running> },
    }
}

/// A request whose body is being collected.
struct Collecting<S, B> {
    service: S,
    parts: Parts,
    body: Pin<Box<B>>,
    taken: Vec<Bytes>,
    read: (Cachewright, Caller),
}

impl<S, F, B> ResponseFuture<S, F, B> {
    pub(super) fn collecting(service: S, request: Request<B>, read: (Cachewright, Caller)) -> Self {
        let (parts, body) = request.into_parts();
        let request = Some(Collecting {
            service,
            parts,
            body: Box::pin(body),
            taken: Vec::new(),
            read,
        });
        Self {
            state: State::Collect { request },
        }
    }

    pub(super) const fn sent(sent: F, running: Option<Running>) -> Self {
        Self {
            state: State::Call { sent, running },
        }
    }
}

impl<S, B, R> Future for ResponseFuture<S, S::Future, B>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes>,
    R: Body,
    R::Data: AsRef<[u8]>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Collect { request } => {
                    let Some(collecting) = request else {
                        // Only reachable when the inner service panicked in `call` and the future
                        // is polled once more all the same.
                        return Poll::Pending;
                    };
                    let outcome = ready!(collecting.poll(cx));
                    if let Some(collecting) = request.take() {
                        let (sent, running) = collecting.send(outcome);
                        state.set(State::Call { sent, running });
                    }
                }
                StateProj::Call { sent, running } => {
                    let result = ready!(sent.poll(cx));
                    return Poll::Ready(answered(result, running.take()));
                }
            }
        }
    }
}

/// How the collection of a body came out.
enum Outcome<E> {
    Whole,
    /// More than the limit, whatever its size hint had said.
    TooLarge,
    /// Trailers or an error: the frame is passed on after those that were taken.
    Odd(Result<Frame<Bytes>, E>),
}

impl<S, B: Body<Data = Bytes>> Collecting<S, B> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<B::Error>> {
        let limit = self.read.0.max_body();
        while !self.body.is_end_stream() {
            let data = match ready!(self.body.as_mut().poll_frame(cx)) {
                None => break,
                Some(Err(error)) => return Poll::Ready(Outcome::Odd(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(trailers) => return Poll::Ready(Outcome::Odd(Ok(trailers))),
                },
            };
            self.taken.push(data);
            if self.taken.iter().map(Bytes::len).sum::<usize>() > limit {
                return Poll::Ready(Outcome::TooLarge);
            }
        }
        Poll::Ready(Outcome::Whole)
    }

    fn send(mut self, outcome: Outcome<B::Error>) -> (S::Future, Option<Running>)
    where
        S: Service<Request<RequestBody<B>>>,
    {
        let (cache, caller) = &self.read;
        let (body, running) = match outcome {
            Outcome::Whole => {
                let whole = joined(self.taken);
                let (rewritten, running) = cache.prepare(caller, &whole);
                if let Some(body) = &rewritten {
                    fix_length(&mut self.parts, body.len());
                }
                (RequestBody::whole(rewritten.unwrap_or(whole)), running)
            }
            Outcome::TooLarge => (
                RequestBody::replay(self.taken, None, self.body),
                cache.skipped(caller, Skip::TooLarge),
            ),
            Outcome::Odd(frame) => (
                RequestBody::replay(self.taken, Some(frame), self.body),
                cache.skipped(caller, Skip::NotBuffered),
            ),
        };
        let request = Request::from_parts(self.parts, body);
        (self.service.call(request), running)
    }
}

/// One buffer; a body of one frame is not copied.
fn joined(mut taken: Vec<Bytes>) -> Bytes {
    if taken.len() <= 1 {
        return taken.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(taken.iter().map(Bytes::len).sum());
    taken.iter().for_each(|part| whole.extend_from_slice(part));
    whole.freeze()
}

/// A stale length is silent corruption: HTTP/1 would cut the body and the server answer 200.
fn fix_length(parts: &mut Parts, length: usize) {
    if parts.headers.contains_key(CONTENT_LENGTH) {
        parts
            .headers
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Shows the head of the response to the exchange, or that there is none.
fn answered<R, E>(
    result: Result<Response<R>, E>,
    running: Option<Running>,
) -> Result<Response<ResponseBody<R>>, E>
where
    R: Body,
{
    let Some(mut running) = running else {
        return result.map(|response| response.map(ResponseBody::unwatched));
    };
    match result {
        Ok(response) => {
            running.on_response(response.status(), response.headers());
            Ok(response.map(|body| ResponseBody::watched(body, running)))
        }
        Err(error) => {
            running.finish(End::Failed);
            Err(error)
        }
    }
}

impl<S, F, B> fmt::Debug for ResponseFuture<S, F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Collect { .. } => "collecting",
            State::Call { .. } => "sent",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish()
    }
}
