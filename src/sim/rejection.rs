//! Refusals, with the provider's own words where they were recorded.

use std::fmt;

/// A refusal, with the provider's real text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// HTTP status.
    pub status: u16,
    /// `error.type`.
    pub kind: &'static str,
    /// `error.message`.
    pub message: String,
}

impl Rejection {
    /// A 400 of type `invalid_request_error`.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            message: message.into(),
        }
    }

    /// The same refusal, said of something inside `path`.
    pub(super) fn within(mut self, path: &str) -> Self {
        self.message = format!("{path}.{}", self.message);
        self
    }

    /// The body, or the part at `path`, is not JSON of the right shape.
    pub(super) fn not_json() -> Self {
        Self::invalid("The request body is not valid JSON.")
    }

    pub(super) fn missing(field: &str) -> Self {
        Self::invalid(format!("{field}: Field required"))
    }

    /// Recorded with five (sub2api#176, opencode-claude-auth#121, 2026).
    pub(super) fn too_many(allowed: usize, found: usize) -> Self {
        Self::invalid(format!(
            "A maximum of {allowed} blocks with cache_control may be provided. Found {found}."
        ))
    }

    /// Recorded 2026-08-12 (headroom#2939).
    pub(super) fn ttl_order(path: &str) -> Self {
        Self::invalid(format!(
            "{path}.cache_control.ttl: a ttl='1h' cache_control block must not come after a \
             ttl='5m' cache_control block. Note that blocks are processed in the following order: \
             tools, system, messages."
        ))
    }
}

/// The message, as the provider puts it.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.kind, self.message)
    }
}

impl std::error::Error for Rejection {}

/// Why a block can carry no marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmarkable {
    /// `thinking` or `redacted_thinking`.
    Thinking,
    /// `redacted_thinking`.
    RedactedThinking,
    /// A text block without text.
    EmptyText,
    /// A tool with `defer_loading: true`.
    DeferredTool,
    /// A system message with `clear_at`.
    Transient,
}

impl Unmarkable {
    /// The refusal of a marker on the block at `path`.
    pub(super) fn rejection(self, path: &str) -> Rejection {
        Rejection::invalid(match self {
            // Recorded (sub2api#225, 2026).
            Self::Thinking => {
                format!("{path}.thinking.cache_control: Extra inputs are not permitted")
            }
            Self::RedactedThinking => {
                format!("{path}.redacted_thinking.cache_control: Extra inputs are not permitted")
            }
            // Recorded (claude-code#50082, 2026).
            Self::EmptyText => {
                format!("{path}.text: cache_control cannot be set for empty text blocks")
            }
            // Recorded in pydantic-ai's notes (models/anthropic.py, 2026-08-22).
            Self::DeferredTool => {
                format!("{path}: Tools with defer_loading cannot use prompt caching")
            }
            // The page says 400 and does not give the words (mid-conversation system messages,
            // 2026-08-22).
            Self::Transient => format!("{path}.cache_control: cannot be used with clear_at"),
        })
    }
}
