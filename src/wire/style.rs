//! Dialects by name, and the ways to spell a marker in them.

use super::{Chat, Converse, Dialect, Generate, Messages, Responses};

/// The names of all dialects.
pub const DIALECTS: [&str; 5] = ["messages", "chat", "responses", "converse", "generate"];

/// How a marker is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each dialect decides which styles it can write"
)]
pub enum MarkerStyle {
    /// There is none: the provider decides by itself.
    None,
    /// `"cache_control": {"type": "ephemeral"}` as a member of the block.
    CacheControl,
    /// `{"cachePoint": {"type": "default"}}` as a block of its own behind the block it closes.
    CachePoint,
    /// `"cachePoint": {"type": "default"}` as a member of the block (Nova by InvokeModel).
    CachePointMember,
    /// `"prompt_cache_breakpoint": {"mode": "explicit"}` as a member of the block.
    PromptCacheBreakpoint,
}

impl MarkerStyle {
    /// All styles.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::CacheControl,
        Self::CachePoint,
        Self::CachePointMember,
        Self::PromptCacheBreakpoint,
    ];

    /// Its name in rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::CacheControl => "cache_control",
            Self::CachePoint => "cache_point",
            Self::CachePointMember => "cache_point_member",
            Self::PromptCacheBreakpoint => "prompt_cache_breakpoint",
        }
    }

    /// The style of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|style| style.as_str() == text)
    }

    /// The style of a dialect whose row names none.
    #[must_use]
    pub fn of(dialect: &str) -> Self {
        match dialect {
            "messages" => Self::CacheControl,
            "converse" => Self::CachePoint,
            _ => Self::None,
        }
    }
}

/// The dialect of this name with this kind of marker, and its name; `None` when there is none.
#[must_use]
pub fn dialect(name: &str, marker: MarkerStyle) -> Option<(&'static str, &'static dyn Dialect)> {
    use MarkerStyle as M;
    Some(match (name, marker) {
        ("messages", M::CacheControl) => ("messages", &Messages),
        ("chat", M::None) => ("chat", &Chat { marker: M::None }),
        ("chat", M::CacheControl) => (
            "chat",
            &Chat {
                marker: M::CacheControl,
            },
        ),
        ("chat", M::PromptCacheBreakpoint) => (
            "chat",
            &Chat {
                marker: M::PromptCacheBreakpoint,
            },
        ),
        ("responses", M::None) => ("responses", &Responses { marker: M::None }),
        ("responses", M::PromptCacheBreakpoint) => (
            "responses",
            &Responses {
                marker: M::PromptCacheBreakpoint,
            },
        ),
        ("converse", M::CachePoint) => (
            "converse",
            &Converse {
                marker: M::CachePoint,
            },
        ),
        ("converse", M::CachePointMember) => (
            "converse",
            &Converse {
                marker: M::CachePointMember,
            },
        ),
        ("generate", M::None) => ("generate", &Generate),
        _ => return None,
    })
}
