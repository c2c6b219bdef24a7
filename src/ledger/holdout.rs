//! The saving as it is measured: treated conversations against those that were left alone.

use std::collections::BTreeMap;

use crate::model::{Arm, Digest, Money};

/// Conversations that each arm needs before a figure is given: fewer say nothing about such uneven
/// amounts.
const FEWEST: u64 = 30;
/// The same, where the large ones count for as many as they weigh.
const EFFECTIVE: f64 = 4.0;

/// Both arms of a holdout, and what they tell.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Holdout {
    /// Conversations that were treated as the settings say; errands on their behalf cost here.
    pub treated: ArmSum,
    /// Conversations that passed untouched.
    pub control: ArmSum,
    /// What treating saves.
    pub saving: Result<Saving, TooFew>,
}

/// Sums over the conversations of one arm, as far as they have prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArmSum {
    /// Conversations.
    pub conversations: u64,
    /// What they cost.
    pub cost: Money,
    /// What they would have cost without caching.
    pub cost_without_caching: Money,
}

impl ArmSum {
    /// Cost ÷ cost without caching; `None` while there is none.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "a ratio for reports")]
    pub fn ratio(&self) -> Option<f64> {
        let without = self.cost_without_caching.as_usd();
        (without > 0.0).then(|| self.cost.as_usd() / without)
    }
}

/// What treating saves against leaving alone.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Saving {
    /// One minus the treated ratio ÷ the control's: the share of the bill.
    pub share: f64,
    /// The interval that holds it in about nineteen of twenty cases.
    pub interval: [f64; 2],
    /// What the treated conversations cost less than at the control's ratio.
    pub amount: Money,
}

/// Why no figure is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooFew {
    /// The smaller arm.
    pub arm: Arm,
    /// Its conversations with prices.
    pub conversations: u64,
    /// How many it takes at least; more where a few outweigh all others.
    pub needed: u64,
}

/// Gathers what conversations cost, by arm.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    conversations: BTreeMap<(Arm, Option<Digest>), [Money; 2]>,
}

impl Tally {
    /// Adds what was spent on a conversation, and what that would have cost without caching; errands
    /// replace no call, so that they would have cost nothing.
    pub fn add(&mut self, (arm, conversation): (Arm, Option<Digest>), costs: [Money; 2]) {
        let known = self.conversations.entry((arm, conversation)).or_default();
        for (sum, one) in known.iter_mut().zip(costs) {
            *sum += one;
        }
    }

    /// Both arms; `None` where there was no holdout.
    #[must_use]
    pub fn holdout(&self) -> Option<Holdout> {
        if self.conversations.is_empty() {
            return None;
        }
        let [treated, control] = Arm::ALL.map(|arm| self.sample(arm));
        Some(Holdout {
            treated: treated.sum,
            control: control.sum,
            saving: saving(&treated, &control),
        })
    }

    fn sample(&self, arm: Arm) -> Sample {
        let all = self.conversations.iter();
        let costs = all.filter(|((of, _), _)| *of == arm).map(|(_, one)| *one);
        Sample::of(arm, costs.collect())
    }
}

/// One arm, conversation by conversation.
struct Sample {
    arm: Arm,
    sum: ArmSum,
    /// The relative variance of its ratio, each conversation left out in turn.
    spread: f64,
    /// Conversations, the large ones counted for as many as they weigh.
    effective: f64,
}

impl Sample {
    #[expect(clippy::float_arithmetic, reason = "a variance, never money")]
    fn of(arm: Arm, costs: Vec<[Money; 2]>) -> Self {
        let mut sum = ArmSum::default();
        for [cost, without] in &costs {
            sum.conversations += u64::from(*without > Money::ZERO);
            sum.cost += *cost;
            sum.cost_without_caching += *without;
        }
        let whole = sum.cost_without_caching.as_usd();
        let ratio = sum.ratio().unwrap_or(0.0);
        let (mut spread, mut squares) = (0.0, 0.0);
        for [cost, without] in costs {
            let weight = without.as_usd() / whole;
            let off = (cost.as_usd() - ratio * without.as_usd()) / (1.0 - weight);
            spread += off * off;
            squares += weight * weight;
        }
        let scale = ratio * whole;
        Self {
            arm,
            sum,
            spread: spread / (scale * scale),
            effective: 1.0 / squares,
        }
    }

    /// Why it says nothing, if it does not.
    fn too_few(&self) -> Option<TooFew> {
        let conversations = self.sum.conversations;
        let enough = conversations >= FEWEST && self.effective >= EFFECTIVE;
        (!enough || !self.spread.is_finite()).then_some(TooFew {
            arm: self.arm,
            conversations,
            needed: FEWEST,
        })
    }
}

/// The difference of two ratios of sums, on the scale of logarithms. Conversations are what varies
/// independently, not calls; the quantile is Student's for the smaller arm, since few large
/// conversations make most of a bill.
#[expect(clippy::float_arithmetic, reason = "a ratio for reports, never money")]
fn saving(treated: &Sample, control: &Sample) -> Result<Saving, TooFew> {
    let few = [control, treated].map(Sample::too_few);
    if let Some(few) = few
        .into_iter()
        .flatten()
        .min_by_key(|few| few.conversations)
    {
        return Err(few);
    }
    let ratio = |sample: &Sample| sample.sum.ratio().unwrap_or(1.0);
    let left = ratio(treated) / ratio(control);
    let wide = quantile(treated.effective.min(control.effective) - 1.0);
    let off = (wide * (treated.spread + control.spread).sqrt()).exp();
    Ok(Saving {
        share: 1.0 - left,
        interval: [1.0 - left * off, 1.0 - left / off],
        amount: amount(&treated.sum, &control.sum),
    })
}

/// Student's two-sided 95 % quantile for so many degrees of freedom, by the first term of its
/// expansion around the normal one (Abramowitz and Stegun 26.7.5).
#[expect(clippy::float_arithmetic, reason = "a quantile, never money")]
fn quantile(freedom: f64) -> f64 {
    const NORMAL: f64 = 1.959_964;
    NORMAL + (NORMAL * NORMAL * NORMAL + NORMAL) / (4.0 * freedom)
}

/// What the treated conversations would have cost at the control's ratio, less what they cost.
fn amount(treated: &ArmSum, control: &ArmSum) -> Money {
    // In nanodollars, so that the product of two fits up to a trillion dollars each.
    let nano = |amount: Money| amount.as_pico() / 1000;
    let product = nano(control.cost).saturating_mul(nano(treated.cost_without_caching));
    let expected = product.checked_div(nano(control.cost_without_caching));
    Money::from_pico(expected.unwrap_or(0).saturating_mul(1000)) - treated.cost
}

#[cfg(test)]
#[expect(clippy::float_arithmetic, reason = "figures that are compared")]
mod tests {
    use super::*;
    use crate::model::Keyring;

    fn cents(cents: i128) -> Money {
        Money::from_pico(cents * 10_000_000_000)
    }

    fn tally(treated: &[[i128; 2]], control: &[[i128; 2]]) -> Tally {
        let mut tally = Tally::default();
        for (arm, costs) in [(Arm::Treated, treated), (Arm::Control, control)] {
            for (number, one) in (0_u32..).zip(costs) {
                let name = Keyring::new(b"t").scope(&[&number.to_le_bytes()]);
                tally.add((arm, Some(name)), one.map(cents));
            }
        }
        tally
    }

    #[test]
    fn without_arms_there_is_nothing_to_tell() {
        assert_eq!(Tally::default().holdout(), None);
    }

    #[test]
    fn conversations_that_are_all_alike_leave_no_doubt() {
        let holdout = tally(&[[30, 100]; 40], &[[60, 100]; 30]).holdout();
        let holdout = holdout.unwrap();
        assert_eq!(holdout.treated.conversations, 40);
        assert_eq!(holdout.control.cost, cents(30 * 60));
        let saving = holdout.saving.unwrap();
        assert!((saving.share - 0.5).abs() < 1e-9, "{saving:?}");
        assert!(saving.interval.iter().all(|end| (end - 0.5).abs() < 1e-6));
        // At the control's ratio they would have cost 2,400 cents.
        assert_eq!(saving.amount, cents(2400 - 1200));
    }

    #[test]
    fn the_interval_is_that_of_the_formula() {
        // Half of the conversations at 0.2 and half at 0.4; the control at 0.5 and 0.7.
        let mixed = |low, high| -> Vec<[i128; 2]> {
            (0..50)
                .map(|at| [if at % 2 == 0 { low } else { high }, 100])
                .collect()
        };
        let saving = tally(&mixed(20, 40), &mixed(50, 70)).holdout().unwrap();
        let saving = saving.saving.unwrap();
        assert!((saving.share - 0.5).abs() < 1e-9);
        // Each is ten cents off its ratio and weighs a fiftieth.
        let squares = 50.0 * (10.0_f64 / 0.98).powi(2);
        let spread = squares / 1500.0_f64.powi(2) + squares / 3000.0_f64.powi(2);
        let off = (2.009_575 * spread.sqrt()).exp();
        let [low, high] = saving.interval;
        assert!((low - (1.0 - 0.5 * off)).abs() < 2e-4, "{low}");
        assert!((high - (1.0 - 0.5 / off)).abs() < 2e-4, "{high}");
    }

    #[test]
    fn a_small_arm_says_so_instead_of_a_figure() {
        let few = tally(&[[30, 100]; 400], &[[60, 100]; 29])
            .holdout()
            .unwrap();
        let few = few.saving.unwrap_err();
        assert_eq!((few.arm, few.conversations), (Arm::Control, 29));
        // One conversation that outweighs all others is one conversation.
        let mut uneven = vec![[60, 100]; 40];
        uneven.push([60_000, 100_000]);
        let uneven = tally(&[[30, 100]; 400], &uneven).holdout().unwrap();
        assert!(uneven.saving.is_err());
        let none = tally(&[[30, 100]; 40], &[]).holdout().unwrap();
        assert_eq!(none.saving.unwrap_err().arm, Arm::Control);
        assert_eq!(none.control.ratio(), None);
    }

    #[test]
    fn errands_cost_the_arm_that_they_were_for() {
        let mut tally = tally(&[[30, 100]; 40], &[[60, 100]; 30]);
        tally.add((Arm::Treated, None), [cents(600), Money::ZERO]);
        let holdout = tally.holdout().unwrap();
        assert_eq!(holdout.treated.conversations, 40);
        let saving = holdout.saving.unwrap();
        assert!((saving.share - 0.25).abs() < 1e-9, "{saving:?}");
        assert_eq!(saving.amount, cents(600));
    }

    /// The interval holds the truth about as often as it says, for conversations whose sizes are as
    /// uneven as those of agents and whose ratios depend on their sizes.
    #[test]
    fn the_interval_holds_what_is_true() {
        let mut random = Random(7);
        let mut costs = |count: usize, treated: bool| -> Vec<[i128; 2]> {
            let one = |_| {
                let size = (random.normal() + 7.0).exp();
                let least = if treated { 0.25 } else { 0.5 };
                let ratio = least + 500.0 / (1000.0 + size) + 0.12 * random.normal();
                [ratio.clamp(0.12, 1.25) * size * 100.0, size * 100.0].map(|cost| cost as i128)
            };
            (0..count).map(one).collect()
        };
        let ratio = |costs: &[[i128; 2]]| {
            let sum = |at: usize| costs.iter().map(|one| one[at]).sum::<i128>() as f64;
            sum(0) / sum(1)
        };
        let truth = 1.0 - ratio(&costs(200_000, true)) / ratio(&costs(200_000, false));
        let held = (0..200).filter(|_| {
            let tally = tally(&costs(570, true), &costs(60, false));
            let [low, high] = tally.holdout().unwrap().saving.unwrap().interval;
            (low..=high).contains(&truth)
        });
        let held = held.count();
        assert!((172..=199).contains(&held), "{held} of 200");
    }

    /// A generator for samples; the same ones in every run.
    struct Random(u64);

    impl Random {
        fn uniform(&mut self) -> f64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        }

        fn normal(&mut self) -> f64 {
            let (one, other) = (self.uniform(), self.uniform());
            (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
        }
    }
}
