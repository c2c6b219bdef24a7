//! Who is to be pinged when, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::model::Timestamp;

/// The time between two pings of an entry of five minutes: a margin of 15 s is what recorded traffic
/// needed (economics of the published replays, 2026-08).
pub(super) const EVERY: Duration = Duration::from_secs(285);

/// A conversation as a recording names it: the session and the lane in it.
pub(super) type Key = (Arc<str>, Option<Arc<str>>);

/// Pings after the last request of each conversation, a fixed number at a fixed pace.
#[derive(Debug)]
pub(super) struct Pinger<T> {
    most: u32,
    seen: u64,
    due: BTreeMap<(Timestamp, u64), (Key, u32, T)>,
    of: BTreeMap<Key, (Timestamp, u64)>,
}

impl<T: Clone> Pinger<T> {
    /// At most so many pings per pause.
    pub(super) const fn new(most: u32) -> Self {
        Self {
            most,
            seen: 0,
            due: BTreeMap::new(),
            of: BTreeMap::new(),
        }
    }

    /// A request of this conversation was sent at `at`; `sent` is what a ping repeats.
    pub(super) fn used(&mut self, key: Key, at: Timestamp, sent: T) {
        if let Some(place) = self.of.remove(&key) {
            self.due.remove(&place);
        }
        self.plan(key, at, 0, sent);
    }

    /// The next ping that is due at or before `until`, or ever.
    pub(super) fn next(&mut self, until: Option<Timestamp>) -> Option<(Timestamp, T)> {
        let (place, _) = self.due.first_key_value()?;
        let (at, _) = *place;
        if until.is_some_and(|until| at > until) {
            return None;
        }
        let (_, (key, pings, sent)) = self.due.pop_first()?;
        self.of.remove(&key);
        self.plan(key, at, pings + 1, sent.clone());
        Some((at, sent))
    }

    fn plan(&mut self, key: Key, at: Timestamp, pings: u32, sent: T) {
        if pings >= self.most {
            return;
        }
        self.seen += 1;
        let place = (at.plus(EVERY), self.seen);
        self.of.insert(key.clone(), place);
        self.due.insert(place, (key, pings, sent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_has_a_fixed_number_of_pings_and_a_request_ends_it() {
        let at = |secs: u32| Timestamp::from_secs_f64(secs.into());
        let key = |name: &str| -> Key { (name.into(), None) };
        let mut pinger = Pinger::new(2);
        pinger.used(key("a"), at(0), 'a');
        pinger.used(key("b"), at(10), 'b');
        assert_eq!(pinger.next(Some(at(284))), None);
        assert_eq!(pinger.next(Some(at(290))), Some((at(285), 'a')));
        assert_eq!(pinger.next(Some(at(290))), None);
        pinger.used(key("b"), at(291), 'c');
        let rest: Vec<_> = std::iter::from_fn(|| pinger.next(None)).collect();
        assert_eq!(rest, [(at(570), 'a'), (at(576), 'c'), (at(861), 'c')]);
    }
}
