//! Spans with OpenTelemetry's names: what they say, where they hang, how long they stand.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cachewright::adapter::handle::{Attempted, Cachewright, Route, Tenant};
use cachewright::adapter::spans::Spans;
use cachewright::adapter::tower::RequestBody;
use cachewright::ledger::Attempt;
use cachewright::model::Money;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{Service as _, service_fn};
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber as _;
use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Instrument as _, Subscriber, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::support::origin::{Origin, PROMPT, Protocol, SECRET, body, builder, json};

/// One span as it was seen.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Seen {
    parent: Option<String>,
    fields: BTreeMap<String, String>,
    entered: bool,
    closed: bool,
}

/// A layer that writes down the spans of our target.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<(Id, Seen)>>>);

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }
}

impl Notes {
    /// Ids are used again once a span is closed.
    fn change(&self, id: &Id, change: impl FnOnce(&mut Seen)) {
        let mut all = self.0.lock().unwrap();
        let open = all
            .iter_mut()
            .find(|(known, seen)| known == id && !seen.closed);
        if let Some((_, seen)) = open {
            change(seen);
        }
    }

    fn all(&self) -> Vec<Seen> {
        let all = self.0.lock().unwrap();
        all.iter().map(|(_, seen)| seen.clone()).collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Notes {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() != "cachewright" {
            return;
        }
        let mut seen = Seen::default();
        attributes.record(&mut Fields(&mut seen.fields));
        let parent = context.span(id).unwrap().parent();
        seen.parent = parent.map(|span| span.name().to_owned());
        self.0.lock().unwrap().push((id.clone(), seen));
    }

    fn on_record(&self, id: &Id, values: &Values<'_>, _: Context<'_, S>) {
        self.change(id, |seen| values.record(&mut Fields(&mut seen.fields)));
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        self.change(id, |seen| seen.entered = true);
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.change(&id, |seen| seen.closed = true);
    }
}

type Sender = Client<HttpConnector, RequestBody<Full<Bytes>>>;

fn handle() -> Cachewright {
    let spans = Arc::new(Spans::new());
    builder().observer(spans).build().unwrap()
}

fn post(url: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::post(url)
        .header("content-type", "application/json")
        .header("x-api-key", SECRET)
        .body(Full::new(body.into()))
        .unwrap();
    request.extensions_mut().insert(Tenant("team-a".into()));
    request.extensions_mut().insert(Route("triage".into()));
    request
}

/// Sends it below a span of the caller's, on a real socket.
async fn send(notes: &Notes, origin: &Origin, body: impl Into<Bytes>) {
    let client: Sender = Client::builder(TokioExecutor::new()).build_http();
    let mut service = handle().wrap(client);
    let url = origin.url();
    let body = body.into();
    let call = async move {
        let response = service.call(post(&url, body)).await.unwrap();
        response.into_body().collect().await.unwrap();
    };
    let subscriber = tracing_subscriber::registry().with(notes.clone());
    call.instrument(info_span!("callers"))
        .with_subscriber(subscriber)
        .await;
}

#[tokio::test]
async fn a_span_says_what_opentelemetry_asks_for() {
    let notes = Notes::default();
    let origin = Origin::of_messages(Protocol::Http1).await;
    // The caller's span is made within the subscriber that listens.
    let subscriber = tracing_subscriber::registry().with(notes.clone());
    let client: Sender = Client::builder(TokioExecutor::new()).build_http();
    let mut service = handle().wrap(client);
    let call = async {
        let sent = service.call(post(&origin.url(), body()));
        let response = sent.instrument(info_span!("callers")).await.unwrap();
        let under_way = notes.all();
        assert_eq!(under_way.len(), 1);
        assert!(!under_way[0].closed, "it stands until the answer was read");
        response.into_body().collect().await.unwrap();
    };
    call.with_subscriber(subscriber).await;
    let all = notes.all();
    assert_eq!(all.len(), 1);
    let Seen {
        parent,
        fields,
        entered,
        closed,
    } = &all[0];
    assert_eq!(parent.as_deref(), Some("callers"));
    assert!(*closed && !*entered);
    for (field, value) in [
        ("otel.name", "chat claude-sonnet-4.5"),
        ("otel.kind", "client"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "anthropic"),
        ("gen_ai.request.model", "claude-sonnet-4.5"),
        ("gen_ai.usage.input_tokens", "20003"),
        ("gen_ai.usage.output_tokens", "2"),
        ("gen_ai.usage.cache_read.input_tokens", "0"),
        ("gen_ai.usage.cache_creation.input_tokens", "20000"),
        ("http.response.status_code", "200"),
        ("server.address", "127.0.0.1"),
        ("cachewright.route", "triage"),
        ("cachewright.tenant", "team-a"),
        ("cachewright.resent", "false"),
        ("cachewright.complete", "true"),
        // 3 × $3 + 20,000 × $3.75 + 2 × $15 per million; plain, 20,003 × $3.
        ("cachewright.cost_usd", "0.075039"),
        ("cachewright.saved_usd", "-0.015"),
    ] {
        assert_eq!(
            fields.get(field).map(String::as_str),
            Some(value),
            "{field}"
        );
    }
    for field in ["error.type", "otel.status_code", "cachewright.skip"] {
        assert_eq!(fields.get(field), None, "{field}");
    }
    assert!(fields["cachewright.id"].contains('-'));
    assert!(fields.contains_key("cachewright.overhead_seconds"));
}

#[tokio::test]
async fn an_attempt_says_where_it_went() {
    let notes = Notes::default();
    let origin = Origin::of_messages(Protocol::Http1).await;
    let mut attempt = Attempt::default();
    attempt.backend = "bedrock".into();
    attempt.call = 11;
    attempt.number = 2;
    attempt.hop = Some(Money::from_pico(12_500_000_000));
    let mut request = post(&origin.url(), body());
    request.extensions_mut().insert(Attempted::new(attempt));
    let client: Sender = Client::builder(TokioExecutor::new()).build_http();
    let mut service = handle().wrap(client);
    let call = async {
        let answer = service.call(request).await.unwrap();
        answer.into_body().collect().await.unwrap();
    };
    let subscriber = tracing_subscriber::registry().with(notes.clone());
    call.with_subscriber(subscriber).await;
    let fields = &notes.all()[0].fields;
    for (field, value) in [
        ("cachewright.backend", "bedrock"),
        ("cachewright.call", "11"),
        ("cachewright.attempt", "2"),
        ("cachewright.hop_usd", "0.0125"),
    ] {
        assert_eq!(fields.get(field).map(String::as_str), Some(value));
    }
    assert_eq!(fields.get("cachewright.presumed_usd"), None);
}

#[tokio::test]
async fn errors_and_skipped_bodies_are_told_apart() {
    let notes = Notes::default();
    let failing = Origin::start(Protocol::Http1, || json(529, "{\"type\":\"error\"}")).await;
    send(&notes, &failing, body()).await;
    let fine = Origin::of_messages(Protocol::Http1).await;
    send(&notes, &fine, "not json").await;
    let [failed, skipped] = &notes.all()[..] else {
        panic!("two spans");
    };
    assert_eq!(failed.fields["error.type"], "529");
    assert_eq!(failed.fields["http.response.status_code"], "529");
    assert_eq!(failed.fields["otel.status_code"], "ERROR");
    assert_eq!(failed.fields.get("cachewright.cost_usd"), None);
    assert_eq!(skipped.fields["cachewright.skip"], "not_json");
    assert_eq!(skipped.fields["otel.name"], "chat");
    assert_eq!(skipped.fields.get("gen_ai.request.model"), None);
    assert_eq!(skipped.fields["gen_ai.response.model"], "claude-sonnet-4.5");
    assert_eq!(skipped.fields.get("error.type"), None);
}

#[tokio::test]
async fn a_call_that_is_dropped_closes_its_span() {
    let notes = Notes::default();
    let never = service_fn(|_: Request<RequestBody<Full<Bytes>>>| {
        std::future::pending::<Result<Response<Full<Bytes>>, std::io::Error>>()
    });
    let mut service = handle().wrap(never);
    let call = async {
        let mut call = Box::pin(service.call(post("http://127.0.0.1/v1/messages", body())));
        std::future::poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        assert!(!notes.all()[0].closed);
        drop(call);
    };
    let subscriber = tracing_subscriber::registry().with(notes.clone());
    call.with_subscriber(subscriber).await;
    let all = notes.all();
    assert!(all.len() == 1 && all[0].closed);
    assert_eq!(all[0].fields["error.type"], "_OTHER");
}

#[tokio::test]
async fn nobody_who_listens_costs_nothing_and_no_text_is_recorded() {
    let origin = Origin::of_messages(Protocol::Http1).await;
    let client: Sender = Client::builder(TokioExecutor::new()).build_http();
    let sent = handle()
        .wrap(client)
        .call(post(&origin.url(), body()))
        .await;
    sent.unwrap().into_body().collect().await.unwrap();
    let notes = Notes::default();
    send(&notes, &origin, body()).await;
    let said = format!("{:?}", notes.all());
    assert!(said.contains("team-a"));
    for secret in [PROMPT, SECRET, "crown"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn providers_go_by_the_names_of_the_conventions() {
    let catalog = cachewright::provider::Catalog::builtin();
    for (row, name) in [
        ("anthropic", "anthropic"),
        ("openai", "openai"),
        ("bedrock", "aws.bedrock"),
        ("bedrock-nova", "aws.bedrock"),
        ("vertex", "gcp.vertex_ai"),
        ("gemini", "gcp.gemini"),
        ("azure", "azure.ai.openai"),
        ("mistral", "mistral_ai"),
        ("xai", "x_ai"),
        ("deepseek", "deepseek"),
        ("groq", "groq"),
    ] {
        assert_eq!(&*catalog.provider(row).unwrap().otel, name);
    }
}
