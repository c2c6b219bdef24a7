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

    /// The same refusal under the provider's word for one; others keep theirs.
    pub(super) fn of_kind(mut self, kind: &'static str) -> Self {
        if self.kind == "invalid_request_error" {
            self.kind = kind;
        }
        self
    }

    pub(super) fn no_such_dialect() -> Self {
        Self {
            status: 404,
            kind: "not_found_error",
            message: "there is no such dialect".into(),
        }
    }

    /// How `OpenAI` refuses a member that it does not know.
    pub(super) fn unknown_parameter(path: &str) -> Self {
        Self::invalid(format!("Unknown parameter: '{path}'."))
    }

    /// Recorded (litellm#39210, strands#1807; 2026).
    pub(super) fn no_caching() -> Self {
        Self {
            status: 403,
            kind: "AccessDeniedException",
            message:
                "You invoked an unsupported model or your request did not allow prompt caching"
                    .into(),
        }
    }

    /// Recorded for unknown, expired and deleted caches alike (rig @b75850e, 2026-08).
    pub(super) fn no_such_cache() -> Self {
        Self {
            status: 403,
            kind: "PERMISSION_DENIED",
            message: "CachedContent not found (or permission denied)".into(),
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
    /// Converse: behind a `reasoningContent` block.
    Reasoning,
    /// Converse: behind a document that Bedrock turns into text.
    TextDocument,
    /// Nova: behind this entry of the tools.
    ToolOfNova(usize),
    /// Nova: behind a tool result.
    ResultOfNova,
    /// `OpenAI`: instructions, tools and what the model said.
    NoInput,
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
            // Recorded (opencode#36517, 2026-07-12).
            Self::Reasoning => "Cache point cannot be inserted after reasoning block. Please \
                                remove the invalid cache point and try again."
                .into(),
            // Recorded (aws-sdk-java-v2#6277, 2026-08-05).
            Self::TextDocument => format!("{path}.type: Field required"),
            // Recorded (hermes#97281, LibreChat#13838; 2026).
            Self::ToolOfNova(index) => format!(
                "Malformed input request: #/toolConfig/tools/{}: extraneous key [cachePoint] is \
                 not permitted, please reformat your input and try again.",
                index + 1
            ),
            // The refusal was seen (pi#2053, zeroclaw#8943; 2026), its words were not recorded.
            Self::ResultOfNova => {
                "Malformed input request: cachePoint is not permitted after toolResult, please \
                 reformat your input and try again."
                    .into()
            }
            Self::NoInput => format!("Unknown parameter: '{path}.prompt_cache_breakpoint'."),
        })
    }
}
