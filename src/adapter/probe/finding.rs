//! What an experiment found.

use std::time::Duration;

use super::kind::Kind;
use crate::model::Ttl;

/// What an experiment found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The experiment.
    pub kind: Kind,
    /// What the row says, or what is assumed where nothing is documented.
    pub documented: String,
    /// What was found.
    pub found: String,
    /// How the two compare.
    pub verdict: Verdict,
    /// How sure it is.
    pub confidence: Confidence,
    /// What it was decided by.
    pub evidence: String,
    /// The fact, where it is one that rows have a word for.
    pub fact: Option<Fact>,
}

/// How what was found compares with what is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth")]
pub enum Verdict {
    /// As documented, or as assumed where nothing is.
    Same,
    /// Otherwise.
    Differs,
    /// It cannot be told, and the evidence says why.
    Unclear,
}

/// Whether it is as documented.
impl From<bool> for Verdict {
    fn from(same: bool) -> Self {
        if same { Self::Same } else { Self::Differs }
    }
}

impl Verdict {
    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "differs",
            Self::Unclear => "unclear",
        }
    }
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "three are enough")]
pub enum Confidence {
    /// One observation, or contradicting ones.
    Low,
    /// Several observations, or one with a control.
    Medium,
    /// Several observations that agree, with a control.
    High,
}

impl Confidence {
    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A fact that rows have a word for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// Entries of this class were found after this long, and no longer after a little more.
    Life(Ttl, Duration),
    /// The shortest cached prefix, in tokens.
    Minimum(u64),
    /// Positions searched back, the marker's own included.
    Lookback(u64),
    /// Whether one hour is granted.
    OneHour(bool),
    /// Whether a read renews.
    Renews(bool),
    /// Whether a one-hour marker revives what stands before it.
    Revives(bool),
    /// How long after an answer its entry can be read at the latest.
    Visible(Duration),
}

impl Finding {
    /// A finding as documented, of middling confidence.
    pub(super) fn new(kind: Kind, documented: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            kind,
            documented: documented.into(),
            found: found.into(),
            verdict: Verdict::Same,
            confidence: Confidence::Medium,
            evidence: String::new(),
            fact: None,
        }
    }

    /// What cannot be told, and why.
    pub(super) fn unclear(
        kind: Kind,
        documented: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Unclear,
            confidence: Confidence::Low,
            evidence: why.into(),
            ..Self::new(kind, documented, "cannot be told")
        }
    }

    pub(super) const fn verdict(mut self, verdict: Verdict) -> Self {
        self.verdict = verdict;
        self
    }

    pub(super) const fn sure(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    pub(super) fn by(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = evidence.into();
        self
    }

    pub(super) const fn fact(mut self, fact: Fact) -> Self {
        self.fact = Some(fact);
        self
    }
}

/// A duration as `4m30s`.
pub(super) fn spoken(duration: Duration) -> String {
    let millis = duration.as_millis();
    let seconds = duration.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, 0) => format!("{millis}ms"),
        (0, seconds) => format!("{seconds}s"),
        (minutes, 0) => format!("{minutes}m"),
        (minutes, seconds) => format!("{minutes}m{seconds:02}s"),
    }
}
