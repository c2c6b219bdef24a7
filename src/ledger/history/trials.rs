//! How often prefixes of one kind are reused: the most recent trials, settled or still open.
//!
//! Reuse is fully observable to the client: every prompt passes through here whether or not it was
//! marked, so nothing has to be written to learn whether writing it would have paid.

use std::collections::VecDeque;
use std::time::Duration;

use super::hazards::{Hazards, Shown};
use super::{ONE_HOUR, Spot, name_of};
use crate::model::{Digest, Timestamp};

/// Trials remembered per kind. All weigh the same, settled or open, in the order in which they
/// were opened: otherwise conversations that ended would pile up beside returns that fade.
const RECENT: usize = 96;
/// The median gap of a return before any was seen, in seconds. Recorded agents show 4 to 7; a
/// slower stream must not be given up before its first return.
const MEDIAN_GAP: f64 = 15.0;
/// Failures that silence alone can amount to, beyond four per known return: many parallel streams
/// that all wait for the same slow thing are not as many observations.
const SILENCE: f64 = 9.0;
/// Seconds that the trials of a busy kind reach back at least: less would be over before a return
/// within five minutes had its time. Where more prefixes are seen than that holds, only every so
/// many of them are tried.
const REACH: f64 = 600.0;
/// Failures that a conversation counts for which went on under another prefix.
const BROKEN: f64 = 3.0;

/// The most recent trials of one kind of spot.
#[derive(Clone, Debug)]
pub struct Trials {
    recent: VecDeque<Trial>,
    log_gap: f64,
    returns: u32,
    /// Mean seconds between two prefixes of this kind, faded; when the last one was seen, and how
    /// many were passed over since one was tried.
    pace: f64,
    last: Option<Timestamp>,
    passed_over: f64,
}

/// Whether one prefix was seen again.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trial {
    /// The prefix that was seen for the first time.
    pub prefix: Digest,
    /// From when on silence means something; `None` while the answer is still under way, since
    /// nobody can continue a turn that is not finished.
    pub silent_from: Option<Timestamp>,
    /// After how long it was seen again.
    pub gap: Option<Duration>,
    /// Failures that it stands for, if it is known to have failed.
    pub failed: f64,
}

impl Default for Trials {
    fn default() -> Self {
        Self {
            recent: VecDeque::new(),
            log_gap: MEDIAN_GAP.ln(),
            returns: 0,
            pace: REACH,
            last: None,
            passed_over: 0.0,
        }
    }
}

#[expect(clippy::float_arithmetic, reason = "probabilities")]
impl Trials {
    /// What was stored of earlier ones: the trials in the order in which they were opened, the
    /// natural logarithm of the usual gap in seconds, and how many returns that was taken from.
    pub fn from_parts(trials: impl IntoIterator<Item = Trial>, log_gap: f64, returns: u32) -> Self {
        let mut recent: VecDeque<Trial> = trials.into_iter().collect();
        recent.drain(..recent.len().saturating_sub(RECENT));
        Self {
            recent,
            log_gap,
            returns,
            ..Self::default()
        }
    }

    /// The parts that [`Trials::from_parts`] takes.
    pub fn parts(&self) -> (impl Iterator<Item = &Trial>, f64, u32) {
        (self.recent.iter(), self.log_gap, self.returns)
    }

    /// A prefix of this kind was seen for the first time.
    pub fn open(&mut self, prefix: Digest, spot: Spot, now: Timestamp) {
        if self.is_passed_over(now) {
            return;
        }
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Trial {
            prefix,
            silent_from: (!spot.waits_for_an_answer()).then_some(now),
            gap: None,
            failed: 0.0,
        });
    }

    /// Whether a prefix that is seen now is left untried, since trials come too thick.
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    fn is_passed_over(&mut self, now: Timestamp) -> bool {
        if let Some(last) = self.last {
            let seconds = now.since(last).as_secs_f64().min(REACH);
            self.pace += (seconds - self.pace) * 0.03;
        }
        self.last = Some(now);
        self.passed_over += 1.0;
        let full = self.recent.len() >= RECENT;
        let stride = REACH / (RECENT as f64 * self.pace.max(0.001));
        if full && self.passed_over < stride.floor() {
            return true;
        }
        self.passed_over = 0.0;
        false
    }

    /// The answer to the request that ended here is complete: from now on silence counts.
    pub fn answered(&mut self, prefix: &Digest, now: Timestamp) {
        if let Some(trial) = self.pending(prefix) {
            trial.silent_from = trial.silent_from.or(Some(now));
        }
    }

    /// It was seen again after `gap`.
    pub fn settle(&mut self, prefix: &Digest, gap: Duration) {
        let Some(trial) = self.pending(prefix) else {
            return;
        };
        trial.gap = Some(gap);
        self.returned_after(gap);
    }

    /// A part of the request of this name was seen again after `gap`; whether that is on trial.
    pub(super) fn settle_named(&mut self, name: u32, gap: Duration) -> bool {
        let mut open = self.recent.iter_mut().rev();
        let Some(trial) = open.find(|trial| trial.gap.is_none() && name_of(&trial.prefix) == name)
        else {
            return false;
        };
        trial.gap = Some(gap);
        trial.failed = 0.0;
        self.returned_after(gap);
        true
    }

    fn returned_after(&mut self, gap: Duration) {
        let seconds = gap.as_secs_f64().clamp(0.5, ONE_HOUR.as_secs_f64());
        self.returns = self.returns.saturating_add(1);
        let rate = (1.0 / f64::from(self.returns)).max(0.05);
        self.log_gap += (seconds.ln() - self.log_gap) * rate;
    }

    /// The conversation went on without it. Whatever changed will most likely change again, so
    /// this weighs more than silence does.
    pub fn abandon(&mut self, prefix: &Digest) {
        if let Some(trial) = self.pending(prefix) {
            trial.failed = BROKEN;
        }
    }

    /// How returns of this kind come due, where `prior` is what is known more widely.
    #[must_use]
    pub fn estimate(&self, prior: &Hazards, spot: Spot, now: Timestamp) -> Hazards {
        if self.recent.is_empty() {
            return *prior;
        }
        let heard = self.heard(now);
        let mut shown = Shown::default();
        for trial in &self.recent {
            match (trial.gap, trial.silent_from) {
                (Some(gap), _) => shown.end(gap.as_secs_f64()),
                (None, _) if trial.failed > 0.0 => shown.never(trial.failed),
                (None, Some(since)) => shown.last(now.since(since).as_secs_f64(), heard),
                (None, None) => {}
            }
        }
        prior.after(&shown, spot.prior_weight())
    }

    /// How much each silence weighs: all of them together no more than [`SILENCE`] allows.
    fn heard(&self, now: Timestamp) -> f64 {
        let scale = self.log_gap.exp();
        let (mut known, mut silent) = (0.0, 0.0);
        for trial in &self.recent {
            match (trial.gap, trial.silent_from) {
                (Some(_), _) => known += 1.0,
                (None, Some(since)) if trial.failed <= 0.0 => {
                    let age = now.since(since).as_secs_f64();
                    silent += age / (age + scale);
                }
                (None, _) => {}
            }
        }
        let most = SILENCE + 4.0 * known;
        if silent > most { most / silent } else { 1.0 }
    }

    fn pending(&mut self, prefix: &Digest) -> Option<&mut Trial> {
        let open = |trial: &&mut Trial| trial.gap.is_none() && trial.prefix == *prefix;
        self.recent.iter_mut().rev().find(open)
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
            .estimate(&Hazards::flat(spot.prior()), spot, at(now))
            .reuse()
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
        let reuse = trials.estimate(&Hazards::flat(0.5), Spot::Later, at(0.0));
        let reuse = reuse.reuse();
        assert!(reuse.five_minutes < 0.15, "{reuse:?}");
        assert!(reuse.one_hour > 0.85, "{reuse:?}");
    }

    #[test]
    fn trials_are_bounded() {
        let mut trials = Trials::default();
        for n in 0..10_000 {
            trials.open(digest(n), Spot::Later, at(0.0));
        }
        assert_eq!(trials.recent.len(), RECENT);
    }

    #[test]
    fn conversations_that_ended_long_ago_weigh_no_more_than_those_that_went_on() {
        let mut trials = Trials::default();
        for n in 0..1000_u32 {
            let now = at(f64::from(n) * 10.0);
            trials.open(digest(u128::from(n)), Spot::Later, now);
            trials.answered(&digest(u128::from(n)), now);
            if n % 10 != 0 {
                trials.settle(&digest(u128::from(n)), Duration::from_secs(5));
            }
        }
        let found = chance(&trials, Spot::Later, 10_000.0);
        assert!((found - 0.9).abs() < 0.05, "{found}");
    }
}
