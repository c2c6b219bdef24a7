//! A story being put together, from sums and from rows.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::form::Row;
use super::rollup::{Counted, Fold, HOUR, Labels, Missed, OTHER, Spot, Sums};
use crate::ledger::{CauseSum, Flame, Group, Kinds, Moment, Story, Totals, Verdict, Worst};
use crate::model::{Cause, Money, Pattern, Timestamp};

/// Where prompts parted: route, cause, pattern and spot.
pub(super) type Where = [Box<str>; 4];

/// Sums of a story, kept by what it tells them by.
#[derive(Debug, Default)]
pub(super) struct Tale {
    pub(super) labels: BTreeMap<Labels, Counted>,
    /// By the beginning of the stretch.
    pub(super) moments: BTreeMap<i64, Totals>,
    pub(super) causes: BTreeMap<Cause, Missed>,
    pub(super) verdicts: BTreeMap<Verdict, u64>,
    pub(super) places: BTreeMap<Where, Spot>,
    /// By route, model, tools, system prompt and conversation.
    pub(super) prefixes: BTreeMap<[Box<str>; 5], Kinds>,
    /// Microseconds of one stretch.
    pub(super) step: i64,
}

/// Places told.
const WORST: usize = 10;
/// Conversations in the tree; the others of one system prompt are put together.
const CONVERSATIONS: usize = 400;
/// Paths in the tree.
const PATHS: usize = 800;

impl Tale {
    /// Adds one row.
    pub(super) fn row(&mut self, row: &Row, fold: &mut Fold) {
        let mut sums = Sums::default();
        sums.add(&row.record, fold);
        if let Some(lost) = row.wasted {
            let labels = Group::ALL.map(|group| group.label(&row.record).into());
            sums.settle(row.record.at, labels, lost);
        }
        self.absorb(sums);
    }

    fn absorb(&mut self, sums: Sums) {
        for ((hour, labels, ()), counted) in sums.hours {
            let stretch = hour.div_euclid(self.step.max(HOUR)) * self.step.max(HOUR);
            let moment = self.moments.entry(stretch).or_default();
            moment.merge(&counted.totals);
            self.label(labels, &counted);
        }
        for ((_, _, cause), missed) in sums.causes {
            self.cause(cause, &missed);
        }
        for ((_, _, verdict), count) in sums.verdicts {
            self.verdict(verdict, count);
        }
        for ((_, [_, _, route, ..], (cause, pattern, spot)), last) in sums.places {
            self.place([route, cause.into(), pattern.into(), spot], last);
        }
        for ((_, [_, model, route, ..], [tools, system, conversation]), kinds) in sums.prefixes {
            self.prefix([route, model, tools, system, conversation], kinds);
        }
    }

    pub(super) fn label(&mut self, labels: Labels, counted: &Counted) {
        let known = self.labels.entry(labels).or_default();
        known.totals.merge(&counted.totals);
        known.never_read += counted.never_read;
    }

    pub(super) fn cause(&mut self, name: &str, missed: &Missed) {
        let cause = Cause::parse(name).unwrap_or(Cause::Unknown);
        self.causes.entry(cause).or_default().merge(missed);
    }

    pub(super) fn verdict(&mut self, name: &str, count: u64) {
        let verdict = Verdict::parse(name).unwrap_or_default();
        *self.verdicts.entry(verdict).or_default() += count;
    }

    pub(super) fn place(&mut self, key: Where, last: Spot) {
        let known = self.places.entry(key).or_default();
        let mut missed = std::mem::take(&mut known.missed);
        missed.merge(&last.missed);
        *known = Spot { missed, ..last };
    }

    pub(super) fn prefix(&mut self, path: [Box<str>; 5], kinds: Kinds) {
        add(self.prefixes.entry(path).or_default(), kinds);
    }

    /// Sums over everything.
    pub(super) fn total(&self) -> Counted {
        let mut sum = Counted::default();
        for counted in self.labels.values() {
            sum.totals.merge(&counted.totals);
            sum.never_read += counted.never_read;
        }
        sum
    }

    /// The places that cost most.
    pub(super) fn worst(&self) -> Vec<(&Where, &Spot)> {
        let told = |[_, cause, _, _]: &Where| {
            let cause = Cause::parse(cause);
            !matches!(cause, Some(Cause::FirstUse | Cause::BelowMinimum))
        };
        let places = self.places.iter();
        let mut places: Vec<_> = places.filter(|(key, _)| told(key)).collect();
        places.sort_by_key(|(key, spot)| (Reverse((spot.missed.cost, spot.missed.tokens)), *key));
        places.truncate(WORST);
        places
    }

    /// The figures, without what only rows know.
    pub(super) fn story(self) -> Story {
        let mut story = Story::default();
        let Counted { totals, never_read } = self.total();
        story.total = totals;
        story.never_read = never_read;
        for (place, group) in Group::ALL.into_iter().enumerate() {
            let sums = self.by(place);
            if group.is_told(&sums) {
                story.by.insert(group, sums);
            }
        }
        story.worst = self.worst().into_iter().map(worst).collect();
        story.causes = causes(&self.causes);
        story.verdicts = self.verdicts;
        let moments = self.moments.into_iter();
        story.moments = moments
            .map(|(at, totals)| Moment::new(Timestamp::from_micros(at), totals))
            .collect();
        story.flames = flames(self.prefixes);
        story
    }

    /// Sums per label, dearest first.
    fn by(&self, place: usize) -> Vec<(Box<str>, Totals)> {
        let mut sums: BTreeMap<&str, Totals> = BTreeMap::new();
        for (labels, counted) in &self.labels {
            let label = labels.get(place).map_or("", |label| &**label);
            sums.entry(label).or_default().merge(&counted.totals);
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|(label, totals)| (Reverse((totals.cost, totals.exchanges)), *label));
        sums.into_iter()
            .map(|(label, totals)| (label.into(), totals))
            .collect()
    }
}

fn add(kinds: &mut Kinds, more: Kinds) {
    kinds.read = kinds.read.saturating_add(more.read);
    kinds.write = kinds.write.saturating_add(more.write);
    kinds.plain = kinds.plain.saturating_add(more.plain);
}

fn causes(causes: &BTreeMap<Cause, Missed>) -> Vec<CauseSum> {
    let mut sums: Vec<CauseSum> = causes
        .iter()
        .map(|(cause, missed)| CauseSum {
            misses: missed.misses,
            tokens: missed.tokens,
            cost: missed.cost,
            ..CauseSum::of(*cause)
        })
        .collect();
    sums.sort_by_key(|sum| (Reverse((sum.cost, sum.tokens)), sum.cause));
    sums
}

fn worst((key, spot): (&Where, &Spot)) -> Worst {
    let [route, cause, pattern, _] = key;
    let cause = Cause::parse(cause).unwrap_or(Cause::Unknown);
    let mut worst = Worst::at(route, cause, Pattern::parse(pattern), &spot.pointer);
    worst.byte = spot.byte;
    worst.misses = spot.missed.misses;
    worst.tokens = spot.missed.tokens;
    worst.cost = spot.missed.cost.max(Money::ZERO);
    worst
}

/// The tree, with its smallest leaves put together.
fn flames(mut prefixes: BTreeMap<[Box<str>; 5], Kinds>) -> Vec<Flame> {
    for (place, most) in [
        (4, CONVERSATIONS),
        (3, PATHS),
        (2, PATHS),
        (1, PATHS),
        (0, PATHS),
    ] {
        if prefixes.len() > most {
            prefixes = gathered(prefixes, place, most);
        }
    }
    let named = prefixes.into_iter();
    let mut flames: Vec<Flame> = named
        .map(|(path, kinds)| Flame::new(spelled(path), kinds))
        .collect();
    flames.sort_by(|one, other| one.path.cmp(&other.path));
    flames
}

/// All but the largest paths go by the name of the others at this place and below.
fn gathered(
    prefixes: BTreeMap<[Box<str>; 5], Kinds>,
    place: usize,
    most: usize,
) -> BTreeMap<[Box<str>; 5], Kinds> {
    let mut paths: Vec<_> = prefixes.into_iter().collect();
    paths.sort_by_key(|(_, kinds)| Reverse(kinds.read + kinds.write + kinds.plain));
    let mut kept = BTreeMap::new();
    for (at, (mut path, kinds)) in paths.into_iter().enumerate() {
        if at >= most / 2 {
            let below = path.iter_mut().skip(place);
            below.for_each(|name| *name = OTHER.into());
        }
        add(kept.entry(path).or_default(), kinds);
    }
    kept
}

/// The path in words.
fn spelled(path: [Box<str>; 5]) -> Vec<Box<str>> {
    let [route, model, tools, system, conversation] = path;
    let named = |name: Box<str>, what: &str| -> Box<str> {
        match &*name {
            "" => format!("no {what}").into(),
            OTHER => format!("other {what}").into(),
            _ => name,
        }
    };
    let digest = |name: Box<str>, what: &str, several: &str| -> Box<str> {
        match &*name {
            "" => format!("no {what}").into(),
            OTHER => format!("other {several}").into(),
            digest => format!("{what} {digest}").into(),
        }
    };
    vec![
        named(route, "route"),
        named(model, "model"),
        digest(tools, "tools", "tools"),
        digest(system, "system prompt", "system prompts"),
        digest(conversation, "conversation", "conversations"),
    ]
}
