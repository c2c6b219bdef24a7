//! What an exchange teaches of the provider's cache: whether what should have been there was.

use std::time::Duration;

use super::Exchange;
use crate::economy::Foreseen;
use crate::engine::expected::Expected;
use crate::engine::judge::is_about;
use crate::engine::lineage::Held;
use crate::model::{Cause, Ttl, Usage};

/// A first read that comes later than this tells nothing of how soon writes become visible.
const FRESH: Duration = Duration::from_secs(16);

impl Exchange {
    /// Tells what is known of this provider how its cache behaved. Only what was foreseen counts, and
    /// only where nothing but the provider can have had a part in it: with an unchanged prompt, a live
    /// entry and a breakpoint in its reach.
    pub(super) fn teach(&self) {
        let (Some(usage), Some(expected)) = (&self.usage, &self.expected) else {
            return;
        };
        // What was sent twice, or booked as refused, is not what was planned.
        if self.record.resent || !(200..300).contains(&self.record.status) {
            return;
        }
        let now = self.record.at;
        let granted = self.granted(usage, expected);
        if granted == Some(true) {
            expected.pauses.granted(&*self.memory, now);
        }
        let seen = expected.lineage.predicted;
        let seen = seen.and_then(|held| Some((held, self.came(usage, held)?)));
        if granted.is_none() && seen.is_none() {
            return;
        }
        self.memory.learn_behaviour(self.behaviour, &mut |known| {
            if let Some(granted) = granted {
                known.observe_hour(now, granted.into());
            }
            let Some((held, came)) = seen else { return };
            let foreseen = self.foreseen(held);
            let fresh = self.delay(expected, held).filter(|delay| *delay < FRESH);
            if let Some(delay) = fresh.filter(|_| foreseen.reads == 0) {
                known.observe_fresh(now, delay, came.into());
                // A write that is not visible yet is not lost.
                if !came {
                    return;
                }
            }
            known.observe(now, &foreseen, came.into());
        });
    }

    /// Whether the foreseen prefix was read; `None` where that has another cause than the cache.
    fn came(&self, usage: &Usage, held: Held) -> Option<bool> {
        let read = usage.read?;
        if is_about(read, self.tokens_of(held)) {
            return Some(true);
        }
        let miss = self.record.miss.as_ref()?;
        (miss.cause == Cause::Lost).then_some(false)
    }

    fn tokens_of(&self, held: Held) -> u64 {
        held.billed
            .unwrap_or_else(|| self.scale().apply(held.tokens))
    }

    fn foreseen(&self, held: Held) -> Foreseen {
        let node = self.memory.node(&held.prefix);
        // The write was a visit, and so is this request.
        let reads = node.map_or(0, |node| node.visits.saturating_sub(2));
        let idle = self.record.at.since(held.entry.since);
        Foreseen::new(self.tokens_of(held), idle, reads)
    }

    /// How long ago the latest request that marked this prefix began to be answered.
    fn delay(&self, expected: &Expected, held: Held) -> Option<Duration> {
        let turns = expected.lineage.turns.iter();
        let marked = turns.filter(|(_, turn)| {
            let mut marks = turn.marks.iter();
            marks.any(|mark| mark.prefix == held.prefix)
        });
        let began = marked.filter_map(|(_, turn)| turn.began);
        let latest = began.max()?;
        Some(self.record.at.since(latest))
    }

    /// Whether one hour was granted; `None` where none was asked for, or nothing was written.
    fn granted(&self, usage: &Usage, expected: &Expected) -> Option<bool> {
        let asked = expected.marks.iter().any(|mark| mark.ttl == Ttl::OneHour);
        let hour = usage.write_1h.filter(|_| asked)?;
        if hour > 0 {
            return Some(true);
        }
        self.case(usage, expected).is_downgraded().then_some(false)
    }
}
