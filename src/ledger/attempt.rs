//! One attempt of a call that a route sent on its way, and what may be billed without a word.

use super::Record;
use crate::model::Money;

/// One attempt of a call that a route sent on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The backend it went to.
    pub backend: Box<str>,
    /// What the attempts of one call have in common, within one run.
    pub call: u64,
    /// One for the first, and so on.
    pub number: u32,
    /// What it was expected to cost above what it would have where its prefix is warm; `None` where
    /// nothing was left behind.
    pub hop: Option<Money>,
    /// Why it went there, in one line without prompt text.
    pub why: Box<str>,
}

/// Whether a provider that reported no usage may have billed the prompt all the same, by the status
/// of its answer; zero where none came although the request may have left.
///
/// No answer, an answer that broke off before its usage, and the errors of servers that may come
/// after the work (a timeout, a fault within or behind, a gateway that lost what stands behind it)
/// leave it open. What refuses a request does not: 4xx but for 408 and 424, and 501, 503, 505 and 529, by which a
/// server says that it did not begin.
///
/// ```
/// use cachewright::ledger::may_be_billed;
///
/// assert!(may_be_billed(0) && may_be_billed(200) && may_be_billed(504));
/// assert!(!may_be_billed(400) && !may_be_billed(429) && !may_be_billed(529));
/// ```
#[must_use]
pub const fn may_be_billed(status: u16) -> bool {
    match status {
        0 | 200..300 | 408 | 424 => true,
        501 | 503 | 505 | 529 => false,
        500.. => true,
        _ => false,
    }
}

/// What came of one exchange at its provider, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the list is closed: every report must know every outcome"
)]
pub enum Outcome {
    /// An answer, whole.
    Answered,
    /// An answer that broke off.
    Cut,
    /// No answer.
    Silent,
    /// Too many requests or tokens (429).
    Limited,
    /// No capacity (503, 529).
    Overloaded,
    /// A fault of the provider's (other 5xx, 408).
    Failed,
    /// The request was refused (other 4xx).
    Refused,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Answered,
        Self::Cut,
        Self::Silent,
        Self::Limited,
        Self::Overloaded,
        Self::Failed,
        Self::Refused,
    ];

    /// What came of this exchange.
    #[must_use]
    pub const fn of(record: &Record) -> Self {
        match record.status {
            0 => Self::Silent,
            1..400 if record.complete => Self::Answered,
            1..400 => Self::Cut,
            429 => Self::Limited,
            503 | 529 => Self::Overloaded,
            408 | 500.. => Self::Failed,
            _ => Self::Refused,
        }
    }

    /// The name in labels and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Cut => "cut",
            Self::Silent => "silent",
            Self::Limited => "limited",
            Self::Overloaded => "overloaded",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_follow_from_status_and_end() {
        let of = |status, complete| {
            let record = Record {
                status,
                complete,
                ..Record::default()
            };
            Outcome::of(&record)
        };
        let cases = [
            (200, true, Outcome::Answered),
            (200, false, Outcome::Cut),
            (0, false, Outcome::Silent),
            (429, true, Outcome::Limited),
            (529, true, Outcome::Overloaded),
            (504, true, Outcome::Failed),
            (400, true, Outcome::Refused),
        ];
        for (status, complete, outcome) in cases {
            assert_eq!(of(status, complete), outcome, "{status}");
        }
        assert!(Outcome::ALL.is_sorted());
    }

    #[test]
    fn what_refuses_is_not_billed() {
        for status in [0, 200, 206, 408, 424, 500, 502, 504, 520] {
            assert!(may_be_billed(status), "{status}");
        }
        for status in [301, 400, 401, 404, 413, 422, 429, 501, 503, 529] {
            assert!(!may_be_billed(status), "{status}");
        }
    }
}
