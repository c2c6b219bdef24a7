//! The course of one call over its attempts: send, wait, hedge, give up.

use std::time::Duration;

use super::pause::Spread;
use super::{Decision, Failure, FailureKind, Patience, Pick, Retries, RetryBudget, Route, Step};
use crate::model::{Money, Timestamp};

/// The course of one call: told what came of its attempts, it says what is next.
///
/// A backend that fails is left for one that this call has not asked yet, and asked again only when
/// none is left, after a wait. One that is merely throttled is waited for instead when that is worth
/// more than the prefix that is warm there. A backend that refuses for reasons of its own is not
/// asked again; a request that is refused for itself ends the call.
///
/// ```
/// use cachewright::model::Timestamp;
/// use cachewright::route::{Course, Decision, Failure, Move, Pick, RetryBudget, Route};
///
/// /// One call without hedging; `ask` stands for sending it and awaiting the first byte, and gives
/// /// up at the time it is told.
/// fn drive<A>(
///     decision: &Decision,
///     route: &Route,
///     budget: &mut RetryBudget,
///     clock: impl Fn() -> Timestamp,
///     sleep_until: impl Fn(Timestamp),
///     ask: impl Fn(Pick, Timestamp) -> Result<A, (Failure, A)>,
/// ) -> Option<A> {
///     let mut course = Course::new(decision, route, clock(), 7);
///     let mut telling = None;
///     loop {
///         let pick = match course.next(clock(), budget) {
///             Move::Send(pick) => pick,
///             Move::Wait(pick, until) => {
///                 sleep_until(until);
///                 pick
///             }
///             // Only where several attempts are under way.
///             Move::Listen => continue,
///             Move::GiveUp => return telling,
///         };
///         // Here its breaker and its caps are asked; `course.skipped(pick)` if one says no.
///         match ask(pick, course.due(clock())) {
///             Ok(answer) => {
///                 course.answered(pick);
///                 return Some(answer);
///             }
///             Err((failure, answer)) => {
///                 if course.failed(clock(), pick, &failure) {
///                     telling = Some(answer);
///                 }
///             }
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Course {
    stops: Vec<Stop>,
    places: Vec<Place>,
    retries: Retries,
    patience: Patience,
    hedge: Option<Duration>,
    second: Money,
    deadline: Timestamp,
    /// Attempts that are left.
    attempts: u32,
    /// Places in `stops` of the attempts that wait for their first byte, with when they were sent.
    under_way: Vec<(usize, Timestamp)>,
    phase: Phase,
    hedged: Hedged,
    told: Option<Telling>,
    spread: Spread,
}

/// What is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever drives a call must know them all"
)]
pub enum Move {
    /// Send the call to this pick.
    Send(Pick),
    /// Send the call to this pick at that time, not before, and without asking for another move.
    Wait(Pick, Timestamp),
    /// Send nothing: another attempt is still under way, or has been answered.
    Listen,
    /// Nothing more: the most telling failure is the caller's.
    GiveUp,
}

/// One pick, as this call knows it.
#[derive(Debug)]
struct Stop {
    pick: Pick,
    /// Place of its backend in `places`.
    place: usize,
    fallback: usize,
    tries: u32,
    /// Whether it may still be asked.
    open: bool,
}

/// One backend, as this call knows it.
#[derive(Debug)]
struct Place {
    backend: usize,
    /// Failures after which waiting may help.
    failures: u32,
    manner: Manner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It has not failed.
    Sound,
    /// It has no room until then.
    Throttled(Timestamp),
    /// It failed, and is left alone until then.
    Failed(Timestamp),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Seeking,
    Begun,
    Answered,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hedged {
    NotYet,
    Done,
}

/// How much a failure tells the caller; the greater the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// There was no answer, or none that could be read.
    Silence,
    /// An answer that concerns one backend only.
    OfBackend,
    /// An answer after which waiting may help.
    OfMoment,
    /// An answer about the request.
    OfRequest,
}

/// The failure that is the caller's so far.
#[derive(Clone, Copy, Debug)]
struct Telling {
    weight: Weight,
    /// Place of its pick among the picks.
    stop: usize,
    failure: Failure,
}

/// The longest wait that is ours: beyond it the caller is told, and decides.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Course {
    /// Of a call that was decided on at `now`; `seed` spreads its waits, and should differ from call
    /// to call.
    #[must_use]
    pub fn new(decision: &Decision, route: &Route, now: Timestamp, seed: u64) -> Self {
        let mut places: Vec<Place> = Vec::new();
        let stops = decision.picks.iter().filter_map(|pick| {
            let offer = route.offers.get(pick.offer)?;
            let known = places.iter().position(|at| at.backend == offer.backend);
            let place = known.unwrap_or(places.len());
            if known.is_none() {
                places.push(Place {
                    backend: offer.backend,
                    failures: 0,
                    manner: Manner::Sound,
                });
            }
            Some(Stop {
                pick: *pick,
                place,
                fallback: offer.fallback,
                tries: 0,
                open: true,
            })
        });
        Self {
            stops: stops.collect(),
            places,
            retries: route.retries,
            patience: route.patience,
            hedge: route.hedge,
            second: route.worth.second,
            deadline: now.plus(route.patience.deadline),
            attempts: route.retries.attempts,
            under_way: Vec::new(),
            phase: Phase::Seeking,
            hedged: Hedged::NotYet,
            told: None,
            spread: Spread::new(seed),
        }
    }

    /// The first move, or the one after what was told last. An attempt that it sends counts at once;
    /// `budget` is the route's.
    #[must_use]
    pub fn next(&mut self, now: Timestamp, budget: &mut RetryBudget) -> Move {
        match self.phase {
            Phase::Answered => return Move::Listen,
            Phase::Over => return Move::GiveUp,
            Phase::Seeking => {
                budget.earn(&self.retries);
                self.phase = Phase::Begun;
            }
            Phase::Begun => {}
        }
        if !self.under_way.is_empty() {
            return Move::Listen;
        }
        let may = self.attempts > 0 && now < self.deadline;
        let Some((stop, at)) = may.then(|| self.seek(now, budget)).flatten() else {
            self.phase = Phase::Over;
            return Move::GiveUp;
        };
        match self.send(stop, at) {
            Some(pick) if at > now => Move::Wait(pick, at),
            Some(pick) => Move::Send(pick),
            None => Move::GiveUp,
        }
    }

    /// An attempt failed before its first byte. Whether this is the failure to tell the caller of so
    /// far, so that its answer is to be kept and the one kept before can go.
    ///
    /// An answer about the request itself tells the most; then one after which waiting may help, with
    /// the time to wait; then one that concerns the backend only, such as its credential; and silence
    /// least. Among equals that of the pick further ahead counts, and of one pick the latest.
    #[must_use]
    pub fn failed(&mut self, now: Timestamp, pick: Pick, failure: &Failure) -> bool {
        if matches!(self.phase, Phase::Answered | Phase::Over) {
            self.phase = Phase::Over;
            return false;
        }
        let Some(stop) = self.leave(pick) else {
            return false;
        };
        match failure.step() {
            Step::Final => self.phase = Phase::Over,
            Step::Elsewhere => self.bar(stop, failure.kind),
            Step::Again => self.rest(now, stop, failure),
        }
        let heard = Telling {
            weight: Weight::of(failure),
            stop,
            failure: *failure,
        };
        let tells = self.told.is_none_or(|told| heard.outweighs(&told));
        if tells {
            self.told = Some(heard);
        }
        tells
    }

    /// An attempt was not sent after all: its breaker or a cap had closed, or no request could be
    /// made for it. It does not count, and is not proposed again.
    pub fn skipped(&mut self, pick: Pick) {
        if let Some(stop) = self.leave(pick) {
            self.attempts = self.attempts.saturating_add(1);
            if let Some(stop) = self.stops.get_mut(stop) {
                stop.tries = stop.tries.saturating_sub(1);
                stop.open = false;
            }
        }
    }

    /// The first byte of an attempt has come; nothing more is sent.
    pub fn answered(&mut self, pick: Pick) {
        if self.leave(pick).is_some() {
            self.under_way.clear();
            self.phase = Phase::Answered;
        }
    }

    /// When to ask for a [`hedge`](Self::hedge); `None` where there will be none as things stand.
    #[must_use]
    pub fn hedge_at(&self) -> Option<Timestamp> {
        let [(stop, since)] = *self.under_way.as_slice() else {
            return None;
        };
        let at = since.plus(self.hedge?);
        let may = self.hedged == Hedged::NotYet && self.attempts > 0 && at < self.deadline;
        (may && self.beside(stop).is_some()).then_some(at)
    }

    /// The pick to send the call to beside the silent one; at most one per call, at another backend,
    /// of the same model, and only where the budget allows.
    #[must_use]
    pub fn hedge(&mut self, now: Timestamp, budget: &mut RetryBudget) -> Option<Pick> {
        if now < self.hedge_at()? || now >= self.deadline {
            return None;
        }
        let (silent, _) = *self.under_way.first()?;
        let stop = self.beside(silent)?;
        self.hedged = Hedged::Done;
        if !budget.take() {
            return None;
        }
        self.send(stop, now)
    }

    /// When an attempt that is sent at `sent` counts as silent.
    #[must_use]
    pub fn due(&self, sent: Timestamp) -> Timestamp {
        sent.plus(self.patience.first_byte).min(self.deadline)
    }

    /// The failure that is the caller's so far.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.told.map(|told| told.failure)
    }

    /// Where the next attempt goes, and when; what it costs is taken out of the budget.
    fn seek(&self, now: Timestamp, budget: &mut RetryBudget) -> Option<(usize, Timestamp)> {
        let onward = self.onward();
        let back = self.back(now);
        if let Some((again, at)) = back
            && onward.is_none_or(|onward| self.holds(again, onward, at.since(now)))
            && budget.take()
        {
            return Some((again, at));
        }
        let onward = onward?;
        if self.stops.iter().any(|stop| stop.tries > 0) {
            // Taken where there is one, so that asking again stops first; see `RetryBudget`.
            let _ = budget.take();
        }
        Some((onward, now))
    }

    /// The first pick at a backend that has not failed.
    fn onward(&self) -> Option<usize> {
        self.stops.iter().position(|stop| {
            stop.open && self.manner(stop) == Some(Manner::Sound) && stop.tries == 0
        })
    }

    /// The pick at a backend that has failed which costs least to wait for, and when it is ready.
    fn back(&self, now: Timestamp) -> Option<(usize, Timestamp)> {
        let waits = self.stops.iter().enumerate().filter_map(|(at, stop)| {
            let (Manner::Throttled(ready) | Manner::Failed(ready)) = self.manner(stop)? else {
                return None;
            };
            let ready = ready.max(now);
            let near = ready < self.deadline && ready.since(now) <= LONGEST_WAIT;
            (stop.open && near).then_some((at, ready, stop))
        });
        let cheapest = waits.min_by_key(|(_, ready, stop)| {
            let hop = stop.pick.hop.unwrap_or_default();
            (self.worth(ready.since(now)) + hop, stop.tries)
        });
        cheapest.map(|(at, ready, _)| (at, ready))
    }

    /// Whether to wait at a throttled backend for its warm prefix rather than to go on. The last
    /// attempt is never waited for: it goes where there is room.
    fn holds(&self, again: usize, onward: usize, wait: Duration) -> bool {
        let hop = |at: usize| self.stops.get(at).and_then(|stop| stop.pick.hop);
        let lost = hop(onward).unwrap_or_default() - hop(again).unwrap_or_default();
        let manner = self.stops.get(again).and_then(|stop| self.manner(stop));
        matches!(manner, Some(Manner::Throttled(_))) && self.attempts > 1 && self.worth(wait) < lost
    }

    /// The first pick that may be asked beside a silent one.
    fn beside(&self, silent: usize) -> Option<usize> {
        let silent = self.stops.get(silent)?;
        self.stops.iter().position(|stop| {
            stop.open
                && stop.tries == 0
                && stop.place != silent.place
                && stop.fallback == silent.fallback
                && self.manner(stop) == Some(Manner::Sound)
        })
    }

    fn send(&mut self, stop: usize, at: Timestamp) -> Option<Pick> {
        let found = self.stops.get_mut(stop)?;
        found.tries = found.tries.saturating_add(1);
        self.attempts = self.attempts.saturating_sub(1);
        self.under_way.push((stop, at));
        Some(found.pick)
    }

    /// Takes an attempt off those under way.
    fn leave(&mut self, pick: Pick) -> Option<usize> {
        let is_it = |at: usize| {
            self.stops
                .get(at)
                .is_some_and(|stop| stop.pick.offer == pick.offer)
        };
        let found = self.under_way.iter().position(|(stop, _)| is_it(*stop))?;
        Some(self.under_way.swap_remove(found).0)
    }

    /// Closes what a refusal for reasons of the backend concerns.
    fn bar(&mut self, stop: usize, kind: FailureKind) {
        let place = self.stops.get(stop).map(|stop| stop.place);
        let whole = !kind.is_of_model();
        for (at, other) in self.stops.iter_mut().enumerate() {
            if at == stop || (whole && Some(other.place) == place) {
                other.open = false;
            }
        }
    }

    /// Leaves a backend alone for a while.
    fn rest(&mut self, now: Timestamp, stop: usize, failure: &Failure) {
        let place = self.stops.get(stop).map(|stop| stop.place);
        let Some(place) = place.and_then(|place| self.places.get_mut(place)) else {
            return;
        };
        let pause = self.spread.pause(place.failures, failure.retry_after);
        place.failures = place.failures.saturating_add(1);
        let ready = now.plus(pause);
        place.manner = match failure.kind {
            FailureKind::RateLimited => Manner::Throttled(ready),
            _ => Manner::Failed(ready),
        };
    }

    fn manner(&self, stop: &Stop) -> Option<Manner> {
        self.places.get(stop.place).map(|place| place.manner)
    }

    /// What waiting so long is worth.
    fn worth(&self, wait: Duration) -> Money {
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        Money::from_pico(self.second.times(micros).as_pico() / 1_000_000)
    }
}

impl Weight {
    const fn of(failure: &Failure) -> Self {
        match (failure.kind, failure.step()) {
            (
                FailureKind::Unreachable
                | FailureKind::Reset
                | FailureKind::Silent
                | FailureKind::Garbage,
                _,
            ) => Self::Silence,
            (_, Step::Final) => Self::OfRequest,
            (_, Step::Again) => Self::OfMoment,
            (_, Step::Elsewhere) => Self::OfBackend,
        }
    }
}

impl Telling {
    fn outweighs(&self, told: &Self) -> bool {
        (self.weight, std::cmp::Reverse(self.stop)) >= (told.weight, std::cmp::Reverse(told.stop))
    }
}
