//! The real endpoint, over HTTP.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::{Ask, Pace, Reply};
use crate::adapter::clock::{Clock as _, SystemClock};
use crate::adapter::gateway::{Delivery, Site, manners};
use crate::adapter::proxy::connector;
use crate::error::Error;
use crate::model::Timestamp;
use crate::provider::Provider;
use crate::wire::{self, Address, Dialect, Framing, MarkerStyle, Watcher};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const LONGEST: usize = 4 << 20;
/// How much later each call is than the one before in simulated time.
const TICK: Duration = Duration::from_millis(200);
/// How much of a provider's message is shown.
const SHOWN: usize = 300;

/// Where calls go, and the credential they show.
#[derive(Debug)]
pub struct Remote {
    site: Site,
    line: Line,
    dialect: &'static dyn Dialect,
    name: &'static str,
    model: String,
}

/// A credential, and which of the provider's ways shows it. Its text stays out of debug output.
#[derive(Clone, Default)]
pub struct Key {
    text: String,
    /// The index of [`Access::auth`](crate::provider::Access::auth).
    way: usize,
}

impl Key {
    /// A key that is shown in the provider's way of this number.
    #[must_use]
    pub const fn new(text: String, way: usize) -> Self {
        Self { text, way }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key(.., {})", self.way)
    }
}

impl Remote {
    /// An endpoint of this provider at `base`, such as `https://api.anthropic.com`, in this dialect
    /// and for the model of this id; `words` fill placeholders such as `region`.
    ///
    /// # Errors
    /// When the address or the key cannot be used.
    pub fn new(
        row: &Provider,
        base: &str,
        (dialect, model): (&str, &str),
        key: &Key,
        words: &[(&str, &str)],
    ) -> Result<Self, Error> {
        let base = words.iter().fold(base.to_owned(), |base, (word, value)| {
            base.replace(&format!("{{{word}}}"), value)
        });
        if let Some((_, rest)) = base.split_once('{') {
            let word = rest.split('}').next().unwrap_or_default();
            return Err(Error::config(format!(
                "--{word}: the address of {} needs it ({base})",
                row.name
            )));
        }
        let mut site = Site::new(&row.name, row, &base)?;
        for (word, value) in words {
            site = site.fill(word, value);
        }
        if !key.text.is_empty() {
            site = match manners(row).nth(key.way) {
                Some(manner) => site.key_in(&manner, &key.text)?,
                None => site.key(&key.text)?,
            };
        }
        let marker = row
            .endpoint(dialect)
            .map_or(MarkerStyle::None, |one| one.marker);
        let (name, spoken) = wire::dialect(dialect, marker)
            .ok_or_else(|| Error::config(format!("there is no dialect `{dialect}`")))?;
        if site.door(name).is_none() {
            return Err(Error::config(format!(
                "{} has no address for calls in the dialect `{name}`",
                row.name
            )));
        }
        Ok(Self {
            site,
            line: Line::new()?,
            dialect: spoken,
            name,
            model: model.into(),
        })
    }

    /// Host and path, without any credential.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.site.base_url()
    }

    /// What a request to this endpoint takes.
    fn request(&self, body: &Bytes) -> Result<(http::request::Parts, Bytes), Error> {
        let unusable = || Error::config("the endpoint's address cannot be used");
        let door = self.site.door(self.name).ok_or_else(unusable)?;
        let uri = self.site.uri(door, &self.model, Delivery::Whole);
        let address = Address {
            model: &self.model,
            betas: "",
        };
        let body = door.envelope.enclose(body, &address);
        let body = body.map_err(|_| Error::input("the body cannot be put into its envelope"))?;
        let mut headers = HeaderMap::new();
        self.site.dress(&mut headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri.ok_or_else(unusable)?)
            .body(())
            .map_err(|error| unusable().caused_by(error))?;
        let (mut parts, ()) = request.into_parts();
        parts.headers = headers;
        Ok((parts, body))
    }
}

impl Ask for Remote {
    async fn ask(&self, body: Bytes) -> Result<Reply, Error> {
        let (mut parts, body) = self.request(&body)?;
        let authorized = self.site.authorize(&mut parts, &body).await;
        authorized.map_err(|why| Error::config(why.0))?;
        let request = Request::from_parts(parts, Body::from(body));
        let answered = self.line.send(request).await;
        // The error itself may carry an address with what stands in its query.
        let (head, body) = answered
            .map_err(|why| Error::io(format!("cannot reach {}: {why}", self.site.host())))?;
        let status = head.status.as_u16();
        let retry_after = head.headers.get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let mut watcher = Watcher::new(self.dialect, Framing::Json);
        watcher.feed(&body);
        let seen = watcher.finish();
        Ok(Reply {
            status,
            usage: seen.usage.filter(|_| status < 300),
            message: (status >= 300).then(|| message(&body)),
            retry_after: retry_after.map(Duration::from_secs),
        })
    }
}

/// Connections to whoever is asked.
#[derive(Clone, Debug)]
struct Line(Client<HttpsConnector<HttpConnector>, Body>);

impl Line {
    fn new() -> Result<Self, Error> {
        let connector = connector(CONNECT)?;
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// The answer, or why there is none.
    async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<(http::response::Parts, Bytes), &'static str> {
        let exchange = async {
            let lost = |error: hyper_util::client::legacy::Error| {
                if error.is_connect() {
                    "nobody answers there"
                } else {
                    "the connection broke"
                }
            };
            let response = self.0.request(request).await.map_err(lost)?;
            let (head, body) = response.into_parts();
            let body = to_bytes(Body::new(body), LONGEST).await;
            let body = body.map_err(|_| "its answer broke off, or is too long")?;
            Ok((head, body))
        };
        let answered = tokio::time::timeout(PATIENCE, exchange).await;
        answered.unwrap_or(Err("it did not answer in time"))
    }
}

/// The provider's own words on a refusal, cut short.
fn message(body: &[u8]) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let said = value.as_ref().and_then(|value| {
        let error = value.get("error").unwrap_or(value);
        error
            .get("message")
            .or_else(|| value.get("message"))?
            .as_str()
    });
    let said = said.unwrap_or("no message");
    said.chars()
        .filter(|ch| !ch.is_control())
        .take(SHOWN)
        .collect()
}

/// Real time.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to configure")]
pub struct RealTime;

impl Pace for RealTime {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn wait(&self, until: Timestamp) -> Result<(), Error> {
        // A machine that slept meanwhile is late; a clock that was set is followed.
        while SystemClock.now() < until {
            let left = until.since(SystemClock.now());
            tokio::time::sleep(left.min(Duration::from_secs(1))).await;
        }
        Ok(())
    }
}

/// The time of `cachewright sim`, which is moved instead of waited for.
#[derive(Debug)]
pub struct SimulatedTime {
    address: Uri,
    line: Line,
    now: Mutex<Timestamp>,
}

impl SimulatedTime {
    /// The clock of the simulator at this base URL, whatever its path.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(base: &str) -> Result<Self, Error> {
        let refused = || Error::config("--endpoint: write it as http://127.0.0.1:8788");
        let mut parts = base.parse::<Uri>().map_err(|_| refused())?.into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static("/admin/clock"));
        Ok(Self {
            address: Uri::from_parts(parts).map_err(|_| refused())?,
            line: Line::new()?,
            now: Mutex::new(SystemClock.now()),
        })
    }

    fn locked(&self) -> MutexGuard<'_, Timestamp> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace for SimulatedTime {
    fn now(&self) -> Timestamp {
        *self.locked()
    }

    async fn wait(&self, until: Timestamp) -> Result<(), Error> {
        // The simulator's clock runs on meanwhile, and must not be set back.
        let target = self.now().plus(TICK).max(until);
        *self.locked() = target;
        let body = serde_json::json!({"now": target.as_secs_f64()}).to_string();
        let request = Request::post(self.address.clone()).body(Body::from(body));
        let request = request.map_err(|error| Error::config("--endpoint").caused_by(error))?;
        match self.line.send(request).await {
            Ok((head, _)) if head.status.is_success() => Ok(()),
            Ok(_) => Err(Error::config(
                "--simulated: the endpoint is no `cachewright sim`, whose clock can be moved",
            )),
            Err(why) => Err(Error::io(format!("cannot reach {}: {why}", self.address))),
        }
    }
}
