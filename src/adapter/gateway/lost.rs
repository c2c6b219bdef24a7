//! An attempt that came to nothing: why, and what there is to tell of it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::trial::Shut;
use crate::route::{Failure, FailureKind, Full, Pick};
use crate::wire::Fault;

/// An attempt that came to nothing.
pub(super) struct Lost {
    pub(super) pick: Pick,
    pub(super) backend: Box<str>,
    pub(super) cause: Cause,
}

/// Why it came to nothing.
pub(super) enum Cause {
    /// It was not sent: a cap has no room.
    Full(Box<Full>),
    /// It was not sent: the backend is left alone, or has no room.
    Shut(Shut),
    /// It was not sent: no request could be made for the backend; says why.
    Unfit(&'static str),
    /// It failed.
    Failed(Failure, Box<Said>),
}

impl Cause {
    /// In a few words.
    pub(super) fn what(&self) -> String {
        match self {
            Self::Full(full) => format!("the cap {} has no room", full.cap),
            Self::Shut(Shut::Broken(_)) => "left alone after failures".into(),
            Self::Shut(Shut::Limited(_)) => "no room under its rate limit".into(),
            Self::Unfit(why) => (*why).into(),
            Self::Failed(failure, said) => match said.status {
                Some(status) => format!("{} ({})", kind(failure.kind), status.as_u16()),
                None => kind(failure.kind).into(),
            },
        }
    }
}

/// A kind of failure in a few words.
const fn kind(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Unreachable => "cannot be reached",
        FailureKind::Reset => "broke off",
        FailureKind::Silent => "silent",
        FailureKind::Garbage => "answered nonsense",
        FailureKind::RateLimited => "rate limited",
        FailureKind::Overloaded => "overloaded",
        FailureKind::Server => "failed",
        FailureKind::SpendLimit => "its spend limit is reached",
        FailureKind::Denied => "credential refused",
        FailureKind::NoModel => "does not serve the model",
        FailureKind::Unsupported => "does not serve what the call needs",
        FailureKind::Invalid => "refused the request",
    }
}

/// What there is to tell of a failure.
#[derive(Default)]
pub(super) struct Said {
    /// The status of the backend's answer; `None` where there was none.
    pub(super) status: Option<StatusCode>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) fault: Fault,
}
