//! The course of one call over its attempts: send, wait, hedge, give up.

use std::time::Duration;

use super::stops::Stops;
use super::telling::Telling;
use super::{Decision, Failure, Patience, Pick, Retries, RetryBudget, Route, Step};
use crate::model::Timestamp;

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
///         // Here breaker and caps are asked, and `course.skipped(pick)` says that one of them had no
///         // room; or `course.postponed(pick, until)` where a rate limit has none.
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
    stops: Stops,
    retries: Retries,
    patience: Patience,
    hedge: Option<Duration>,
    deadline: Timestamp,
    /// Attempts that are left.
    attempts: u32,
    /// Places in `stops` of the attempts that wait for their first byte, with when they were sent.
    under_way: Vec<(usize, Timestamp)>,
    phase: Phase,
    hedged: Hedged,
    told: Option<Telling>,
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

impl Course {
    /// Of a call that was decided on at `now`; `seed` spreads its waits, and should differ from call
    /// to call.
    #[must_use]
    pub fn new(decision: &Decision, route: &Route, now: Timestamp, seed: u64) -> Self {
        Self {
            stops: Stops::new(decision, route, seed),
            retries: route.retries,
            patience: route.patience,
            hedge: route.hedge,
            deadline: now.plus(route.patience.deadline),
            attempts: route.retries.attempts,
            under_way: Vec::new(),
            phase: Phase::Seeking,
            hedged: Hedged::NotYet,
            told: None,
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
            Step::Elsewhere => self.stops.bar(stop, failure.kind),
            Step::Again => self.stops.rest(now, stop, failure),
        }
        let heard = Telling::of(failure, stop);
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
            self.stops.give_back(stop);
            self.stops.close(stop);
        }
    }

    /// An attempt was not sent after all: its rate limit leaves no room until then. It does not
    /// count, and its backend is waited for as one that said so itself.
    pub fn postponed(&mut self, pick: Pick, until: Timestamp) {
        if let Some(stop) = self.leave(pick) {
            self.attempts = self.attempts.saturating_add(1);
            self.stops.give_back(stop);
            self.stops.throttle(stop, until);
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
        (may && self.stops.beside(stop).is_some()).then_some(at)
    }

    /// The pick to send the call to beside the silent one; at most one per call, at another backend,
    /// of the same model, and only where the budget allows.
    #[must_use]
    pub fn hedge(&mut self, now: Timestamp, budget: &mut RetryBudget) -> Option<Pick> {
        if now < self.hedge_at()? || now >= self.deadline {
            return None;
        }
        let (silent, _) = *self.under_way.first()?;
        let stop = self.stops.beside(silent)?;
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
        let onward = self.stops.onward();
        let back = self.stops.back(now, self.deadline);
        if let Some((again, at)) = back
            && onward.is_none_or(|onward| self.holds(again, onward, at.since(now)))
            && budget.take()
        {
            return Some((again, at));
        }
        let onward = onward?;
        if self.stops.any_tried() {
            // Taken where there is one, so that asking again stops first; see `RetryBudget`.
            let _ = budget.take();
        }
        Some((onward, now))
    }

    /// Whether to wait at a backend rather than to go on. The last attempt is never waited for: it
    /// goes where there is room.
    fn holds(&self, again: usize, onward: usize, wait: Duration) -> bool {
        self.attempts > 1 && self.stops.holds(again, onward, wait)
    }

    fn send(&mut self, stop: usize, at: Timestamp) -> Option<Pick> {
        let pick = self.stops.take(stop)?;
        self.attempts = self.attempts.saturating_sub(1);
        self.under_way.push((stop, at));
        Some(pick)
    }

    /// Takes an attempt off those under way.
    fn leave(&mut self, pick: Pick) -> Option<usize> {
        let mut all = self.under_way.iter();
        let found = all.position(|(stop, _)| self.stops.is(*stop, pick))?;
        Some(self.under_way.swap_remove(found).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Money;
    use crate::route::samples::Sample;
    use crate::route::{Allowance, Billed, FailureKind, Worth};
    use proptest::prelude::*;

    const CENT: i128 = 10_000_000_000;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000).plus(Duration::from_millis(millis))
    }

    fn cents(cents: i128) -> Option<Money> {
        (cents > 0).then(|| Money::from_pico(cents * CENT))
    }

    /// Offers as (backend, fallback, cents lost by going there), in the order in which they are
    /// asked, each at its place in the route.
    fn decided(offers: &[(usize, usize, i128)]) -> (Decision, Route) {
        let mut sample = Sample::new(&["a", "b", "c"]);
        let mut route = sample.route().clone();
        let offer = route.offers.first().expect("an offer").clone();
        route.offers.clear();
        let mut decision = Decision::default();
        for (place, (backend, fallback, hop)) in offers.iter().enumerate() {
            let mut offer = offer.clone();
            (offer.backend, offer.fallback) = (*backend, *fallback);
            route.offers.push(offer);
            decision.picks.push(Pick {
                offer: place,
                expected: None,
                hop: cents(*hop),
            });
        }
        route.worth = Worth {
            second: Money::from_pico(CENT),
            ..Worth::default()
        };
        (decision, route)
    }

    struct Drive {
        course: Course,
        budget: RetryBudget,
        now: u64,
    }

    impl Drive {
        fn new(offers: &[(usize, usize, i128)], change: impl FnOnce(&mut Route)) -> Self {
            let (decision, mut route) = decided(offers);
            change(&mut route);
            Self {
                course: Course::new(&decision, &route, at(0), 7),
                budget: RetryBudget::default(),
                now: 0,
            }
        }

        fn over(backends: &[usize]) -> Self {
            let offers: Vec<_> = backends.iter().map(|backend| (*backend, 0, 0)).collect();
            Self::new(&offers, |_| {})
        }

        fn next(&mut self) -> Move {
            self.course.next(at(self.now), &mut self.budget)
        }

        /// The offer that is sent to at once.
        fn sends(&mut self) -> Pick {
            match self.next() {
                Move::Send(pick) => pick,
                other @ (Move::Wait(..) | Move::Listen | Move::GiveUp) => panic!("{other:?}"),
            }
        }

        /// The offer that is sent to after a wait, of so many milliseconds.
        fn waits(&mut self) -> (Pick, u64) {
            match self.next() {
                Move::Wait(pick, until) => {
                    let wait = until.since(at(self.now)).as_millis();
                    let wait = u64::try_from(wait).expect("it is short");
                    self.now += wait;
                    (pick, wait)
                }
                other @ (Move::Send(_) | Move::Listen | Move::GiveUp) => panic!("{other:?}"),
            }
        }

        fn fails(&mut self, pick: Pick, kind: FailureKind) -> bool {
            self.fails_after(pick, kind, None)
        }

        fn fails_after(&mut self, pick: Pick, kind: FailureKind, asked: Option<u64>) -> bool {
            let failure = Failure {
                kind,
                retry_after: asked.map(Duration::from_millis),
                billed: Billed::No,
            };
            self.course.failed(at(self.now), pick, &failure)
        }

        fn hedges(&mut self) -> Option<usize> {
            let pick = self.course.hedge(at(self.now), &mut self.budget);
            pick.map(|pick| pick.offer)
        }
    }

    #[test]
    fn a_dead_backend_is_left_and_asked_again_only_when_none_is_left() {
        let mut drive = Drive::over(&[0, 1]);
        let first = drive.sends();
        assert_eq!(first.offer, 0);
        assert!(drive.fails(first, FailureKind::Overloaded));
        let second = drive.sends();
        assert_eq!(second.offer, 1);
        let _ = drive.fails(second, FailureKind::Reset);
        let (third, wait) = drive.waits();
        assert!((1..=500).contains(&wait), "{wait}");
        let _ = drive.fails(third, FailureKind::Server);
        let (fourth, _) = drive.waits();
        assert_ne!(third.offer, fourth.offer, "the other one has rested longer");
        let _ = drive.fails(fourth, FailureKind::Server);
        assert_eq!(drive.next(), Move::GiveUp, "four attempts are made");
        assert_eq!(drive.next(), Move::GiveUp);
    }

    /// Two cents are lost by leaving; a second of waiting is worth one.
    #[test]
    fn a_throttled_backend_is_waited_for_while_that_is_worth_less_than_its_prefix() {
        let hop = [(0, 0, 0), (1, 0, 2)];
        for (asked, holds) in [(1000, true), (1700, true), (2000, false), (9000, false)] {
            let mut drive = Drive::new(&hop, |_| {});
            let first = drive.sends();
            let _ = drive.fails_after(first, FailureKind::RateLimited, Some(asked));
            if holds {
                let (pick, wait) = drive.waits();
                assert_eq!(pick.offer, 0);
                assert!((asked..asked * 9 / 8 + 1).contains(&wait), "{wait}");
            } else {
                assert_eq!(drive.sends().offer, 1);
            }
        }
        // Without a time of its own: as long as it counts as full to every call.
        let mut drive = Drive::new(&hop, |_| {});
        let first = drive.sends();
        let _ = drive.fails(first, FailureKind::RateLimited);
        let (pick, wait) = drive.waits();
        assert_eq!(pick.offer, 0);
        let mut limits = Allowance::default();
        limits.refused(at(0), None);
        assert!(limits.full_until(at(0), 1).is_some());
        assert_eq!(limits.full_until(at(wait), 1), None);
    }

    #[test]
    fn nothing_else_is_waited_for() {
        let hop = [(0, 0, 0), (1, 0, 2)];
        let mut dead = Drive::new(&hop, |_| {});
        let first = dead.sends();
        let _ = dead.fails_after(first, FailureKind::Overloaded, Some(1000));
        assert_eq!(dead.sends().offer, 1, "an overloaded backend is left");

        let mut cold = Drive::new(&[(0, 0, 0), (1, 0, 0)], |_| {});
        let first = cold.sends();
        let _ = cold.fails_after(first, FailureKind::RateLimited, Some(1));
        assert_eq!(cold.sends().offer, 1, "nothing is lost by going on");

        let mut last = Drive::new(&hop, |route| route.retries.attempts = 2);
        let first = last.sends();
        let _ = last.fails_after(first, FailureKind::RateLimited, Some(1000));
        assert_eq!(
            last.sends().offer,
            1,
            "the last attempt goes where there is room"
        );
    }

    #[test]
    fn what_is_barred_at_one_backend_is_not_asked_again() {
        let offers = [(0, 0, 0), (0, 1, 0), (1, 0, 0)];
        for kind in [FailureKind::Denied, FailureKind::SpendLimit] {
            let mut drive = Drive::new(&offers, |_| {});
            let first = drive.sends();
            let _ = drive.fails(first, kind);
            let second = drive.sends();
            assert_eq!(second.offer, 2, "the other model has the same credential");
            let _ = drive.fails(second, kind);
            assert_eq!(drive.next(), Move::GiveUp);
        }
        for kind in [FailureKind::NoModel, FailureKind::Unsupported] {
            let mut drive = Drive::new(&offers, |_| {});
            let first = drive.sends();
            let _ = drive.fails(first, kind);
            let second = drive.sends();
            assert_eq!(second.offer, 1, "the other model may be served");
            let _ = drive.fails(second, kind);
            let third = drive.sends();
            assert_eq!(third.offer, 2);
            let _ = drive.fails(third, kind);
            assert_eq!(drive.next(), Move::GiveUp);
        }
    }

    #[test]
    fn another_model_of_a_dead_backend_waits_too() {
        let mut drive = Drive::new(&[(0, 0, 0), (0, 1, 0)], |_| {});
        let first = drive.sends();
        let _ = drive.fails(first, FailureKind::Overloaded);
        let (second, wait) = drive.waits();
        assert!(wait > 0);
        assert_eq!(second.offer, 1, "nothing is warm, and it was not tried yet");

        let mut warm = Drive::new(&[(0, 0, 0), (0, 1, 3)], |_| {});
        let first = warm.sends();
        let _ = warm.fails(first, FailureKind::Overloaded);
        assert_eq!(warm.waits().0.offer, 0, "its prefix is warm");
    }

    #[test]
    fn a_request_that_is_refused_for_itself_ends_the_call() {
        let mut drive = Drive::over(&[0, 1]);
        let first = drive.sends();
        let _ = drive.fails(first, FailureKind::Server);
        let second = drive.sends();
        assert!(drive.fails(second, FailureKind::Invalid));
        assert_eq!(drive.next(), Move::GiveUp);
        let told = drive.course.failure().map(|failure| failure.kind);
        assert_eq!(told, Some(FailureKind::Invalid));
    }

    #[test]
    fn nothing_is_sent_at_the_deadline_or_after_it() {
        let short = |route: &mut Route| route.patience.deadline = Duration::from_secs(2);
        let mut drive = Drive::new(&[(0, 0, 0), (1, 0, 0)], short);
        let first = drive.sends();
        assert_eq!(drive.course.due(at(0)), at(2000));
        drive.now = 2000;
        let _ = drive.fails(first, FailureKind::Silent);
        assert_eq!(drive.next(), Move::GiveUp);

        let mut drive = Drive::new(&[(0, 0, 0)], short);
        let first = drive.sends();
        let _ = drive.fails_after(first, FailureKind::RateLimited, Some(2000));
        assert_eq!(drive.next(), Move::GiveUp, "it would be too late");

        let mut drive = Drive::over(&[0]);
        let first = drive.sends();
        assert_eq!(drive.course.due(at(0)), at(60_000));
        let _ = drive.fails_after(first, FailureKind::RateLimited, Some(60_001));
        assert_eq!(drive.next(), Move::GiveUp, "so long a wait is the caller's");
    }

    #[test]
    fn an_empty_budget_ends_repetition_and_not_failover() {
        let mut drive = Drive::over(&[0, 1]);
        while drive.budget.take() {}
        let first = drive.sends();
        let _ = drive.fails(first, FailureKind::Server);
        let second = drive.sends();
        let _ = drive.fails(second, FailureKind::Server);
        assert_eq!(drive.next(), Move::GiveUp);

        let mut full = Drive::over(&[0, 1]);
        let first = full.sends();
        assert_eq!(full.budget.left(), 10, "the first attempt is free");
        let _ = full.fails(first, FailureKind::Server);
        let _ = full.sends();
        assert_eq!(full.budget.left(), 9);
    }

    fn hedging(route: &mut Route) {
        route.hedge = Some(Duration::from_secs(3));
    }

    #[test]
    fn a_silent_attempt_gets_one_other_beside_it() {
        let mut drive = Drive::new(
            &[(0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 0), (2, 0, 0)],
            hedging,
        );
        assert_eq!(drive.course.hedge_at(), None);
        let first = drive.sends();
        assert_eq!(drive.course.hedge_at(), Some(at(3000)));
        drive.now = 2999;
        assert_eq!(drive.hedges(), None);
        assert_eq!(drive.next(), Move::Listen);
        drive.now = 3000;
        assert_eq!(
            drive.hedges(),
            Some(3),
            "the same model, at another backend"
        );
        assert_eq!((drive.course.hedge_at(), drive.hedges()), (None, None));
        let _ = drive.fails(first, FailureKind::Silent);
        assert_eq!(drive.next(), Move::Listen, "the other is under way");
        assert_eq!(drive.course.hedge_at(), None, "one hedge is enough");
    }

    #[test]
    fn there_is_no_hedge_without_a_budget_a_backend_or_an_attempt() {
        let offers = [(0, 0, 0), (1, 0, 0)];
        let mut poor = Drive::new(&offers, hedging);
        while poor.budget.take() {}
        let _ = poor.sends();
        poor.now = 3000;
        assert_eq!(poor.hedges(), None);
        assert_eq!(
            poor.course.hedge_at(),
            None,
            "it is not asked for again and again"
        );

        let mut alone = Drive::new(&[(0, 0, 0), (1, 1, 0)], hedging);
        let _ = alone.sends();
        assert_eq!(alone.course.hedge_at(), None);

        let once = |route: &mut Route| {
            hedging(route);
            route.retries.attempts = 1;
        };
        let mut once = Drive::new(&offers, once);
        let _ = once.sends();
        assert_eq!(once.course.hedge_at(), None);

        let mut never = Drive::over(&[0, 1]);
        let _ = never.sends();
        assert_eq!(never.course.hedge_at(), None);
    }

    #[test]
    fn nothing_is_sent_after_the_first_byte() {
        let mut drive = Drive::new(&[(0, 0, 0), (1, 0, 0)], hedging);
        let first = drive.sends();
        drive.course.answered(first);
        drive.now = 5000;
        assert_eq!(drive.next(), Move::Listen);
        assert_eq!((drive.course.hedge_at(), drive.hedges()), (None, None));
        assert!(
            !drive.fails(first, FailureKind::Reset),
            "the answer has begun"
        );
        assert_eq!(drive.next(), Move::GiveUp);
    }

    #[test]
    fn what_was_not_sent_does_not_count() {
        let two = |route: &mut Route| route.retries.attempts = 2;
        let mut drive = Drive::new(&[(0, 0, 0), (1, 0, 0), (2, 0, 0)], two);
        let first = drive.sends();
        drive.course.skipped(first);
        let second = drive.sends();
        assert_eq!(second.offer, 1);
        drive.course.postponed(second, at(800));
        let third = drive.sends();
        assert_eq!(third.offer, 2);
        let _ = drive.fails(third, FailureKind::Denied);
        let (again, wait) = drive.waits();
        assert_eq!((again.offer, wait), (1, 800));
        let _ = drive.fails(again, FailureKind::Server);
        assert_eq!(drive.next(), Move::GiveUp);
    }

    #[test]
    fn the_most_telling_failure_is_the_callers() {
        use FailureKind::{Denied, Invalid, Overloaded, RateLimited, Server, Silent};
        let kept = |kinds: &[FailureKind]| {
            let backends: Vec<usize> = (0..kinds.len()).collect();
            let mut drive = Drive::over(&backends);
            for kind in kinds {
                let pick = drive.sends();
                let _ = drive.fails(pick, *kind);
            }
            drive.course.failure().map(|failure| failure.kind)
        };
        assert_eq!(
            kept(&[Silent, Denied]),
            Some(Denied),
            "an answer over silence"
        );
        assert_eq!(kept(&[Denied, Silent]), Some(Denied));
        assert_eq!(
            kept(&[Denied, RateLimited]),
            Some(RateLimited),
            "waiting may help"
        );
        assert_eq!(
            kept(&[Server, Overloaded]),
            Some(Server),
            "the first pick's"
        );
        assert_eq!(
            kept(&[Server, Silent, Invalid]),
            Some(Invalid),
            "about the request"
        );

        let mut drive = Drive::over(&[0]);
        let first = drive.sends();
        assert!(drive.fails(first, Overloaded));
        let (again, _) = drive.waits();
        assert!(drive.fails(again, Server), "of one pick the latest");
    }

    #[test]
    fn a_pick_that_is_nowhere_is_no_pick() {
        let (mut decision, route) = decided(&[(0, 0, 0)]);
        decision.picks[0].offer = 9;
        let mut course = Course::new(&decision, &route, at(0), 1);
        let mut budget = RetryBudget::default();
        assert_eq!(course.next(at(0), &mut budget), Move::GiveUp);
    }

    #[derive(Clone, Debug)]
    enum Outcome {
        Failed(FailureKind, Option<u64>),
        Skipped,
        Postponed(u64),
        Answered,
    }

    /// What comes of an attempt, which of those under way it is, after how long, and whether a hedge
    /// is asked for before.
    fn outcomes() -> impl Strategy<Value = Vec<(Outcome, usize, u64, bool)>> {
        let kind = prop::sample::select(vec![
            FailureKind::Server,
            FailureKind::Silent,
            FailureKind::Overloaded,
            FailureKind::RateLimited,
            FailureKind::RateLimited,
            FailureKind::Denied,
            FailureKind::NoModel,
            FailureKind::Unsupported,
            FailureKind::Invalid,
        ]);
        let outcome = prop_oneof![
            12 => (kind, prop::option::of(0_u64..70_000))
                .prop_map(|(kind, asked)| Outcome::Failed(kind, asked)),
            1 => Just(Outcome::Skipped),
            1 => (0_u64..5000).prop_map(Outcome::Postponed),
            1 => Just(Outcome::Answered),
        ];
        let event = (outcome, 0_usize..2, 0_u64..10_000, any::<bool>());
        prop::collection::vec(event, 0..40)
    }

    /// What a driver saw of one call.
    #[derive(Default)]
    struct Seen {
        sent: u32,
        repeated: u32,
        closed_backends: Vec<usize>,
        closed_offers: Vec<usize>,
        /// When each backend failed last.
        failed: std::collections::BTreeMap<usize, u64>,
        flying: Vec<Pick>,
    }

    impl Seen {
        fn sends(&mut self, route: &Route, pick: Pick, now: u64) -> Result<(), TestCaseError> {
            let backend = route.offers[pick.offer].backend;
            prop_assert!(u128::from(now) < route.patience.deadline.as_millis());
            prop_assert!(!self.closed_backends.contains(&backend), "it is barred");
            prop_assert!(!self.closed_offers.contains(&pick.offer), "it is barred");
            let at_backend = |pick: &Pick| route.offers[pick.offer].backend == backend;
            prop_assert!(!self.flying.iter().any(at_backend), "it is asked already");
            if let Some(failed) = self.failed.get(&backend) {
                prop_assert!(now > *failed, "not without a wait");
                self.repeated += 1;
            }
            self.sent += 1;
            self.flying.push(pick);
            Ok(())
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn whatever_happens_a_call_keeps_within_its_bounds(
            offers in prop::collection::vec((0_usize..3, 0_usize..2, 0_i128..30), 0..7),
            attempts in 0_u32..7,
            percent in 0_u32..150,
            saved in 0_u32..4,
            deadline in 0_u64..90_000,
            hedge in prop::option::of(0_u64..4000),
            seed in any::<u64>(),
            outcomes in outcomes(),
        ) {
            let (decision, mut route) = decided(&offers);
            route.retries.attempts = attempts;
            route.retries.percent = percent;
            route.patience.deadline = Duration::from_millis(deadline);
            route.hedge = hedge.map(Duration::from_millis);
            let mut course = Course::new(&decision, &route, at(0), seed);
            let mut budget = RetryBudget::default();
            while budget.left() > saved {
                let _ = budget.take();
            }
            let (mut now, mut seen, mut hedges, mut over) = (0_u64, Seen::default(), 0, false);
            for (outcome, which, took, asks) in outcomes {
                match course.next(at(now), &mut budget) {
                    Move::Send(pick) => {
                        prop_assert!(!over);
                        seen.sends(&route, pick, now)?;
                    }
                    Move::Wait(pick, until) => {
                        prop_assert!(!over && until > at(now));
                        let micros = until.since(at(0)).as_micros();
                        now = u64::try_from(micros.div_ceil(1000)).expect("it is short");
                        prop_assert!(until < at(deadline));
                        // The driver's clock has milliseconds here.
                        if now >= deadline { return Ok(()); }
                        seen.sends(&route, pick, now)?;
                    }
                    Move::Listen => prop_assert!(!seen.flying.is_empty() || over),
                    Move::GiveUp => {
                        prop_assert_eq!(course.next(at(now), &mut budget), Move::GiveUp);
                        return Ok(());
                    }
                }
                if let Some(due) = course.hedge_at().filter(|_| asks) {
                    now = now.max(u64::try_from(due.since(at(0)).as_micros().div_ceil(1000)).expect("short"));
                    if let Some(pick) = course.hedge(at(now), &mut budget) {
                        seen.sends(&route, pick, now)?;
                        hedges += 1;
                    }
                }
                prop_assert!(seen.sent <= attempts);
                prop_assert!(hedges <= 1);
                let earned = saved + percent.div_ceil(100);
                prop_assert!(percent > 0 || seen.repeated + hedges == 0);
                prop_assert!(seen.repeated + hedges <= earned, "{} of {}", seen.repeated, earned);
                now += took;
                if seen.flying.is_empty() {
                    continue;
                }
                let pick = seen.flying.swap_remove(which % seen.flying.len());
                let backend = route.offers[pick.offer].backend;
                match outcome {
                    Outcome::Failed(kind, asked) => {
                        let failure = Failure {
                            kind,
                            retry_after: asked.map(Duration::from_millis),
                            billed: Billed::Perhaps,
                        };
                        let _ = course.failed(at(now), pick, &failure);
                        match failure.step() {
                            Step::Final => over = true,
                            Step::Elsewhere if kind.is_of_model() => seen.closed_offers.push(pick.offer),
                            Step::Elsewhere => seen.closed_backends.push(backend),
                            Step::Again => { seen.failed.insert(backend, now); }
                        }
                    }
                    Outcome::Skipped => {
                        course.skipped(pick);
                        seen.sent -= 1;
                        seen.closed_offers.push(pick.offer);
                    }
                    Outcome::Postponed(wait) => {
                        course.postponed(pick, at(now + wait));
                        seen.sent -= 1;
                    }
                    Outcome::Answered => {
                        course.answered(pick);
                        seen.flying.clear();
                        over = true;
                    }
                }
            }
        }
    }
}
