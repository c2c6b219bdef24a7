//! Experiments as scripts: each is read from its start again after every answer, and stops where
//! something is not answered yet. So nothing but the answers has to be remembered.

use std::time::Duration;

use super::call::{Call, Piece};
use super::finding::{Fact, Finding, spoken};
use super::kind::Kind;
use super::state::{Answer, State};
use crate::model::{Limits, Regime, Timestamp, Ttl};
use crate::provider::Model;

/// Prefixes are this much longer than the shortest that is cached, in percent.
const MARGIN: u64 = 15;
/// How long is waited for an entry to be there where that was not measured.
const SETTLE: Duration = Duration::from_secs(5);

/// What every experiment stands on: the row, and what was measured before.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) limits: Limits,
    /// The shortest prefix that is cached, as found or documented.
    pub(super) min_tokens: u64,
    /// How long after an answer its entry can be read.
    pub(super) settle: Duration,
    /// Whether the provider says that it takes `max_tokens: 0`.
    pub(super) warms: bool,
    /// How many prefixes of each size are tried where it is about chance.
    pub(super) samples: u64,
}

impl Ground {
    /// The ground under experiments that come later than these findings.
    pub(super) fn of(model: &Model, findings: &[Finding], (samples, warms): (u64, bool)) -> Self {
        let mut facts = findings.iter().filter_map(|finding| finding.fact);
        let minimum = facts.clone().find_map(|fact| {
            if let Fact::Minimum(tokens) = fact {
                Some(tokens)
            } else {
                None
            }
        });
        let visible = facts.find_map(|fact| {
            if let Fact::Visible(after) = fact {
                Some(after)
            } else {
                None
            }
        });
        Self {
            limits: model.limits,
            min_tokens: minimum.unwrap_or(model.limits.min_tokens),
            settle: visible.map_or(SETTLE, |after| after.max(Duration::from_secs(1))),
            warms,
            samples,
        }
    }

    /// The class that is meant where none is named.
    pub(super) const fn class(&self) -> Ttl {
        match self.limits.regime {
            Regime::Exact => Ttl::HalfHour,
            Regime::Breakpoints | Regime::Automatic => self.limits.ttl,
        }
    }

    /// What the row says how long entries of this class live.
    pub(super) const fn life(&self, class: Ttl) -> Duration {
        self.limits.lives.of(class)
    }

    /// The size of prefixes.
    pub(super) fn base(&self) -> u64 {
        self.min_tokens + self.min_tokens * MARGIN / 100 + 48
    }
}

/// A call that is to be sent, not before a moment.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) kind: Option<Kind>,
    pub(super) label: String,
    /// The default means at any time.
    pub(super) after: Timestamp,
    pub(super) call: Call,
}

/// One experiment being read.
pub(super) struct Script<'a> {
    pub(super) kind: Kind,
    pub(super) ground: &'a Ground,
    state: &'a State,
    pub(super) due: Vec<Due>,
}

impl<'a> Script<'a> {
    pub(super) const fn new(kind: Kind, ground: &'a Ground, state: &'a State) -> Self {
        Self {
            kind,
            ground,
            state,
            due: Vec::new(),
        }
    }

    /// The answer to this step, which is due from `after` on; `None` until it is there.
    pub(super) fn step(
        &mut self,
        label: &str,
        after: Timestamp,
        call: impl FnOnce() -> Call,
    ) -> Option<&'a Answer> {
        let mut answers = self.state.answers.iter();
        let found = answers.find(|one| one.kind == Some(self.kind) && one.label == label);
        if found.is_none() {
            self.due.push(Due {
                kind: Some(self.kind),
                label: label.to_owned(),
                after,
                call: call(),
            });
        }
        found
    }

    /// The same at any time.
    pub(super) fn now(&mut self, label: &str, call: impl FnOnce() -> Call) -> Option<&'a Answer> {
        self.step(label, Timestamp::default(), call)
    }

    /// A prefix of this experiment's own, unmarked.
    pub(super) fn prefix(&self, name: &str) -> Piece {
        Piece::new(format!("{}/{name}", self.kind.as_str()), self.ground.base())
    }

    /// A short block of this experiment's own.
    pub(super) fn tail(&self, name: &str) -> Piece {
        Piece::new(format!("{}/{name}", self.kind.as_str()), 24)
    }

    /// A call with nothing but a marked prefix.
    pub(super) fn marked(&self, name: &str, class: Ttl) -> Call {
        Call::of(vec![self.prefix(name).marked(class)])
    }

    /// Writes a prefix and reads it after `gap`: the write, and the read with the gap as it was.
    pub(super) fn sample(
        &mut self,
        name: &str,
        class: Ttl,
        gap: Duration,
    ) -> Option<(&'a Answer, &'a Answer)> {
        let call = self.marked(name, class);
        let again = call.clone();
        let write = self.now(&format!("write {name}"), || call)?;
        let after = write.at.plus(gap).max(write.end.plus(self.ground.settle));
        let read = self.step(&format!("read {name}"), after, || again)?;
        Some((write, read))
    }

    /// Says that nothing was written where something should have been.
    pub(super) fn unwritten(&self, documented: &str, write: &Answer) -> Option<Finding> {
        if write.cached() > 0 && write.is_ok() {
            return None;
        }
        let why = match write.is_ok() {
            true => format!(
                "a marked prefix of {} tokens was not written; is the minimum higher than {}?",
                write.total(),
                self.ground.min_tokens
            ),
            false => format!("the provider answered {}", write.status),
        };
        Some(Finding::unclear(self.kind, documented, why))
    }
}

/// A gap as it was, for evidence.
pub(super) fn gap(write: &Answer, read: &Answer) -> Duration {
    read.at.since(write.at)
}

/// Durations as `1m, 2m30s`.
pub(super) fn list(gaps: &[Duration]) -> String {
    let spoken: Vec<String> = gaps.iter().map(|gap| spoken(*gap)).collect();
    match spoken.is_empty() {
        true => "none".into(),
        false => spoken.join(", "),
    }
}
