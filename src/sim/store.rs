//! What the provider keeps: entries by workspace and prefix, each with a lifetime.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Timestamp, Ttl};

/// How often expired entries are dropped, and how long they are kept beyond their end so that
/// requests may arrive a little out of order.
const SWEEP: Duration = Duration::from_secs(60);

/// Workspace and model, and the prefix.
pub(super) type Key = (u128, u128);

#[derive(Clone, Copy, Debug)]
struct Entry {
    ttl: Ttl,
    visible: Timestamp,
    expires: Timestamp,
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
    pub(super) fn holds(&self, key: Key, at: Timestamp) -> bool {
        let entry = self.entries.get(&key);
        entry.is_some_and(|entry| entry.visible <= at && at < entry.expires)
    }

    /// A read starts the clock anew and keeps the entry's own class.
    pub(super) fn refresh(&mut self, key: Key, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.expires = entry.expires.max(at.plus(entry.ttl.duration()));
        }
    }

    /// Writes an entry that can be read from `first_byte` on. Two writers that could not see one
    /// another both pay; the entry is there when the first of them is.
    pub(super) fn write(&mut self, key: Key, ttl: Ttl, at: Timestamp, first_byte: Timestamp) {
        let new = Entry {
            ttl,
            visible: first_byte.max(at),
            expires: at.plus(ttl.duration()),
        };
        let entry = self.entries.entry(key).or_insert(new);
        if entry.expires <= at {
            *entry = new;
        } else {
            entry.ttl = entry.ttl.max(new.ttl);
            entry.visible = entry.visible.min(new.visible);
            entry.expires = entry.expires.max(new.expires);
        }
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
