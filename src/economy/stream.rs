//! One conversation as a stream of requests.

/// What is remembered of one conversation: plain values, bounded.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stream {}
