//! What went wrong with an attempt, and what to do about it.

use std::time::Duration;

/// What went wrong with one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What it was.
    pub kind: FailureKind,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// Whether the provider may have billed it.
    pub billed: Billed,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureKind {
    /// No connection.
    Unreachable,
    /// The connection broke off before an answer.
    Reset,
    /// No first byte in time.
    Silent,
    /// The answer was none that the dialect has.
    Garbage,
    /// Too many requests or tokens.
    RateLimited,
    /// The provider has no capacity.
    Overloaded,
    /// The provider's fault (5xx).
    Server,
    /// The account may spend no more.
    SpendLimit,
    /// The credential is refused.
    Denied,
    /// The model is not served there.
    NoModel,
    /// Something else that the call needs is not served there.
    Unsupported,
    /// The request itself is refused: it would be everywhere.
    Invalid,
}

impl FailureKind {
    /// Whether it concerns one model at the backend, or one call, rather than the whole backend.
    #[must_use]
    pub(super) const fn is_of_model(self) -> bool {
        matches!(self, Self::NoModel | Self::Unsupported)
    }
}

/// Whether an attempt without a usable answer may have been billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Billed {
    /// The provider says it served nothing, or was never reached.
    No,
    /// It may have worked on the prompt.
    Perhaps,
}

/// What may be done after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "failing over must know them all")]
pub enum Step {
    /// The same backend once more, after a wait.
    Again,
    /// Another backend.
    Elsewhere,
    /// Nothing: the answer is the caller's.
    Final,
}

/// The head of a response with what its body says of an error, in whichever shape.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "every part is needed")]
pub struct Response<'a> {
    /// HTTP status.
    pub status: u16,
    /// The error's type, such as `overloaded_error` or `ThrottlingException`; empty without one.
    pub kind: &'a str,
    /// The error's code within its type, such as `enforced_spend_limit_reached`.
    pub code: &'a str,
    /// The error's message.
    pub message: &'a str,
    /// The header `retry-after`, or what stands for it.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// What a response means; `None` where it is no failure.
    #[must_use]
    pub fn of(response: &Response<'_>) -> Option<Self> {
        let kind = match response.status {
            200..300 => return None,
            429 => FailureKind::RateLimited,
            500.. => FailureKind::Server,
            _ => FailureKind::Invalid,
        };
        Some(Self {
            kind,
            retry_after: response.retry_after,
            billed: Billed::No,
        })
    }

    /// A failure without a response.
    #[must_use]
    pub const fn without_answer(kind: FailureKind, billed: Billed) -> Self {
        Self {
            kind,
            retry_after: None,
            billed,
        }
    }

    /// What may be done about it.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self.kind {
            FailureKind::Invalid => Step::Final,
            FailureKind::SpendLimit
            | FailureKind::Denied
            | FailureKind::NoModel
            | FailureKind::Unsupported => Step::Elsewhere,
            FailureKind::Unreachable
            | FailureKind::Reset
            | FailureKind::Silent
            | FailureKind::Garbage
            | FailureKind::RateLimited
            | FailureKind::Overloaded
            | FailureKind::Server => Step::Again,
        }
    }
}
