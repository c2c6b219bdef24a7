//! What the provider keeps: entries by workspace and prefix, each with a lifetime.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rules::Rules;
use crate::model::{Timestamp, Ttl};

/// How often expired entries are dropped, and how long they are kept beyond their end so that
/// requests may arrive a little out of order.
const SWEEP: Duration = Duration::from_secs(60);

/// Workspace and model, and the prefix.
pub(super) type Key = (u128, u128);

#[derive(Clone, Copy, Debug)]
struct Entry {
    tokens: u64,
    /// How long it lives unused: no longer than the shortest-lived part that it was built on.
    life: Duration,
    visible: Timestamp,
    used: Timestamp,
    expires: Timestamp,
}

/// An entry as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct New {
    pub(super) ttl: Ttl,
    pub(super) tokens: u64,
    /// The life of the entry that it goes on with, if it does.
    pub(super) below: Option<Duration>,
    /// From when on it can be read.
    pub(super) visible: Timestamp,
}

/// All entries of one provider.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    entries: BTreeMap<Key, Entry>,
    next_sweep: Option<Timestamp>,
}

impl Store {
    /// Whether a request that starts at `at` can read this entry: its writer's response has begun,
    /// and its life is not over. At the very end of its life it is over.
    pub(super) fn holds(&self, rules: &Rules, key: Key, at: Timestamp) -> bool {
        self.life(rules, key, at).is_some()
    }

    /// How long this entry lives unused, if it can be read.
    pub(super) fn life(&self, rules: &Rules, key: Key, at: Timestamp) -> Option<Duration> {
        let entry = self.entries.get(&key)?;
        let is_there = entry.visible <= at && at < entry.expires;
        let lost = |loss: &super::rules::Loss| loss.takes(key, entry.tokens, (entry.used, at));
        let is_lost = rules.loses.as_ref().is_some_and(lost);
        (is_there && !is_lost).then_some(entry.life)
    }

    /// A read starts the clock anew and keeps the entry's own life.
    pub(super) fn refresh(&mut self, key: Key, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.used = entry.used.max(at);
            entry.expires = entry.expires.max(at.plus(entry.life));
        }
    }

    /// Writes an entry. Two writers that could not see one another both pay; the entry is there when
    /// the first of them is. Returns how long it lives unused.
    pub(super) fn write(&mut self, rules: &Rules, key: Key, at: Timestamp, new: New) -> Duration {
        let own = rules.life(new.ttl);
        let life = match new.below {
            Some(below) if !rules.revives => own.min(below),
            _ => own,
        };
        let was_lost = !self.holds(rules, key, at);
        let new = Entry {
            tokens: new.tokens,
            life,
            visible: new.visible.max(at),
            used: at,
            expires: at.plus(life),
        };
        let entry = self.entries.entry(key).or_insert(new);
        if entry.expires <= at || was_lost && entry.visible <= at {
            *entry = new;
        } else {
            entry.life = entry.life.max(new.life);
            entry.visible = entry.visible.min(new.visible);
            entry.used = entry.used.max(at);
            entry.expires = entry.expires.max(new.expires);
        }
        entry.life
    }

    /// Drops what has been expired for a while; memory is bounded by what one hour writes.
    pub(super) fn sweep(&mut self, at: Timestamp) {
        if self.next_sweep.is_some_and(|next| at < next) {
            return;
        }
        self.next_sweep = Some(at.plus(SWEEP));
        self.entries
            .retain(|_, entry| at < entry.expires.plus(SWEEP));
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
