//! Answers that go wrong on purpose, as responses: what comes in the place of one, and how a stream
//! ends that fails half-way.

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::faults::{Fault, What};
use super::form::{Delivery, Form};
use super::frames;
use super::line::Line;
use super::refuse::Shape;
use super::routes::Call;
use super::spend;

/// What a proxy in front of a provider says when it is lost.
const GARBAGE: &str = "<html><body>It works, but not here.</body></html>";

/// What comes in the place of an answer.
pub(super) async fn instead(call: &Call, fault: Fault, provider: &str) -> Response {
    // What stands before the model has a shape of its own.
    let shape = call.shape.at_the_door(provider);
    match fault.what {
        What::Status(status, after) => shape.failed(&call.id, status, after),
        What::SpendLimit(whose) => spend::refused(provider, shape, &call.id, whose),
        What::Garbage => garbage(),
        What::Reset => {
            if let Some(ConnectInfo(line)) = call.parts.extensions.get::<ConnectInfo<Line>>() {
                line.reset();
            }
            Response::new(Body::empty())
        }
        What::Hang | What::Stall(_) | What::Cut(_) | What::Drip(_) | What::Error(_) => {
            std::future::pending().await
        }
    }
}

fn garbage() -> Response {
    let mut response = Response::new(Body::from(GARBAGE));
    let html = HeaderValue::from_static("text/html");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

/// The event with which a stream of this form fails.
pub(super) fn event(form: Form, id: &str) -> Bytes {
    let shape = Shape::of(form.dialect, form.wrap);
    let text = |name: &str, data: &Value| {
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("event: {name}\n")
        };
        Bytes::from(format!("{name}data: {data}\n\n"))
    };
    let message = "Overloaded";
    match form.delivery {
        Delivery::Frames => {
            let headers = [
                (":exception-type", "modelStreamErrorException"),
                (":content-type", "application/json"),
                (":message-type", "exception"),
            ];
            frames::frame(&headers, json!({"message": message}).to_string().as_bytes())
        }
        Delivery::Array => format!(",\r\n{}]", shape.body(id, 503, "UNAVAILABLE", message)).into(),
        Delivery::Document | Delivery::Sse => match form.dialect {
            "chat" => text("", &shape.body(id, 503, "server_error", message)),
            "responses" => text(
                "error",
                &json!({"type": "error", "code": "server_error", "message": message, "param": null}),
            ),
            "generate" => text("", &shape.body(id, 503, "UNAVAILABLE", message)),
            _ => text("error", &shape.body(id, 529, "overloaded_error", message)),
        },
    }
}
