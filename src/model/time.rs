//! Time as a value: every function that needs "now" is given it.

use std::fmt;
use std::time::Duration;

/// A moment, in microseconds since the Unix epoch (or since the start of a replay).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From seconds since the epoch; fractions below a microsecond are dropped, and what does not
    /// fit saturates.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        reason = "recorded traffic writes seconds as a decimal"
    )]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates, which is what is meant"
    )]
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self((seconds * 1e6) as i64)
    }

    /// Seconds since the epoch.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "the inverse of `from_secs_f64`")]
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact below 2^53 microseconds, 285 years"
    )]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This moment moved forward, saturating.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// Time passed since `earlier`; zero when `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// The lifetime class of a cache entry.
///
/// Anthropic sells five minutes and one hour (`cache_control.ttl`, platform.claude.com
/// prompt-caching, 2026-08-22; an absent `ttl` means five minutes), OpenAI half an hour from GPT-5.6
/// on (`prompt_cache_options.ttl`, developers.openai.com prompt-caching, 2026-09-23).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each match must decide what a new class means"
)]
pub enum Ttl {
    /// Five minutes from the start of the last request that wrote or read the entry.
    #[default]
    FiveMinutes,
    /// Half an hour (OpenAI from GPT-5.6 on).
    HalfHour,
    /// One hour, at a higher write price.
    OneHour,
}

impl Ttl {
    /// How long an entry of this class lives.
    #[must_use]
    pub const fn duration(self) -> Duration {
        match self {
            Self::FiveMinutes => Duration::from_secs(300),
            Self::HalfHour => Duration::from_secs(1800),
            Self::OneHour => Duration::from_secs(3600),
        }
    }

    /// The spelling on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::HalfHour => "30m",
            Self::OneHour => "1h",
        }
    }

    /// Reads the spelling on the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "5m" => Some(Self::FiveMinutes),
            "30m" => Some(Self::HalfHour),
            "1h" => Some(Self::OneHour),
            _ => None,
        }
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
