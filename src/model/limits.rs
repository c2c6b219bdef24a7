//! What a provider allows, and what the user asked for.

/// What one model of one provider allows and needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a row")]
pub struct Limits {
    /// Markers per request, the caller's own and the automatic one included.
    pub max_breakpoints: usize,
    /// The shortest prefix that is cached, in tokens; shorter ones are silently not cached.
    pub min_tokens: u64,
    /// Positions searched back from a marker, the marker's own included.
    pub lookback: usize,
    /// Whether a run of tool uses, or of tool results, is one position.
    pub collapse_runs: bool,
    /// Whether the one-hour class is on sale.
    pub one_hour: bool,
    /// Whether the row was found for this very model; a guess is conservative and says so.
    pub known: bool,
}

impl Limits {
    /// What holds when nothing is known: four markers, the highest documented minimum.
    pub const CONSERVATIVE: Self = Self {
        max_breakpoints: 4,
        min_tokens: 4096,
        lookback: 20,
        collapse_runs: false,
        one_hour: false,
        known: false,
    };
}

/// How far a request may be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Change nothing, measure only.
    Observe,
    /// Add breakpoints; nothing the model reads changes.
    #[default]
    Place,
    /// Also spell tools and tool inputs canonically, rule by rule.
    Reshape,
}

/// What happens to markers that the caller already placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Markers {
    /// Kept where they are, counted against the limit.
    #[default]
    Keep,
    /// Removed and planned anew.
    Replace,
}
