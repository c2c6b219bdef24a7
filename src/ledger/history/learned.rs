//! What was learned about one scope: chances by kind of spot, branch points, token calibration.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Hazards, Partings, Passed, Pending, Spot, Trials};
use crate::model::{Digest, Section, Timestamp};

/// Branch points kept per scope; the least recently used one goes.
const BRANCHES: usize = 32;

/// For how long a prefix is rented at a time, in seconds.
pub const RENT_SECS: u32 = 600;

static NO_PARTINGS: std::sync::LazyLock<Partings> = std::sync::LazyLock::new(Partings::default);

/// All that was learned about one scope, as plain values: for stores outside the process.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Parts {
    /// Outcomes by kind of spot.
    pub trials: BTreeMap<Spot, Trials>,
    /// Branch points, most recently seen first: prefix, block index, when they were last seen.
    pub branches: Vec<(Digest, u32, Timestamp)>,
    /// Corrections of the token estimate.
    pub calibration: Calibration,
    /// Where the next request leaves the one before it, by the kind of that one's end.
    pub partings: BTreeMap<Spot, Partings>,
}

/// What was learned about one scope.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Learned {
    trials: BTreeMap<Spot, Trials>,
    partings: BTreeMap<Spot, Partings>,
    branches: Vec<(Digest, u32, Timestamp)>,
    /// What requests under way are writing.
    pub pending: Pending,
    /// Corrections of the token estimate.
    pub calibration: Calibration,
    /// How often requests come.
    pub pace: Pace,
    /// How often they came over the time for which a prefix is rented.
    pub visits: Pace<RENT_SECS>,
    /// Until when nothing is added to requests, because the provider refused what was.
    pub refused_until: Option<Timestamp>,
    /// Until when the provider is not asked for its diagnostics, because it refused that.
    pub unasked_until: Option<Timestamp>,
    /// How much the provider read from its own cache, unasked, in parts of this prefix.
    pub implicit: Share,
    /// The name under which the provider keeps this prefix.
    pub held: Option<Held>,
    /// Until when an errand for this prefix is taken to be under way.
    pub errand_until: Option<Timestamp>,
    /// Errands in a row of which nothing came.
    pub errands_failed: u32,
}

/// A prefix that the provider keeps under a name of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// The name, such as `cachedContents/abc`.
    pub name: Box<str>,
    /// When it is gone.
    pub until: Timestamp,
}

impl Held {
    /// A prefix kept as `name` until then.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, until: Timestamp) -> Self {
        Self {
            name: name.into(),
            until,
        }
    }
}

/// A faded mean of shares; a share is more than one where more than the whole was read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Share {
    mean: f64,
    samples: u32,
}

#[expect(clippy::float_arithmetic, reason = "an expectation, never money")]
impl Share {
    /// Takes in one more.
    pub fn observe(&mut self, share: f64) {
        self.samples = self.samples.saturating_add(1);
        let rate = (1.0 / f64::from(self.samples)).max(0.1);
        self.mean += (share.max(0.0) - self.mean) * rate;
    }

    /// The mean; zero when nothing was seen.
    #[must_use]
    pub const fn share(&self) -> f64 {
        self.mean
    }
}

/// How often requests come: a count that fades, to a third within so many seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Pace<const FADES_IN_SECS: u32 = 120> {
    count: f64,
    last: Option<Timestamp>,
}

#[expect(
    clippy::float_arithmetic,
    reason = "a rate that decides what is tried, never what is booked"
)]
impl<const FADES_IN_SECS: u32> Pace<FADES_IN_SECS> {
    /// Counts a request.
    pub fn observe(&mut self, now: Timestamp) {
        self.count = self.faded(now) + 1.0;
        self.last = Some(now);
    }

    /// Requests per minute by now.
    #[must_use]
    pub fn per_minute(&self, now: Timestamp) -> f64 {
        self.faded(now) * 60.0 / f64::from(FADES_IN_SECS)
    }

    /// Requests that came within the fading time, which are as many as can be expected in the next.
    #[must_use]
    pub fn expected(&self, now: Timestamp) -> f64 {
        self.faded(now)
    }

    fn faded(&self, now: Timestamp) -> f64 {
        let Some(last) = self.last else { return 0.0 };
        let passed = now.since(last).as_secs_f64();
        self.count * (-passed / f64::from(FADES_IN_SECS)).exp()
    }
}

impl Learned {
    /// What was stored earlier.
    #[must_use]
    pub fn from_parts(parts: Parts) -> Self {
        let Parts {
            trials,
            mut branches,
            calibration,
            partings,
        } = parts;
        branches.truncate(BRANCHES);
        Self {
            trials,
            partings,
            branches,
            pending: Pending::default(),
            calibration,
            pace: Pace::default(),
            visits: Pace::default(),
            refused_until: None,
            unasked_until: None,
            implicit: Share::default(),
            held: None,
            errand_until: None,
            errands_failed: 0,
        }
    }

    /// The parts that [`Learned::from_parts`] takes.
    #[must_use]
    pub fn parts(&self) -> Parts {
        Parts {
            trials: self.trials.clone(),
            branches: self.branches.clone(),
            calibration: self.calibration,
            partings: self.partings.clone(),
        }
    }

    /// How returns to prefixes of this kind come due, where `prior` is what is known more widely.
    #[must_use]
    pub fn hazards(&self, prior: &Hazards, spot: Spot, now: Timestamp) -> Hazards {
        let trials = self.trials.get(&spot);
        trials.map_or(*prior, |trials| trials.estimate(prior, spot, now))
    }

    /// A prefix of this kind was seen for the first time.
    pub fn open(&mut self, prefix: Digest, spot: Spot, now: Timestamp) {
        let trials = self.trials.entry(spot).or_default();
        trials.open(prefix, spot, now);
    }

    /// A prefix that was first seen as `spot` was seen again after `gap`.
    pub fn settle(&mut self, prefix: &Digest, spot: Spot, gap: Duration) {
        if let Some(trials) = self.trials.get_mut(&spot) {
            trials.settle(prefix, gap);
        }
    }

    /// The answer to the request that ended here is complete.
    pub fn answered(&mut self, prefix: &Digest, spot: Spot, now: Timestamp) {
        if let Some(trials) = self.trials.get_mut(&spot) {
            trials.answered(prefix, now);
        }
    }

    /// The conversation went on without this prefix.
    pub fn abandon(&mut self, prefix: &Digest, spot: Spot) {
        if let Some(trials) = self.trials.get_mut(&spot) {
            trials.abandon(prefix);
        }
    }

    /// Where requests that end on this kind of spot are left.
    #[must_use]
    pub fn partings(&self, spot: Spot) -> &Partings {
        self.partings.get(&spot).unwrap_or(&NO_PARTINGS)
    }

    /// A request went on from an earlier one that ended on this kind of spot, or parted from it so
    /// long before its end in what that one was the first to send.
    pub fn went_on(&mut self, passed: &Passed, spot: Spot, before_end: usize) {
        self.partings.entry(spot).or_default().observe(before_end);
        if before_end > 0 {
            let mut tails = self.trials.iter_mut();
            // That request was one trial, of one kind.
            tails.any(|(spot, trials)| {
                spot.waits_for_an_answer() && trials.settle_named(passed.maker, passed.gap)
            });
        }
    }

    /// Conversations parted after the block at `depth`, whose prefix is `prefix`.
    pub fn branch_seen(&mut self, prefix: Digest, depth: u32, now: Timestamp) {
        self.branches.retain(|(known, ..)| *known != prefix);
        self.branches.insert(0, (prefix, depth, now));
        self.branches.truncate(BRANCHES);
    }

    /// Known branch points, most recently seen first: prefix and block index.
    pub fn branches(&self) -> impl Iterator<Item = (&Digest, usize)> {
        self.branches
            .iter()
            .map(|(prefix, depth, _)| (prefix, *depth as usize))
    }
}

/// Factors between the estimator's tokens and the provider's, per section.
///
/// Every reported usage moves the factors of the sections in proportion to their share of the
/// prompt: a normalised multiplicative update, so that one odd figure cannot do much harm.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Calibration {
    /// The factors of tools, system prompt and messages.
    pub factors: [f64; 3],
    /// Mean of |estimate ÷ reported − 1|, faded.
    pub error: f64,
    /// Usages seen.
    pub samples: u32,
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            factors: [1.0; 3],
            error: 0.0,
            samples: 0,
        }
    }
}

#[expect(clippy::float_arithmetic, reason = "an estimate of tokens")]
impl Calibration {
    /// The factor for one section.
    #[must_use]
    pub const fn factor(&self, section: Section) -> f64 {
        let [tools, system, messages] = self.factors;
        match section {
            Section::Tools => tools,
            Section::System => system,
            Section::Messages => messages,
        }
    }

    /// Learns from one usage: what was estimated per section (factors applied), and what the
    /// provider reported for all of it.
    pub fn observe(&mut self, estimated: [f64; 3], reported: f64) {
        let total: f64 = estimated.iter().sum();
        if total < 1.0 || reported < 1.0 {
            return;
        }
        let ratio = (reported / total).clamp(0.2, 5.0);
        self.samples = self.samples.saturating_add(1);
        let rate = (1.0 / f64::from(self.samples)).max(0.1);
        self.error += ((1.0 / ratio - 1.0).abs() - self.error) * rate;
        let step = if self.samples == 1 { 1.0 } else { 0.2 };
        for (factor, part) in self.factors.iter_mut().zip(estimated) {
            let share = part / total;
            *factor = (*factor * ratio.powf(step * share)).clamp(0.2, 5.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_finds_the_factor_of_each_section() {
        let mut calibration = Calibration::default();
        let truth = [1.6, 1.1, 0.9];
        let prompts = [
            [4000.0, 1000.0, 500.0],
            [4000.0, 1000.0, 9000.0],
            [0.0, 6000.0, 100.0],
            [500.0, 0.0, 8000.0],
        ];
        for turn in 0..400 {
            let raw: [f64; 3] = prompts[turn % prompts.len()];
            let section = [Section::Tools, Section::System, Section::Messages];
            let estimated: [f64; 3] =
                std::array::from_fn(|i| raw[i] * calibration.factor(section[i]));
            let reported = raw
                .iter()
                .zip(truth)
                .map(|(part, factor)| part * factor)
                .sum();
            calibration.observe(estimated, reported);
        }
        for (found, wanted) in calibration.factors.iter().zip(truth) {
            assert!(
                (found / wanted - 1.0).abs() < 0.1,
                "{:?}",
                calibration.factors
            );
        }
        assert!(calibration.error < 0.05);
    }

    #[test]
    fn one_return_settles_one_trial() {
        let tail = crate::model::Keyring::new(b"test").scope(&[b"tail"]);
        let mut learned = Learned::default();
        let kinds = [Spot::AgentStart, Spot::ChatStart, Spot::Later];
        for spot in kinds {
            learned.open(tail, spot, Timestamp::default());
        }
        let passed = Passed {
            maker: super::super::name_of(&tail),
            gap: Duration::from_secs(30),
            ..Passed::default()
        };
        for returns in 1..=kinds.len() {
            learned.went_on(&passed, Spot::Later, 1);
            let trials = learned.trials.values().flat_map(|trials| trials.parts().0);
            let settled = trials.filter(|trial| trial.gap.is_some());
            assert_eq!(settled.count(), returns);
        }
    }

    #[test]
    fn branches_are_bounded_and_most_recent_first() {
        let keys = crate::model::Keyring::new(b"test");
        let mut learned = Learned::default();
        for n in 0..100_u32 {
            learned.branch_seen(keys.scope(&[&n.to_le_bytes()]), n, Timestamp::default());
        }
        let depths: Vec<usize> = learned.branches().map(|(_, depth)| depth).collect();
        assert_eq!(depths.len(), BRANCHES);
        assert_eq!(depths[0], 99);
    }
}
