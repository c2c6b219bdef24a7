//! One request on its way to an answer.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;

use super::answers::Rendered;
use super::broken;
use super::caches;
use super::constant;
use super::faults::{Fault, What};
use super::form::{Delivery, Form, Wrap};
use super::keep::Arrived;
use super::refuse::Shape;
use super::stream::{self, Pace};
use super::target::{self, Target};
use super::world::World;
use super::{admin, respond, serve, sigv4, text, when};
use crate::model::{Timestamp, Usage};
use crate::sim::Rejection;

/// What a path ends with that only counts.
const COUNT: &str = "/count_tokens";

pub(super) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/admin/clock", post(admin::set_clock).get(admin::clock))
        .route("/admin/faults", post(admin::add_faults))
        .route("/admin/limits", post(admin::set_limits))
        .route("/admin/rules", post(admin::set_rules))
        .route("/admin/requests", get(admin::requests))
        .route("/admin/forget", post(admin::forget))
        .route("/admin/reset", post(admin::reset))
        .fallback(receive)
        .with_state(world)
}

/// One request, its body read.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) id: String,
    pub(super) workspace: String,
    pub(super) shape: Shape,
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    pub(super) at: Timestamp,
}

impl Call {
    pub(super) fn error(&self, status: u16, message: &str) -> Response {
        self.shape.error(&self.id, status, "", message)
    }

    pub(super) fn rejected(&self, rejection: &Rejection) -> Response {
        let (status, kind) = (rejection.status, rejection.kind);
        self.shape.error(&self.id, status, kind, &rejection.message)
    }

    /// Adds the headers that every response of this provider has.
    fn sign(&self, mut response: Response) -> Response {
        let headers: [(&'static str, String); 2] = match self.shape {
            Shape::Anthropic => [
                ("request-id", format!("req_sim_{}", self.id)),
                (
                    "anthropic-workspace-id",
                    format!("wrkspc_{}", self.workspace),
                ),
            ],
            Shape::OpenAi => [
                ("x-request-id", format!("req_sim_{}", self.id)),
                ("openai-processing-ms", "1".into()),
            ],
            Shape::Aws => [
                ("x-amzn-requestid", format!("sim-{}", self.id)),
                ("x-amzn-bedrock-invocation-latency", "1".into()),
            ],
            Shape::Google => [
                ("server-timing", "gfet4t7; dur=1".into()),
                ("x-frame-options", "SAMEORIGIN".into()),
            ],
        };
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

async fn receive(State(world): State<Arc<World>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let catalog = &world.options.catalog;
    let find = |path: &str| {
        let place = (&parts.uri, &parts.headers);
        target::find(catalog, &world.options.provider, place, path)
    };
    let cache = caches::Path::parse(path, find);
    let counted = path.strip_suffix(COUNT);
    let target = match &cache {
        Some(cache) => Some(cache.target.clone()),
        None => find(counted.unwrap_or(path)),
    };
    let form = target.as_ref().map(|target| {
        let query = parts.uri.query().unwrap_or_default();
        Form::of(target.dialect, path, query, Delivery::Document)
    });
    let shape = form.map_or_else(Shape::default, |form| Shape::of(form.dialect, form.wrap));
    let number = world.number();
    let id = format!("{number:016x}");
    let Ok(body) = axum::body::to_bytes(body, world.options.max_body).await else {
        let message = "Request exceeds the maximum allowed number of bytes.";
        return shape.error(&id, 413, "", message);
    };
    world.keep(Arrived {
        number,
        provider: target.as_ref().map(|target| &*target.provider),
        parts: &parts,
        body: &body,
    });
    if world.options.constant {
        return constant(&world, target.as_ref(), &parts, &body);
    }
    let headers = &parts.headers;
    let at = text(headers, "x-sim-time")
        .and_then(|seconds| seconds.parse().ok())
        .map_or_else(|| world.now(), Timestamp::from_secs_f64);
    let place = target.as_ref().map_or("", |target| target.place.as_str());
    let call = Call {
        number,
        workspace: workspace(headers, &parts.uri, place),
        id,
        shape,
        at,
        parts,
        body,
    };
    let response = given(&world, &call, target.as_ref(), cache.as_ref()).await;
    let mut response = call.sign(response);
    if let Some(target) = &target {
        let headers = response.headers_mut();
        world.limits(|limits| limits.tell(&target.provider, call.shape, headers));
    }
    response
}

/// What the path asks for.
async fn given(
    world: &World,
    call: &Call,
    target: Option<&Target>,
    cache: Option<&caches::Path>,
) -> Response {
    match (target, cache) {
        (None, _) => call.error(404, "Not Found"),
        (Some(target), Some(cache)) => match next_fault(world, call, target) {
            Some(fault) if fault.replaces() => broken::instead(call, fault, &target.provider).await,
            _ => caches::answer(world, call, cache),
        },
        (Some(_), None) if call.parts.method != Method::POST => {
            call.error(405, "Method Not Allowed")
        }
        (Some(target), None) if call.parts.uri.path().ends_with(COUNT) => {
            count(world, call, target)
        }
        (Some(target), None) => answer(world, call, target).await,
    }
}

/// Serves a prompt, or lets it fail as ordered.
async fn answer(world: &World, call: &Call, target: &Target) -> Response {
    let headers = &call.parts.headers;
    if let Some(refused) = refusal(world, call) {
        return refused;
    }
    if let Err(seconds) = world.limits(|limits| limits.enter(&target.provider, call.at)) {
        return call.shape.failed(&call.id, 429, Some(seconds));
    }
    let fault = text(headers, "x-sim-fault")
        .and_then(|text| Fault::parse(text, world.options.stall))
        .or_else(|| next_fault(world, call, target));
    let instead = fault.filter(|fault| fault.replaces());
    if let Some(fault) = instead.filter(|fault| !fault.billed) {
        return broken::instead(call, fault, &target.provider).await;
    }
    let (mut answer, asked) = match serve::served(world, call, target) {
        Ok(served) => served,
        Err(refused) => return *refused,
    };
    // Who fails before the first word bills none.
    let is_free = |fault: Fault| fault.what == What::Error(0) && !fault.billed;
    if !fault.is_some_and(is_free) {
        world.bill(call.number, answer.usage);
    }
    world.limits(|limits| limits.used(&target.provider, call.shape, &answer.usage));
    if let Some(fault) = instead {
        return broken::instead(call, fault, &target.provider).await;
    }
    answer.created = when::seconds(call.at);
    let uri = &call.parts.uri;
    let query = uri.query().unwrap_or_default();
    let form = Form::of(target.dialect, uri.path(), query, asked);
    let mut rendered = answer.render(form);
    let what = fault.map(|fault| fault.what);
    if let Some(What::Error(events)) = what {
        if form.delivery == Delivery::Document {
            return call.shape.failed(&call.id, 500, None);
        }
        rendered.pieces.truncate(events);
        rendered.pieces.push(broken::event(form, &call.id));
    }
    tokio::time::sleep(world.options.first_byte).await;
    let pace = Pace {
        between: world.options.between_chunks,
        fault: what,
    };
    let mut response = deliver(rendered, form, pace);
    if form.wrap == Wrap::Invoke && form.delivery == Delivery::Document {
        count_in_headers(response.headers_mut(), &answer.usage);
    }
    response
}

fn next_fault(world: &World, call: &Call, target: &Target) -> Option<Fault> {
    world.next_fault(call.parts.uri.path(), &target.provider)
}

/// Checks a signature where there is one; other keys are taken as they are.
fn refusal(world: &World, call: &Call) -> Option<Response> {
    let (headers, uri) = (&call.parts.headers, &call.parts.uri);
    if !sigv4::is_signed(headers) {
        return None;
    }
    let signed = sigv4::Signed {
        method: call.parts.method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        host: target::host(uri, headers),
        headers,
        body: &call.body,
    };
    let keys = &world.options.aws_keys;
    let verified = sigv4::verify(&signed, (&keys.access_key, &keys.secret_key));
    let sigv4::Refused(kind, message) = verified.err()?;
    Some(call.shape.error(&call.id, 403, kind, message))
}

fn deliver(rendered: Rendered, form: Form, pace: Pace) -> Response {
    let body = match (form.delivery, rendered.pieces.as_slice()) {
        (Delivery::Document, [document]) => whole(document.clone(), pace),
        _ => stream::body(rendered.pieces, pace),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, rendered.kind);
    response
}

/// One document in one piece, unless something is to go wrong inside it.
fn whole(document: Bytes, pace: Pace) -> Body {
    let Some(_) = pace.fault else {
        return Body::from(document);
    };
    let mut head = document;
    let tail = head.split_off(head.len() / 2);
    stream::body(vec![head, tail], pace)
}

fn count(world: &World, call: &Call, target: &Target) -> Response {
    match world.count_tokens(&target.provider, &call.body) {
        Ok(tokens) => respond(200, &json!({"input_tokens": tokens})),
        Err(rejection) => call.rejected(&rejection),
    }
}

fn constant(world: &World, target: Option<&Target>, parts: &Parts, body: &[u8]) -> Response {
    let Some(target) = target else {
        return Shape::Anthropic.error("constant", 404, "", "Not Found");
    };
    let query = parts.uri.query().unwrap_or_default();
    let answer = world.constant(constant::form(target, parts.uri.path(), query, body));
    let mut response = Response::new(Body::from(answer.body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, answer.kind);
    response
}

/// `InvokeModel` repeats the counts in headers.
fn count_in_headers(headers: &mut HeaderMap, usage: &Usage) {
    for (name, count) in [
        ("x-amzn-bedrock-input-token-count", usage.plain),
        ("x-amzn-bedrock-output-token-count", usage.output),
        ("x-amzn-bedrock-cache-read-input-token-count", usage.read),
        (
            "x-amzn-bedrock-cache-write-input-token-count",
            usage.written(),
        ),
    ] {
        if let Some(count) = count {
            headers.insert(HeaderName::from_static(name), count.into());
        }
    }
}

/// The workspace by its name, or by the key: the key itself is never kept. A signature changes with
/// each request, so that of a signed one is the access key; project and location are part of it.
fn workspace(headers: &HeaderMap, uri: &Uri, place: &str) -> String {
    let key = ["x-api-key", "api-key", "x-goog-api-key"];
    let key = key.iter().find_map(|name| text(headers, name));
    let query = || {
        let mut pairs = uri.query()?.split('&');
        pairs.find_map(|pair| pair.strip_prefix("key="))
    };
    let key = key
        .or_else(|| sigv4::access_key(headers))
        .or_else(|| text(headers, "authorization"))
        .or_else(query);
    let mut name = match (text(headers, "x-sim-workspace"), key) {
        (Some(name), _) => name.into(),
        (None, None) => "default".into(),
        (None, Some(key)) => {
            let hex = blake3::hash(key.as_bytes()).to_hex();
            hex.chars().take(24).collect::<String>()
        }
    };
    name.push_str(place);
    name
}
