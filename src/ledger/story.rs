//! What a report tells, as finished numbers: whoever renders it adds nothing up.

use std::collections::BTreeMap;

use super::{Group, Holdout, Totals, Verdict};
use crate::model::{Cause, Money, Pattern, Timestamp};

/// A report over a set of exchanges, from the ledger or from logs.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Story {
    /// The first exchange; `None` when there is none.
    pub from: Option<Timestamp>,
    /// The last exchange.
    pub until: Option<Timestamp>,
    /// Sums over everything.
    pub total: Totals,
    /// Sums per label, dearest first; by backend only where routes sent something.
    pub by: BTreeMap<Group, Vec<(Box<str>, Totals)>>,
    /// Misses per cause, dearest first.
    pub causes: Vec<CauseSum>,
    /// Exchanges per verdict.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Sums over equal stretches of time, oldest first; stretches without exchanges are left out.
    pub moments: Vec<Moment>,
    /// The places that cost most, dearest first; at most ten.
    pub worst: Vec<Worst>,
    /// The tree of prefixes: every path once, in the order of the paths.
    pub flames: Vec<Flame>,
    /// Writes that expired without having been read.
    pub never_read: u64,
    /// Rows that the ledger could not keep up with.
    pub dropped: u64,
    /// The saving as a holdout measures it, from the rows that are still there; `None` where no
    /// conversation was left alone, and from logs.
    pub holdout: Option<Holdout>,
}

impl Story {
    /// What a change of prompts or settings could have saved: the cost of avoidable misses and the
    /// premiums of writes that nobody read.
    #[must_use]
    pub fn could_save(&self) -> Money {
        let avoidable = self.causes.iter().filter(|sum| sum.cause.is_avoidable());
        avoidable.map(|sum| sum.cost).sum::<Money>() + self.total.waste
    }
}

/// Misses of one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CauseSum {
    /// The cause.
    pub cause: Cause,
    /// Exchanges that missed for it.
    pub misses: u64,
    /// Tokens that could have been read.
    pub tokens: u64,
    /// What they cost above the price of a read.
    pub cost: Money,
}

impl CauseSum {
    /// Nothing missed for this cause yet.
    #[must_use]
    pub const fn of(cause: Cause) -> Self {
        Self {
            cause,
            misses: 0,
            tokens: 0,
            cost: Money::ZERO,
        }
    }
}

/// Sums over one stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// Its beginning.
    pub at: Timestamp,
    /// Sums over its exchanges.
    pub totals: Totals,
}

impl Moment {
    /// A stretch that begins at `at`.
    #[must_use]
    pub const fn new(at: Timestamp, totals: Totals) -> Self {
        Self { at, totals }
    }
}

/// One place in the prompts of one route that made exchanges miss.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Worst {
    /// The route, empty where none was named.
    pub route: Box<str>,
    /// Why they missed.
    pub cause: Cause,
    /// The volatile text recognised there.
    pub pattern: Option<Pattern>,
    /// JSON pointer of the block, empty where none is known.
    pub pointer: Box<str>,
    /// Byte within the block, of the last such miss.
    pub byte: u32,
    /// What stood there before and after, of the last such miss, where excerpts were asked for.
    pub excerpts: Option<[Box<str>; 2]>,
    /// Exchanges that missed for it.
    pub misses: u64,
    /// Tokens that could have been read.
    pub tokens: u64,
    /// What they cost above the price of a read.
    pub cost: Money,
}

impl Worst {
    /// A place at which nothing was missed yet.
    #[must_use]
    pub fn at(route: &str, cause: Cause, pattern: Option<Pattern>, pointer: &str) -> Self {
        Self {
            route: route.into(),
            cause,
            pattern,
            pointer: pointer.into(),
            byte: 0,
            excerpts: None,
            misses: 0,
            tokens: 0,
            cost: Money::ZERO,
        }
    }
}

/// Input tokens billed below one node of the tree of prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flame {
    /// From the root: route, model, tools, system prompt, conversation; digests are cut short.
    pub path: Vec<Box<str>>,
    /// Tokens by kind.
    pub kinds: Kinds,
}

impl Flame {
    /// These tokens under this path.
    #[must_use]
    pub const fn new(path: Vec<Box<str>>, kinds: Kinds) -> Self {
        Self { path, kinds }
    }
}

/// Input tokens by what was done with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the three kinds of input")]
pub struct Kinds {
    /// Read from the cache.
    pub read: u64,
    /// Written to it.
    pub write: u64,
    /// Neither.
    pub plain: u64,
}
