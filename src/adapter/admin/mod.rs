//! A port beside the proxy's, for whoever runs it: metrics for Prometheus and the live report.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | the report as a page, which reloads itself |
//! | `GET /report.json` | the same figures, where somebody [spells](Admin::json) them |
//! | `GET /metrics` | everything of [`TABLE`](super::metrics::TABLE), in Prometheus' text format |
//! | `GET /routes.json` | how backends and caps stand, where there are [routes](Admin::routes) |
//! | `GET /pings.json` | what is held to keep idle prefixes warm |
//! | `POST /pings/stop` | the same; all of it is dropped at once, and nothing is held from then on |
//! | `POST /pings/resume` | the same; prefixes may be kept warm again |
//! | `GET /healthz` | `ok` |
//!
//! It listens on the loopback, and elsewhere only where the proxy's `client_token` guards it. With a
//! token, everything but `/healthz` asks for it: as `x-cachewright-token`, as a bearer's, or as the
//! password of a browser's dialog. Without one, only requests that name the loopback or an address
//! are answered, so that no web page can read it through a name of its own, and none that a web page
//! sends changes anything.
//!
//! It cannot disturb the proxy: connections are few, each is cut after a while, the oldest makes room
//! for the newest, and what takes time is done on threads for blocking work.

mod guard;
mod options;
mod pages;
mod scrape;
mod serve;
mod story;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use self::options::AdminOptions;
pub use self::scrape::Scrape;

use self::guard::Guard;
use self::pages::Pages;
use super::gateway::Gauge;
use super::handle::Cachewright;
use crate::error::Error;
use crate::ledger::Story;

/// What the report is told from; may take a while.
type Teller = dyn Fn() -> Result<Option<Story>, Error> + Send + Sync;

/// How it is spelled in JSON.
type Speller = dyn Fn(&Story) -> String + Send + Sync;

/// An admin port, ready to listen.
pub struct Admin {
    listen: SocketAddr,
    options: AdminOptions,
    pages: Pages,
}

impl Admin {
    /// A port that shows what `scrape` counted; the report is that of the handle since it began,
    /// unless it is [told from](Self::story) something else. `None` where none is wanted.
    ///
    /// # Errors
    /// When it would be open to others without a token.
    pub fn new(
        cache: &Cachewright,
        scrape: &Scrape,
        options: &AdminOptions,
    ) -> Result<Option<Self>, Error> {
        let Some(listen) = options.address() else {
            return Ok(None);
        };
        let pings = cache.clone();
        let (cache, tally) = (cache.clone(), scrape.tally());
        let pages = Pages {
            guard: Guard::new(listen, options.client_token.as_deref())?,
            scrape: scrape.clone(),
            own: Arc::new(move || Ok(Some(tally.story(&cache)))),
            story: None,
            json: None,
            routes: None,
            pings,
            telling: tokio::sync::Mutex::new(()),
        };
        Ok(Some(Self {
            listen,
            options: options.clone(),
            pages,
        }))
    }

    /// Whether nobody chose its address, so that one that is taken is no failure.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        self.options.is_default()
    }

    /// Tells the report from something else, such as a ledger, where that has something to tell. It
    /// may block.
    #[must_use]
    pub fn story(
        mut self,
        story: impl Fn() -> Result<Option<Story>, Error> + Send + Sync + 'static,
    ) -> Self {
        self.pages.story = Some(Arc::new(story));
        self
    }

    /// Serves `/report.json`, spelled like this.
    #[must_use]
    pub fn json(mut self, json: impl Fn(&Story) -> String + Send + Sync + 'static) -> Self {
        self.pages.json = Some(Arc::new(json));
        self
    }

    /// Serves `/routes.json`: how backends and caps stand.
    #[must_use]
    pub fn routes(mut self, gauge: Gauge) -> Self {
        self.pages.routes = Some(gauge);
        self
    }

    /// Listens, and serves until the handle is dropped.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(self) -> Result<AdminHandle, Error> {
        let listen = self.listen;
        let refused = |error: std::io::Error| {
            let help = "choose another with --admin ADDRESS, or --admin off";
            Error::io(format!(
                "the admin port cannot listen on {listen}; is it in use? {help}"
            ))
            .caused_by(error)
        };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(serve::serve(listener, Arc::new(self.pages), stopped));
        Ok(AdminHandle {
            address,
            _stop: stop,
        })
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// An admin port that is being served, until this is dropped.
#[derive(Debug)]
pub struct AdminHandle {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl AdminHandle {
    /// Where the page is, such as `http://127.0.0.1:4041/`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}
