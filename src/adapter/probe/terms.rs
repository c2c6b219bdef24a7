//! What a run is asked for, what it will be like, and what it tells.

use std::time::Duration;

use super::finding::Finding;
use super::kind::Kind;
use crate::model::{Money, Timestamp};

/// How far a run is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Experiments that are finished.
    pub done: usize,
    /// All of them.
    pub of: usize,
    /// Calls that were answered.
    pub calls: usize,
    /// What they cost.
    pub spent: Money,
    /// The experiment that is next.
    pub kind: Option<Kind>,
    /// When its call is due; the default where it is now.
    pub at: Timestamp,
}

/// What is to be probed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The provider's row.
    pub provider: Box<str>,
    /// The model, in any spelling.
    pub model: Box<str>,
    /// The dialect; the provider's first that has an address where it is empty.
    pub dialect: Box<str>,
    /// The experiments; all that apply where it is empty.
    pub only: Vec<Kind>,
    /// What may be spent.
    pub budget: Money,
    /// What every prefix of the run begins with, so that nobody has sent it before; a random word
    /// where it is empty.
    pub nonce: Box<str>,
}

impl Options {
    /// Everything that applies to a model, for one dollar at most.
    #[must_use]
    pub fn new(provider: &str, model: &str) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
            dialect: "".into(),
            only: Vec::new(),
            nonce: "".into(),
            budget: Money::from_pico(1_000_000_000_000),
        }
    }
}

/// What a run will be like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The experiments.
    pub kinds: Vec<Kind>,
    /// What each costs, if everything is as documented.
    pub costs: Vec<Money>,
    /// What all of them cost together, the first call that measures tokens included.
    pub cost: Money,
    /// How many calls there are.
    pub calls: usize,
    /// How long it takes.
    pub takes: Duration,
    /// Whether the budget ends it before its end.
    pub exceeds: bool,
}

/// What a run found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The findings, in the order of [`Kind::ALL`].
    pub findings: Vec<Finding>,
    /// Experiments that the budget ended.
    pub unfinished: Vec<Kind>,
    /// Calls that were answered, those of resumed runs included.
    pub calls: usize,
    /// What they cost.
    pub spent: Money,
    /// The row that says it, as TOML.
    pub rows: String,
}
