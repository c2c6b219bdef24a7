//! A [`Story`] put together record by record, in bounded memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{
    CauseSum, Flame, Group, Kinds, Ledger, Moment, Record, Settled, Story, Totals, Verdict, Worst,
};
use crate::model::{Cause, Digest, Money, Pattern, Timestamp};

/// Stretches of time told apart; when there are more, they become twice as long.
const MOMENTS: usize = 120;
/// The shortest stretch.
const SHORTEST: i64 = 60_000_000;
/// Places of misses told apart.
const PLACES: usize = 4096;
/// Places in a story.
const WORST: usize = 10;
/// Paths of the tree of prefixes; what comes after is put together per model.
const PATHS: usize = 800;
/// The label of what came after a bound was reached.
const OTHER: &str = "other";
/// Letters of a digest in a path.
const SHORT: usize = 8;

/// Takes records one by one and tells their story at the end.
///
/// Records of one conversation must come in the order of their time; those of different
/// conversations need not. A record whose time is zero has none: it stands in the sums and in no
/// stretch of time.
#[derive(Clone, Debug, Default)]
pub struct Teller {
    ledger: Ledger,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    causes: BTreeMap<Cause, CauseSum>,
    verdicts: BTreeMap<Verdict, u64>,
    moments: Moments,
    places: BTreeMap<Where, Worst>,
    flames: BTreeMap<Vec<Box<str>>, Kinds>,
    never_read: u64,
}

/// Route, cause, pattern and pointer.
type Where = (Box<str>, Cause, Option<Pattern>, Box<str>);

impl Teller {
    /// Adds one record.
    pub fn add(&mut self, record: &Record) {
        let settled = self.ledger.record(record);
        self.settled(&settled);
        if record.at > Timestamp::default() {
            self.from = Some(self.from.map_or(record.at, |from| from.min(record.at)));
            self.until = Some(self.until.map_or(record.at, |until| until.max(record.at)));
            self.moments.at(record.at).add(record);
        }
        if record.errand {
            return;
        }
        *self.verdicts.entry(record.verdict).or_default() += 1;
        self.miss(record);
        self.flame(record);
    }

    /// Sums over everything so far; what was written and may still be read is no waste yet.
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        self.ledger.totals()
    }

    /// Settles what was written and had expired by `now`, and tells the story.
    #[must_use]
    pub fn story(mut self, now: Timestamp) -> Story {
        let settled = self.ledger.settle(now);
        self.settled(&settled);
        let mut story = Story {
            from: self.from,
            until: self.until,
            total: *self.ledger.totals(),
            verdicts: self.verdicts,
            never_read: self.never_read,
            ..Story::default()
        };
        for group in Group::ALL {
            let labels = self.ledger.totals_by(group);
            let mut sums: Vec<(Box<str>, Totals)> = labels
                .map(|(label, totals)| (label.into(), *totals))
                .collect();
            sums.sort_by(|(left, one), (right, other)| {
                let key = |totals: &Totals| Reverse((totals.cost, totals.exchanges));
                key(one).cmp(&key(other)).then_with(|| left.cmp(right))
            });
            if group.is_told(&sums) {
                story.by.insert(group, sums);
            }
        }
        story.causes = self.causes.into_values().collect();
        story
            .causes
            .sort_by_key(|sum| (Reverse((sum.cost, sum.tokens)), sum.cause));
        story.moments = self.moments.finish();
        story.worst = self.places.into_values().collect();
        story
            .worst
            .sort_by_key(|place| Reverse((place.cost, place.tokens)));
        story.worst.truncate(WORST);
        story.flames = self
            .flames
            .into_iter()
            .map(|(path, kinds)| Flame::new(path, kinds))
            .collect();
        story
    }

    fn settled(&mut self, settled: &[Settled]) {
        for write in settled {
            if write.lost > Money::ZERO {
                self.never_read += 1;
                // Logs without a clock have writes that expire near the epoch.
                if self.from.is_some_and(|from| write.at >= from) {
                    self.moments.at(write.at).waste += write.lost;
                }
            }
        }
    }

    fn miss(&mut self, record: &Record) {
        let Some(miss) = &record.miss else { return };
        let cost = miss.cost.unwrap_or(Money::ZERO);
        let causes = self.causes.entry(miss.cause);
        let sum = causes.or_insert_with(|| CauseSum::of(miss.cause));
        sum.misses += 1;
        sum.tokens = sum.tokens.saturating_add(miss.tokens);
        sum.cost += cost;
        if matches!(miss.cause, Cause::FirstUse | Cause::BelowMinimum) {
            return;
        }
        let pointer = miss.place.as_ref().map_or("", |place| &place.pointer);
        let mut key = (
            record.route.clone(),
            miss.cause,
            miss.pattern,
            pointer.into(),
        );
        if self.places.len() >= PLACES && !self.places.contains_key(&key) {
            key = (OTHER.into(), miss.cause, None, Box::default());
        }
        let place =
            self.places
                .entry(key)
                .or_insert_with_key(|(route, cause, pattern, pointer)| {
                    Worst::at(route, *cause, *pattern, pointer)
                });
        place.misses += 1;
        place.tokens = place.tokens.saturating_add(miss.tokens);
        place.cost += cost;
        if let Some(last) = &miss.place {
            place.byte = last.byte;
            place.excerpts.clone_from(&last.excerpts);
        }
    }

    fn flame(&mut self, record: &Record) {
        let Some(usage) = &record.usage else { return };
        let [tools, system, _] = &record.ends;
        let conversation = record.lineage.as_ref();
        let mut path: Vec<Box<str>> = vec![record.route.clone(), record.model.clone()];
        for end in [tools.as_ref(), system.as_ref(), conversation] {
            path.push(end.map_or_else(Box::default, short));
        }
        if self.flames.len() >= PATHS && !self.flames.contains_key(&path) {
            path.truncate(2);
            path.push(OTHER.into());
        }
        if self.flames.len() >= 2 * PATHS && !self.flames.contains_key(&path) {
            path = vec![OTHER.into()];
        }
        let kinds = self.flames.entry(path).or_default();
        for (sum, one) in [
            (&mut kinds.read, usage.read),
            (&mut kinds.write, usage.written()),
            (&mut kinds.plain, usage.plain),
        ] {
            *sum = sum.saturating_add(one.unwrap_or(0));
        }
    }
}

/// The beginning of a digest.
fn short(digest: &Digest) -> Box<str> {
    digest.to_string().chars().take(SHORT).collect()
}

/// Sums over equal stretches of time, few enough to be drawn.
#[derive(Clone, Debug)]
struct Moments {
    length: i64,
    sums: BTreeMap<i64, Totals>,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            length: SHORTEST,
            sums: BTreeMap::new(),
        }
    }
}

impl Moments {
    fn at(&mut self, at: Timestamp) -> &mut Totals {
        let mut number = at.as_micros().div_euclid(self.length);
        while self.sums.len() >= MOMENTS && !self.sums.contains_key(&number) {
            self.length = self.length.saturating_mul(2);
            for (number, sum) in std::mem::take(&mut self.sums) {
                let sums = self.sums.entry(number.div_euclid(2)).or_default();
                sums.merge(&sum);
            }
            number = number.div_euclid(2);
        }
        self.sums.entry(number).or_default()
    }

    fn finish(self) -> Vec<Moment> {
        let length = self.length;
        let begin = |number: i64| Timestamp::from_micros(number.saturating_mul(length));
        let sums = self.sums.into_iter();
        sums.map(|(number, totals)| Moment::new(begin(number), totals))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Keyring, Miss, Ttl, Usage};

    fn record(at: f64, cause: Option<Cause>) -> Record {
        let mut miss = cause.map(|cause| Miss::new(cause, 100));
        if let Some(miss) = &mut miss {
            miss.cost = Some(Money::from_pico(7));
        }
        Record {
            at: Timestamp::from_secs_f64(at),
            model: "m".into(),
            usage: Some(Usage::reported(1, 2, 3, 0, 4)),
            miss,
            ..Record::default()
        }
    }

    #[test]
    fn a_story_adds_up_whatever_the_order_of_conversations() {
        let mut teller = Teller::default();
        teller.add(&record(900.0, Some(Cause::Expired)));
        teller.add(&record(5.0, Some(Cause::FirstUse)));
        teller.add(&record(50.0, Some(Cause::Expired)));
        let story = teller.story(Timestamp::from_secs_f64(1e6));
        assert_eq!(story.from, Some(Timestamp::from_secs_f64(5.0)));
        assert_eq!(story.until, Some(Timestamp::from_secs_f64(900.0)));
        assert_eq!((story.total.exchanges, story.total.misses), (3, 2));
        let expired = story.causes.first().copied().unwrap();
        assert_eq!((expired.cause, expired.misses), (Cause::Expired, 2));
        assert_eq!(expired.cost, Money::from_pico(14));
        let moments: u64 = story.moments.iter().map(|one| one.totals.exchanges).sum();
        assert_eq!(moments, 3);
        assert_eq!(story.worst.len(), 1, "a first use is no place to mend");
        assert_eq!(
            story.flames.iter().map(|one| one.kinds.read).sum::<u64>(),
            6
        );
    }

    #[test]
    fn a_write_that_nobody_read_is_waste_in_its_moment() {
        let mut teller = Teller::default();
        teller.add(&Record {
            premium: Money::from_pico(9),
            written: vec![(Keyring::new(b"t").scope(&[b"a"]), Ttl::FiveMinutes, 3)],
            ..record(1.0, None)
        });
        let early = teller.clone().story(Timestamp::from_secs_f64(300.0));
        assert_eq!((early.never_read, early.total.waste), (0, Money::ZERO));
        let late = teller.story(Timestamp::from_secs_f64(301.0));
        assert_eq!(
            (late.never_read, late.total.waste),
            (1, Money::from_pico(9))
        );
        let waste: Money = late.moments.iter().map(|one| one.totals.waste).sum();
        assert_eq!(waste, Money::from_pico(9));
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_left_out() {
        let mut teller = Teller::default();
        for n in 0..5000_u32 {
            teller.add(&Record {
                route: format!("route-{n}").into(),
                ..record(f64::from(n + 1) * 3600.0, Some(Cause::Lost))
            });
        }
        assert!(teller.places.len() <= PLACES + 1);
        assert!(teller.flames.len() <= 2 * PATHS + 1);
        let story = teller.story(Timestamp::from_secs_f64(1e9));
        assert!(story.moments.len() <= MOMENTS);
        let moments: u64 = story.moments.iter().map(|one| one.totals.exchanges).sum();
        assert_eq!(moments, 5000);
        assert_eq!(
            story.flames.iter().map(|one| one.kinds.read).sum::<u64>(),
            10_000
        );
        let spaced: Vec<i64> = story.moments.iter().map(|one| one.at.as_micros()).collect();
        assert!(spaced.is_sorted());
    }
}
