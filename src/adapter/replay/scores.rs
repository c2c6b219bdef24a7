//! How far each policy is from the least that its traffic can cost, with confidence intervals.
//!
//! Intervals are bootstraps over sessions: sessions are drawn with replacement, each with all its
//! dollars, and the ratio is taken of the sums. The draws are the same in every run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::policy::Policy;
use super::report::{Compared, Row, Tally};
use crate::model::Money;

/// How often sessions are drawn anew.
const DRAWS: usize = 1000;
/// With fewer sessions than this an interval would say nothing.
const FEWEST: usize = 8;

/// A ratio with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// Over all of the traffic.
    pub value: f64,
    /// The 2.5th and the 97.5th percentile; `None` where there are too few sessions to draw from.
    pub interval: Option<(f64, f64)>,
}

/// One policy's line in a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Score {
    /// The policy.
    pub policy: Policy,
    /// Its sums.
    pub tally: Tally,
    /// What its input costs ÷ what it costs without caching.
    pub relative: Option<Estimate>,
    /// Its cost ÷ the bound.
    pub over_bound: Option<Estimate>,
    /// What it saves ÷ what could be saved at most.
    pub saved: Option<Estimate>,
    /// (default − its cost) ÷ (default − bound): the part of the gap that it closes.
    pub closure: Option<Estimate>,
}

/// Dollars of one session: the policy's, the default's, without caching, and at least.
type Dollars = [f64; 4];

impl Row {
    /// Every policy's scores, in the order of [`Row::compared`].
    #[must_use]
    pub fn scores(&self) -> Vec<Score> {
        let find = |policy: Policy| self.compared.iter().find(|one| one.policy == policy);
        let default = find(Policy::Default);
        let none = find(Policy::None);
        let score = |one: &Compared| {
            let sessions = one.sessions.keys().map(|session| {
                let of = |other: Option<&Compared>| usd(other.map(|one| &one.sessions), session);
                let bound = usd(self.bound.as_ref(), session);
                [of(Some(one)), of(default), of(none), bound]
            });
            let all: Vec<Dollars> = sessions.collect();
            let bounded = self.bound.is_some();
            Score {
                policy: one.policy,
                tally: one.tally,
                relative: none.and_then(|_| estimate(&all, relative)),
                over_bound: estimate(&all, over_bound).filter(|_| bounded),
                saved: estimate(&all, saved).filter(|_| bounded && none.is_some()),
                closure: estimate(&all, closure).filter(|_| bounded && default.is_some()),
            }
        };
        self.compared.iter().map(score).collect()
    }
}

fn usd(costs: Option<&BTreeMap<Arc<str>, Money>>, session: &Arc<str>) -> f64 {
    let cost = costs.and_then(|costs| costs.get(session));
    cost.map_or(0.0, |cost| cost.as_usd())
}

fn relative([cost, _, none, _]: Dollars) -> Option<f64> {
    ratio(cost, none)
}

fn over_bound([cost, _, _, bound]: Dollars) -> Option<f64> {
    ratio(cost, bound)
}

#[expect(clippy::float_arithmetic, reason = "a ratio for reports")]
fn saved([cost, _, none, bound]: Dollars) -> Option<f64> {
    ratio(none - cost, none - bound)
}

#[expect(clippy::float_arithmetic, reason = "a ratio for reports")]
fn closure([cost, default, _, bound]: Dollars) -> Option<f64> {
    ratio(default - cost, default - bound)
}

#[expect(clippy::float_arithmetic, reason = "a ratio for reports")]
fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn estimate(sessions: &[Dollars], ratio: impl Fn(Dollars) -> Option<f64>) -> Option<Estimate> {
    let value = ratio(sum(sessions.iter()))?;
    let draws = u64::try_from(sessions.len()).unwrap_or(u64::MAX);
    let mut random = Random(1);
    let drawn = (0..DRAWS).filter_map(|_| {
        let draw = (0..draws).filter_map(|_| {
            let at = random.below(draws);
            sessions.get(usize::try_from(at).unwrap_or(usize::MAX))
        });
        ratio(sum(draw))
    });
    let mut drawn: Vec<f64> = match sessions.len() {
        0..FEWEST => Vec::new(),
        _ => drawn.collect(),
    };
    drawn.sort_by(f64::total_cmp);
    let at = |place: usize| drawn.get(drawn.len() * place / 1000).copied();
    Some(Estimate {
        value,
        interval: at(25).zip(at(975)),
    })
}

#[expect(clippy::float_arithmetic, reason = "sums for ratios of reports")]
fn sum<'a>(sessions: impl Iterator<Item = &'a Dollars>) -> Dollars {
    sessions.fold([0.0; 4], |mut sum, one| {
        for (sum, part) in sum.iter_mut().zip(one) {
            *sum += part;
        }
        sum
    })
}

/// `SplitMix64` (Steele, Lea and Flood, 2014): the same draws in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let wide = u128::from(mixed) * u128::from(end);
        u64::try_from(wide >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sessions: usize) -> Row {
        let named = |cost: fn(i128) -> i128| -> BTreeMap<Arc<str>, Money> {
            let all = (0..sessions).map(|at| {
                let dollars = i128::try_from(at % 5 + 1).unwrap();
                let cost = Money::from_pico(cost(dollars) * 1_000_000_000_000);
                (Arc::from(format!("s{at}")), cost)
            });
            all.collect()
        };
        let mut row = Row::default();
        for (policy, sessions) in [
            (Policy::Engine, named(|dollars| 6 * dollars)),
            (Policy::Default, named(|dollars| 8 * dollars)),
            (Policy::None, named(|dollars| 20 * dollars)),
        ] {
            let mut one = Compared::of(policy);
            one.sessions = sessions;
            row.compared.push(one);
        }
        row.bound = Some(named(|dollars| 4 * dollars));
        row
    }

    #[test]
    fn scores_are_ratios_of_sums() {
        let scores = row(20).scores();
        let values = |score: &Score| {
            [score.relative, score.over_bound, score.saved, score.closure]
                .map(|one| one.unwrap().value)
        };
        assert_eq!(values(&scores[0]), [0.3, 1.5, 0.875, 0.5]);
        assert_eq!(values(&scores[1]), [0.4, 2.0, 0.75, 0.0]);
        // Every session has the same ratio, so that no draw has another.
        let (low, high) = scores[0].closure.unwrap().interval.unwrap();
        assert!((low - 0.5).abs() < 1e-9 && (high - 0.5).abs() < 1e-9);
        assert_eq!(row(7).scores()[0].closure.unwrap().interval, None);
    }

    #[test]
    fn an_interval_is_as_wide_as_sessions_differ() {
        let mut row = row(20);
        let cheap = row.compared[0].sessions.values_mut();
        cheap.step_by(2).for_each(|cost| *cost = Money::ZERO);
        let found = row.scores()[0].closure.unwrap();
        let (low, high) = found.interval.unwrap();
        assert!(
            low + 0.2 < found.value && found.value < high - 0.2,
            "{low} {high}"
        );
    }
}
