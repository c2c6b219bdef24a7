//! A `reqwest::Client` as what a gateway sends by, and the gateway in the place of such a client.

use std::pin::Pin;
use std::task::{Context, Poll};

use ::reqwest::redirect::Policy;
use ::reqwest::{Body, Client, ClientBuilder, Request, Response, ResponseBuilderExt as _};
use tower_service::Service;

use super::below::BoxError;
use super::{Gateway, Whole};
use crate::adapter::tower::RequestBody;
use crate::error::Error;

/// A `reqwest::Client` as what a gateway sends by.
///
/// It follows no redirect: a backend must not send a call on to where its route may not go.
#[derive(Clone, Debug)]
pub struct Transport(Client);

impl Transport {
    /// The client that this builder builds, following no redirects.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn new(builder: ClientBuilder) -> Result<Self, Error> {
        let client = builder.redirect(Policy::none()).build();
        let client = client.map_err(|error| Error::io("cannot build a client").caused_by(error))?;
        Ok(Self(client))
    }
}

impl Service<http::Request<RequestBody<Whole>>> for Transport {
    type Response = http::Response<Body>;
    type Error = ::reqwest::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<RequestBody<Whole>>) -> Self::Future {
        let client = self.0.clone();
        Box::pin(async move {
            let request = Request::try_from(request.map(Body::wrap))?;
            client.execute(request).await.map(Into::into)
        })
    }
}

impl Gateway<Transport> {
    /// Sends a request, as [`Client::execute`] does. Its path, a header or its model names the route;
    /// whatever host stands before the path is not asked for.
    ///
    /// # Errors
    /// What the client says of a request that is no route's.
    pub async fn execute(&self, request: Request) -> Result<Response, BoxError> {
        let url = request.url().clone();
        let mut gateway = self.clone();
        let request = http::Request::<Body>::try_from(request)?;
        let answered = Service::<http::Request<Body>>::call(&mut gateway, request).await?;
        // The way through `http` forgets the URL.
        let url = http::Response::builder().url(url).body(())?;
        let (mut parts, body) = answered.into_parts();
        parts.extensions.extend(url.into_parts().0.extensions);
        Ok(http::Response::from_parts(parts, Body::wrap(body)).into())
    }
}

impl Service<Request> for Gateway<Transport> {
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.execute(request).await })
    }
}
