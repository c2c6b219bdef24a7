//! What providers of one dialect report differently; whatever is not here follows the dialect.

/// Something that a provider does beyond its dialect, or leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Hits and misses as members of their own beside the details.
    HitAndMiss,
    /// The cost in ticks of 10⁻¹⁰ dollars.
    Ticks,
    /// The cost in dollars.
    Cost,
    /// A stream ends with the usage although nobody asked.
    UsageUnasked,
    /// The usage is in the chunk that says why the answer ended.
    UsageAtEnd,
    /// Kind of traffic and time of creation; streams have the usage in the last piece only.
    Vertex,
}

/// Recorded traffic, 2026-05 to 2026-08, where not said otherwise.
const MANNERS: [(&str, &[Manner]); 5] = [
    ("deepseek", &[Manner::HitAndMiss, Manner::UsageAtEnd]),
    ("xai", &[Manner::Ticks]),
    ("openrouter", &[Manner::Cost, Manner::UsageUnasked]),
    ("mistral", &[Manner::UsageUnasked, Manner::UsageAtEnd]),
    ("vertex", &[Manner::Vertex]),
];

/// The manners of this provider.
pub(super) fn of(provider: &str) -> &'static [Manner] {
    let mut known = MANNERS.iter();
    known
        .find(|(name, _)| *name == provider)
        .map_or(&[], |(_, manners)| manners)
}
