//! What a provider allows, and what the user asked for.

use std::time::Duration;

use super::{Timestamp, Ttl};

/// How a model's cache decides what is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "planner and simulator must each know what a regime means"
)]
pub enum Regime {
    /// At markers; a read finds entries some positions below a marker too.
    #[default]
    Breakpoints,
    /// At markers and at an end of the provider's own choosing; a read finds what ended exactly at
    /// a marker of the request.
    Exact,
    /// By itself: nothing in the request decides it, except where it is sent.
    Automatic,
}

/// How long entries of each class live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lives {
    /// Those of [`Ttl::FiveMinutes`].
    pub five_minutes: Duration,
    /// Those of [`Ttl::HalfHour`].
    pub half_hour: Duration,
    /// Those of [`Ttl::OneHour`].
    pub one_hour: Duration,
}

impl Lives {
    /// What the names of the classes promise.
    pub const PROMISED: Self = Self {
        five_minutes: Ttl::FiveMinutes.duration(),
        half_hour: Ttl::HalfHour.duration(),
        one_hour: Ttl::OneHour.duration(),
    };

    /// The life of an entry of this class.
    #[must_use]
    pub const fn of(&self, class: Ttl) -> Duration {
        match class {
            Ttl::FiveMinutes => self.five_minutes,
            Ttl::HalfHour => self.half_hour,
            Ttl::OneHour => self.one_hour,
        }
    }

    /// Whether an entry of this class that was written or read at `since` is there at `now`.
    #[must_use]
    pub fn holds(&self, class: Ttl, since: Timestamp, now: Timestamp) -> bool {
        since <= now && now < since.plus(self.of(class))
    }
}

impl Default for Lives {
    fn default() -> Self {
        Self::PROMISED
    }
}

/// What one model of one provider allows and needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a row")]
pub struct Limits {
    /// Markers per request, the caller's own and the automatic one included.
    pub max_breakpoints: usize,
    /// The shortest prefix that is cached, in tokens; shorter ones are silently not cached.
    pub min_tokens: u64,
    /// The longest prefix that is cached, in tokens; longer ones are not.
    pub max_cached: Option<u64>,
    /// Positions searched back from a marker, the marker's own included.
    pub lookback: usize,
    /// Whether a run of tool uses, or of tool results, is one position.
    pub collapse_runs: bool,
    /// What decides where entries end.
    pub regime: Regime,
    /// The class of a marker that names none.
    pub ttl: Ttl,
    /// Whether the one-hour class is on sale.
    pub one_hour: bool,
    /// How long entries live: what the classes promise, or what was measured where it is less.
    pub lives: Lives,
    /// Whether a read starts an entry's life anew.
    pub renews: bool,
    /// Whether a one-hour marker behind a part that was written for less keeps that part alive for
    /// an hour too, so that one request lengthens the life of a whole prefix (hypothesis H1 of
    /// `economics.md`, section 8.3; no provider documents it, so that only a probe may say so).
    pub revives: bool,
    /// Whether what a request writes can be read only once its answer is complete, and not from its first
    /// byte on.
    pub written_at_end: bool,
    /// Whether tool definitions can be marked.
    pub marks_tools: bool,
    /// Whether tool results can be marked.
    pub marks_results: bool,
    /// Whether the row was found for this very model; a guess is conservative and says so.
    pub known: bool,
}

impl Limits {
    /// Whether a prefix of this many tokens is too long to be cached.
    #[must_use]
    pub fn is_beyond(&self, tokens: u64) -> bool {
        self.max_cached.is_some_and(|most| tokens > most)
    }

    /// What holds when nothing is known: four markers, the highest documented minimum.
    pub const CONSERVATIVE: Self = Self {
        max_breakpoints: 4,
        min_tokens: 4096,
        max_cached: None,
        lookback: 20,
        collapse_runs: false,
        regime: Regime::Breakpoints,
        ttl: Ttl::FiveMinutes,
        one_hour: false,
        lives: Lives::PROMISED,
        renews: true,
        revives: false,
        written_at_end: false,
        marks_tools: true,
        marks_results: true,
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

/// What happens to calls whose prefix another call is writing at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FanOut {
    /// They go at once, pay in full for the prefix, and leave the writing of it to the first.
    #[default]
    Off,
    /// They wait until what the first of them writes can be read, where that pays.
    Wait,
}
