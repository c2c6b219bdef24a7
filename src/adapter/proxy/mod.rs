//! A reverse proxy for clients in any language: they change their base URL, and nothing else.
//!
//! | request | goes to |
//! |---|---|
//! | `/NAME/…` | the upstream of that name, at `/…` |
//! | below a configured `path_prefix` | that upstream, the prefix removed |
//! | with a configured `header` | that upstream |
//! | to or below one of its `paths` | the upstream with the longest of them |
//! | anything else | the only upstream, if there is but one and no route; 404 otherwise |
//! | `/ROUTE/v1/…`, with `x-cachewright-route`, or a prompt whose `model` is a route | that route over backends ([`gateway`](super::gateway)), before all of the above |
//! | `GET /healthz` | the proxy itself: `ok` |
//!
//! Prompts are treated by the same layer as in process ([`tower`](super::tower)). Everything else
//! streams through: methods, paths, headers and bodies as they come, without what belongs to one
//! connection (RFC 9110 section 7.6.1). `accept-encoding` is removed from requests with a prompt,
//! since usage cannot be read from a compressed response. Websockets are refused with 501. Where the
//! settings ask for explicit caches or for pings, the proxy runs their errands, and deletes at its end
//! what is kept.
//!
//! Keys travel in clear between the client and the proxy: that is why it listens on the loopback
//! unless a `client_token` guards it, and then it belongs into a trusted network or behind TLS.
//! Requests with an AWS signature pass through unread; the signature covers the host, so that they
//! need a client that signs for the upstream's. With `sign = "aws"` (feature `bedrock-sdk`) the
//! proxy signs an upstream's requests itself, behind the layer, with AWS's own chain of credentials:
//! whatever the client showed is taken out, so that anybody who may use the proxy uses that account.

mod client;
mod config;
mod gate;
mod reply;
mod routes;
mod serve;
mod signing;
pub(in crate::adapter) mod token;
mod upstream;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use self::upstream::Upstream;
#[cfg(feature = "cli")]
pub(crate) use client::connector;

use self::gate::Gate;
use self::routes::Routes;
use self::signing::Signing;
use self::token::Token;
use super::gateway::{GatewayOptions, Gauge};
use super::handle::Cachewright;
use crate::error::Error;
use crate::provider::Catalog;

/// Where a proxy listens, for whom, and where it sends requests on to.
#[derive(Clone)]
#[non_exhaustive]
pub struct ProxyOptions {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What clients must show, as `x-cachewright-token` or in place of their API key.
    pub client_token: Option<Box<str>>,
    /// Where requests go.
    pub upstreams: Vec<Upstream>,
    /// How long connecting to an upstream or a backend may take.
    pub connect_timeout: Duration,
    /// Routes over backends; those go before upstreams.
    pub gateway: GatewayOptions,
}

impl Default for ProxyOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4040)),
            client_token: None,
            upstreams: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            gateway: GatewayOptions::default(),
        }
    }
}

impl ProxyOptions {
    /// The default address, and the upstreams of the built-in table and of every provider row with
    /// a fixed host. `env` looks up variables, such as the region of Bedrock.
    ///
    /// # Errors
    /// When a user's provider row has a host that is no host.
    pub fn builtin(catalog: &Catalog, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        Ok(Self {
            upstreams: config::builtin(catalog, env)?,
            ..Self::default()
        })
    }

    /// These options with what the TOML `text` sets: `listen`, `client_token`, `[upstreams]`, which
    /// replace those there were, and the backends, routes and caps of
    /// [`GatewayOptions::config`]. `file` is the name that errors carry, and `env` looks up the
    /// variables that the text names as `${NAME}`.
    ///
    /// # Errors
    /// Names the file, the line and the fix.
    pub fn config(
        self,
        (file, text): (&str, &str),
        catalog: &Catalog,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        config::read(self, (file, text), catalog, env)
    }
}

impl fmt::Debug for ProxyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyOptions")
            .field("listen", &self.listen)
            .field("guarded", &self.client_token.is_some())
            .field("upstreams", &self.upstreams)
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

/// A proxy, ready to listen.
pub struct Proxy {
    listen: SocketAddr,
    gate: Arc<Gate>,
    /// As they are at first.
    routes: Arc<Routes>,
    lines: Vec<String>,
}

impl Proxy {
    /// A proxy that reports to `cache`.
    ///
    /// # Errors
    /// When it would be open to others without a token, or when upstreams contradict each other.
    pub fn new(cache: &Cachewright, options: ProxyOptions) -> Result<Self, Error> {
        let listen = options.listen;
        let token = options.client_token.filter(|token| !token.is_empty());
        if !listen.ip().is_loopback() && token.is_none() {
            return Err(Error::config(format!(
                "listening on {listen} would let others in the network use the proxy: set \
                 client_token (or CACHEWRIGHT_CLIENT_TOKEN), or listen on 127.0.0.1"
            )));
        }
        let routes = Routes::new(options.upstreams, &options.gateway.network)?;
        let lines = routes.iter().map(ToString::to_string);
        let lines = lines.chain(options.gateway.lines()).collect();
        let (upward, outward) = client::build(options.connect_timeout)?;
        let client = cache.wrap(Signing::new(upward, cache.engine().clone()));
        let gateway = cache.gateway(outward, options.gateway)?;
        let token = token.as_deref().map(Token::new);
        let gate = Gate::new((routes, token), client, gateway);
        Ok(Self {
            listen,
            routes: gate.routes(),
            gate: Arc::new(gate),
            lines,
        })
    }

    /// Where requests go that are no route's over backends.
    pub fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        self.routes.iter()
    }

    /// A line for people for each upstream, route and backend; no secrets.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// How its routes over backends do.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        self.gate.gateway.gauge()
    }

    /// Listens, and serves until the handle is stopped or dropped.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(self) -> Result<ProxyHandle, Error> {
        let listen = self.listen;
        let refused = |error: std::io::Error| {
            Error::io(format!("cannot listen on {listen}; is the port in use?")).caused_by(error)
        };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (stop, stopped) = oneshot::channel();
        let client = &self.gate.client;
        let settings = client.cache().engine().settings();
        let mut errands = Vec::new();
        if settings.rents() || settings.keeps_alive() {
            errands.push(tokio::spawn(client.http_errands()));
        }
        if settings.keeps_alive() {
            errands.push(tokio::spawn(self.gate.gateway.errands()));
        }
        Ok(ProxyHandle {
            address,
            stop,
            task: tokio::spawn(serve::serve(listener, Arc::clone(&self.gate), stopped)),
            gate: self.gate,
            errands,
        })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// A proxy that is being served; dropping it cuts open responses, [`ProxyHandle::stop`] does not.
pub struct ProxyHandle {
    address: SocketAddr,
    stop: oneshot::Sender<Duration>,
    task: JoinHandle<()>,
    gate: Arc<Gate>,
    /// Those of upstreams and of routes; each ends when the gate is gone, after it has deleted what is
    /// kept for rent.
    errands: Vec<JoinHandle<()>>,
}

impl fmt::Debug for ProxyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyHandle")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// How long deleting what is kept may hold up the end; its rent ends by itself.
const FAREWELL: Duration = Duration::from_secs(5);

impl ProxyHandle {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients take as their base URL, such as `http://127.0.0.1:4040`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts other upstreams, routes and caps in force. Requests under way end where they went; what is
    /// known of backends and spent of caps goes over by their names. Where it listens and for whom
    /// stays as it is.
    ///
    /// # Errors
    /// When they contradict each other; those in force stay so.
    pub fn reload(&self, options: ProxyOptions) -> Result<(), Error> {
        let routes = Routes::new(options.upstreams, &options.gateway.network)?;
        self.gate.gateway.reload(options.gateway)?;
        self.gate.reroute(routes);
        Ok(())
    }

    /// Takes no more connections and requests, gives open responses up to `grace` to end, and cuts
    /// the others. What is kept for rent is deleted.
    pub async fn stop(self, grace: Duration) {
        // The receiver is gone only when the server is.
        let _ = self.stop.send(grace);
        let _ = self.task.await;
        drop(self.gate);
        for errands in self.errands {
            let unfinished = errands.abort_handle();
            let _ = tokio::time::timeout(FAREWELL, errands).await;
            unfinished.abort();
        }
    }
}

/// A proxy within the process, for clients that take a base URL and nothing else.
///
/// ```no_run
/// use cachewright::adapter::handle::Cachewright;
/// use cachewright::adapter::proxy::Loopback;
///
/// # async fn run() -> Result<(), cachewright::error::Error> {
/// let cache = Cachewright::new();
/// let loopback = Loopback::spawn(&cache, "https://api.anthropic.com").await?;
/// println!("give this to the client: {}", loopback.base_url());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Loopback(ProxyHandle);

impl Loopback {
    /// Listens on a free port of the loopback, for requests to `base_url`.
    ///
    /// # Errors
    /// When `base_url` is none, or there is no port.
    pub async fn spawn(cache: &Cachewright, base_url: &str) -> Result<Self, Error> {
        let options = ProxyOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            upstreams: vec![Upstream::new("upstream", base_url)?],
            ..ProxyOptions::default()
        };
        Ok(Self(Proxy::new(cache, options)?.bind().await?))
    }

    /// What the client takes as its base URL. Where the upstream's has a path, it may be put behind
    /// this one or left out.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.0.base_url()
    }

    /// Takes no more requests, and gives open responses up to `grace` to end.
    pub async fn stop(self, grace: Duration) {
        self.0.stop(grace).await;
    }
}
