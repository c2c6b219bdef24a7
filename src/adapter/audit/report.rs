//! The finished figures of an audit.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use crate::ledger::{CauseSum, Story, Totals};
use crate::model::{Cause, Money, Timestamp};

/// What an audit found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Sums, causes and times over everything that was read.
    pub story: Story,
    /// Causes with what shows them, dearest first.
    pub reasons: Vec<Reason>,
    /// Sessions, those first in which most dollars were lost.
    pub sessions: Vec<Session>,
    /// Sessions in all, also those beyond the bound of `sessions`.
    pub sessions_seen: u64,
    /// Dollars of avoidable misses and of writes that nobody read: what a change could save.
    pub could_save: Money,
    /// Dollars of avoidable misses alone.
    pub avoidable: Money,
    /// Tokens missed without a cause that can be shown.
    pub unknown_tokens: u64,
    /// Models without a row of prices, by their spelling, with their exchanges.
    pub unpriced: Vec<(Box<str>, u64)>,
    /// What was read.
    pub sources: Sources,
}

/// What was read, and what was not.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Sources {
    /// Files per kind of log, in words.
    pub files: BTreeMap<&'static str, u64>,
    /// Files that are no known log, with the reason; the first of them.
    pub skipped: Vec<(Box<str>, Box<str>)>,
    /// All files that are no known log.
    pub skipped_files: u64,
    /// Lines and files that could not be read; each has been told of.
    pub faults: u64,
    /// Responses that were logged more than once, and counted once.
    pub repeated: u64,
    /// Recorded calls that are no calls of a model, or whose response says nothing of usage.
    pub other_calls: u64,
    /// Exchanges of whose prompts nothing is logged, so that nothing can be said to be missed.
    pub without_prompts: u64,
    /// Exchanges of which messages are logged, but neither system prompt nor tools.
    pub messages_only: u64,
    /// Bytes of text that were read.
    pub bytes: u64,
}

/// One cause with what shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reason {
    /// What shows it.
    pub evidence: Evidence,
    /// The cause, and its sums.
    pub sum: CauseSum,
}

impl Reason {
    pub(super) const fn of(cause: Cause, evidence: Evidence) -> Self {
        Self {
            evidence,
            sum: CauseSum::of(cause),
        }
    }
}

/// Sums over one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// Its name in the log.
    pub name: Box<str>,
    /// The route: the project, for logs of coding agents.
    pub route: Box<str>,
    /// The first exchange; `None` where the log has no clock.
    pub from: Option<Timestamp>,
    /// The last exchange.
    pub until: Option<Timestamp>,
    /// Its sums.
    pub totals: Totals,
    /// The cause that cost most in it.
    pub worst: Option<Cause>,
    /// Dollars lost per cause, first uses left out.
    pub causes: BTreeMap<Cause, Money>,
}
