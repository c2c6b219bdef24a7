//! The experiments by name.

use crate::model::{Limits, Regime, Ttl};

/// One experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// The shortest prefix that is cached.
    Minimum,
    /// From when on an entry can be read.
    Visibility,
    /// How many positions are searched back from a marker.
    Lookback,
    /// Whether who asks for an hour gets it (H9 of `economics.md`, section 11).
    Grant,
    /// Whether an entry is found by a marker of another class (H4).
    Class,
    /// Whether a marker below what is read creates an entry for nothing (H3).
    Anchor,
    /// Whether a place must be marked again to be found (H8).
    Resend,
    /// How long an entry of the default class lives.
    Ttl,
    /// Whether a read renews.
    Renewal,
    /// Whether reading a deep entry renews a shallower one (H2).
    Deep,
    /// Whether `max_tokens: 0` is accepted, and renews (H7).
    Warm,
    /// Whether a one-hour marker revives what was written for five minutes (H1).
    Upgrade,
    /// Whether large prefixes are lost before their time (H6).
    Size,
    /// How long an entry of one hour lives.
    Hour,
}

impl Kind {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 14] = [
        Self::Minimum,
        Self::Visibility,
        Self::Lookback,
        Self::Grant,
        Self::Class,
        Self::Anchor,
        Self::Resend,
        Self::Ttl,
        Self::Renewal,
        Self::Deep,
        Self::Warm,
        Self::Upgrade,
        Self::Size,
        Self::Hour,
    ];

    /// Its name on the command line and in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minimum => "minimum",
            Self::Visibility => "visibility",
            Self::Lookback => "lookback",
            Self::Grant => "grant",
            Self::Class => "class",
            Self::Anchor => "anchor",
            Self::Resend => "resend",
            Self::Ttl => "ttl",
            Self::Renewal => "renewal",
            Self::Deep => "deep",
            Self::Warm => "warm",
            Self::Upgrade => "upgrade",
            Self::Size => "size",
            Self::Hour => "hour",
        }
    }

    /// The experiment of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What it finds out, in a few words.
    #[must_use]
    pub const fn question(self) -> &'static str {
        match self {
            Self::Minimum => "shortest cached prefix",
            Self::Visibility => "when an entry can be read",
            Self::Lookback => "positions searched back from a marker",
            Self::Grant => "whether one hour is granted",
            Self::Class => "whether another class finds an entry",
            Self::Anchor => "whether a marker below a hit writes for nothing",
            Self::Resend => "whether old markers must be sent again",
            Self::Ttl => "life of the default class",
            Self::Renewal => "whether a read renews",
            Self::Deep => "whether a deep read renews shallower entries",
            Self::Warm => "whether max_tokens 0 is taken and renews",
            Self::Upgrade => "whether a one-hour marker revives what stands before it",
            Self::Size => "whether large prefixes are lost early",
            Self::Hour => "life of the one-hour class",
        }
    }

    /// Whether it makes sense where these limits hold, in this dialect.
    pub(super) fn applies(self, limits: &Limits, dialect: &str) -> bool {
        let by_marker = limits.regime == Regime::Breakpoints;
        let hours = limits.one_hour && limits.ttl != Ttl::OneHour;
        match self {
            Self::Minimum
            | Self::Visibility
            | Self::Ttl
            | Self::Renewal
            | Self::Deep
            | Self::Size => true,
            Self::Lookback | Self::Anchor => by_marker,
            Self::Resend => limits.regime == Regime::Exact,
            Self::Grant | Self::Class | Self::Upgrade | Self::Hour => by_marker && hours,
            Self::Warm => by_marker && dialect == "messages",
        }
    }
}
