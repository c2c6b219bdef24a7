//! Who places the markers of the replayed requests.

use crate::sim::Request;

/// Who places the markers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// The engine.
    #[default]
    Engine,
    /// The provider's documentation: five-minute markers on the system prompt's end and the tail.
    Default,
    /// The provider, by the automatic top-level marker.
    Automatic,
    /// The caller: bodies as they were recorded.
    Own,
    /// Nobody.
    None,
}

impl Policy {
    /// The name in reports and options.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Default => "default",
            Self::Automatic => "auto",
            Self::Own => "own",
            Self::None => "none",
        }
    }

    /// The request as this policy sends it; what the engine rewrote stays as it is.
    pub(super) fn apply(self, request: Request) -> Request {
        match self {
            Self::Engine | Self::Own => request,
            Self::Default => request.with_default_markers(),
            Self::Automatic => request.with_automatic_marker(),
            Self::None => request.without_markers(),
        }
    }
}
