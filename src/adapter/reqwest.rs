//! The same layer over `reqwest::Client`: `reqwest::Request` in, `reqwest::Response` out.
//!
//! Types and errors stay reqwest's own, so a wrapped client is a drop-in. Headers that a client
//! adds by itself (`default_headers`) are not seen here: a key that is only there does not separate
//! accounts, so give such clients a tenant of their own.

use std::cell::Cell;
use std::fmt;
use std::future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use ::reqwest::{Body, Client, Error, Request, RequestBuilder, Response, ResponseBuilderExt};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::caller::{Head, Passage, ROUTE, TENANT, framing, take_label};
use super::errands::{Answer, Desk, Job, LONGEST, drive};
use super::handle::Cachewright;
use super::keep::Original;
use super::running::Running;
use super::tower::{PromptCache, ResponseBody};
use crate::engine::{End, Order};
use crate::model::Skip;

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

/// How long an errand may take.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let (running, own) = match Sending::of(&request).is_repeated() {
            true => (None, None),
            false => prepare((&self.cache, &self.desk), &mut request),
        };
        let own = own.map(|request| (self.inner.clone(), request));
        let sending = Sending::of(&request);
        let body = buffered(&mut request);
        let sent = sending.during(|| self.inner.call(request));
        ResponseFuture {
            sent,
            running,
            own,
            again: false,
            sending,
            _body: body,
        }
    }
}

pin_project! {
    /// The response future of a wrapped reqwest client.
    pub struct ResponseFuture<S, F> {
        #[pin]
        sent: F,
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

impl<S> Future for ResponseFuture<S, S::Future>
where
    S: Service<Request, Response = Response>,
{
    type Output = Result<Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
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
                    this.sent.set(sent);
                    *this.again = false;
                }
            }
            let sending = *this.sending;
            let result = ready!(sending.during(|| this.sent.as_mut().poll(cx)));
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

/// Decides, rewrites, and begins the exchange; gives back the caller's own request where another is
/// sent in its place.
pub(super) fn prepare(
    (cache, desk): (&Cachewright, &Desk),
    request: &mut Request,
) -> (Option<Running>, Option<Request>) {
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
    let (mut caller, passage) = cache.judge(head, tenant, route);
    desk.admit(&mut caller);
    match passage {
        Passage::Forward => return (None, None),
        Passage::Skip(why) => return (cache.skipped(&caller, why), None),
        Passage::Read => {}
    }
    let Some(body) = buffered(request) else {
        return (cache.skipped(&caller, Skip::NotBuffered), None);
    };
    if body.len() > cache.max_body() {
        return (cache.skipped(&caller, Skip::TooLarge), None);
    }
    let mut rewrite = cache.prepare(&caller, &body);
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

/// The head of a request.
fn head_of(request: &Request) -> Option<http::request::Parts> {
    let uri = http::Uri::try_from(request.url().as_str()).ok()?;
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.uri = uri;
    parts.version = request.version();
    parts.headers = request.headers().clone();
    Some(parts)
}

/// Sends an errand and reads what comes of it.
pub(super) async fn answer<S>(mut service: S, request: http::Request<Bytes>) -> Option<Answer>
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

thread_local! {
    /// The request that a layer of this crate is passing on right now, on this thread.
    static CURRENT: Cell<Option<Sending>> = const { Cell::new(None) };
}

/// Names the request being passed on, so that a second layer below leaves it alone.
///
/// A `reqwest::Request` keeps its extensions to itself and a header would reach the provider, so
/// the request is known by the address of its body, and only while the outer layer calls or polls
/// the inner service. Two layers with a task boundary between them (`tower::buffer`) do not see
/// each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    Buffered { address: usize, length: usize },
    Unbuffered,
}

impl Sending {
    fn of(request: &Request) -> Self {
        match request.body().and_then(Body::as_bytes) {
            Some(body) => Self::Buffered {
                address: body.as_ptr().addr(),
                length: body.len(),
            },
            None => Self::Unbuffered,
        }
    }

    fn is_repeated(self) -> bool {
        CURRENT.get() == Some(self)
    }

    fn during<T>(self, pass_on: impl FnOnce() -> T) -> T {
        let _restored = Restored(CURRENT.replace(Some(self)));
        pass_on()
    }
}

/// Puts back what was current, also when the inner service panics.
struct Restored(Option<Sending>);

impl Drop for Restored {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
