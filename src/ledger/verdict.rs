//! What came of the caching that one exchange asked for.

/// Requested against effective, per exchange. Whether a write was ever read is settled later; see
/// [`Settled`](super::Settled).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the list is closed: every report must know every verdict"
)]
pub enum Verdict {
    /// The body passed unread.
    #[default]
    Unread,
    /// No response, or an error instead of one.
    Failed,
    /// The response reported no usage; zero is not assumed.
    Unreported,
    /// Nothing was marked and nothing was read.
    Plain,
    /// The prefix is shorter than the model's minimum.
    BelowMinimum,
    /// Nothing was there to read; it was written.
    Written,
    /// It read what was expected, or more.
    Hit,
    /// It read far less than was expected, but something.
    Partial,
    /// What should have been warm was not read at all, within its time to live.
    Lost,
    /// It was marked, and the provider neither read nor wrote.
    Ignored,
    /// One hour was asked for and five minutes were granted.
    Downgraded,
    /// The provider refused what was added.
    Refused,
}

impl Verdict {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 12] = [
        Self::Unread,
        Self::Failed,
        Self::Unreported,
        Self::Plain,
        Self::BelowMinimum,
        Self::Written,
        Self::Hit,
        Self::Partial,
        Self::Lost,
        Self::Ignored,
        Self::Downgraded,
        Self::Refused,
    ];

    /// The name in the ledger and in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unread => "unread",
            Self::Failed => "failed",
            Self::Unreported => "unreported",
            Self::Plain => "plain",
            Self::BelowMinimum => "below_minimum",
            Self::Written => "written",
            Self::Hit => "hit",
            Self::Partial => "partial",
            Self::Lost => "lost",
            Self::Ignored => "ignored",
            Self::Downgraded => "downgraded",
            Self::Refused => "refused",
        }
    }

    /// The verdict of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verdict| verdict.as_str() == name)
    }
}
