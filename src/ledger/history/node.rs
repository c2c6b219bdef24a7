//! One prefix that was seen: how often, when, and whether the provider should still hold it.

use super::{FIVE_MINUTES, HALF_HOUR, ONE_HOUR};
use crate::model::{Lives, Timestamp, Ttl};
use std::time::Duration;

/// Kinds of places whose chances of reuse are learned together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each kind needs a prior and a weight"
)]
pub enum Spot {
    /// The end of the tool definitions.
    ToolsEnd,
    /// The end of the system prompt.
    SystemEnd,
    /// A block border above the end: inside the system prompt or a first message.
    Inner,
    /// A place where conversations were seen to part.
    Branch,
    /// The end of a first turn that offers tools: probably an agent.
    AgentStart,
    /// The end of a first turn without tools: perhaps a one-shot.
    ChatStart,
    /// The end of a later turn.
    Later,
    /// The same, where something was replaced that the request before had sent: where the next one
    /// leaves it is another matter than with those that only add.
    Replacing,
}

impl Spot {
    /// The chance of reuse before anything was seen. An agent's first turn is nearly always
    /// continued, a bare question may never be (economics.md §6.1 puts the break-even at 0.22).
    #[must_use]
    pub const fn prior(self) -> f64 {
        match self {
            Self::ToolsEnd | Self::SystemEnd => 0.6,
            Self::Inner => 0.3,
            Self::Branch => 0.5,
            Self::AgentStart => 0.8,
            Self::ChatStart => 0.35,
            Self::Later | Self::Replacing => 0.9,
        }
    }

    /// Whether such a prefix can only be continued once its answer is complete.
    #[must_use]
    pub const fn waits_for_an_answer(self) -> bool {
        matches!(
            self,
            Self::AgentStart | Self::ChatStart | Self::Later | Self::Replacing
        )
    }

    /// How many observations the prior weighs.
    #[must_use]
    pub const fn prior_weight(self) -> f64 {
        match self {
            Self::ChatStart | Self::Inner => 1.0,
            Self::ToolsEnd | Self::SystemEnd | Self::Branch | Self::AgentStart => 1.5,
            Self::Later | Self::Replacing => 2.5,
        }
    }
}

/// Visits from which on the older half is forgotten.
const FADES_AT: u32 = 64;

/// What the provider should hold for a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Lifetime class it was written with.
    pub ttl: Ttl,
    /// Start of the last request that wrote or read it: its clock.
    pub since: Timestamp,
}

impl Entry {
    /// An entry written, or read, by a request that started at `since`.
    #[must_use]
    pub const fn new(ttl: Ttl, since: Timestamp) -> Self {
        Self { ttl, since }
    }

    /// Whether it should be there: written already and not expired yet. The history may come from
    /// later traffic than the request, as when a recording is replayed a second time.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.is_live_for(&Lives::PROMISED, now)
    }

    /// The same where entries live this long.
    #[must_use]
    pub fn is_live_for(&self, lives: &Lives, now: Timestamp) -> bool {
        lives.holds(self.ttl, self.since, now)
    }
}

/// One prefix that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// What kind of place it was when it was first seen.
    pub spot: Spot,
    /// The last request that passed through it.
    pub last: Timestamp,
    /// Requests that passed through it.
    pub visits: u32,
    /// Visits that came within five minutes of the one before.
    pub returns_5m: u32,
    /// Visits that came within half an hour of the one before.
    pub returns_30m: u32,
    /// Visits that came within one hour of the one before.
    pub returns_1h: u32,
    /// The provider's entry, as far as we know.
    pub entry: Option<Entry>,
}

impl Node {
    /// A prefix that is seen for the first time.
    #[must_use]
    pub const fn first_seen(spot: Spot, now: Timestamp) -> Self {
        Self {
            spot,
            last: now,
            visits: 1,
            returns_5m: 0,
            returns_30m: 0,
            returns_1h: 0,
            entry: None,
        }
    }

    /// A prefix that was seen before, `gap` ago, without anybody keeping a node for it.
    #[must_use]
    pub fn seen_before(spot: Spot, gap: Duration, now: Timestamp) -> Self {
        let mut node = Self::first_seen(spot, now);
        node.returned_after(gap, now);
        node
    }

    /// The entry, if it should still be there.
    #[must_use]
    pub fn live(&self, now: Timestamp) -> Option<Entry> {
        self.live_for(&Lives::PROMISED, now)
    }

    /// The same where entries live this long.
    #[must_use]
    pub fn live_for(&self, lives: &Lives, now: Timestamp) -> Option<Entry> {
        self.entry.filter(|entry| entry.is_live_for(lives, now))
    }

    /// Books one more visit; whether it was the first return, which settles the node's trial.
    pub(super) fn returned_after(&mut self, gap: Duration, now: Timestamp) -> bool {
        let first = self.visits == 1;
        if self.visits >= FADES_AT {
            // What a busy prefix did long ago tells less than what it does now.
            self.visits /= 2;
            self.returns_5m /= 2;
            self.returns_30m /= 2;
            self.returns_1h /= 2;
        }
        self.visits = self.visits.saturating_add(1);
        self.returns_5m += u32::from(gap < FIVE_MINUTES);
        self.returns_30m += u32::from(gap < HALF_HOUR);
        self.returns_1h += u32::from(gap < ONE_HOUR);
        self.last = self.last.max(now);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lives_from_its_request_to_the_end_of_its_class() {
        let at = Timestamp::from_secs_f64;
        let entry = Entry::new(Ttl::FiveMinutes, at(100.0));
        let live: Vec<bool> = [99.0, 100.0, 399.0, 400.0]
            .map(|now| entry.is_live(at(now)))
            .into();
        assert_eq!(live, [false, true, true, false]);
    }
}
