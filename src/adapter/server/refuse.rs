//! Refusals in the shape of each provider.

use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::form::Wrap;
use super::manners::{self, Manner};
use super::respond;

/// Whose errors are imitated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    #[default]
    Anthropic,
    OpenAi,
    Aws,
    Google,
}

impl Shape {
    /// The errors of this dialect; AWS has its own, whatever it wraps.
    pub(super) fn of(dialect: &str, wrap: Wrap) -> Self {
        match dialect {
            _ if wrap != Wrap::None => Self::Aws,
            "chat" | "responses" => Self::OpenAi,
            "converse" => Self::Aws,
            "generate" => Self::Google,
            _ => Self::Anthropic,
        }
    }

    /// The errors of what stands before the model: on Vertex that is Google's, whatever the model
    /// behind it speaks (docs.cloud.google.com, error codes of partner models, 2026-09).
    pub(super) fn at_the_door(self, provider: &str) -> Self {
        if manners::of(provider).contains(&Manner::Vertex) {
            return Self::Google;
        }
        self
    }

    /// An error of this status; `kind` is the type that was recorded for it, if any.
    pub(super) fn error(self, id: &str, status: u16, kind: &str, message: &str) -> Response {
        let kind = self.kind(status, kind);
        let mut response = respond(status, &self.body(id, status, kind, message));
        let headers = response.headers_mut();
        if self == Self::Aws
            && let Ok(kind) = HeaderValue::try_from(kind)
        {
            headers.insert("x-amzn-errortype", kind);
        }
        response
    }

    /// The error that a fault of this status is; `retry_after` is in seconds.
    pub(super) fn failed(self, id: &str, status: u16, retry_after: Option<u64>) -> Response {
        let message = match (self, status) {
            (Self::Anthropic, 401) => "invalid x-api-key",
            (Self::Anthropic, 429) => {
                "This request would exceed your account's rate limit. Please try again later."
            }
            (Self::Anthropic, 529) => "Overloaded",
            (Self::OpenAi, 401) => "Incorrect API key provided.",
            (Self::OpenAi, 429) => "Rate limit reached.",
            (Self::Aws, 429) => "Too many requests, please wait before trying again.",
            (Self::Google, 401) => "API key not valid. Please pass a valid API key.",
            (Self::Google, 429) => "Resource exhausted. Please try again later.",
            (_, 400..500) => "simulated fault",
            _ => "Internal server error",
        };
        let mut response = self.error(id, status, "", message);
        if let Some(seconds) = retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    /// How a model that does not exist is refused.
    pub(super) fn no_such_model(self, id: &str, model: &str) -> Response {
        let (status, message) = match self {
            Self::Anthropic => (404, format!("model: {model}")),
            Self::OpenAi => (
                404,
                format!("The model `{model}` does not exist or you do not have access to it."),
            ),
            Self::Aws => (400, "The provided model identifier is invalid.".into()),
            Self::Google => (404, format!("Publisher Model `{model}` was not found.")),
        };
        self.error(id, status, "", &message)
    }

    /// The type of an error: what was recorded for it, if it is a word of this provider.
    fn kind(self, status: u16, recorded: &str) -> &str {
        let own = match self {
            Self::Aws => recorded.ends_with("Exception"),
            Self::Google => !recorded.is_empty() && recorded == recorded.to_ascii_uppercase(),
            Self::Anthropic | Self::OpenAi => !recorded.is_empty(),
        };
        match self {
            _ if own => recorded,
            Self::Anthropic => anthropic(status),
            Self::OpenAi => openai(status),
            Self::Aws => aws(status),
            Self::Google => google(status),
        }
    }

    /// platform.claude.com api/errors; platform.openai.com error codes; Bedrock API reference,
    /// common errors; google.rpc.Status (2026-08).
    pub(super) fn body(self, id: &str, status: u16, kind: &str, message: &str) -> Value {
        match self {
            Self::Anthropic => json!({
                "type": "error",
                "error": {"type": kind, "message": message},
                "request_id": format!("req_sim_{id}"),
            }),
            Self::OpenAi => {
                let code = match status {
                    401 => Some("invalid_api_key"),
                    402 | 429 if kind == "insufficient_quota" => Some("insufficient_quota"),
                    404 => Some("model_not_found"),
                    429 => Some("rate_limit_exceeded"),
                    _ => None,
                };
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            }
            Self::Aws => json!({"message": message}),
            Self::Google => {
                json!({"error": {"code": status, "message": message, "status": kind}})
            }
        }
    }
}

const fn anthropic(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    }
}

const fn openai(status: u16) -> &'static str {
    match status {
        429 => "requests",
        400..500 => "invalid_request_error",
        _ => "server_error",
    }
}

const fn aws(status: u16) -> &'static str {
    match status {
        401 | 403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        400..500 => "ValidationException",
        _ => "InternalServerException",
    }
}

const fn google(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        400..500 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}
