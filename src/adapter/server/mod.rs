//! The simulated provider over HTTP, for tests, demonstrations and clients in any language.
//!
//! It speaks the Messages API (`POST /v1/messages` as JSON or as events, and
//! `POST /v1/messages/count_tokens`), refuses as the real one does, and bills as the real one does.
//! Time is real time plus an offset, so that an hour can pass between two requests:
//!
//! | request | effect |
//! |---|---|
//! | header `x-sim-time: 12.5` | this request happens at that second |
//! | header `x-sim-workspace: name` | the workspace, otherwise told by the API key |
//! | header `x-sim-output-tokens: 20` | the length of this answer |
//! | header `x-sim-fault: 429`, `500`, `529`, `stall` or `cut` | this answer goes wrong |
//! | `POST /admin/clock` with `{"now": 0}` or `{"advance": 300}` | moves the clock |
//! | `POST /admin/faults` with `{"status": 529, "count": 2}`, `{"stall_ms": 500}` or `{"cut_after_bytes": 99}` | the next answers go wrong |
//! | `POST /admin/reset` | forgets entries, faults and the offset |
//! | `GET /healthz` | `ok` |

mod answer;
mod faults;
mod routes;
mod stream;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::provider::Catalog;
use world::World;

/// How the simulated provider behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SimOptions {
    /// The rows it follows.
    pub catalog: Arc<Catalog>,
    /// The provider whose rows count.
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
            // The Messages API takes 32 MB (platform.claude.com api/errors, 2026-08).
            max_body: 32 << 20,
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
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async {
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
