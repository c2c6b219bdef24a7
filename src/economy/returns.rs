//! How long pauses last, by what they began with.

/// Pauses seen, by class: a statistic that a memory keeps per scope and for all of them together.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Returns {}
