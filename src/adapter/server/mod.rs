//! Simulated providers over HTTP, for tests, demonstrations and clients in any language.
//!
//! They speak every dialect (Messages, Chat Completions, Responses, Converse and `InvokeModel`,
//! `generateContent`), as documents and as streams, refuse as the real ones do, and bill as the real
//! ones do. Which provider a request means is told by, in this order: its host, where a row knows
//! it; the header `x-sim-provider`; a prefix of the path, as in
//! `/openrouter/api/v1/chat/completions`; the path alone.
//!
//! A user's last words may ask for an answer of a kind, so that clients can be driven through it:
//!
//! | words | answer |
//! |---|---|
//! | "use the tool" | a call of the first tool |
//! | "use both tools" | calls of the first two, or of one tool twice, in one answer |
//! | "think first" | thinking before anything else |
//!
//! A forced tool is called and `none` calls none, an answer ends before a stop sequence, a model with
//! "no-such" in its name does not exist, and more than 128,000 tokens are refused. A signature of AWS (SigV4) is recomputed over what arrived, and refused when it does not
//! hold. Time is real time plus an offset, so that an hour can pass between two requests:
//!
//! | request | effect |
//! |---|---|
//! | header `x-sim-provider: name` | the provider, where the host does not tell |
//! | header `x-sim-time: 12.5` | this request happens at that second |
//! | header `x-sim-workspace: name` | the workspace, otherwise told by the API key |
//! | header `x-sim-output-tokens: 20` | the length of this answer |
//! | header `x-sim-fault`: a status such as `529`, or a word of the table below | this answer goes wrong |
//! | `POST /admin/clock` with `{"now": 0}` or `{"advance": 300}` | moves the clock |
//! | `POST /admin/faults` with one of the orders below | the next answer goes wrong |
//! | the same with `"count": 2` | the next two do |
//! | the same with `"path": "cachedContents"` | those to paths that contain it |
//! | the same with `"provider": "bedrock"` | those of this provider |
//! | the same with `"billed": true` | the provider does its work, and bills it, before it is lost |
//! | `POST /admin/limits` with `{"provider": "anthropic", "requests": 50, "input_tokens": 9000, "output_tokens": 900}` | answers tell what is left of these in each minute, and there are none beyond |
//! | `POST /admin/rules` with a [`Rule`] such as `{"provider": "anthropic", "life_5m": 240}` | the provider behaves otherwise than documented; `{}` makes it as documented again |
//! | `POST /admin/forget` | the providers lose every entry before its time |
//! | `GET /admin/requests` | the last requests as they arrived, if any are kept: with the provider they were taken for, and what it billed |
//! | `POST /admin/reset` | forgets entries, faults, limits, kept requests, rules and the offset |
//! | `GET /healthz` | `ok` |
//!
//! What can go wrong (a closed port is what a provider that refuses connections looks like):
//!
//! | order | word | effect |
//! |---|---|---|
//! | `{"status": 429, "retry_after": 30}` | `429` | an error of this status; a 429 says to wait a second where nothing else is asked |
//! | `{"spend_limit": "enforced"}` or `"own"` | `spend_limit` | the account may spend no more, in the provider's words |
//! | `{"fault": "reset"}` | `reset` | the connection is reset before any header, with all requests on it |
//! | `{"fault": "hang"}` | `hang` | nothing is ever answered |
//! | `{"fault": "garbage"}` | `garbage` | a 200 whose body is a web page |
//! | `{"stall_ms": 500}` | `stall` | the answer stands still after its first bytes |
//! | `{"cut_after_bytes": 99}` | `cut` | the connection ends within the body |
//! | `{"drip_ms": 5, "drip_bytes": 7}` | `drip` | seven bytes at a time, or an event where no size is given |
//! | `{"error_after_events": 3}` | `error` | the stream ends with an error of its dialect, whole answers are a 500; before the first event nothing is billed |

mod admin;
mod answers;
mod broken;
mod caches;
mod constant;
mod faults;
mod form;
mod frames;
mod keep;
mod limits;
mod line;
mod manners;
mod refuse;
mod routes;
mod rules;
mod serve;
mod sigv4;
mod spend;
mod stream;
mod target;
mod told;
mod when;
mod wish;
mod world;
mod zero;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::provider::Catalog;
pub use rules::{Lost, Rule, Warm};
use world::World;

/// How the simulated providers behave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SimOptions {
    /// The rows they follow.
    pub catalog: Arc<Catalog>,
    /// The provider that is meant where several serve a path and the request names none.
    pub provider: Box<str>,
    /// The clock to which the offset is added.
    pub clock: Arc<dyn Clock>,
    /// From the request to the first byte of the answer; only then its entries can be read.
    pub first_byte: Duration,
    /// Between two events of a streamed answer.
    pub between_chunks: Duration,
    /// How long an answer stands still after `x-sim-fault: stall`.
    pub stall: Duration,
    /// The longest body that is read, in bytes.
    pub max_body: usize,
    /// How many of the last requests `GET /admin/requests` returns.
    pub keep_requests: usize,
    /// Whether every answer is the same small one, without any cache: for measuring what stands
    /// before the provider.
    pub constant: bool,
    /// What providers do otherwise than documented.
    pub rules: Vec<Rule>,
    /// The credentials that AWS signatures are checked with.
    pub aws_keys: AwsKeys,
}

/// Credentials of an AWS account; the defaults are those of AWS's published examples.
#[derive(Clone)]
#[non_exhaustive]
pub struct AwsKeys {
    /// The access key's id.
    pub access_key: Box<str>,
    /// The secret.
    pub secret_key: Box<str>,
}

impl Default for AwsKeys {
    fn default() -> Self {
        Self {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
        }
    }
}

/// Secrets stay out of debug output.
impl std::fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsKeys")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            catalog: Arc::new(Catalog::builtin()),
            provider: "anthropic".into(),
            clock: Arc::new(SystemClock),
            first_byte: Duration::ZERO,
            between_chunks: Duration::ZERO,
            stall: Duration::from_secs(30),
            // Twice what the Messages API takes (platform.claude.com api/errors, 2026-08): others
            // take more than it does.
            max_body: 64 << 20,
            keep_requests: 0,
            constant: false,
            rules: Vec::new(),
            aws_keys: AwsKeys::default(),
        }
    }
}

/// A simulated provider, ready to be bound to an address.
#[derive(Clone, Debug, Default)]
pub struct SimServer {
    options: SimOptions,
}

impl SimServer {
    /// A provider that behaves like this.
    #[must_use]
    pub const fn new(options: SimOptions) -> Self {
        Self { options }
    }

    /// Listens on `address` (port 0 takes a free one) and serves until the handle is dropped.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(self, address: SocketAddr) -> Result<SimHandle, Error> {
        let refused = |error: std::io::Error| {
            Error::io(format!("cannot listen on {address}; is the port in use?")).caused_by(error)
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let router = routes::router(Arc::new(World::new(self.options)));
        let router = router.into_make_service_with_connect_info::<line::Line>();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(line::Lines(listener), router).with_graceful_shutdown(async {
            // A dropped handle stops the server just as a called one does.
            let _ = stopped.await;
        });
        Ok(SimHandle {
            address,
            stop,
            task: tokio::spawn(serving.into_future()),
        })
    }
}

/// A provider that is being served; dropping it lets open answers finish and stops.
#[derive(Debug)]
pub struct SimHandle {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl SimHandle {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients take as their base URL, such as `http://127.0.0.1:4000`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no more requests, and gives open answers up to `patience` to finish.
    pub async fn stop(self, patience: Duration) {
        // The receiver is gone only when the server is.
        let _ = self.stop.send(());
        let task = self.task.abort_handle();
        if tokio::time::timeout(patience, self.task).await.is_err() {
            task.abort();
        }
    }

    /// Serves until the server fails.
    ///
    /// # Errors
    /// When it does.
    pub async fn wait(self) -> Result<(), Error> {
        // The sender must live as long as the server is to run.
        let Self { stop, task, .. } = self;
        let ended = task.await;
        drop(stop);
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::io("the simulator stopped").caused_by(error)),
            Err(error) => Err(Error::io("the simulator stopped").caused_by(error)),
        }
    }
}

fn respond(status: u16, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// A header's value, where it is text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
