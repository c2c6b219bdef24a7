//! A simulator with a gateway before it, by configuration alone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::gateway::{Gateway, GatewayOptions, Whole};
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::adapter::tower::RequestBody;
use cachewright::ledger::Record;
use cachewright::provider::Catalog;
use cachewright::route::Level;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tower::Service as _;

/// Only a call that hangs takes this long.
const FAULT: Duration = Duration::from_secs(120);

type Sender = Client<HttpConnector, RequestBody<Whole>>;

/// A simulator with a gateway before it.
pub(crate) struct Bench {
    pub(crate) sim: SimHandle,
    pub(crate) cache: Cachewright,
    pub(crate) gateway: Gateway<Sender>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Why the body ended before its end, if it did.
    pub(crate) cut: Option<String>,
}

impl Answered {
    pub(crate) fn kind(&self) -> &str {
        let kind = self.headers.get("content-type");
        kind.map_or("", |kind| kind.to_str().unwrap())
    }

    pub(crate) fn route(&self) -> &str {
        let route = self.headers.get("x-cachewright-route");
        route.map_or("", |route| route.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A simulator of all providers.
pub(crate) async fn simulator() -> SimHandle {
    let mut options = SimOptions::default();
    options.keep_requests = 10_000;
    let address = "127.0.0.1:0".parse().unwrap();
    SimServer::new(options).bind(address).await.unwrap()
}

/// A base URL at which nobody listens.
pub(crate) fn closed() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// The end of the path of a dialect.
pub(crate) fn path(dialect: &str) -> &'static str {
    match dialect {
        "messages" => "/v1/messages",
        "chat" => "/v1/chat/completions",
        _ => "/v1/responses",
    }
}

impl Bench {
    /// A gateway with this configuration, in which `{sim}` and `{closed}` are base URLs.
    pub(crate) async fn new(config: &str) -> Self {
        Self::with(config).await.unwrap_or_else(|error| {
            panic!("{error}\n{config}");
        })
    }

    /// The same, where the configuration may be none.
    pub(crate) async fn with(config: &str) -> Result<Self, cachewright::error::Error> {
        Self::over(config, Cachewright::new()).await
    }

    /// The same, over this handle.
    pub(crate) async fn over(
        config: &str,
        cache: Cachewright,
    ) -> Result<Self, cachewright::error::Error> {
        let sim = simulator().await;
        let config = config
            .replace("{sim}", &sim.base_url())
            .replace("{closed}", &closed());
        let catalog = Arc::new(Catalog::builtin());
        let options = GatewayOptions::config(("test.toml", &config), &catalog, &|_| None)?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let gateway = cache.gateway(client, options)?;
        Ok(Self {
            sim,
            cache,
            gateway,
        })
    }

    /// Sends a body to a route.
    pub(crate) async fn ask(&self, route: &str, dialect: &str, body: &Value) -> Answered {
        self.send(&format!("/{route}{}", path(dialect)), &[], body)
            .await
    }

    pub(crate) async fn send(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answered {
        let mut request = Request::post(format!("http://gateway{path}"))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let mut gateway = self.gateway.clone();
        let answered = async {
            let response = gateway.call(request).await.unwrap();
            let (head, body) = response.into_parts();
            let mut body = std::pin::pin!(body);
            let (mut taken, mut cut) = (Vec::new(), None);
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => taken.extend_from_slice(&frame.into_data().unwrap_or_default()),
                    Err(error) => {
                        cut = Some(error.to_string());
                        break;
                    }
                }
            }
            Answered {
                status: head.status.as_u16(),
                headers: head.headers,
                body: taken.into(),
                cut,
            }
        };
        let answered = tokio::time::timeout(FAULT, answered).await;
        answered.unwrap_or_else(|_| panic!("no end of an answer from {path}"))
    }

    /// How full the caps are.
    pub(crate) fn caps(&self) -> Vec<Level> {
        self.gateway.gauge().read().caps
    }

    /// Tells the simulator something.
    pub(crate) async fn order(&self, path: &str, body: &Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}{path}", self.sim.base_url());
        let told = client.post(url).json(body).send().await.unwrap();
        assert!(told.status().is_success(), "{}", told.text().await.unwrap());
    }

    /// What arrived at the simulator.
    pub(crate) async fn arrived(&self) -> Vec<Value> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/admin/requests", self.sim.base_url());
        let kept = client.get(url).send().await.unwrap();
        kept.json().await.unwrap()
    }

    /// The records once there are as many: they are booked when a body is dropped.
    pub(crate) async fn records(&self, count: usize) -> Vec<Record> {
        let booked = async {
            while self.cache.records().len() < count {
                tokio::task::yield_now().await;
            }
        };
        // Too few are told by whoever counts them.
        let _ = tokio::time::timeout(Duration::from_secs(10), booked).await;
        self.cache.records()
    }
}

/// One header of a kept request.
pub(crate) fn header<'a>(kept: &'a Value, name: &str) -> &'a str {
    let headers = kept["headers"].as_array().unwrap().iter();
    let mut found = headers.filter(|pair| pair[0] == name);
    found.next().map_or("", |pair| pair[1].as_str().unwrap())
}
