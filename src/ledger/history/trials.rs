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
    decided: Decided,
    /// How many others there are.
    open: usize,
    log_gap: f64,
    returns: u32,
    /// Mean seconds between two prefixes of this kind, faded; when the last one was seen, and how
    /// many were passed over since one was tried.
    pace: f64,
    last: Option<Timestamp>,
    passed_over: f64,
}

/// What those recent trials have shown of which nothing more will be heard; counted as they come and
/// go, since requests ask for it far more often. Every number is a whole one, so that none drifts.
#[derive(Clone, Copy, Debug, Default)]
struct Decided {
    returned: f64,
    shown: Shown,
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
            decided: Decided::default(),
            open: 0,
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
        let mut trials = Self {
            log_gap,
            returns,
            ..Self::default()
        };
        recent.iter().for_each(|trial| trials.add(trial));
        trials.recent = recent;
        trials
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
        if self.recent.len() >= RECENT
            && let Some(oldest) = self.recent.pop_front()
        {
            self.take(&oldest);
        }
        let trial = Trial {
            prefix,
            silent_from: (!spot.waits_for_an_answer()).then_some(now),
            gap: None,
            failed: 0.0,
        };
        self.add(&trial);
        self.recent.push_back(trial);
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
        self.decide(
            |trial| trial.prefix == *prefix,
            |trial| trial.silent_from = trial.silent_from.or(Some(now)),
        );
    }

    /// It was seen again after `gap`.
    pub fn settle(&mut self, prefix: &Digest, gap: Duration) {
        if self.decide(
            |trial| trial.prefix == *prefix,
            |trial| trial.gap = Some(gap),
        ) {
            self.returned_after(gap);
        }
    }

    /// A part of the request of this name was seen again after `gap`; whether that is on trial.
    pub(super) fn settle_named(&mut self, name: u32, gap: Duration) -> bool {
        let is_named = |trial: &Trial| name_of(&trial.prefix) == name;
        let returned = self.decide(is_named, |trial| {
            trial.gap = Some(gap);
            trial.failed = 0.0;
        });
        if returned {
            self.returned_after(gap);
        }
        returned
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
        self.decide(
            |trial| trial.prefix == *prefix,
            |trial| trial.failed = BROKEN,
        );
    }

    /// How returns of this kind come due, where `prior` is what is known more widely.
    #[must_use]
    pub fn estimate(&self, prior: &Hazards, spot: Spot, now: Timestamp) -> Hazards {
        if self.recent.is_empty() {
            return *prior;
        }
        let heard = self.heard(now);
        let mut shown = self.decided.shown;
        for since in self.silent() {
            shown.last(now.since(since).as_secs_f64(), heard);
        }
        prior.after(&shown, spot.prior_weight())
    }

    /// How much each silence weighs: all of them together no more than [`SILENCE`] allows.
    fn heard(&self, now: Timestamp) -> f64 {
        let scale = self.log_gap.exp();
        let silent = self.silent().map(|since| {
            let age = now.since(since).as_secs_f64();
            age / (age + scale)
        });
        let silent: f64 = silent.sum();
        let most = SILENCE + 4.0 * self.decided.returned;
        if silent > most { most / silent } else { 1.0 }
    }

    /// From when on each trial is silent of which more may be heard.
    fn silent(&self) -> impl Iterator<Item = Timestamp> {
        let open = self.recent.iter().rev().filter(|trial| trial.is_open());
        open.take(self.open).filter_map(|trial| trial.silent_from)
    }

    /// Changes the latest trial of this kind that did not come back; whether there is one.
    fn decide(&mut self, is_it: impl Fn(&Trial) -> bool, change: impl FnOnce(&mut Trial)) -> bool {
        let mut open = self.recent.iter_mut().rev();
        let Some(trial) = open.find(|trial| trial.gap.is_none() && is_it(trial)) else {
            return false;
        };
        let before = *trial;
        change(trial);
        let after = *trial;
        self.take(&before);
        self.add(&after);
        true
    }

    fn add(&mut self, trial: &Trial) {
        self.open += usize::from(trial.is_open());
        self.decided.count(trial, 1.0);
    }

    fn take(&mut self, trial: &Trial) {
        self.open -= usize::from(trial.is_open());
        self.decided.count(trial, -1.0);
    }
}

impl Trial {
    /// Whether more may be heard of it.
    fn is_open(&self) -> bool {
        self.gap.is_none() && self.failed <= 0.0
    }
}

#[expect(clippy::float_arithmetic, reason = "whole numbers")]
impl Decided {
    /// Counts a trial so many times, if it is decided.
    fn count(&mut self, trial: &Trial, times: f64) {
        if trial.is_open() {
            return;
        }
        if let Some(gap) = trial.gap {
            self.returned += times;
            self.shown.end(gap.as_secs_f64(), times);
        } else {
            self.shown.never(trial.failed * times);
        }
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
    fn what_is_counted_as_trials_come_and_go_is_what_they_show() {
        let mut trials = Trials::default();
        for n in 0..1_000_u32 {
            let now = f64::from(n) * 7.0;
            let prefix = digest(u128::from(n % 130));
            let gap = Duration::from_millis(u64::from(n % 89) * 50_000);
            match n % 11 {
                0..5 => trials.open(prefix, Spot::Later, at(now)),
                5 | 6 => trials.answered(&prefix, at(now)),
                7 => trials.abandon(&prefix),
                8 => drop(trials.settle_named(name_of(&prefix), gap)),
                _ => trials.settle(&prefix, gap),
            }
            let (recent, log_gap, returns) = trials.parts();
            let again = Trials::from_parts(recent.copied(), log_gap, returns);
            let prior = Hazards::flat(0.5);
            let [counted, anew] =
                [&trials, &again].map(|one| one.estimate(&prior, Spot::Later, at(now)));
            assert_eq!(counted, anew, "after {n}");
        }
        let came_back = trials.recent.iter().filter(|trial| trial.gap.is_some());
        let (came_back, open) = (came_back.count(), trials.open);
        assert!(
            came_back > 0 && (1..RECENT).contains(&open),
            "{came_back} {open}"
        );
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
