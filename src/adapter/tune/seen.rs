//! What the traffic showed, per route.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::lines::Stable;
use super::spot::Spot;
use crate::model::{Cause, Money, Pattern, Section, Timestamp};

/// What one look through the traffic showed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) routes: BTreeMap<Box<str>, Route>,
    /// Per file, requests in the order of time.
    pub(super) files: Vec<File>,
    /// Requests whose usage was recorded, and what it comes to where models have prices.
    pub(super) billed: (u64, Money),
}

/// One file.
#[derive(Debug, Default)]
pub(super) struct File {
    /// All requests in it.
    pub(super) requests: u64,
    /// Requests of its first half.
    pub(super) cut: u64,
}

/// What the requests of one route showed.
#[derive(Debug, Default)]
pub(super) struct Route {
    pub(super) requests: u64,
    /// Bodies that nothing is known about.
    pub(super) unread: u64,
    /// Requests whose model, or whose thinking, binds turns to the bytes before them.
    pub(super) bound: u64,
    /// Requests with markers of the caller's.
    pub(super) marked: u64,
    /// Requests to models that write with the one-hour class.
    pub(super) one_hour: u64,
    /// Requests to models that keep entries for a day on request.
    pub(super) day: u64,
    /// Requests whose tools stood in another order than before.
    pub(super) tools_order: u64,
    /// Requests with a tool whose keys stood in another order.
    pub(super) tool_keys: u64,
    /// Requests with an earlier tool call whose keys stood in another order.
    pub(super) input_keys: u64,
    /// Gaps before a request in which an entry of five minutes expires and one of an hour does not.
    pub(super) gaps: u64,
    /// When its first and its last request were sent.
    pub(super) span: Option<[Timestamp; 2]>,
    pub(super) spots: BTreeMap<Key, Spot>,
    /// How lines begin that hold an id, with the requests that had another one there.
    pub(super) heads: BTreeMap<Box<str>, u64>,
    /// Lines that stay the same in a block of the system prompt, by its index there.
    pub(super) stable: BTreeMap<u32, Stable>,
}

/// What makes two spots the same.
pub(super) type Key = (Section, u32, Option<Pattern>, Cause);

impl Route {
    /// The patterns that differ in tools and system prompt.
    pub(super) fn patterns(&self) -> BTreeSet<Pattern> {
        let keys = self.spots.keys();
        keys.filter(|(section, ..)| *section != Section::Messages)
            .filter_map(|(_, _, pattern, _)| *pattern)
            .collect()
    }

    /// How long its requests go on.
    pub(super) fn lasts(&self) -> Duration {
        let [first, last] = self.span.unwrap_or_default();
        last.since(first)
    }

    /// Its spots that `wanted` takes, those with most requests first.
    pub(super) fn spots(&self, wanted: impl Fn(&Spot) -> bool) -> Vec<Spot> {
        let mut found: Vec<Spot> = self
            .spots
            .values()
            .filter(|spot| wanted(spot))
            .cloned()
            .collect();
        found.sort_by_key(|spot| std::cmp::Reverse(spot.requests));
        found
    }
}
