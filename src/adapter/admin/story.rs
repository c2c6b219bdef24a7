//! The story of one handle since it began, where no ledger tells a longer one.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::adapter::handle::{Cachewright, Observer};
use crate::ledger::{CauseSum, Group, Moment, Record, Settled, Story, Totals, Verdict, Worst};
use crate::model::{Cause, Miss, Money, Pattern, Timestamp};

/// Hours kept, which is a month.
const HOURS: usize = 744;
/// Places told apart; later ones are not told.
const PLACES: usize = 1024;
/// Places told.
const WORST: usize = 10;

/// What the handle's own sums do not keep.
#[derive(Default)]
pub(super) struct Tally(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    causes: BTreeMap<Cause, CauseSum>,
    verdicts: BTreeMap<Verdict, u64>,
    hours: BTreeMap<i64, Totals>,
    places: BTreeMap<Spot, Worst>,
    never_read: u64,
}

/// A route, why it missed there, and the block's pointer.
type Spot = (Box<str>, Cause, Option<Pattern>, Box<str>);

/// Microseconds.
const HOUR: i64 = 3_600_000_000;

impl Tally {
    pub(super) fn story(&self, cache: &Cachewright) -> Story {
        // The handle settles what has expired, and tells that, before it shows its sums.
        let total = cache.totals();
        let by = Group::ALL.map(|group| {
            let mut sums: Vec<_> = cache.totals_by(group).into_iter().collect();
            sums.sort_by_key(|(_, totals)| Reverse(totals.cost));
            (group, sums)
        });
        let kept = self.kept();
        let mut causes: Vec<_> = kept.causes.values().copied().collect();
        causes.sort_by_key(|sum| Reverse((sum.cost, sum.tokens)));
        let mut worst: Vec<_> = kept.places.values().cloned().collect();
        worst.sort_by_key(|place| Reverse((place.cost, place.tokens)));
        worst.truncate(WORST);
        let hours = kept.hours.iter();
        let moments = hours
            .map(|(at, totals)| Moment::new(Timestamp::from_micros(*at), *totals))
            .collect();
        Story {
            from: kept.from,
            until: kept.until,
            total,
            by: by.into(),
            causes,
            verdicts: kept.verdicts.clone(),
            moments,
            worst,
            never_read: kept.never_read,
            ..Story::default()
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Sums stay sums whatever happened to the thread that held them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn hour(&mut self, at: Timestamp) -> &mut Totals {
        let hour = at.as_micros().div_euclid(HOUR) * HOUR;
        if self.hours.len() >= HOURS && !self.hours.contains_key(&hour) {
            self.hours.pop_first();
        }
        self.hours.entry(hour).or_default()
    }

    fn miss(&mut self, route: &str, miss: &Miss) {
        let add = |misses: &mut u64, tokens: &mut u64, cost: &mut Money| {
            *misses += 1;
            *tokens = tokens.saturating_add(miss.tokens);
            *cost += miss.cost.unwrap_or(Money::ZERO);
        };
        let cause = miss.cause;
        let sum = self
            .causes
            .entry(cause)
            .or_insert_with(|| CauseSum::of(cause));
        add(&mut sum.misses, &mut sum.tokens, &mut sum.cost);
        if matches!(cause, Cause::FirstUse | Cause::BelowMinimum) {
            return;
        }
        let pointer = miss.place.as_ref().map_or("", |place| &place.pointer);
        let key = (route.into(), cause, miss.pattern, pointer.into());
        if self.places.len() >= PLACES && !self.places.contains_key(&key) {
            return;
        }
        let new = || Worst::at(route, cause, miss.pattern, pointer);
        let worst = self.places.entry(key).or_insert_with(new);
        add(&mut worst.misses, &mut worst.tokens, &mut worst.cost);
        if let Some(place) = &miss.place {
            worst.byte = place.byte;
            worst.excerpts.clone_from(&place.excerpts);
        }
    }
}

impl Observer for Tally {
    fn booked(&self, record: &Record) {
        let mut kept = self.kept();
        kept.hour(record.at).add(record);
        if record.errand {
            return;
        }
        let from = kept.from.map_or(record.at, |from| from.min(record.at));
        let until = kept.until.map_or(record.at, |until| until.max(record.at));
        (kept.from, kept.until) = (Some(from), Some(until));
        *kept.verdicts.entry(record.verdict).or_default() += 1;
        if let Some(miss) = &record.miss {
            kept.miss(&record.route, miss);
        }
    }

    fn settled(&self, settled: &[Settled]) {
        let mut kept = self.kept();
        for write in settled.iter().filter(|write| write.lost > Money::ZERO) {
            kept.never_read += 1;
            kept.hour(write.at).waste += write.lost;
        }
    }
}
