//! How a backend does: its breaker, and how fast it answers.

use std::time::Duration;

use super::breaker::{Breaker, Ticket};
use super::decay::Decayed;
use super::{Failure, FailureKind};
use crate::model::Timestamp;

/// How one backend does.
///
/// Its breaker opens after five failures in a row, or when half of the calls of the last minute or so
/// failed and there were ten at least: for five seconds, doubled each time it fails again, up to two
/// minutes. A refused credential or a spend limit opens it at once, for a minute and for five, unless
/// other calls were answered meanwhile: then the refusal was about its call. Once the time is over,
/// one call at a time may find out; when it is answered the breaker closes.
///
/// What says nothing of the backend as a whole does not count: rate limits ([`Allowance`] keeps them),
/// refusals of the request, and models that it does not serve, which are remembered by their id.
///
/// [`Allowance`]: super::Allowance
#[derive(Clone, Debug)]
pub struct Health {
    breaker: Breaker,
    /// Times to first bytes in microseconds, and how many they are.
    times: Decayed,
    count: Decayed,
    timed: Option<Timestamp>,
    lacking: Vec<Lacking>,
}

/// A model that is not served here.
#[derive(Clone, Debug)]
struct Lacking {
    id: Box<str>,
    until: Timestamp,
    times: u32,
}

/// Whether a backend is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "deciding must know them all")]
pub enum Admission {
    /// It is sound.
    Sound,
    /// It failed, and one call may find out whether it still does.
    Probe,
    /// It is left alone until then.
    Broken(Timestamp),
}

/// A call that was sent to a backend, and is to be told of when it comes to something. Telling of it
/// twice does nothing, except that an answer which had begun may still fail.
#[derive(Debug)]
#[must_use = "what comes of the call must be told"]
pub struct Pass {
    id: Box<str>,
    sent: Timestamp,
    ticket: Ticket,
    measured: Measured,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measured {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Sent,
    Answered,
    Over,
}

/// After how long a time to first byte counts half.
const HALF_LIFE: Duration = Duration::from_secs(300);

/// After so many half-lives without a call nothing is known.
const FORGOTTEN: u32 = 4;

/// For how long a model is taken as not served, the first time and at most.
const WITHOUT: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(3600));

/// More models than a backend has routes to are never asked for.
const MOST_LACKING: usize = 64;

impl Default for Health {
    fn default() -> Self {
        Self {
            breaker: Breaker::default(),
            times: Decayed::new(HALF_LIFE),
            count: Decayed::new(HALF_LIFE),
            timed: None,
            lacking: Vec::new(),
        }
    }
}

impl Health {
    /// Whether it is asked.
    #[must_use]
    pub fn admission(&self, now: Timestamp) -> Admission {
        self.breaker.admission(now)
    }

    /// Until when the model of this id is taken as not served here; `None` where it may be.
    #[must_use]
    pub fn lacks(&self, now: Timestamp, id: &str) -> Option<Timestamp> {
        let found = self.lacking.iter().find(|lacking| *lacking.id == *id)?;
        (now < found.until).then_some(found.until)
    }

    /// Since when it has been sound again after its breaker was open; `None` where it never was, or
    /// is not yet.
    #[must_use]
    pub fn recovered(&self) -> Option<Timestamp> {
        self.breaker.recovered()
    }

    /// The mean time to its first byte, in which a call counts half after five minutes; `None` where
    /// none was seen for twenty.
    #[must_use]
    pub fn first_byte(&self, now: Timestamp) -> Option<Duration> {
        if now.since(self.timed?) > HALF_LIFE * FORGOTTEN {
            return None;
        }
        let mean = self.times.left(now).checked_div(self.count.left(now))?;
        Some(Duration::from_micros(mean))
    }

    /// A call to the model of this id is sent to it; takes the probe where one is due.
    pub fn sent(&mut self, now: Timestamp, id: &str) -> Pass {
        Pass {
            id: id.into(),
            sent: now,
            ticket: self.breaker.sent(now),
            measured: Measured::Yes,
            phase: Phase::Sent,
        }
    }

    /// The first byte of an answer has come.
    pub fn answered(&mut self, now: Timestamp, pass: &mut Pass) {
        if pass.phase != Phase::Sent {
            return;
        }
        pass.phase = Phase::Answered;
        self.time(now, pass);
        self.lacking.retain(|lacking| lacking.id != pass.id);
        self.breaker.answered(now, pass.ticket);
    }

    /// A call failed: before its first byte, or in the middle of its answer.
    pub fn failed(&mut self, now: Timestamp, pass: &mut Pass, failure: &Failure) {
        match pass.phase {
            Phase::Sent if failure.kind == FailureKind::Silent => self.time(now, pass),
            Phase::Sent => {}
            Phase::Answered => self.breaker.broke_off(now),
            Phase::Over => return,
        }
        pass.phase = Phase::Over;
        if failure.kind == FailureKind::NoModel {
            self.goes_without(now, &pass.id);
        }
        self.breaker.failed(now, (pass.sent, pass.ticket), failure);
    }

    /// A call was given up before it came to anything; gives a probe back. Where it was waited for
    /// longer than usual, that is remembered as a time: a backend that is always overtaken by a
    /// second one would seem fast otherwise.
    pub fn dropped(&mut self, now: Timestamp, pass: &mut Pass) {
        if pass.phase == Phase::Sent {
            let usual = self.first_byte(now);
            if usual.is_some_and(|usual| now.since(pass.sent) > usual) {
                self.time(now, pass);
            }
            self.breaker.dropped(pass.ticket);
        }
        pass.phase = Phase::Over;
    }

    /// Its configuration was read again: refused credentials, spend limits and missing models may
    /// have been set right, and are forgotten.
    #[must_use]
    pub fn mended(mut self) -> Self {
        self.breaker.mended();
        self.lacking.clear();
        self
    }

    fn time(&mut self, now: Timestamp, pass: &Pass) {
        if pass.measured == Measured::No {
            return;
        }
        let micros = now.since(pass.sent).as_micros();
        self.times
            .add(now, u64::try_from(micros).unwrap_or(u64::MAX));
        self.count.add(now, 1);
        self.timed = self.timed.max(Some(now));
    }

    fn goes_without(&mut self, now: Timestamp, id: &str) {
        let known = self.lacking.iter().position(|lacking| *lacking.id == *id);
        let before = known.map_or(0, |at| self.lacking.swap_remove(at).times);
        if self.lacking.len() >= MOST_LACKING {
            self.lacking.remove(0);
        }
        let (first, most) = WITHOUT;
        let pause = first.saturating_mul(1 << before.min(16)).min(most);
        self.lacking.push(Lacking {
            id: id.into(),
            until: now.plus(pause),
            times: before.saturating_add(1),
        });
    }
}

impl Pass {
    /// The same for a call whose first byte says nothing of how fast the backend is: a whole answer
    /// begins when it is complete.
    pub fn unmeasured(mut self) -> Self {
        self.measured = Measured::No;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Billed;

    fn at(millis: u64) -> Timestamp {
        Timestamp::default().plus(Duration::from_millis(millis))
    }

    fn failure(kind: FailureKind) -> Failure {
        Failure::without_answer(kind, Billed::Perhaps)
    }

    /// A call that is answered after so many milliseconds.
    fn answer(health: &mut Health, sent: u64, took: u64) {
        let mut pass = health.sent(at(sent), "m");
        health.answered(at(sent + took), &mut pass);
    }

    fn millis(health: &Health, now: u64) -> Option<u128> {
        health.first_byte(at(now)).map(|mean| mean.as_millis())
    }

    #[test]
    fn the_mean_follows_the_times_of_late() {
        let mut health = Health::default();
        assert_eq!(millis(&health, 0), None);
        answer(&mut health, 0, 1000);
        answer(&mut health, 0, 1000);
        assert_eq!(millis(&health, 1000), Some(1000));
        // One half-life later two calls count as one.
        answer(&mut health, 300_000, 4000);
        let mean = millis(&health, 304_000).expect("a mean");
        assert!((2480..2540).contains(&mean), "{mean}");
        assert!(millis(&health, 304_000 + 1_200_000).is_some());
        assert_eq!(millis(&health, 304_001 + 1_200_000), None);
    }

    #[test]
    fn whole_answers_are_no_measure() {
        let mut health = Health::default();
        let mut pass = health.sent(at(0), "m").unmeasured();
        health.answered(at(60_000), &mut pass);
        assert_eq!(millis(&health, 60_000), None);
    }

    #[test]
    fn who_is_overtaken_is_slow_and_who_is_hung_up_on_at_once_is_not() {
        let mut health = Health::default();
        answer(&mut health, 0, 1000);
        let mut hung_up = health.sent(at(1000), "m");
        health.dropped(at(1100), &mut hung_up);
        let mean = millis(&health, 1100).expect("a mean");
        assert!((999..=1000).contains(&mean), "{mean}");
        let mut overtaken = health.sent(at(1000), "m");
        health.dropped(at(4000), &mut overtaken);
        let mean = millis(&health, 4000).expect("a mean");
        assert!((1990..=2010).contains(&mean), "{mean}");
        let mut silent = health.sent(at(4000), "m");
        health.failed(at(64_000), &mut silent, &failure(FailureKind::Silent));
        assert!(millis(&health, 64_000) > Some(10_000));
    }

    #[test]
    fn what_comes_of_a_call_counts_once() {
        let mut health = Health::default();
        let mut pass = health.sent(at(0), "m");
        for _ in 0..20 {
            health.failed(at(0), &mut pass, &failure(FailureKind::Server));
        }
        health.answered(at(0), &mut pass);
        health.dropped(at(0), &mut pass);
        assert_eq!(health.admission(at(0)), Admission::Sound);
        assert_eq!(millis(&health, 0), None);
    }

    #[test]
    fn answers_that_break_off_open_the_breaker_too() {
        let mut health = Health::default();
        let opened = (1..=20_u64).find(|call| {
            let mut pass = health.sent(at(call * 10), "m");
            health.answered(at(call * 10 + 1), &mut pass);
            health.failed(at(call * 10 + 5), &mut pass, &failure(FailureKind::Reset));
            health.admission(at(call * 10 + 5)) != Admission::Sound
        });
        assert_eq!(opened, Some(10), "each is a failure, and no answer");
    }

    #[test]
    fn a_missing_model_is_remembered_and_the_others_are_served() {
        let mut health = Health::default();
        let lost = |health: &mut Health, now, id: &str| {
            let mut pass = health.sent(at(now), id);
            health.failed(at(now), &mut pass, &failure(FailureKind::NoModel));
        };
        for _ in 0..100 {
            lost(&mut health, 0, "a");
        }
        assert_eq!(health.admission(at(0)), Admission::Sound);
        assert_eq!(health.lacks(at(0), "b"), None);

        let mut health = Health::default();
        lost(&mut health, 0, "a");
        assert_eq!(health.lacks(at(0), "a"), Some(at(300_000)));
        assert_eq!(health.lacks(at(300_000), "a"), None);
        lost(&mut health, 300_000, "a");
        assert_eq!(health.lacks(at(300_000), "a"), Some(at(900_000)));
        let mended = health.clone().mended();
        assert_eq!(mended.lacks(at(300_000), "a"), None);
        let mut pass = health.sent(at(900_000), "a");
        health.answered(at(900_001), &mut pass);
        lost(&mut health, 900_002, "a");
        assert_eq!(health.lacks(at(900_002), "a"), Some(at(1_200_002)));
        for model in 0..1000 {
            lost(&mut health, 900_003, &model.to_string());
        }
        assert_eq!(health.lacking.len(), MOST_LACKING);
    }
}
