//! One request through the proxy: admitted, handed to its route over backends or made the upstream's,
//! answered.

use std::error::Error as StdError;
use std::sync::{Arc, PoisonError, RwLock};

use http::header::{ACCEPT_ENCODING, EXPECT, HOST};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy::Error as ClientError;
use tower_service::Service as _;

use super::client::{Inward, Outward};
use super::reply::{self, Outgoing};
use super::routes::Routes;
use super::signing::{Failed, SignedBy, Signing};
use super::token::{self, Token};
use super::upstream::Upstream;
use crate::adapter::caller::{Head, PREWARM, ROUTE, TENANT};
use crate::adapter::gateway::Gateway;
use crate::adapter::handle::{Account, Behind, Cachewright, Collect, Route, Tenant};
use crate::adapter::hops;
use crate::adapter::sign;
use crate::adapter::tower::PromptCache;

/// Everything that connections share.
pub(super) struct Gate {
    routes: RwLock<Arc<Routes>>,
    token: Option<Token>,
    pub(super) client: PromptCache<Signing>,
    pub(super) gateway: Gateway<Outward>,
}

impl Gate {
    pub(super) fn new(
        (routes, token): (Routes, Option<Token>),
        client: PromptCache<Signing>,
        gateway: Gateway<Outward>,
    ) -> Self {
        Self {
            routes: RwLock::new(Arc::new(routes)),
            token,
            client,
            gateway,
        }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Outgoing> {
        let (mut parts, body) = request.into_parts();
        if parts.uri.path() == "/healthz" && parts.method == Method::GET {
            return reply::text("ok\n");
        }
        if !token::admit(self.token.as_ref(), &mut parts.headers) {
            let message = "send the proxy's token as x-cachewright-token, or as the API key";
            return reply::error(StatusCode::UNAUTHORIZED, "proxy_token", (message, None));
        }
        if parts.method == Method::CONNECT || hops::leaves_http(&parts.headers) {
            let message = "websockets and tunnels are not proxied; connect to the provider itself";
            return reply::error(StatusCode::NOT_IMPLEMENTED, "not_proxied", (message, None));
        }
        let routes = self.routes();
        if parts.headers.remove(PREWARM).is_some() {
            return self
                .prewarm(&routes, Request::from_parts(parts, body))
                .await;
        }
        match self
            .over_backends(&routes, Request::from_parts(parts, body))
            .await
        {
            Ok(response) => response,
            Err(request) => self.upstream(&routes, request).await,
        }
    }

    /// Answers a request of a route over backends; gives back any other as it came.
    async fn over_backends(
        &self,
        routes: &Routes,
        request: Request<Incoming>,
    ) -> Result<Response<Outgoing>, Request<Inward>> {
        if !routes.are_over_backends() {
            return Err(request.map(Inward::untouched));
        }
        let answered = self.gateway.answer(request).await;
        answered.map(|response| passed_on(response.map(|body| Outgoing::Route { body })))
    }

    async fn upstream(&self, routes: &Routes, request: Request<Inward>) -> Response<Outgoing> {
        let (mut parts, body) = request.into_parts();
        let upstream = match addressed(self.client.cache(), routes, &mut parts) {
            Ok(upstream) => upstream,
            Err(response) => return *response,
        };
        let mut client = self.client.clone();
        match client.call(Request::from_parts(parts, body)).await {
            Ok(response) => passed_on(response.map(|body| Outgoing::Upstream { body })),
            Err(error) => failed(upstream, &error),
        }
    }

    /// Writes what calls like this one share, and tells what came of it.
    async fn prewarm(&self, routes: &Routes, request: Request<Incoming>) -> Response<Outgoing> {
        let (mut parts, body) = request.into_parts();
        if let Err(response) = addressed(self.client.cache(), routes, &mut parts) {
            return *response;
        }
        let request = Request::from_parts(parts, Inward::untouched(body));
        reply::prewarmed(&self.client.http_prewarm(request).await)
    }

    pub(super) fn routes(&self) -> Arc<Routes> {
        let routes = self.routes.read();
        Arc::clone(&routes.unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other routes in force; requests under way end where they went.
    pub(super) fn reroute(&self, routes: Routes) {
        let mut held = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(routes);
    }
}

/// Makes the head one for the upstream that it is for, or says why there is none.
fn addressed<'a>(
    cache: &Cachewright,
    routes: &'a Routes,
    parts: &mut Parts,
) -> Result<&'a Upstream, Box<Response<Outgoing>>> {
    let asked = parts.uri.path_and_query();
    let asked = asked.map_or_else(|| "/".into(), |asked| asked.as_str().to_owned());
    let Some((upstream, rest)) = routes.choose(&asked, &parts.headers) else {
        let help = routes.help(&asked);
        let reply = reply::error(StatusCode::NOT_FOUND, "no_upstream", (&help, None));
        return Err(Box::new(reply));
    };
    if readdress(cache, upstream, (parts, rest)).is_none() {
        let message = "the path cannot be joined to the upstream's base URL";
        let about = (message, Some(&*upstream.name));
        let reply = reply::error(StatusCode::BAD_REQUEST, "bad_path", about);
        return Err(Box::new(reply));
    }
    Ok(upstream)
}

/// Makes the head one for the upstream.
fn readdress(
    cache: &Cachewright,
    upstream: &Upstream,
    (parts, rest): (&mut Parts, &str),
) -> Option<()> {
    parts.uri = upstream.uri(rest)?;
    // The client speaks whatever version the connection has.
    parts.version = Version::HTTP_11;
    let headers = &mut parts.headers;
    hops::strip(headers);
    headers.remove(HOST);
    // Answered on this side, when the body is first asked for.
    headers.remove(EXPECT);
    if let Some(signer) = &upstream.signer {
        sign::strip(headers);
        parts.extensions.insert(SignedBy(Arc::clone(signer)));
        parts.extensions.insert(Account(upstream.name.clone()));
    }
    upstream.set_headers(headers);
    let head = Head {
        method: &parts.method,
        host: parts.uri.host().unwrap_or_default(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: &parts.headers,
        behind: upstream.provider.as_deref(),
        account: None,
    };
    if parts.method == Method::POST && cache.endpoint(head).is_some() {
        // Usage cannot be read from a compressed response.
        parts.headers.remove(ACCEPT_ENCODING);
    }
    if let Some(tenant) = &upstream.tenant
        && !parts.headers.contains_key(TENANT)
    {
        parts.extensions.insert(Tenant(tenant.clone()));
    }
    if let Some(route) = &upstream.route
        && !parts.headers.contains_key(ROUTE)
    {
        parts.extensions.insert(Route(route.clone()));
    }
    parts.extensions.insert(Collect);
    if let Some(name) = &upstream.provider {
        parts.extensions.insert(Behind(name.clone()));
    }
    Some(())
}

fn passed_on(mut response: Response<Outgoing>) -> Response<Outgoing> {
    hops::strip(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    response
}

/// There is no answer, and the caller learns why; nothing of the request is repeated.
fn failed(upstream: &Upstream, failed: &Failed) -> Response<Outgoing> {
    let about = Some(&*upstream.name);
    match failed {
        Failed::Client(error) => unanswered(upstream, error),
        Failed::Body => {
            let message = "the request broke off before it could be signed";
            reply::error(StatusCode::BAD_REQUEST, "request_failed", (message, about))
        }
        Failed::TooLarge(limit) => {
            let message = format!("only requests of up to {limit} bytes are signed");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            reply::error(status, "request_too_large", (&message, about))
        }
        Failed::EventsIn => {
            let message = "streams of signed events are not proxied; connect to AWS itself";
            reply::error(StatusCode::NOT_IMPLEMENTED, "not_proxied", (message, about))
        }
        Failed::Unsigned(help) => {
            reply::error(StatusCode::BAD_GATEWAY, "aws_credentials", (help, about))
        }
    }
}

/// The upstream could not be reached, or broke off.
fn unanswered(upstream: &Upstream, error: &ClientError) -> Response<Outgoing> {
    let mut cause: &dyn StdError = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let (name, authority) = (&upstream.name, upstream.authority());
    let (kind, what) = match error.is_connect() {
        true => ("upstream_unreachable", "cannot be reached"),
        false => ("upstream_failed", "broke off before it answered"),
    };
    let message = format!("upstream {name:?} ({authority}) {what}: {cause}");
    reply::error(StatusCode::BAD_GATEWAY, kind, (&message, Some(name)))
}
