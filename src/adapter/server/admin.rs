//! The endpoints that no provider has: clock, faults, limits, kept requests, reset.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::faults;
use super::limits;
use super::refuse::Shape;
use super::respond;
use super::rules::Rule;
use super::world::World;
use crate::model::Timestamp;

type Shared = State<Arc<World>>;

/// The body of `POST /admin/clock`, in seconds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    now: Option<f64>,
    advance: Option<f64>,
}

pub(super) async fn set_clock(State(world): Shared, body: Bytes) -> Response {
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
        _ => return refused("send {\"now\": seconds} or {\"advance\": seconds}"),
    };
    world.set_now(target);
    respond(200, &json!({"now": world.now().as_secs_f64()}))
}

pub(super) async fn clock(State(world): Shared) -> Response {
    respond(200, &json!({"now": world.now().as_secs_f64()}))
}

pub(super) async fn add_faults(State(world): Shared, body: Bytes) -> Response {
    let faults = serde_json::from_slice::<faults::Order>(&body)
        .ok()
        .and_then(faults::Order::faults);
    let Some(faults) = faults else {
        return refused(
            "send one of {\"status\": 529}, {\"fault\": \"reset\"} (or hang, garbage), \
             {\"spend_limit\": \"enforced\"} (or own), {\"stall_ms\": 500}, {\"drip_ms\": 5}, \
             {\"cut_after_bytes\": 99} and {\"error_after_events\": 3}, with a \"count\" if it is to \
             happen more than once, and the \"provider\" and a part of the \"path\" it is for",
        );
    };
    let count = faults.len();
    world.add_faults(faults);
    respond(200, &json!({"queued": count}))
}

pub(super) async fn set_limits(State(world): Shared, body: Bytes) -> Response {
    let Ok(order) = serde_json::from_slice::<limits::Order>(&body) else {
        return refused(
            "send {\"provider\": \"anthropic\"} with \"requests\", \"input_tokens\" or \
             \"output_tokens\", each per minute",
        );
    };
    world.limits(|limits| limits.set(order));
    respond(200, &json!({}))
}

pub(super) async fn set_rules(State(world): Shared, body: Bytes) -> Response {
    match serde_json::from_slice::<Rule>(&body) {
        Ok(rule) => {
            world.set_rule(rule);
            respond(200, &json!({}))
        }
        Err(error) => refused(&format!("no rule: {error}")),
    }
}

pub(super) async fn requests(State(world): Shared) -> Response {
    respond(200, &world.kept())
}

pub(super) async fn forget(State(world): Shared) -> Response {
    world.forget();
    respond(200, &json!({}))
}

pub(super) async fn reset(State(world): Shared) -> Response {
    world.reset();
    respond(200, &json!({}))
}

fn refused(fix: &str) -> Response {
    Shape::Anthropic.error("admin", 400, "invalid_request_error", fix)
}
