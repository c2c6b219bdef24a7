//! How a backend does: its breaker, and how fast it answers.

use std::time::Duration;

use super::Failure;
use crate::model::Timestamp;

/// How one backend does.
#[derive(Clone, Debug, Default)]
pub struct Health {}

/// Whether a backend is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "deciding must know them all")]
pub enum Admission {
    /// It is sound.
    Sound,
    /// It failed, and one call may find out whether it still does.
    Probe,
    /// It is left alone until then.
    Broken(Timestamp),
}

impl Health {
    /// Whether it is asked.
    #[must_use]
    pub fn admission(&self, now: Timestamp) -> Admission {
        let _ = now;
        Admission::Sound
    }

    /// Since when it has been sound again after its breaker was open; `None` where it never was, or
    /// is not yet.
    #[must_use]
    pub fn recovered(&self) -> Option<Timestamp> {
        None
    }

    /// The time to its first byte, decayed; `None` where none was seen lately.
    #[must_use]
    pub fn first_byte(&self, now: Timestamp) -> Option<Duration> {
        let _ = now;
        None
    }

    /// A call is sent to it; takes the probe where one is due.
    pub fn sent(&mut self, now: Timestamp) {
        let _ = now;
    }

    /// A call was answered, its first byte after `first_byte`.
    pub fn answered(&mut self, now: Timestamp, first_byte: Duration) {
        let _ = (now, first_byte);
    }

    /// A call failed.
    pub fn failed(&mut self, now: Timestamp, failure: &Failure) {
        let _ = (now, failure);
    }

    /// A call was given up before it came to anything; gives a probe back.
    pub fn dropped(&mut self, now: Timestamp) {
        let _ = now;
    }
}
