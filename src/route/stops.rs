//! Whom one call may still ask, and when.

use std::time::Duration;

use super::pause::Spread;
use super::{Decision, Failure, FailureKind, Pick, Route, limits};
use crate::model::{Money, Timestamp};

/// The picks of one call with what it knows of their backends. Picks are named by their place.
#[derive(Debug)]
pub(super) struct Stops {
    stops: Vec<Stop>,
    places: Vec<Place>,
    second: Money,
    spread: Spread,
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

/// The longest wait that is ours: beyond it the caller is told, and decides.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Stops {
    pub(super) fn new(decision: &Decision, route: &Route, seed: u64) -> Self {
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
            second: route.worth.second,
            spread: Spread::new(seed),
        }
    }

    /// Whether this call has asked anybody.
    pub(super) fn any_tried(&self) -> bool {
        self.stops.iter().any(|stop| stop.tries > 0)
    }

    /// Whether this is the place of that pick.
    pub(super) fn is(&self, stop: usize, pick: Pick) -> bool {
        let found = self.stops.get(stop);
        found.is_some_and(|stop| stop.pick.offer == pick.offer)
    }

    /// The first pick at a backend that has not failed.
    pub(super) fn onward(&self) -> Option<usize> {
        self.stops.iter().position(|stop| {
            stop.open && self.manner(stop) == Some(Manner::Sound) && stop.tries == 0
        })
    }

    /// The pick at a backend that has failed which costs least to wait for, and when it is ready.
    pub(super) fn back(&self, now: Timestamp, deadline: Timestamp) -> Option<(usize, Timestamp)> {
        let waits = self.stops.iter().enumerate().filter_map(|(at, stop)| {
            let (Manner::Throttled(ready) | Manner::Failed(ready)) = self.manner(stop)? else {
                return None;
            };
            let ready = ready.max(now);
            let near = ready < deadline && ready.since(now) <= LONGEST_WAIT;
            (stop.open && near).then_some((at, ready, stop))
        });
        let cheapest = waits.min_by_key(|(_, ready, stop)| {
            let hop = stop.pick.hop.unwrap_or_default();
            (self.worth(ready.since(now)) + hop, stop.tries)
        });
        cheapest.map(|(at, ready, _)| (at, ready))
    }

    /// Whether a throttled backend is worth waiting for: its warm prefix is worth more.
    pub(super) fn holds(&self, again: usize, onward: usize, wait: Duration) -> bool {
        let hop = |at: usize| self.stops.get(at).and_then(|stop| stop.pick.hop);
        let lost = hop(onward).unwrap_or_default() - hop(again).unwrap_or_default();
        let manner = self.stops.get(again).and_then(|stop| self.manner(stop));
        matches!(manner, Some(Manner::Throttled(_))) && self.worth(wait) < lost
    }

    /// The first pick that may be asked beside a silent one.
    pub(super) fn beside(&self, silent: usize) -> Option<usize> {
        let silent = self.stops.get(silent)?;
        self.stops.iter().position(|stop| {
            stop.open
                && stop.tries == 0
                && stop.place != silent.place
                && stop.fallback == silent.fallback
                && self.manner(stop) == Some(Manner::Sound)
        })
    }

    /// The pick, which counts as asked.
    pub(super) fn take(&mut self, stop: usize) -> Option<Pick> {
        let found = self.stops.get_mut(stop)?;
        found.tries = found.tries.saturating_add(1);
        Some(found.pick)
    }

    /// It was not asked after all.
    pub(super) fn give_back(&mut self, stop: usize) {
        if let Some(stop) = self.stops.get_mut(stop) {
            stop.tries = stop.tries.saturating_sub(1);
        }
    }

    /// It is not asked any more.
    pub(super) fn close(&mut self, stop: usize) {
        if let Some(stop) = self.stops.get_mut(stop) {
            stop.open = false;
        }
    }

    /// Its backend has no room until then.
    pub(super) fn throttle(&mut self, stop: usize, until: Timestamp) {
        let place = self.stops.get(stop).map(|stop| stop.place);
        if let Some(place) = place.and_then(|place| self.places.get_mut(place)) {
            place.manner = Manner::Throttled(until);
        }
    }

    /// Closes what a refusal for reasons of the backend concerns.
    pub(super) fn bar(&mut self, stop: usize, kind: FailureKind) {
        let place = self.stops.get(stop).map(|stop| stop.place);
        let whole = !kind.is_of_model();
        for (at, other) in self.stops.iter_mut().enumerate() {
            if at == stop || (whole && Some(other.place) == place) {
                other.open = false;
            }
        }
    }

    /// Leaves a backend alone for a while.
    pub(super) fn rest(&mut self, now: Timestamp, stop: usize, failure: &Failure) {
        let place = self.stops.get(stop).map(|stop| stop.place);
        let Some(place) = place.and_then(|place| self.places.get_mut(place)) else {
            return;
        };
        let is_throttled = failure.kind == FailureKind::RateLimited;
        // As long as the backend counts as full to other calls: it would not be asked before.
        let asked = match is_throttled {
            true => Some(limits::pause(place.failures, failure.retry_after)),
            false => failure.retry_after,
        };
        let pause = self.spread.pause(place.failures, asked);
        place.failures = place.failures.saturating_add(1);
        let ready = now.plus(pause);
        place.manner = if is_throttled {
            Manner::Throttled(ready)
        } else {
            Manner::Failed(ready)
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
