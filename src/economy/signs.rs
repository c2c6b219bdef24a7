//! What is known of a pause when it begins.

use std::time::Duration;

use crate::model::{Stop, Tokens};

/// What the last request of a conversation ended with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Input {
    /// Words of a user.
    Text,
    /// Results of tools.
    ToolResult,
    /// Something else, or unknown.
    #[default]
    Other,
}

/// Another conversation of the same session went on while this one paused: a history that was
/// compacted, tools that changed, a sub-agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Overtaken {
    /// Its requests are about as long, or longer: it took this one's place, more often than not.
    Longer,
    /// Its requests are shorter: a sub-agent's, or what is left of a history.
    Shorter,
}

/// What is known of a pause: what classes of pauses are told apart by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signs {
    /// Why the model stopped; `None` while it is still answering, or where nobody said.
    pub stop: Option<Stop>,
    /// What the request ended with.
    pub input: Input,
    /// Requests of the conversation so far, this one included.
    pub requests: u32,
    /// How long the conversation lasts so far.
    pub age: Duration,
    /// The pause before this request; `None` for the first.
    pub last_gap: Option<Duration>,
    /// Pauses longer than five minutes so far.
    pub pauses: u32,
    /// Those of them that ended within the hour.
    pub returns: u32,
    /// Tokens of the request.
    pub tokens: Tokens,
    /// Those of them that no earlier request of the conversation had.
    pub fresh: Tokens,
    /// Whether the session has gone on elsewhere; `None` also where nobody names sessions.
    pub overtaken: Option<Overtaken>,
}
