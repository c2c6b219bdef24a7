//! The breaker of one backend: closed, open for a while, then one probe at a time.

use std::time::Duration;

use super::decay::{Decayed, ONE};
use super::{Admission, Failure, FailureKind};
use crate::model::Timestamp;

/// Failures in a row that open it.
const ROW: u32 = 5;

/// Calls of late that must have been counted before their share of failures says something.
const VOLUME: u64 = 10;

/// How long calls count: the half-life of the window over which the share is taken.
const WINDOW: Duration = Duration::from_secs(30);

/// How long it must have been sound before the next opening begins with the shortest pause again.
const CALM: Duration = Duration::from_secs(300);

/// After so long a probe of which nothing was heard counts as lost.
const LEASE: Duration = Duration::from_secs(900);

/// For how long it opens, the first time and at most; it doubles each time in between.
struct Pauses {
    first: Duration,
    most: Duration,
}

const OF_FAILURES: Pauses = Pauses {
    first: Duration::from_secs(5),
    most: Duration::from_secs(120),
};

const OF_CREDENTIALS: Pauses = Pauses {
    first: Duration::from_secs(60),
    most: Duration::from_secs(1800),
};

const OF_SPENDING: Pauses = Pauses {
    first: Duration::from_secs(300),
    most: Duration::from_secs(3600),
};

/// What a failure says of a backend.
enum Says {
    /// Nothing: it is about the request, the rate, or one model.
    Nothing,
    /// That it may be down.
    Down,
    /// That nobody is served, until somebody does something about it.
    Shut,
}

/// The breaker of one backend.
#[derive(Clone, Debug)]
pub(super) struct Breaker {
    phase: Phase,
    /// Counts openings, so that calls sent before one are told from those after it.
    era: u32,
    /// Openings in a row, without calm between them.
    trips: u32,
    row: u32,
    calls: Decayed,
    failures: Decayed,
    heard: Option<Timestamp>,
    recovered: Option<Timestamp>,
    probes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    Open {
        until: Timestamp,
        probe: Option<(u32, Timestamp)>,
    },
}

/// What a call that was sent shows when it is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    era: u32,
    probe: Option<u32>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            phase: Phase::Closed,
            era: 0,
            trips: 0,
            row: 0,
            calls: Decayed::new(WINDOW),
            failures: Decayed::new(WINDOW),
            heard: None,
            recovered: None,
            probes: 0,
        }
    }
}

impl Breaker {
    pub(super) fn admission(&self, now: Timestamp) -> Admission {
        match self.phase {
            Phase::Closed => Admission::Sound,
            Phase::Open { until, .. } if now < until => Admission::Broken(until),
            Phase::Open {
                probe: Some((_, sent)),
                ..
            } if now < sent.plus(LEASE) => Admission::Broken(sent.max(now).plus(OF_FAILURES.first)),
            Phase::Open { .. } => Admission::Probe,
        }
    }

    pub(super) const fn recovered(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Closed => self.recovered,
            Phase::Open { .. } => None,
        }
    }

    pub(super) fn sent(&mut self, now: Timestamp) -> Ticket {
        let due = self.admission(now) == Admission::Probe;
        let probe = match &mut self.phase {
            Phase::Open { probe, .. } if due => {
                self.probes = self.probes.wrapping_add(1);
                *probe = Some((self.probes, now));
                Some(self.probes)
            }
            Phase::Open { .. } | Phase::Closed => None,
        };
        Ticket {
            era: self.era,
            probe,
        }
    }

    /// A call was answered. One that was sent before the last opening says nothing of the time after
    /// it.
    pub(super) fn answered(&mut self, now: Timestamp, ticket: Ticket) {
        if ticket.era != self.era {
            return;
        }
        self.heard = Some(now);
        self.row = 0;
        self.calls.add(now, 1);
        if self.phase != Phase::Closed {
            self.phase = Phase::Closed;
            self.recovered = Some(now);
            self.calls.clear();
            self.failures.clear();
        }
    }

    /// An answer that had begun broke off: it was none.
    pub(super) fn broke_off(&mut self, now: Timestamp) {
        self.calls.take_back(now, 1);
    }

    pub(super) fn failed(
        &mut self,
        now: Timestamp,
        (sent, ticket): (Timestamp, Ticket),
        failure: &Failure,
    ) {
        let says = Says::of(failure.kind);
        if matches!(says, Says::Nothing) {
            return self.dropped(ticket);
        }
        if ticket.era != self.era {
            return;
        }
        match self.phase {
            Phase::Open { .. } if self.is_probe(ticket) => self.open(now, failure),
            Phase::Open { .. } => {}
            Phase::Closed => {
                self.row = self.row.saturating_add(1);
                self.calls.add(now, 1);
                self.failures.add(now, 1);
                // Where others are answered, one refusal is about its call, whatever it says.
                let alone = self.heard.is_none_or(|heard| heard < sent);
                if (matches!(says, Says::Shut) && alone)
                    || self.row >= ROW
                    || self.mostly_fails(now)
                {
                    self.open(now, failure);
                }
            }
        }
    }

    /// A call came to nothing that says how the backend does; gives a probe back.
    pub(super) fn dropped(&mut self, ticket: Ticket) {
        if self.is_probe(ticket)
            && let Phase::Open { probe, .. } = &mut self.phase
        {
            *probe = None;
        }
    }

    fn is_probe(&self, ticket: Ticket) -> bool {
        let Phase::Open { probe, .. } = self.phase else {
            return false;
        };
        ticket.probe.is_some() && probe.map(|(number, _)| number) == ticket.probe
    }

    fn mostly_fails(&self, now: Timestamp) -> bool {
        let calls = self.calls.left(now);
        calls >= VOLUME * ONE && self.failures.left(now) * 2 >= calls
    }

    fn open(&mut self, now: Timestamp, failure: &Failure) {
        let calm = self
            .recovered()
            .is_none_or(|since| now.since(since) >= CALM);
        let anew = self.phase == Phase::Closed && calm;
        self.trips = if anew {
            0
        } else {
            self.trips.saturating_add(1)
        };
        let pauses = Pauses::of(failure.kind);
        let own = pauses.first.saturating_mul(1 << self.trips.min(16));
        let asked = failure.retry_after.unwrap_or_default();
        let pause = own.min(pauses.most).max(asked.min(OF_SPENDING.most));
        self.era = self.era.wrapping_add(1);
        self.row = 0;
        self.phase = Phase::Open {
            until: now.plus(pause),
            probe: None,
        };
    }
}

impl Says {
    const fn of(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Unreachable
            | FailureKind::Reset
            | FailureKind::Silent
            | FailureKind::Garbage
            | FailureKind::Overloaded
            | FailureKind::Server => Self::Down,
            FailureKind::SpendLimit | FailureKind::Denied => Self::Shut,
            FailureKind::RateLimited
            | FailureKind::NoModel
            | FailureKind::Unsupported
            | FailureKind::Invalid => Self::Nothing,
        }
    }
}

impl Pauses {
    const fn of(kind: FailureKind) -> &'static Self {
        match kind {
            FailureKind::SpendLimit => &OF_SPENDING,
            FailureKind::Denied => &OF_CREDENTIALS,
            FailureKind::Unreachable
            | FailureKind::Reset
            | FailureKind::Silent
            | FailureKind::Garbage
            | FailureKind::RateLimited
            | FailureKind::Overloaded
            | FailureKind::Server
            | FailureKind::NoModel
            | FailureKind::Unsupported
            | FailureKind::Invalid => &OF_FAILURES,
        }
    }
}
