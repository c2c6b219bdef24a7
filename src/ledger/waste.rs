//! Writes that nobody has read yet: on expiry their premium is waste.

use std::collections::{BTreeMap, BTreeSet};

use super::{Group, Id, Record};
use crate::model::{Digest, Money, Timestamp};

/// Writes watched at once; the oldest is settled early when one more comes.
const WATCHED: usize = 65_536;

/// A write whose time to live has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// The exchange that wrote it.
    pub id: Id,
    /// When it expired.
    pub at: Timestamp,
    /// Provider, model, route, tenant and backend, in the order of [`Group::ALL`].
    pub labels: [Box<str>; 5],
    /// The premium of what nobody read; zero when all of it was read.
    pub lost: Money,
}

/// Writes that may still be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Unread {
    writes: BTreeMap<u64, Write>,
    by_prefix: BTreeMap<Digest, u64>,
    /// In the order in which they expire.
    order: BTreeSet<(Timestamp, u64)>,
    next: u64,
}

#[derive(Clone, Debug)]
struct Write {
    id: Id,
    labels: [Box<str>; 5],
    premium: Money,
    /// Estimated tokens up to each marker, shortest first.
    depths: Vec<(Digest, u64)>,
    /// Tokens of the longest prefix that was read back.
    read: u64,
    expires: Timestamp,
}

impl Unread {
    /// Watches what this exchange wrote.
    pub(super) fn written(&mut self, record: &Record) {
        let Some(longest) = record.written.iter().map(|(_, ttl, _)| *ttl).max() else {
            return;
        };
        let expires = record.at.plus(longest.duration());
        let id = self.next;
        self.next += 1;
        for (prefix, ..) in &record.written {
            self.by_prefix.insert(*prefix, id);
        }
        let write = Write {
            id: record.id,
            labels: Group::ALL.map(|group| group.label(record).into()),
            premium: record.premium,
            depths: record
                .written
                .iter()
                .map(|(prefix, _, tokens)| (*prefix, *tokens))
                .collect(),
            read: 0,
            expires,
        };
        self.writes.insert(id, write);
        self.order.insert((expires, id));
    }

    /// A prefix was read: the premium was earned down to there.
    pub(super) fn read(&mut self, prefix: &Digest, now: Timestamp) {
        let Some(id) = self.by_prefix.get(prefix) else {
            return;
        };
        let Some(write) = self.writes.get_mut(id) else {
            return;
        };
        let depth = write.depths.iter().find(|(known, _)| known == prefix);
        if now < write.expires
            && let Some((_, tokens)) = depth
        {
            write.read = write.read.max(*tokens);
        }
    }

    /// Takes out what has expired, each with the premium that was lost.
    pub(super) fn expired(&mut self, now: Timestamp) -> Vec<Settled> {
        let mut lost = Vec::new();
        while let Some((expires, id)) = self.order.first().copied() {
            if expires > now && self.order.len() <= WATCHED {
                break;
            }
            self.order.pop_first();
            let Some(write) = self.writes.remove(&id) else {
                continue;
            };
            for (prefix, _) in &write.depths {
                if self.by_prefix.get(prefix) == Some(&id) {
                    self.by_prefix.remove(prefix);
                }
            }
            lost.push(Settled {
                id: write.id,
                at: expires,
                lost: write.lost(),
                labels: write.labels,
            });
        }
        lost
    }

    pub(super) fn undecided(&self) -> Money {
        self.writes.values().map(Write::lost).sum()
    }
}

impl Write {
    fn lost(&self) -> Money {
        let longest = self.depths.last().map_or(0, |(_, tokens)| *tokens);
        if longest == 0 {
            return if self.read > 0 {
                Money::ZERO
            } else {
                self.premium
            };
        }
        let unread = i128::from(longest.saturating_sub(self.read));
        Money::from_pico(self.premium.as_pico().saturating_mul(unread) / i128::from(longest))
    }
}
