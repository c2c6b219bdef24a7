//! Traffic replayed under a set of changes.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use super::change::Change;
use super::figures::Saving;
use super::lines::Shift;
use super::seen::Seen;
use super::{Progress, Task};
use crate::adapter::replay::{Job, Tally, Watch, replay_alone};
use crate::adapter::workload::{Timed, Workload};
use crate::error::Error;

/// How many replays run at once at most: each holds the histories of its own.
const AT_ONCE: usize = 4;

/// Which part of every file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The first half of its requests.
    First,
    /// All of it.
    All,
}

/// What came of one replay: sums of the first and the second half of the files, and within them of
/// two halves of the conversations.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    pub(super) parts: [[Tally; 2]; 2],
}

impl Outcome {
    pub(super) fn total(&self) -> Tally {
        let [early, late] = [self.part(0), self.part(1)];
        sum([early, late])
    }

    pub(super) fn part(&self, part: usize) -> Tally {
        self.parts.get(part).copied().map(sum).unwrap_or_default()
    }

    fn half(&self, half: usize) -> Tally {
        sum(self
            .parts
            .map(|part| part.get(half).copied().unwrap_or_default()))
    }

    /// What this outcome saves against `before`.
    pub(super) fn against(&self, before: &Self) -> Saving {
        saving(&before.total(), &self.total())
    }

    /// The same for both halves of the conversations.
    pub(super) fn halves_against(&self, before: &Self) -> [Option<Saving>; 2] {
        [0, 1].map(|half| {
            let [was, is] = [before.half(half), self.half(half)];
            (was.requests > 0).then(|| saving(&was, &is))
        })
    }
}

pub(super) const fn saving(before: &Tally, after: &Tally) -> Saving {
    Saving {
        before: before.cost,
        after: after.cost,
    }
}

fn sum(tallies: [Tally; 2]) -> Tally {
    let [mut one, other] = tallies;
    one += other;
    one
}

/// Traffic on which changes are tried.
pub(super) struct Ground<'a> {
    pub(super) task: &'a Task,
    pub(super) seen: &'a Seen,
    progress: &'a dyn Progress,
    done: AtomicU64,
    expected: AtomicU64,
}

impl<'a> Ground<'a> {
    pub(super) fn new(task: &'a Task, seen: &'a Seen, progress: &'a dyn Progress) -> Self {
        Self {
            task,
            seen,
            progress,
            done: AtomicU64::new(0),
            expected: AtomicU64::new(0),
        }
    }

    /// Replays the traffic once per set of changes; outcomes stand in the order of the sets.
    pub(super) fn try_all(&self, sets: &[Vec<&Change>], part: Part) -> Result<Vec<Outcome>, Error> {
        let files = self.seen.files.iter();
        let each: u64 = files
            .map(|file| match part {
                Part::First => file.cut,
                Part::All => file.requests,
            })
            .sum();
        let more = each.saturating_mul(sets.len() as u64);
        self.expected.fetch_add(more, Ordering::Relaxed);
        let next = AtomicUsize::new(0);
        let found = Mutex::new(BTreeMap::new());
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..workers.min(AT_ONCE).min(sets.len()) {
                scope.spawn(|| {
                    while let Some((at, set)) = self.claim(&next, sets) {
                        let outcome = self.attempt(set, part);
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        found.insert(at, outcome);
                    }
                });
            }
        });
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let outcomes: Vec<Outcome> = found.into_values().collect::<Result<_, _>>()?;
        if outcomes.len() == sets.len() {
            Ok(outcomes)
        } else {
            Err(Error::io("a replay thread failed"))
        }
    }

    fn claim<'s, 'c>(
        &self,
        next: &AtomicUsize,
        sets: &'s [Vec<&'c Change>],
    ) -> Option<(usize, &'s [&'c Change])> {
        let at = next.fetch_add(1, Ordering::Relaxed);
        sets.get(at).map(|set| (at, &**set))
    }

    fn attempt(&self, changes: &[&Change], part: Part) -> Result<Outcome, Error> {
        let mut job = Job::new(Arc::clone(&self.task.catalog));
        job.settings = self.task.settings.clone();
        for change in changes {
            change.apply(&mut job.settings);
        }
        let shifts = changes.iter().filter_map(|change| {
            let shift = change.shift.as_ref()?;
            Some((&*change.route, shift))
        });
        let shifts: Vec<(&str, &Shift)> = shifts.collect();
        let mut outcome = Outcome::default();
        for (path, file) in self.task.files.iter().zip(&self.seen.files) {
            let workload = Workload::open(path, self.task.reading.clone())?;
            let limit = match part {
                Part::First => file.cut,
                Part::All => file.requests,
            };
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let requests = workload
                .take(limit)
                .map(|timed| timed.map(|timed| shifted(timed, &shifts)));
            let mut book = Book {
                ground: self,
                cut: file.cut,
                taken: 0,
                outcome: &mut outcome,
            };
            self.replay(requests, path, (&job, &mut book))?;
        }
        Ok(outcome)
    }

    fn replay(
        &self,
        requests: impl Iterator<Item = Result<Timed, Error>>,
        path: &Path,
        (job, book): (&Job, &mut Book<'_>),
    ) -> Result<(), Error> {
        replay_alone(requests, path, job, book).map(drop)
    }
}

/// The request as the prompt's author would have sent it.
fn shifted(mut timed: Timed, shifts: &[(&str, &Shift)]) -> Timed {
    let route = timed.route.as_deref().unwrap_or_default();
    let mut body: Option<Bytes> = None;
    for (_, shift) in shifts.iter().filter(|(on, _)| *on == route) {
        let moved = shift.apply(body.as_ref().unwrap_or(&timed.body));
        body = moved.or(body);
    }
    timed.body = body.unwrap_or(timed.body);
    timed
}

/// Books what a replay comes to.
struct Book<'a> {
    ground: &'a Ground<'a>,
    cut: u64,
    taken: u64,
    outcome: &'a mut Outcome,
}

impl Watch for Book<'_> {
    fn booked(&mut self, timed: &Timed, one: &Tally) {
        let part = usize::from(self.taken >= self.cut);
        self.taken += 1;
        let halves = self.outcome.parts.get_mut(part);
        if let Some(tally) = halves.and_then(|halves| halves.get_mut(half(timed))) {
            *tally += *one;
        }
        let done = self.ground.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(32) {
            let expected = self.ground.expected.load(Ordering::Relaxed);
            self.ground.progress.replayed(done, expected);
        }
    }
}

/// Which half of the conversations a request belongs to. Where no session is named, a stretch of
/// time stands for it: what is close in time shares its cache.
fn half(timed: &Timed) -> usize {
    const STRETCH: i64 = 3_600_000_000;
    let mut hash = Xxh3::new();
    hash.write(timed.tenant.as_deref().unwrap_or_default().as_bytes());
    hash.write_u8(0);
    if timed.session.is_empty() {
        hash.write_i64(timed.at.as_micros().div_euclid(STRETCH));
    } else {
        hash.write(timed.session.as_bytes());
    }
    usize::from(hash.digest() & 1 == 1)
}
