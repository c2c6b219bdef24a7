//! Sums per hour and label, from which reports over millions of rows are read.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::{Cell, Cells, split};
use super::sql::Table;
use super::tables::{CAUSES, HOURS, PLACES, PREFIXES, VERDICTS, counted_cells, spot_cells};
use crate::ledger::{Group, Id, Kinds, Record, Totals};
use crate::model::{Digest, Miss, Money, Pattern, Place, Section, Timestamp};

/// Microseconds in an hour.
pub(super) const HOUR: i64 = 3_600_000_000;

/// Provider, model, route, tenant and backend.
pub(super) type Labels = [Box<str>; 5];

/// Sums over a stretch of time and a set of labels.
type Key<Rest> = (i64, Labels, Rest);

/// Cause, pattern and spot.
type PlaceName = (&'static str, &'static str, Box<str>);

/// Totals and the number of writes that nobody read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) totals: Totals,
    pub(super) never_read: u64,
}

/// Misses of one cause or at one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Missed {
    pub(super) misses: u64,
    pub(super) tokens: u64,
    pub(super) cost: Money,
}

impl Missed {
    fn add(&mut self, miss: &Miss) {
        self.misses += 1;
        self.tokens = self.tokens.saturating_add(miss.tokens);
        self.cost += miss.cost.unwrap_or(Money::ZERO);
    }

    pub(super) fn cells(&self) -> Vec<Cell> {
        let mut cells = vec![Cell::count(self.misses), Cell::count(self.tokens)];
        cells.extend(split(self.cost));
        cells
    }

    pub(super) fn read(cells: &mut Cells<'_>) -> Self {
        Self {
            misses: cells.count(),
            tokens: cells.count(),
            cost: cells.split(),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.misses += other.misses;
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.cost += other.cost;
    }
}

/// The last miss at one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Spot {
    pub(super) missed: Missed,
    pub(super) pointer: Box<str>,
    pub(super) byte: u32,
    pub(super) id: Id,
}

/// The sums of some rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    pub(super) hours: BTreeMap<Key<()>, Counted>,
    pub(super) causes: BTreeMap<Key<&'static str>, Missed>,
    pub(super) verdicts: BTreeMap<Key<&'static str>, u64>,
    /// By cause, pattern and spot.
    pub(super) places: BTreeMap<Key<PlaceName>, Spot>,
    /// By the ends of tools and system prompt, and the conversation.
    pub(super) prefixes: BTreeMap<Key<[Box<str>; 3]>, Kinds>,
}

impl Sums {
    /// Adds one row under labels and names that `fold` keeps few.
    pub(super) fn add(&mut self, record: &Record, fold: &mut Fold) {
        let hour = hour(record.at);
        let labels = fold.labels(hour, Group::ALL.map(|group| group.label(record)));
        let counted = self.hours.entry((hour, labels.clone(), ())).or_default();
        counted.totals.add(record);
        if record.errand {
            return;
        }
        let verdict = (hour, labels.clone(), record.verdict.as_str());
        *self.verdicts.entry(verdict).or_default() += 1;
        if let Some(miss) = &record.miss {
            self.miss(miss, record, &labels, fold);
        }
        if let Some(usage) = &record.usage {
            let names = fold.path(hour, &labels, prefix_names(record));
            let kinds = self.prefixes.entry((hour, labels, names)).or_default();
            kinds.read = kinds.read.saturating_add(usage.read.unwrap_or(0));
            kinds.write = kinds.write.saturating_add(usage.written().unwrap_or(0));
            kinds.plain = kinds.plain.saturating_add(usage.plain.unwrap_or(0));
        }
    }

    fn miss(&mut self, miss: &Miss, record: &Record, labels: &Labels, fold: &mut Fold) {
        let hour = hour(record.at);
        let cause = miss.cause.as_str();
        let causes = self.causes.entry((hour, labels.clone(), cause));
        causes.or_default().add(miss);
        let pattern = miss.pattern.map_or("", Pattern::as_str);
        let spot = fold.spot(
            hour,
            labels,
            miss.place.as_ref().map_or_else(Box::default, spot),
        );
        let place = self
            .places
            .entry((hour, labels.clone(), (cause, pattern, spot)))
            .or_default();
        place.missed.add(miss);
        place.id = record.id;
        if let Some(last) = &miss.place {
            place.pointer.clone_from(&last.pointer);
            place.byte = last.byte;
        }
    }

    /// Books the premium that a settled write lost.
    pub(super) fn settle(&mut self, at: Timestamp, labels: Labels, lost: Money) {
        let counted = self.hours.entry((hour(at), labels, ())).or_default();
        counted.totals.waste += lost;
        counted.never_read += u64::from(lost > Money::ZERO);
    }

    /// What each table takes in, in one order for every process, so that none waits for another
    /// that waits for it.
    pub(super) fn tables(&self) -> [(&'static Table, Vec<Vec<Cell>>); 5] {
        let hours = self
            .hours
            .iter()
            .map(|((hour, labels, ()), counted)| row(*hour, labels, [], counted_cells(counted)));
        let causes = self
            .causes
            .iter()
            .map(|((hour, labels, cause), missed)| row(*hour, labels, [*cause], missed.cells()));
        let verdicts = self
            .verdicts
            .iter()
            .map(|((hour, labels, verdict), count)| {
                row(*hour, labels, [*verdict], vec![Cell::count(*count)])
            });
        let places = self.places.iter().map(|((hour, labels, names), spot)| {
            let (cause, pattern, place) = names;
            row(*hour, labels, [*cause, *pattern, place], spot_cells(spot))
        });
        let prefixes = self.prefixes.iter().map(|((hour, labels, names), kinds)| {
            let [tools, system, conversation] = names;
            let tokens = [kinds.read, kinds.write, kinds.plain].map(Cell::count);
            row(
                *hour,
                labels,
                [&**tools, system, conversation],
                tokens.to_vec(),
            )
        });
        [
            (&HOURS, hours.collect()),
            (&CAUSES, causes.collect()),
            (&VERDICTS, verdicts.collect()),
            (&PLACES, places.collect()),
            (&PREFIXES, prefixes.collect()),
        ]
    }
}

/// The beginning of the hour.
pub(super) fn hour(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(HOUR).saturating_mul(HOUR)
}

fn row<const N: usize>(hour: i64, labels: &Labels, keys: [&str; N], sums: Vec<Cell>) -> Vec<Cell> {
    let mut cells = vec![Cell::Integer(hour)];
    cells.extend(labels.iter().map(|label| Cell::text(Some(label))));
    cells.extend(keys.map(|key| Cell::text(Some(key))));
    cells.extend(sums);
    cells
}

/// The pointer without the indices of messages: the same fault moves along as a conversation grows.
fn spot(place: &Place) -> Box<str> {
    if place.section != Section::Messages {
        return place.pointer.clone();
    }
    let steps = place.pointer.split('/').map(|step| {
        let index = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
        if index { "*" } else { step }
    });
    steps.collect::<Vec<_>>().join("/").into()
}

/// The beginnings of the digests.
fn prefix_names(record: &Record) -> [Box<str>; 3] {
    let [tools, system, _] = record.ends;
    [tools, system, record.lineage].map(|digest| digest.map_or_else(Box::default, short))
}

fn short(digest: Digest) -> Box<str> {
    digest.to_string().chars().take(12).collect()
}

/// Keeps names few: what comes when an hour has its fill is put together.
#[derive(Debug, Default)]
pub(super) struct Fold {
    hour: i64,
    labels: BTreeSet<Labels>,
    spots: BTreeSet<(Labels, Box<str>)>,
    paths: BTreeSet<(Labels, [Box<str>; 3])>,
}

/// What the rest is put together as.
pub(super) const OTHER: &str = "other";

/// Combinations of labels per hour; as many again with all tenants in one, and so on.
const MOST_LABELS: usize = 512;
/// Places per hour.
const MOST_SPOTS: usize = 256;
/// Paths per hour.
const MOST_PATHS: usize = 128;

impl Fold {
    fn turn(&mut self, hour: i64) {
        if hour > self.hour {
            *self = Self {
                hour,
                ..Self::default()
            };
        }
    }

    pub(super) fn labels(&mut self, hour: i64, labels: [&str; 5]) -> Labels {
        self.turn(hour);
        let mut labels: Labels = labels.map(Into::into);
        for (place, most) in [(3, 1), (2, 2), (1, 3)].map(|(at, times)| (at, MOST_LABELS * times)) {
            if self.labels.contains(&labels) {
                return labels;
            }
            if self.labels.len() < most {
                self.labels.insert(labels.clone());
                return labels;
            }
            if let Some(label) = labels.get_mut(place) {
                *label = OTHER.into();
            }
        }
        labels
    }

    fn spot(&mut self, hour: i64, labels: &Labels, spot: Box<str>) -> Box<str> {
        self.turn(hour);
        let key = (labels.clone(), spot);
        if self.spots.contains(&key) {
            return key.1;
        }
        if self.spots.len() >= MOST_SPOTS {
            return Box::default();
        }
        self.spots.insert(key.clone());
        key.1
    }

    fn path(&mut self, hour: i64, labels: &Labels, names: [Box<str>; 3]) -> [Box<str>; 3] {
        self.turn(hour);
        let mut key = (labels.clone(), names);
        for (place, times) in [(2, 1), (1, 2), (0, 3)] {
            if self.paths.contains(&key) {
                return key.1;
            }
            if self.paths.len() < MOST_PATHS * times {
                self.paths.insert(key.clone());
                return key.1;
            }
            if let Some(name) = key.1.get_mut(place) {
                *name = OTHER.into();
            }
        }
        key.1
    }
}
