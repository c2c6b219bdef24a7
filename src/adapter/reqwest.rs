//! The same layer over `reqwest::Client`: `reqwest::Request` in, `reqwest::Response` out.
//!
//! Types and errors stay reqwest's own, so a wrapped client is a drop-in. Headers that a client
//! adds by itself (`default_headers`) are not seen here: a key that is only there does not separate
//! accounts, so give such clients a tenant of their own.

mod asked;
mod sending;

use std::fmt;
use std::future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use ::reqwest::{Body, Client, Error, Request, RequestBuilder, Response, ResponseBuilderExt};
use bytes::Bytes;
use http_body::Body as _;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::caller::{Caller, Head, Passage, ROUTE, SESSION, TENANT, take_label};
use super::errands::{Desk, Job, drive};
use super::fanout::{Boarding, prewarm};
use super::handle::{Cachewright, Cold, Prewarmed, Rewrite};
use super::keep::Original;
use super::running::Running;
use super::tower::{PromptCache, ResponseBody};
use crate::engine::{End, Order};
use crate::model::Skip;
pub(super) use asked::answer;
use asked::head_of;
use sending::Sending;

impl PromptCache<Client> {
    /// Sends a request, as [`Client::execute`] does.
    ///
    /// # Errors
    /// The client's own.
    pub async fn execute(&self, request: Request) -> Result<Response, Error> {
        let mut client = self.clone();
        future::poll_fn(|cx| Service::<Request>::poll_ready(&mut client, cx)).await?;
        client.call(request).await
    }

    /// Builds and sends a request, as [`RequestBuilder::send`] does.
    ///
    /// The builder may come from any client; it is this one that sends the request.
    ///
    /// # Errors
    /// The builder's or the client's own.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        self.execute(request.build()?).await
    }
}

impl<S> PromptCache<S> {
    /// Writes what the calls of a planned fan-out share, once and before they are sent, by the wrapped
    /// client; see [`http_prewarm`](Self::http_prewarm). The request's body must be at hand as bytes.
    ///
    /// ```
    /// # use cachewright::adapter::{handle::Cachewright, tower::PromptCache};
    /// # async fn run(client: PromptCache<reqwest::Client>, calls: Vec<reqwest::Request>) {
    /// if let Some(first) = calls.first().and_then(|call| call.try_clone()) {
    ///     let warm = client.prewarm(first).await;
    ///     println!("{:?} tokens are warm until {:?}", warm.written, warm.until);
    /// }
    /// // … all calls at once …
    /// # }
    /// ```
    pub async fn prewarm(&self, mut request: Request) -> Prewarmed
    where
        S: Service<Request, Response = Response> + Clone,
    {
        let (caller, body) = decided(&self.cache, &mut request);
        let body = body.map_err(|why| why.unwrap_or(Skip::UnknownEndpoint));
        let head = head_of(&request).ok_or(Skip::UnknownEndpoint);
        let (mut parts, body) = match head.and_then(|head| Ok((head, body?))) {
            Ok(read) => read,
            Err(why) => return Prewarmed::cold(Cold::Skipped(why)),
        };
        parts.method = request.method().clone();
        let send = |request| answer(self.inner.clone(), request);
        prewarm(&self.cache, caller, (parts, body), send).await
    }
}

impl<S> PromptCache<S> {
    /// Runs errands by the wrapped client, such as renting explicit caches and the pings that keep idle
    /// prefixes warm, where the settings ask for that: without it, there are none. To be spawned on a runtime of the caller's.
    ///
    /// It ends when the last clone of this client is gone or [`end_errands`](Self::end_errands) is
    /// called, after it has deleted what the provider still keeps; or at once, when it runs already.
    ///
    /// ```
    /// use cachewright::adapter::handle::Cachewright;
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = Cachewright::builder().with_explicit_caches().build()?;
    /// let client = cache.wrap(reqwest::Client::new());
    /// let errands = tokio::spawn(client.errands());
    /// // … requests …
    /// drop(client);
    /// errands.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn errands(&self) -> impl Future<Output = ()> + use<S>
    where
        S: Service<Request, Response = Response> + Clone,
    {
        let service = self.inner.clone();
        let send = move |request| answer(service.clone(), request);
        drive(self.desk.driven(), self.cache.clone(), send)
    }
}

impl<S> Service<Request> for PromptCache<S>
where
    S: Service<Request, Response = Response> + Clone,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        if Sending::of(&request).is_repeated() {
            return ResponseFuture::sent(&mut self.inner, (request, None, None));
        }
        match begun((&self.cache, &self.desk), &mut request) {
            Begun::Passed(running) => {
                ResponseFuture::sent(&mut self.inner, (request, running, None))
            }
            Begun::Read(caller, body) if !Boarding::may_hold(&self.cache, &caller) => {
                let rewrite = self.cache.prepare(&caller, &body);
                let handles = (&self.cache, &self.desk);
                let (running, own) = rewritten(handles, (caller, body), &mut request, rewrite);
                let own = own.map(|own| (self.inner.clone(), own));
                ResponseFuture::sent(&mut self.inner, (request, running, own))
            }
            Begun::Read(caller, body) => {
                // The service that is ready goes with the request.
                let clone = self.inner.clone();
                let held = Held {
                    service: mem::replace(&mut self.inner, clone),
                    request,
                    boarding: Boarding::new(body),
                    cache: self.cache.clone(),
                    desk: self.desk.clone(),
                    caller,
                };
                ResponseFuture {
                    held: Some(Box::new(held)),
                    sent: None,
                    running: None,
                    own: None,
                    again: false,
                    sending: Sending::Unbuffered,
                    _body: None,
                }
            }
        }
    }
}

/// A request that may be held for another one that writes its prefix.
struct Held<S> {
    service: S,
    request: Request,
    boarding: Boarding,
    cache: Cachewright,
    desk: Desk,
    caller: Caller,
}

pin_project! {
    /// The response future of a wrapped reqwest client.
    pub struct ResponseFuture<S, F> {
        held: Option<Box<Held<S>>>,
        #[pin]
        sent: Option<F>,
        running: Option<Running>,
        // The caller's own request, while something else is sent in its place.
        own: Option<(S, Request)>,
        // Whether what was added was refused, and the own request waits for the service.
        again: bool,
        sending: Sending,
        // Keeps the address that `sending` compares from being used again.
        _body: Option<Bytes>,
    }
}

/// What is sent, its exchange, and the caller's own request where that is another.
type Departure<S> = (Request, Option<Running>, Option<(S, Request)>);

impl<S: Service<Request>> ResponseFuture<S, S::Future> {
    fn sent(service: &mut S, (mut request, running, own): Departure<S>) -> Self {
        let sending = Sending::of(&request);
        let body = buffered(&mut request);
        let sent = sending.during(|| service.call(request));
        Self {
            held: None,
            sent: Some(sent),
            running,
            own,
            again: false,
            sending,
            _body: body,
        }
    }
}

impl<S: Service<Request> + Clone> Held<S> {
    /// Sends it, once it is to be sent.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Rewrite> {
        self.boarding.poll((&self.cache, &self.caller), cx)
    }

    fn send(mut self, rewrite: Rewrite) -> ResponseFuture<S, S::Future> {
        let asked = (self.caller, self.boarding.body);
        let handles = (&self.cache, &self.desk);
        let (running, own) = rewritten(handles, asked, &mut self.request, rewrite);
        let own = own.map(|own| (self.service.clone(), own));
        ResponseFuture::sent(&mut self.service, (self.request, running, own))
    }
}

impl<S> Future for ResponseFuture<S, S::Future>
where
    S: Service<Request, Response = Response> + Clone,
{
    type Output = Result<Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(held) = self.as_mut().project().held {
            let rewrite = ready!(held.poll(cx));
            if let Some(held) = self.as_mut().project().held.take() {
                self.set(held.send(rewrite));
            }
        }
        let mut this = self.project();
        loop {
            if *this.again {
                let Some((service, _)) = this.own else {
                    // Only reachable when the inner service panicked in `call` and the future is
                    // polled once more all the same.
                    return Poll::Pending;
                };
                if let Err(error) = ready!(service.poll_ready(cx)) {
                    *this.running = None;
                    return Poll::Ready(Err(error));
                }
                if let Some((mut service, request)) = this.own.take() {
                    let sent = Sending::of(&request).during(|| service.call(request));
                    this.sent.set(Some(sent));
                    *this.again = false;
                }
            }
            let sending = *this.sending;
            let Some(sent) = this.sent.as_mut().as_pin_mut() else {
                // As above.
                return Poll::Pending;
            };
            let result = ready!(sending.during(|| sent.poll(cx)));
            return Poll::Ready(match (result, this.running.take()) {
                (Ok(response), Some(mut running)) => {
                    let order = running.on_response(response.status(), response.headers());
                    if order == Order::Resend && this.own.is_some() {
                        *this.running = Some(running);
                        *this.again = true;
                        continue;
                    }
                    Ok(watched(response, running))
                }
                (Err(error), Some(mut running)) => {
                    running.finish(End::Failed);
                    Err(error)
                }
                (result, None) => result,
            });
        }
    }
}

impl<S, F> fmt::Debug for ResponseFuture<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// What a request's head says is to be done with it.
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack, once per request"
)]
pub(super) enum Begun {
    /// It is sent on as it is.
    Passed(Option<Running>),
    /// Its body is to be planned.
    Read(Caller, Bytes),
}

/// Decides, and begins the exchange of what is not read.
pub(super) fn begun((cache, desk): (&Cachewright, &Desk), request: &mut Request) -> Begun {
    match decided(cache, request) {
        (mut caller, Ok(body)) => {
            desk.admit(&mut caller);
            Begun::Read(caller, body)
        }
        (caller, Err(why)) => Begun::Passed(why.and_then(|why| cache.skipped(&caller, why))),
    }
}

/// Who calls, and the body to be read, or why it is not; `None` for what is no prompt at all.
fn decided(cache: &Cachewright, request: &mut Request) -> (Caller, Result<Bytes, Option<Skip>>) {
    let tenant = take_label(request.headers_mut(), &TENANT);
    let route = take_label(request.headers_mut(), &ROUTE);
    let head = Head {
        method: request.method(),
        host: request.url().host_str().unwrap_or_default(),
        path: request.url().path(),
        query: request.url().query(),
        headers: request.headers(),
        behind: None,
        account: None,
    };
    let (caller, passage) = cache.judge(head, tenant, route);
    request.headers_mut().remove(SESSION);
    let body = match passage {
        Passage::Forward => Err(None),
        Passage::Skip(why) => Err(Some(why)),
        Passage::Read => match buffered(request) {
            None => Err(Some(Skip::NotBuffered)),
            Some(body) if body.len() > cache.max_body() => Err(Some(Skip::TooLarge)),
            Some(body) => Ok(body),
        },
    };
    (caller, body)
}

/// Puts in place what was planned; gives back the caller's own request where another is sent in its
/// place.
pub(super) fn rewritten(
    (cache, desk): (&Cachewright, &Desk),
    (caller, body): (Caller, Bytes),
    request: &mut Request,
    mut rewrite: Rewrite,
) -> (Option<Running>, Option<Request>) {
    if let Some(errand) = rewrite.errand.take()
        && let Some(parts) = head_of(request)
    {
        desk.ask(Job::new(errand, caller.clone(), parts));
    }
    let own = rewrite.body.as_ref().and_then(|_| request.try_clone());
    rewrite.fix(request.headers_mut());
    let running = rewrite.running.take().map(|running| {
        let sent = || Some((head_of(request)?, rewrite.body.clone().unwrap_or(body)));
        running.repeatable(Original::wanted(cache, desk, &caller, sent))
    });
    if let Some(body) = rewrite.body.take() {
        // Plain bytes: `try_clone`, and with it every retry, keeps working.
        *request.body_mut() = Some(body.into());
    }
    (running, own)
}

/// The body's bytes, shared and not copied; `None` when they are not at hand.
fn buffered(request: &mut Request) -> Option<Bytes> {
    request.body()?.as_bytes()?;
    let mut body = request.body_mut().take()?;
    // A body of plain bytes gives them in one frame and at once.
    let mut cx = Context::from_waker(Waker::noop());
    let bytes = match Pin::new(&mut body).poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        Poll::Ready(Some(Err(_)) | None) | Poll::Pending => Bytes::new(),
    };
    *request.body_mut() = Some(Body::from(bytes.clone()));
    Some(bytes)
}

/// The same response with a body that shows itself to the exchange.
pub(super) fn watched(response: Response, running: Running) -> Response {
    // The way through `http` forgets the URL; it is put back the way reqwest reads it.
    let url = http::Response::builder().url(response.url().clone());
    let url = url.body(()).map(|url| url.into_parts().0.extensions);
    let (mut parts, body) = http::Response::<Body>::from(response).into_parts();
    parts.extensions.extend(url.unwrap_or_default());
    let body = Body::wrap(ResponseBody::watched(body, running));
    http::Response::from_parts(parts, body).into()
}
