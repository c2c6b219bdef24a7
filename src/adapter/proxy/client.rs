//! The client towards the upstreams: pooled connections, HTTP/2 where the upstream offers it.
//!
//! What stands below the layer is chosen here and in `sign`, which puts signatures in.

use std::time::Duration;

use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;

use crate::adapter::gateway::Whole;
use crate::adapter::tower::RequestBody;
use crate::error::Error;

/// Below what load balancers in front of providers allow, so that they never close first.
const IDLE: Duration = Duration::from_secs(50);

/// The body of a request to an upstream: as it came, or put together again after the gateway had a
/// look at it.
pub(super) type Inward = RequestBody<Incoming>;

/// What sends requests to upstreams.
pub(super) type Upward = Client<HttpsConnector<HttpConnector>, RequestBody<Inward>>;

/// What sends the attempts of routes.
pub(super) type Outward = Client<HttpsConnector<HttpConnector>, RequestBody<Whole>>;

/// Both, which give up connecting after `patience`.
pub(super) fn build(patience: Duration) -> Result<(Upward, Outward), Error> {
    let connector = connector(patience)?;
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new());
    Ok((client.build(connector.clone()), client.build(connector)))
}

/// What opens connections, and gives up after `patience`.
pub(crate) fn connector(patience: Duration) -> Result<HttpsConnector<HttpConnector>, Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(patience));
    tcp.set_keepalive(Some(IDLE));
    let tls = HttpsConnectorBuilder::new();
    // The system's certificates, a company's own among them; a bare container has none.
    let trusting = match tls.with_provider_and_native_roots(ring::default_provider()) {
        Ok(trusting) => trusting,
        Err(_) => HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(ring::default_provider())
            .map_err(|error| Error::io("cannot set up TLS").caused_by(error))?,
    };
    let secured = trusting.https_or_http().enable_all_versions();
    Ok(secured.wrap_connector(tcp))
}
