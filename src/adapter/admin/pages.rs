//! What is answered: the page, the figures, the metrics.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::guard::{Guard, Refused};
use super::scrape::Scrape;
use super::{Speller, Teller};
use crate::adapter::gateway::Gauge;
use crate::adapter::handle::Cachewright;
use crate::adapter::keep::Retained;
use crate::adapter::page;
use crate::error::Error;
use crate::ledger::Story;

/// How often the page reloads itself while somebody looks at it.
const EVERY: Duration = Duration::from_secs(10);

const TEXT: &str = "text/plain; charset=utf-8";

/// Everything that connections share.
pub(super) struct Pages {
    pub(super) guard: Guard,
    pub(super) scrape: Scrape,
    /// What the handle itself knows.
    pub(super) own: Arc<Teller>,
    pub(super) story: Option<Arc<Teller>>,
    pub(super) json: Option<Arc<Speller>>,
    pub(super) routes: Option<Gauge>,
    /// Whose pings are stopped here.
    pub(super) pings: Cachewright,
    /// One story at a time: each may read a whole ledger.
    pub(super) telling: Mutex<()>,
}

impl Pages {
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Text> {
        let (mut parts, _) = request.into_parts();
        let changes = Switch::of(&parts.method, parts.uri.path());
        if changes.is_none() && parts.method != Method::GET && parts.method != Method::HEAD {
            let message = "only GET is answered here, and POST /pings/stop and /pings/resume\n";
            return reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, message);
        }
        if parts.uri.path() == "/healthz" {
            return reply(StatusCode::OK, TEXT, "ok\n");
        }
        match self.guard.admits(&mut parts.headers) {
            // Every browser says which page sends a POST.
            Ok(()) if changes.is_some() && parts.headers.contains_key(ORIGIN) => {
                reply(StatusCode::FORBIDDEN, TEXT, "no web page may change this\n")
            }
            Ok(()) => match changes {
                Some(switch) => self.turn(switch),
                None => self.show(parts.uri.path()).await,
            },
            Err(refused) => refusal(refused),
        }
    }

    async fn show(&self, path: &str) -> Response<Text> {
        match path {
            "/" => {
                let page = |story: &Story| page::render_live(story, EVERY);
                self.told("text/html; charset=utf-8", page).await
            }
            "/report.json" if let Some(json) = self.json.clone() => {
                self.told("application/json", move |story| json(story))
                    .await
            }
            "/routes.json" if let Some(gauge) = &self.routes => {
                reply(StatusCode::OK, "application/json", gauge.read().json())
            }
            "/pings.json" => self.held(self.pings.retained()),
            "/metrics" => {
                let scrape = self.scrape.clone();
                let kind = "text/plain; version=0.0.4; charset=utf-8";
                match spawn_blocking(move || scrape.text()).await {
                    Ok(text) => reply(StatusCode::OK, kind, text),
                    Err(_) => failed("the metrics could not be written"),
                }
            }
            _ => {
                let message = "there is /, /report.json, /metrics and /healthz\n";
                reply(StatusCode::NOT_FOUND, TEXT, message)
            }
        }
    }

    /// Turns keeping alive off or on; says how much was held.
    fn turn(&self, switch: Switch) -> Response<Text> {
        match switch {
            Switch::Stop => self.held(self.pings.stop_pings()),
            Switch::Resume => {
                self.pings.resume_pings();
                self.held(self.pings.retained())
            }
        }
    }

    fn held(&self, held: Retained) -> Response<Text> {
        let (Retained { sessions, bytes }, stopped) = (held, self.pings.pings_stopped());
        let json = format!("{{\"stopped\":{stopped},\"sessions\":{sessions},\"bytes\":{bytes}}}\n");
        reply(StatusCode::OK, "application/json", json)
    }

    /// The story, rendered where it disturbs nobody.
    async fn told(
        &self,
        kind: &'static str,
        render: impl FnOnce(&Story) -> String + Send + 'static,
    ) -> Response<Text> {
        let _one = self.telling.lock().await;
        let (own, story) = (Arc::clone(&self.own), self.story.clone());
        let tell = move || {
            let told = story.map_or(Ok(None), |story| story())?;
            let told = told.map_or_else(|| own(), |story| Ok(Some(story)))?;
            Ok::<_, Error>(render(&told.unwrap_or_default()))
        };
        match spawn_blocking(tell).await {
            Ok(Ok(text)) => reply(StatusCode::OK, kind, text),
            Ok(Err(error)) => failed(&error.to_string()),
            Err(_) => failed("the report could not be written"),
        }
    }
}

/// What a POST turns.
#[derive(Clone, Copy)]
enum Switch {
    Stop,
    Resume,
}

impl Switch {
    fn of(method: &Method, path: &str) -> Option<Self> {
        match (method, path) {
            (&Method::POST, "/pings/stop") => Some(Self::Stop),
            (&Method::POST, "/pings/resume") => Some(Self::Resume),
            _ => None,
        }
    }
}

fn refusal(refused: Refused) -> Response<Text> {
    match refused {
        Refused::Token => {
            let message = "send the proxy's token as x-cachewright-token, as a bearer's, or as the \
                           password\n";
            let mut response = reply(StatusCode::UNAUTHORIZED, TEXT, message);
            let dialog = HeaderValue::from_static("Basic realm=\"cachewright\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, dialog);
            response
        }
        Refused::Name => {
            let message = "open it as localhost or by its address, or set client_token\n";
            reply(StatusCode::FORBIDDEN, TEXT, message)
        }
    }
}

fn failed(message: &str) -> Response<Text> {
    reply(
        StatusCode::SERVICE_UNAVAILABLE,
        TEXT,
        format!("{message}\n"),
    )
}

/// Nothing on the page comes from elsewhere, and nothing may show it as its own.
const GUARDS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
         img-src data:; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

fn reply(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Text> {
    let mut response = Response::new(Text(Some(text.into())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in GUARDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A body that is one text.
pub(super) struct Text(Option<Bytes>);

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|text| Ok(Frame::data(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |text| text.len() as u64))
    }
}
