//! How often prefixes of one kind are reused: counts that fade, and trials still open.
//!
//! Reuse is fully observable to the client: every prompt passes through here whether or not it was
//! marked, so nothing has to be written to learn whether writing it would have paid.

use std::collections::VecDeque;
use std::time::Duration;

use super::{FIVE_MINUTES, ONE_HOUR, Reuse, Spot};
use crate::model::{Digest, Timestamp};

/// Open trials kept per kind; the oldest is given up as unreturned when one more comes.
const OPEN: usize = 256;
/// What one new outcome leaves of the old ones: the last fifty count.
const FADE: f64 = 0.98;
/// The median gap of a return before any was seen, in seconds. Recorded agents show 4 to 7; a
/// slower stream must not be given up before its first return.
const MEDIAN_GAP: f64 = 15.0;
/// Failures that silence alone can amount to, beyond four per known outcome: many parallel streams
/// that all wait for the same slow thing are not as many observations.
const SILENCE: f64 = 9.0;

/// Outcomes for one kind of spot.
#[derive(Clone, Debug)]
pub struct Trials {
    open: VecDeque<Open>,
    within_5m: f64,
    within_1h: f64,
    closed: f64,
    log_gap: f64,
}

/// A trial whose outcome is not known yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    prefix: Digest,
    since: Timestamp,
    /// From when on silence means something; `None` while the answer is still under way, since
    /// nobody can continue a turn that is not finished.
    silent_from: Option<Timestamp>,
}

impl Default for Trials {
    fn default() -> Self {
        Self {
            open: VecDeque::new(),
            within_5m: 0.0,
            within_1h: 0.0,
            closed: 0.0,
            log_gap: MEDIAN_GAP.ln(),
        }
    }
}

#[expect(clippy::float_arithmetic, reason = "probabilities")]
impl Trials {
    /// A prefix of this kind was seen for the first time.
    pub fn open(&mut self, prefix: Digest, spot: Spot, now: Timestamp) {
        if self.open.len() >= OPEN {
            self.open.pop_front();
            self.close(None);
        }
        self.open.push_back(Open {
            prefix,
            since: now,
            silent_from: (!spot.waits_for_an_answer()).then_some(now),
        });
        self.give_up(now);
    }

    /// The answer to the request that ended here is complete: from now on silence counts.
    pub fn answered(&mut self, prefix: &Digest, now: Timestamp) {
        let known = self
            .open
            .iter_mut()
            .rev()
            .find(|open| open.prefix == *prefix);
        if let Some(open) = known {
            open.silent_from = open.silent_from.or(Some(now));
        }
    }

    /// It was seen again after `gap`.
    pub fn settle(&mut self, prefix: &Digest, gap: Duration) {
        if let Some(at) = self.open.iter().position(|open| open.prefix == *prefix) {
            self.open.remove(at);
            self.close(Some(gap));
        }
    }

    /// The chance that a prefix of this kind returns, shrunk towards `prior`. An open trial counts
    /// as a failure in proportion to how unusual its silence already is.
    #[must_use]
    pub fn estimate(&self, prior: Reuse, spot: Spot, now: Timestamp) -> Reuse {
        let scale = self.log_gap.exp();
        let silent: f64 = self
            .open
            .iter()
            .filter_map(|open| {
                let age = now.since(open.silent_from?).as_secs_f64();
                Some(age / (age + scale))
            })
            .sum();
        let silent = silent.min(SILENCE + 4.0 * self.closed);
        let weight = spot.prior_weight();
        let seen = self.closed + silent + weight;
        Reuse {
            five_minutes: (self.within_5m + weight * prior.five_minutes) / seen,
            one_hour: (self.within_1h + weight * prior.one_hour) / seen,
        }
    }

    /// Outcomes that are known, faded.
    #[must_use]
    pub const fn closed(&self) -> f64 {
        self.closed
    }

    fn give_up(&mut self, now: Timestamp) {
        while let Some(open) = self.open.front() {
            if now.since(open.since) <= ONE_HOUR {
                break;
            }
            self.open.pop_front();
            self.close(None);
        }
    }

    fn close(&mut self, gap: Option<Duration>) {
        for count in [&mut self.within_5m, &mut self.within_1h, &mut self.closed] {
            *count *= FADE;
        }
        self.closed += 1.0;
        let Some(gap) = gap else { return };
        self.within_5m += f64::from(u8::from(gap < FIVE_MINUTES));
        self.within_1h += f64::from(u8::from(gap < ONE_HOUR));
        let seconds = gap.as_secs_f64().clamp(0.5, ONE_HOUR.as_secs_f64());
        let rate = (1.0 / (self.closed + 1.0)).max(0.05);
        self.log_gap += (seconds.ln() - self.log_gap) * rate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fingerprint, Keyring};

    fn digest(n: u128) -> Digest {
        let keys = Keyring::new(b"test");
        keys.extend(keys.scope(&[]), Fingerprint(n))
    }

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_secs_f64(seconds)
    }

    fn chance(trials: &Trials, spot: Spot, now: f64) -> f64 {
        trials
            .estimate(Reuse::flat(spot.prior()), spot, at(now))
            .five_minutes
    }

    #[test]
    fn two_silent_questions_are_enough_to_stop_writing_questions() {
        let mut trials = Trials::default();
        assert!(chance(&trials, Spot::ChatStart, 0.0) > 0.217);
        for n in 0..2 {
            trials.open(digest(n), Spot::ChatStart, at(0.0));
            trials.answered(&digest(n), at(1.0));
        }
        assert!(chance(&trials, Spot::ChatStart, 20.0) < 0.217);
    }

    #[test]
    fn agents_that_wait_for_their_answers_are_no_evidence_against_them() {
        let mut trials = Trials::default();
        for n in 0..50 {
            trials.open(digest(n), Spot::AgentStart, at(0.0));
        }
        assert!(chance(&trials, Spot::AgentStart, 200.0) > 0.5);
        for n in 0..50 {
            trials.answered(&digest(n), at(200.0));
        }
        assert!(chance(&trials, Spot::AgentStart, 290.0) < 0.217);
    }

    #[test]
    fn a_return_after_five_minutes_counts_for_the_hour_only() {
        let mut trials = Trials::default();
        for n in 0..20 {
            trials.open(digest(n), Spot::Later, at(0.0));
            trials.settle(&digest(n), Duration::from_secs(480));
        }
        let reuse = trials.estimate(Reuse::flat(0.5), Spot::Later, at(0.0));
        assert!(reuse.five_minutes < 0.15, "{reuse:?}");
        assert!(reuse.one_hour > 0.85, "{reuse:?}");
    }

    #[test]
    fn open_trials_are_bounded() {
        let mut trials = Trials::default();
        for n in 0..10_000 {
            trials.open(digest(n), Spot::Later, at(0.0));
        }
        assert_eq!(trials.open.len(), OPEN);
    }
}
