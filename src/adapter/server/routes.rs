//! The paths of the simulated provider.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::faults::{Fault, Order};
use super::stream::{self, Pace};
use super::world::World;
use crate::model::Timestamp;
use crate::sim::Rejection;

type Shared = State<Arc<World>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

pub(super) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/v1/messages", post(messages))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .route("/healthz", get(async || "ok"))
        .route("/admin/clock", post(set_clock).get(clock))
        .route("/admin/faults", post(add_faults))
        .route("/admin/reset", post(reset))
        .fallback(async || Call::default().error(404, "not_found_error", "Not Found"))
        .with_state(world)
}

/// One request on its way to a response: what every response repeats.
#[derive(Debug, Default)]
struct Call {
    id: String,
    workspace: String,
}

impl Call {
    fn new(world: &World, headers: &HeaderMap) -> Self {
        Self {
            id: format!("{:016x}", world.number()),
            workspace: workspace(headers),
        }
    }

    fn respond(&self, status: u16, kind: HeaderValue, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, kind);
        for (name, value) in [
            ("request-id", format!("req_sim_{}", self.id)),
            (
                "anthropic-workspace-id",
                format!("wrkspc_{}", self.workspace),
            ),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }

    fn json(&self, status: u16, value: &Value) -> Response {
        self.respond(status, JSON, Body::from(value.to_string()))
    }

    /// The shape of all errors (platform.claude.com api/errors, 2026-08).
    fn error(&self, status: u16, kind: &str, message: &str) -> Response {
        let error = json!({
            "type": "error",
            "error": {"type": kind, "message": message},
            "request_id": format!("req_sim_{}", self.id),
        });
        let mut response = self.json(status, &error);
        if status == 429 {
            let later = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, later);
        }
        response
    }

    fn rejected(&self, rejection: &Rejection) -> Response {
        self.error(rejection.status, rejection.kind, &rejection.message)
    }

    fn failed(&self, status: u16) -> Response {
        let (kind, message) = match status {
            401 => ("authentication_error", "invalid x-api-key"),
            429 => (
                "rate_limit_error",
                "This request would exceed your account's rate limit. Please try again later.",
            ),
            529 => ("overloaded_error", "Overloaded"),
            400..500 => ("invalid_request_error", "simulated fault"),
            _ => ("api_error", "Internal server error"),
        };
        self.error(status, kind, message)
    }
}

async fn messages(State(world): Shared, headers: HeaderMap, body: Body) -> Response {
    let call = Call::new(&world, &headers);
    let body = match read(&world, &call, body).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let own = text(&headers, "x-sim-fault");
    let fault = own
        .and_then(|text| Fault::parse(text, world.options.stall))
        .or_else(|| world.next_fault());
    if let Some(Fault::Status(status)) = fault {
        return call.failed(status);
    }
    let at = text(&headers, "x-sim-time")
        .and_then(|seconds| seconds.parse().ok())
        .map_or_else(|| world.now(), Timestamp::from_secs_f64);
    let (request, usage) = match world.serve(&call.workspace, at, &body) {
        Ok(served) => served,
        Err(rejection) => return call.rejected(&rejection),
    };
    let asked = text(&headers, "x-sim-output-tokens").and_then(|count| count.parse().ok());
    let answer = Answer::new(format!("msg_sim_{}", call.id), &request, usage, asked);
    tokio::time::sleep(world.options.first_byte).await;
    let pace = Pace {
        between: world.options.between_chunks,
        fault,
    };
    if request.is_stream() {
        call.respond(200, EVENTS, stream::body(answer.events(), pace))
    } else {
        call.respond(200, JSON, document(answer.document(), pace))
    }
}

/// One document in one piece, unless something is to go wrong inside it.
fn document(document: Bytes, pace: Pace) -> Body {
    let Some(_) = pace.fault else {
        return Body::from(document);
    };
    let mut head = document;
    let tail = head.split_off(head.len() / 2);
    stream::body(vec![head, tail], pace)
}

async fn count_tokens(State(world): Shared, headers: HeaderMap, body: Body) -> Response {
    let call = Call::new(&world, &headers);
    let body = match read(&world, &call, body).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    match world.count_tokens(&body) {
        Ok(tokens) => call.json(200, &json!({"input_tokens": tokens})),
        Err(rejection) => call.rejected(&rejection),
    }
}

/// The body of `POST /admin/clock`, in seconds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    now: Option<f64>,
    advance: Option<f64>,
}

async fn set_clock(State(world): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let call = Call::new(&world, &headers);
    let target = match serde_json::from_slice(&body) {
        Ok(Move {
            now: Some(now),
            advance: None,
        }) => Timestamp::from_secs_f64(now),
        Ok(Move {
            now: None,
            advance: Some(by),
        }) => {
            let by = Timestamp::from_secs_f64(by).as_micros();
            Timestamp::from_micros(world.now().as_micros().saturating_add(by))
        }
        _ => {
            let fix = "send {\"now\": seconds} or {\"advance\": seconds}";
            return call.error(400, "invalid_request_error", fix);
        }
    };
    world.set_now(target);
    call.json(200, &json!({"now": world.now().as_secs_f64()}))
}

async fn clock(State(world): Shared, headers: HeaderMap) -> Response {
    let call = Call::new(&world, &headers);
    call.json(200, &json!({"now": world.now().as_secs_f64()}))
}

async fn add_faults(State(world): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let call = Call::new(&world, &headers);
    let faults = serde_json::from_slice::<Order>(&body)
        .ok()
        .and_then(Order::faults);
    let Some(faults) = faults else {
        let fix = "send one of {\"status\": 529}, {\"stall_ms\": 500} and \
                   {\"cut_after_bytes\": 99}, with a \"count\" if it is to happen more than once";
        return call.error(400, "invalid_request_error", fix);
    };
    let count = faults.len();
    world.add_faults(faults);
    call.json(200, &json!({"queued": count}))
}

async fn reset(State(world): Shared, headers: HeaderMap) -> Response {
    world.reset();
    Call::new(&world, &headers).json(200, &json!({}))
}

async fn read(world: &World, call: &Call, body: Body) -> Result<Bytes, Response> {
    let body = axum::body::to_bytes(body, world.options.max_body).await;
    body.map_err(|_| {
        call.error(
            413,
            "request_too_large",
            "Request exceeds the maximum allowed number of bytes.",
        )
    })
}

/// The workspace by its name, or by the key: the key itself is never kept.
fn workspace(headers: &HeaderMap) -> String {
    if let Some(name) = text(headers, "x-sim-workspace") {
        return name.into();
    }
    let key = text(headers, "x-api-key").or_else(|| text(headers, "authorization"));
    key.map_or_else(
        || "default".into(),
        |key| {
            let hex = blake3::hash(key.as_bytes()).to_hex();
            hex.chars().take(24).collect()
        },
    )
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
