//! The future: collects the request's body, sends it, and hands out a watched response.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{RequestBody, ResponseBody};
use crate::adapter::caller::Caller;
use crate::adapter::errands::{Desk, Job};
use crate::adapter::fanout::Boarding;
use crate::adapter::handle::{Cachewright, Rewrite};
use crate::adapter::keep::Original;
use crate::adapter::running::Running;
use crate::adapter::taken::Taken;
use crate::engine::{End, Order};
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
        /// The request is whole, and may be held for another that writes its prefix.
        Board { request: Option<Collecting<S, B>>, boarding: Boarding },
        /// The request has been sent.
        Call { #[pin] sent: F, running: Option<Running>, own: Option<Own<S>> },
        /// What was added was refused: the caller's own request is sent once the service is ready.
        Again { own: Option<Own<S>>, running: Option<Running> },
    }
}

/// The caller's own request, kept while something else is sent in its place.
struct Own<S> {
    service: S,
    parts: Parts,
    body: Bytes,
}

/// A request whose body is being collected.
struct Collecting<S, B> {
    service: S,
    parts: Parts,
    body: Pin<Box<B>>,
    taken: Taken,
    read: Reader,
}

/// Who reads a body, and for whom.
pub(super) struct Reader {
    pub(super) cache: Cachewright,
    pub(super) caller: Caller,
    pub(super) desk: Desk,
}

impl<S, F, B> ResponseFuture<S, F, B> {
    pub(super) fn collecting(service: S, request: Request<B>, read: Reader) -> Self {
        let (parts, body) = request.into_parts();
        let request = Some(Collecting {
            service,
            parts,
            body: Box::pin(body),
            taken: Taken::new(read.cache.engine()),
            read,
        });
        Self {
            state: State::Collect { request },
        }
    }

    pub(super) const fn sent(sent: F, running: Option<Running>) -> Self {
        Self {
            state: State::Call {
                sent,
                running,
                own: None,
            },
        }
    }
}

impl<S, B, R> Future for ResponseFuture<S, S::Future, B>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
    B: Body<Data = Bytes>,
    R: Body,
    R::Data: AsRef<[u8]>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    #[expect(clippy::too_many_lines, reason = "one arm for each state")]
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
                    if let Some(mut collecting) = request.take() {
                        state.set(match outcome {
                            Outcome::Whole => {
                                let boarding = Boarding::new(collecting.taken.take());
                                let request = Some(collecting);
                                State::Board { request, boarding }
                            }
                            Outcome::Odd(_) | Outcome::TooLarge => {
                                let (sent, running) = collecting.skip(outcome);
                                let own = None;
                                State::Call { sent, running, own }
                            }
                        });
                    }
                }
                StateProj::Board { request, boarding } => {
                    let Some(collecting) = request else {
                        // As above.
                        return Poll::Pending;
                    };
                    let Reader { cache, caller, .. } = &collecting.read;
                    let rewrite = ready!(boarding.poll((cache, caller), cx));
                    let whole = boarding.body.clone();
                    if let Some(collecting) = request.take() {
                        let (sent, running, own) = collecting.send(whole, rewrite);
                        state.set(State::Call { sent, running, own });
                    }
                }
                StateProj::Call { sent, running, own } => {
                    let result = ready!(sent.poll(cx));
                    match answered(result, running.take(), own.as_ref()) {
                        Answer::Final(result) => return Poll::Ready(result),
                        Answer::Refused(running) => {
                            let (own, running) = (own.take(), Some(running));
                            state.set(State::Again { own, running });
                        }
                    }
                }
                StateProj::Again { own, running } => {
                    let Some(waiting) = own else {
                        // As above.
                        return Poll::Pending;
                    };
                    if let Err(error) = ready!(waiting.service.poll_ready(cx)) {
                        if let Some(running) = running {
                            running.finish(End::Failed);
                        }
                        return Poll::Ready(Err(error));
                    }
                    if let Some(Own {
                        mut service,
                        parts,
                        body,
                    }) = own.take()
                    {
                        let running = running.take();
                        let left = running.as_ref().and_then(Running::left);
                        let body = RequestBody::whole(body).telling(left);
                        let request = Request::from_parts(parts, body);
                        let sent = service.call(request);
                        state.set(State::Call {
                            sent,
                            running,
                            own: None,
                        });
                    }
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
        let limit = self.read.cache.max_body();
        while !self.body.is_end_stream() {
            let data = match ready!(self.body.as_mut().poll_frame(cx)) {
                None => break,
                Some(Err(error)) => return Poll::Ready(Outcome::Odd(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(trailers) => return Poll::Ready(Outcome::Odd(Ok(trailers))),
                },
            };
            let rest = self.body.size_hint().upper().unwrap_or(0);
            let rest = usize::try_from(rest).unwrap_or(limit).min(limit);
            self.taken.push(data, rest);
            if self.taken.len() > limit {
                return Poll::Ready(Outcome::TooLarge);
            }
        }
        Poll::Ready(Outcome::Whole)
    }

    /// Sends what was planned.
    fn send(
        mut self,
        whole: Bytes,
        mut rewrite: Rewrite,
    ) -> (S::Future, Option<Running>, Option<Own<S>>)
    where
        S: Service<Request<RequestBody<B>>> + Clone,
    {
        let Reader {
            cache,
            caller,
            desk,
        } = &self.read;
        if let Some(errand) = rewrite.errand.take() {
            desk.ask(Job::new(errand, caller.clone(), self.parts.clone()));
        }
        let own = rewrite.body.is_some().then(|| Own {
            service: self.service.clone(),
            parts: self.parts.clone(),
            body: whole.clone(),
        });
        rewrite.fix(&mut self.parts.headers);
        let body = rewrite.body.unwrap_or(whole);
        let sent = || Some((self.parts.clone(), body.clone()));
        let original = Original::wanted(cache, desk, caller, sent);
        let running = rewrite.running.map(|one| one.repeatable(original));
        let body = RequestBody::whole(body);
        let left = running.as_ref().and_then(Running::left);
        let request = Request::from_parts(self.parts, body.telling(left));
        (self.service.call(request), running, own)
    }

    /// Sends on what could not be collected.
    fn skip(mut self, outcome: Outcome<B::Error>) -> (S::Future, Option<Running>)
    where
        S: Service<Request<RequestBody<B>>>,
    {
        let Reader { cache, caller, .. } = &self.read;
        let (last, why) = match outcome {
            Outcome::Odd(frame) => (Some(frame), Skip::NotBuffered),
            Outcome::TooLarge | Outcome::Whole => (None, Skip::TooLarge),
        };
        let running = cache.skipped(caller, why);
        let body = RequestBody::replay(self.taken.into_bytes(), last, self.body);
        let left = running.as_ref().and_then(Running::left);
        let request = Request::from_parts(self.parts, body.telling(left));
        (self.service.call(request), running)
    }
}

/// What becomes of an answer.
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack for a moment, once per response"
)]
enum Answer<T, E> {
    Final(Result<T, E>),
    Refused(Running),
}

/// Shows the head of the response to the exchange, or that there is none.
fn answered<S, R, E>(
    result: Result<Response<R>, E>,
    running: Option<Running>,
    own: Option<&Own<S>>,
) -> Answer<Response<ResponseBody<R>>, E>
where
    R: Body,
{
    let Some(mut running) = running else {
        return Answer::Final(result.map(|response| response.map(ResponseBody::unwatched)));
    };
    Answer::Final(match result {
        Ok(response) => {
            let order = running.on_response(response.status(), response.headers());
            if order == Order::Resend && own.is_some() {
                return Answer::Refused(running);
            }
            Ok(response.map(|body| ResponseBody::watched(body, running)))
        }
        Err(error) => {
            running.finish(End::Failed);
            Err(error)
        }
    })
}

impl<S, F, B> fmt::Debug for ResponseFuture<S, F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Collect { .. } => "collecting",
            State::Board { .. } => "boarding",
            State::Call { .. } => "sent",
            State::Again { .. } => "sending again",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish()
    }
}
