//! The requests of one scope, laid out so that each sees when its prefixes are asked for again.

use std::collections::BTreeMap;

use crate::bound::course::{NONE, Rate, Run, Runs, Visit};
use crate::bound::lower::{CLASSES, Class, Terms};
use crate::model::Timestamp;

/// A run on the path of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// The run, counted within the scope.
    pub(super) run: usize,
    /// The next request that goes through it.
    pub(super) next: Option<usize>,
    /// The first later request that goes through it and not on as this one does.
    pub(super) parts: Option<usize>,
    /// The longest pause until then, in microseconds.
    pub(super) idle: i64,
}

/// A request and where its path stands in the slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop<'a> {
    /// Its number in the course.
    pub(super) number: usize,
    pub(super) visit: &'a Visit,
    pub(super) rate: &'a Rate,
    pub(super) at: i64,
    from: usize,
}

/// A class on sale, as the clairvoyant weighs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sold {
    pub(super) class: Class,
    /// In microseconds.
    pub(super) life: i64,
}

/// One scope. Levels count runs from its start.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) stops: Vec<Stop<'a>>,
    slots: Vec<Slot>,
    pub(super) runs: Vec<&'a Run>,
    /// The classes on sale, the longest first.
    pub(super) sold: Vec<Sold>,
}

impl<'a> Scene<'a> {
    /// The scope of these requests, by their numbers in the course.
    pub(super) fn new(course: &'a Runs, numbers: &[usize], terms: &Terms) -> Self {
        let mut scene = Self {
            stops: Vec::with_capacity(numbers.len()),
            slots: Vec::new(),
            runs: Vec::new(),
            sold: sold(terms),
        };
        let mut local: BTreeMap<u32, usize> = BTreeMap::new();
        for number in numbers {
            let Some(visit) = course.visits.get(*number) else {
                continue;
            };
            let from = scene.slots.len();
            for (run, facts) in course.upwards(visit) {
                let run = *local.entry(run).or_insert_with(|| {
                    scene.runs.push(facts);
                    scene.runs.len() - 1
                });
                scene.slots.push(Slot {
                    run,
                    next: None,
                    parts: None,
                    idle: 0,
                });
            }
            if let Some(path) = scene.slots.get_mut(from..) {
                path.reverse();
            }
            scene.stops.push(Stop {
                number: *number,
                visit,
                rate: course.rate(visit),
                at: visit.at.as_micros(),
                from,
            });
        }
        scene.look_ahead();
        scene
    }

    /// Fills in what comes, from the last request to the first.
    fn look_ahead(&mut self) {
        let mut seen: Vec<Option<usize>> = vec![None; self.runs.len()];
        for stop in (0..self.stops.len()).rev() {
            let levels = self.path(stop).len();
            for level in 0..levels {
                let Some(slot) = self.path(stop).get(level).copied() else {
                    continue;
                };
                let next = seen.get(slot.run).copied().flatten();
                let ahead = next.map(|next| self.ahead(stop, level, next));
                let (parts, idle) = ahead.unwrap_or_default();
                let from = self.stops.get(stop).map_or(0, |stop| stop.from);
                if let Some(slot) = self.slots.get_mut(from + level) {
                    (slot.next, slot.parts, slot.idle) = (next, parts, idle);
                }
                if let Some(seen) = seen.get_mut(slot.run) {
                    *seen = Some(stop);
                }
            }
        }
    }

    /// Who parts from `stop` behind this level, `next` being the next one there, and the longest
    /// pause until then.
    fn ahead(&self, stop: usize, level: usize, next: usize) -> (Option<usize>, i64) {
        let gap = self.at(next) - self.at(stop);
        let onward = |stop: usize| self.path(stop).get(level + 1).map(|slot| slot.run);
        if onward(next) != onward(stop) || onward(next).is_none() {
            return (Some(next), gap);
        }
        let then = self.path(next).get(level);
        then.map_or((None, gap), |then| (then.parts, then.idle.max(gap)))
    }

    /// The slots of a request, from the start of its prompt.
    pub(super) fn path(&self, stop: usize) -> &[Slot] {
        let from = self.from(stop);
        let to = self.from(stop + 1);
        self.slots.get(from..to).unwrap_or_default()
    }

    /// Where the path of a request begins among all slots.
    pub(super) fn from(&self, stop: usize) -> usize {
        self.stops
            .get(stop)
            .map_or(self.slots.len(), |stop| stop.from)
    }

    pub(super) fn at(&self, stop: usize) -> i64 {
        self.stops.get(stop).map_or(i64::MAX, |stop| stop.at)
    }

    pub(super) const fn len(&self) -> usize {
        self.slots.len()
    }

    /// The facts of the run at this level of a request.
    pub(super) fn run(&self, stop: usize, level: usize) -> Option<&'a Run> {
        let slot = self.path(stop).get(level)?;
        self.runs.get(slot.run).copied()
    }

    /// Tokens of the first `levels` runs of a request.
    pub(super) fn prefix(&self, stop: usize, levels: usize) -> u64 {
        let last = levels.checked_sub(1).and_then(|last| self.run(stop, last));
        last.map_or(0, |run| run.prefix)
    }
}

fn sold(terms: &Terms) -> Vec<Sold> {
    let classes = terms.classes.iter().take(CLASSES);
    let mut sold: Vec<Sold> = classes
        .map(|class| Sold {
            class: *class,
            life: i64::try_from(class.life().as_micros()).unwrap_or(i64::MAX),
        })
        .collect();
    sold.sort_by_key(|sold| std::cmp::Reverse(sold.life));
    sold
}

/// The requests of each scope in their order, those left out that nothing can cache.
pub(super) fn scopes(course: &Runs) -> BTreeMap<u64, Vec<usize>> {
    let mut scopes: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (number, visit) in course.visits.iter().enumerate() {
        if visit.run != NONE {
            scopes.entry(visit.scope).or_default().push(number);
        }
    }
    scopes
}

/// A moment in microseconds.
pub(super) const fn moment(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}
