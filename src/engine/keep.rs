//! Keeping idle prefixes warm: whether a ping that is due still pays, and what came of it.

use super::{Engine, Meta};
use crate::ledger::Record;
use crate::model::{Timestamp, Usage, Vigil};

/// What came of a ping.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pinged {
    /// When it was sent.
    pub at: Timestamp,
    /// The status of the answer; zero when there was none.
    pub status: u16,
    /// What it read and wrote; `None` when nothing was reported.
    pub usage: Option<Usage>,
}

impl Pinged {
    /// A ping sent at `at`, with its answer's status and usage.
    #[must_use]
    pub const fn new(at: Timestamp, status: u16, usage: Option<Usage>) -> Self {
        Self { at, status, usage }
    }
}

impl Engine {
    /// Whether a ping that is due should be sent: nobody used the conversation since, the chance
    /// that it returns still pays for it, and the budgets allow it.
    #[must_use]
    pub fn still_pays(&self, now: Timestamp, meta: &Meta<'_>, vigil: &Vigil) -> bool {
        let _ = (now, meta, vigil);
        false
    }

    /// Takes in what came of a ping: the row that books it, and when the next one is due.
    #[must_use]
    pub fn pinged(
        &self,
        now: Timestamp,
        meta: &Meta<'_>,
        vigil: &Vigil,
        what: &Pinged,
    ) -> (Record, Option<Vigil>) {
        let _ = (now, meta, vigil, what);
        (Record::default(), None)
    }
}
