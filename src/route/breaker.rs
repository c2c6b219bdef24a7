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
        why: FailureKind,
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

    /// Somebody may have done something about it: closes where it was opened for that.
    pub(super) fn mended(&mut self) {
        if let Phase::Open { why, .. } = self.phase
            && matches!(Says::of(why), Says::Shut)
        {
            let era = self.era.wrapping_add(1);
            *self = Self {
                era,
                ..Self::default()
            };
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
            why: failure.kind,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Billed;
    use proptest::prelude::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::default().plus(Duration::from_millis(millis))
    }

    fn secs(seconds: u64) -> Timestamp {
        at(seconds * 1000)
    }

    fn failure(kind: FailureKind) -> Failure {
        Failure::without_answer(kind, Billed::No)
    }

    fn fail(breaker: &mut Breaker, now: Timestamp, kind: FailureKind) {
        let ticket = breaker.sent(now);
        breaker.failed(now, (now, ticket), &failure(kind));
    }

    fn answer(breaker: &mut Breaker, now: Timestamp) {
        let ticket = breaker.sent(now);
        breaker.answered(now, ticket);
    }

    /// A breaker that five failures opened at the start.
    fn broken() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..ROW {
            fail(&mut breaker, at(0), FailureKind::Server);
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_four_do_not() {
        let mut breaker = Breaker::default();
        for round in 0..3 {
            for _ in 0..ROW - 1 {
                fail(&mut breaker, secs(round * 100), FailureKind::Silent);
            }
            assert_eq!(breaker.admission(secs(round * 100)), Admission::Sound);
            answer(&mut breaker, secs(round * 100));
        }
        let mut breaker = broken();
        assert_eq!(breaker.admission(at(0)), Admission::Broken(secs(5)));
        assert_eq!(breaker.admission(at(4999)), Admission::Broken(secs(5)));
        assert_eq!(breaker.admission(secs(5)), Admission::Probe);
        assert_eq!(breaker.recovered(), None);
        answer(&mut breaker, secs(6));
        assert_eq!(breaker.admission(secs(6)), Admission::Sound);
        assert_eq!(breaker.recovered(), Some(secs(6)));
    }

    #[test]
    fn half_of_many_calls_open_it_and_few_or_fewer_do_not() {
        let mixed = |calls: u64, every: u64| {
            let mut breaker = Breaker::default();
            (1..=calls).any(|call| {
                if call % every == 0 {
                    fail(&mut breaker, at(call), FailureKind::Overloaded);
                } else {
                    answer(&mut breaker, at(call));
                }
                breaker.admission(at(call)) != Admission::Sound
            })
        };
        assert!(mixed(12, 2));
        assert!(!mixed(8, 2), "too few to say");
        assert!(!mixed(1000, 3), "two of three are answered");
    }

    #[test]
    fn failures_of_long_ago_do_not_count() {
        let mut breaker = Breaker::default();
        for minute in 0..100 {
            fail(&mut breaker, secs(minute * 60), FailureKind::Server);
            answer(&mut breaker, secs(minute * 60 + 30));
        }
        assert_eq!(breaker.admission(secs(6000)), Admission::Sound);
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew_after_calm() {
        let mut breaker = broken();
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let Admission::Broken(until) = breaker.admission(now) else {
                panic!("it is open");
            };
            pauses.push(until.since(now).as_secs());
            now = until;
            fail(&mut breaker, now, FailureKind::Unreachable);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 120, 120]);

        let reopened = |calm: Duration| {
            let mut breaker = broken();
            fail(&mut breaker, secs(5), FailureKind::Server);
            answer(&mut breaker, secs(15));
            let again = secs(15).plus(calm);
            for _ in 0..ROW {
                fail(&mut breaker, again, FailureKind::Server);
            }
            match breaker.admission(again) {
                Admission::Broken(until) => until.since(again).as_secs(),
                Admission::Sound | Admission::Probe => panic!("it is open"),
            }
        };
        assert_eq!(reopened(CALM - Duration::from_secs(1)), 20);
        assert_eq!(reopened(CALM), 5);
    }

    #[test]
    fn refused_credentials_open_it_at_once_unless_others_are_answered() {
        for (kind, pause) in [(FailureKind::Denied, 60), (FailureKind::SpendLimit, 300)] {
            let mut breaker = Breaker::default();
            answer(&mut breaker, secs(1));
            fail(&mut breaker, secs(2), kind);
            assert_eq!(
                breaker.admission(secs(2)),
                Admission::Broken(secs(2 + pause))
            );

            let mut breaker = Breaker::default();
            let ticket = breaker.sent(secs(1));
            answer(&mut breaker, secs(2));
            breaker.failed(secs(3), (secs(1), ticket), &failure(kind));
            assert_eq!(breaker.admission(secs(3)), Admission::Sound);
        }
    }

    #[test]
    fn a_provider_may_ask_for_a_longer_pause_but_not_for_ever() {
        let opened = |asked| {
            let mut breaker = Breaker::default();
            let ticket = breaker.sent(at(0));
            let mut failure = failure(FailureKind::SpendLimit);
            failure.retry_after = Some(Duration::from_secs(asked));
            breaker.failed(at(0), (at(0), ticket), &failure);
            breaker.admission(at(0))
        };
        assert_eq!(opened(1), Admission::Broken(secs(300)));
        assert_eq!(opened(1000), Admission::Broken(secs(1000)));
        assert_eq!(opened(1_000_000), Admission::Broken(secs(3600)));
    }

    #[test]
    fn a_changed_configuration_closes_what_waits_for_it() {
        let mut shut = Breaker::default();
        let slow = shut.sent(at(0));
        fail(&mut shut, at(0), FailureKind::Denied);
        shut.mended();
        assert_eq!(shut.admission(at(1)), Admission::Sound);
        shut.failed(at(1), (at(0), slow), &failure(FailureKind::Denied));
        assert_eq!(
            shut.admission(at(1)),
            Admission::Sound,
            "it was sent before"
        );
        let mut down = broken();
        down.mended();
        assert_eq!(down.admission(at(1)), Admission::Broken(secs(5)));
    }

    #[test]
    fn what_says_nothing_of_the_backend_does_not_count() {
        let mut breaker = Breaker::default();
        for kind in [
            FailureKind::Invalid,
            FailureKind::RateLimited,
            FailureKind::NoModel,
            FailureKind::Unsupported,
        ] {
            for _ in 0..100 {
                fail(&mut breaker, at(0), kind);
            }
        }
        assert_eq!(breaker.admission(at(0)), Admission::Sound);

        let mut breaker = broken();
        fail(&mut breaker, secs(5), FailureKind::Invalid);
        assert_eq!(
            breaker.admission(secs(5)),
            Admission::Probe,
            "the probe is given back"
        );
    }

    #[test]
    fn one_probe_at_a_time_whose_loss_gives_it_back() {
        let mut breaker = broken();
        let probe = breaker.sent(secs(5));
        assert!(matches!(breaker.admission(secs(5)), Admission::Broken(until) if until > secs(5)));
        assert!(
            matches!(breaker.admission(secs(60)), Admission::Broken(until) if until > secs(60))
        );
        breaker.dropped(probe);
        assert_eq!(breaker.admission(secs(60)), Admission::Probe);
        let second = breaker.sent(secs(60));
        breaker.dropped(probe);
        assert!(
            matches!(breaker.admission(secs(60)), Admission::Broken(_)),
            "the first has nothing left to give back"
        );
        breaker.failed(secs(61), (secs(5), probe), &failure(FailureKind::Server));
        breaker.answered(secs(61), second);
        assert_eq!(breaker.admission(secs(61)), Admission::Sound);
    }

    #[test]
    fn a_probe_of_which_nothing_is_heard_is_lost() {
        let mut breaker = broken();
        let _unheard = breaker.sent(secs(5));
        assert!(matches!(breaker.admission(secs(904)), Admission::Broken(_)));
        assert_eq!(breaker.admission(secs(905)), Admission::Probe);
    }

    #[test]
    fn calls_from_before_the_opening_say_nothing_of_the_time_after_it() {
        let mut breaker = Breaker::default();
        let slow = breaker.sent(at(0));
        let slower = breaker.sent(at(0));
        for _ in 0..ROW {
            fail(&mut breaker, at(1), FailureKind::Server);
        }
        let _probe = breaker.sent(secs(6));
        breaker.failed(secs(7), (at(0), slow), &failure(FailureKind::Silent));
        assert!(matches!(breaker.admission(secs(7)), Admission::Broken(until) if until < secs(20)));
        breaker.answered(secs(8), slower);
        assert!(matches!(breaker.admission(secs(8)), Admission::Broken(_)));
    }

    #[derive(Clone, Debug)]
    enum Event {
        Sent,
        Answered(usize),
        Failed(usize, FailureKind),
        Dropped(usize),
        Passes(u64),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let kind = prop::sample::select(vec![
            FailureKind::Server,
            FailureKind::Silent,
            FailureKind::Denied,
            FailureKind::SpendLimit,
            FailureKind::RateLimited,
            FailureKind::Invalid,
        ]);
        let event = prop_oneof![
            4 => Just(Event::Sent),
            1 => (0_usize..8).prop_map(Event::Answered),
            4 => (0_usize..8, kind).prop_map(|(at, kind)| Event::Failed(at, kind)),
            1 => (0_usize..8).prop_map(Event::Dropped),
            2 => (0_u64..400_000).prop_map(Event::Passes),
        ];
        prop::collection::vec(event, 0..120)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Calls are sent only where they are let in, as whoever drives them does.
        #[test]
        fn there_is_never_more_than_one_probe_and_it_always_closes_again(events in events()) {
            let mut breaker = Breaker::default();
            let mut now = secs(1);
            let mut flying: Vec<(Timestamp, Ticket)> = Vec::new();
            let take = |flying: &mut Vec<(Timestamp, Ticket)>, at: usize| {
                (!flying.is_empty()).then(|| flying.swap_remove(at % flying.len()))
            };
            for event in events {
                match event {
                    Event::Sent => if !matches!(breaker.admission(now), Admission::Broken(_)) {
                        flying.push((now, breaker.sent(now)));
                    },
                    Event::Answered(at) => if let Some((_, ticket)) = take(&mut flying, at) {
                        breaker.answered(now, ticket);
                    },
                    Event::Failed(at, kind) => if let Some(call) = take(&mut flying, at) {
                        breaker.failed(now, call, &failure(kind));
                    },
                    Event::Dropped(at) => if let Some((_, ticket)) = take(&mut flying, at) {
                        breaker.dropped(ticket);
                    },
                    Event::Passes(millis) => now = now.plus(Duration::from_millis(millis)),
                }
                let probes = flying.iter().filter(|(sent, ticket)| {
                    let leased = now < sent.plus(LEASE);
                    ticket.probe.is_some() && ticket.era == breaker.era && leased
                });
                let probes = probes.count();
                match breaker.admission(now) {
                    Admission::Probe => prop_assert_eq!(probes, 0),
                    Admission::Broken(until) => {
                        prop_assert!(until > now);
                        prop_assert!(probes <= 1);
                    }
                    Admission::Sound => {}
                }
            }
            // The backend is sound from now on: whoever is let in is answered.
            for _ in 0..3 {
                now = now.plus(LEASE.max(OF_SPENDING.most));
                if !matches!(breaker.admission(now), Admission::Broken(_)) {
                    answer(&mut breaker, now);
                }
            }
            prop_assert_eq!(breaker.admission(now), Admission::Sound);
        }
    }
}
