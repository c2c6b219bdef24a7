//! The service: decides from the head whether a request's body is read.

use std::mem;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::future::Reader;
use super::{RequestBody, ResponseBody, ResponseFuture};
use crate::adapter::caller::{Caller, Head, Passage, ROUTE, SESSION, TENANT, take_label};
use crate::adapter::errands::Desk;
use crate::adapter::handle::{Account, Behind, Cachewright, Collect, Route, Tenant};
use crate::model::Skip;

/// A client whose prompts are cached well and accounted for.
///
/// See the [module docs](crate::adapter::tower) for an example.
#[derive(Clone, Debug)]
pub struct PromptCache<S> {
    pub(crate) inner: S,
    pub(crate) cache: Cachewright,
    pub(crate) desk: Desk,
}

impl<S> PromptCache<S> {
    /// Wraps `inner`, reporting to this handle.
    #[must_use]
    pub fn new(inner: S, cache: Cachewright) -> Self {
        Self {
            inner,
            cache,
            desk: Desk::default(),
        }
    }

    /// The wrapped service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service, to be changed.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// The handle it reports to.
    #[must_use]
    pub const fn cache(&self) -> &Cachewright {
        &self.cache
    }
}

/// Marks a request that a layer of this crate has seen, for those below it.
#[derive(Clone, Copy)]
struct Handled;

impl<S, B, R> Service<Request<B>> for PromptCache<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
    B: Body<Data = Bytes>,
    R: Body,
    R::Data: AsRef<[u8]>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        if parts.extensions.insert(Handled).is_some() {
            return self.forward(parts, body);
        }
        let (mut caller, passage) = judge(&self.cache, &mut parts);
        self.desk.admit(&mut caller);
        match passage {
            Passage::Forward => self.forward(parts, body),
            Passage::Skip(why) => self.skip(parts, body, (&caller, why)),
            Passage::Read => match unbufferable(&parts, &body, self.cache.max_body()) {
                Some(why) => self.skip(parts, body, (&caller, why)),
                None => {
                    // The service that is ready goes with the request; its clone, which is
                    // perhaps not, stays behind for the next `poll_ready`.
                    let clone = self.inner.clone();
                    let service = mem::replace(&mut self.inner, clone);
                    let read = Reader {
                        cache: self.cache.clone(),
                        caller,
                        desk: self.desk.clone(),
                    };
                    ResponseFuture::collecting(service, Request::from_parts(parts, body), read)
                }
            },
        }
    }
}

impl<S> PromptCache<S> {
    fn forward<B, R>(&mut self, parts: Parts, body: B) -> ResponseFuture<S, S::Future, B>
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>>,
        B: Body<Data = Bytes>,
    {
        let request = Request::from_parts(parts, RequestBody::untouched(body));
        ResponseFuture::sent(self.inner.call(request), None)
    }

    fn skip<B, R>(
        &mut self,
        parts: Parts,
        body: B,
        (caller, why): (&Caller, Skip),
    ) -> ResponseFuture<S, S::Future, B>
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>>,
        B: Body<Data = Bytes>,
    {
        let running = self.cache.skipped(caller, why);
        let request = Request::from_parts(parts, RequestBody::untouched(body));
        ResponseFuture::sent(self.inner.call(request), running)
    }
}

/// Who calls, and what becomes of the request; takes the labels out of the head.
pub(super) fn judge(cache: &Cachewright, parts: &mut Parts) -> (Caller, Passage) {
    let tenant = take_label(&mut parts.headers, &TENANT);
    let route = take_label(&mut parts.headers, &ROUTE);
    let tenant = parts
        .extensions
        .get()
        .map(|Tenant(name)| name.clone())
        .or(tenant);
    let route = parts
        .extensions
        .get()
        .map(|Route(name)| name.clone())
        .or(route);
    let host = parts.uri.host().or_else(|| {
        let host = parts.headers.get(HOST)?.to_str().ok()?;
        Some(host.split_once(':').map_or(host, |(name, _)| name))
    });
    let head = Head {
        method: &parts.method,
        host: host.unwrap_or_default(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: &parts.headers,
        behind: parts.extensions.get().map(|Behind(name)| &**name),
        account: parts.extensions.get().map(|Account(name)| &**name),
    };
    let (mut caller, passage) = cache.judge(head, tenant, route);
    parts.headers.remove(SESSION);
    caller.attempted = parts.extensions.get().cloned();
    (caller, passage)
}

/// Why a body is not collected, judged by what it says of its size.
fn unbufferable<B: Body>(parts: &Parts, body: &B, limit: usize) -> Option<Skip> {
    match body.size_hint().upper() {
        None if parts.extensions.get::<Collect>().is_some() => None,
        None => Some(Skip::NotBuffered),
        Some(size) if size > limit as u64 => Some(Skip::TooLarge),
        Some(_) => None,
    }
}
