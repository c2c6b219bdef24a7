//! The finished figures of `tune`: whoever renders them adds nothing up.

use super::change::Change;
use super::patch::Patch;
use crate::adapter::replay::Tally;
use crate::engine::Settings;
use crate::model::{Money, Timestamp};

/// What was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The traffic under the settings as they are.
    pub before: Tally,
    /// The traffic with all of [`changes`](Self::changes) taken.
    pub after: Tally,
    /// Requests whose usage was recorded, and what it comes to at the prices of the models they are
    /// replayed on; `None` where none was.
    pub billed: Option<(u64, Money)>,
    /// Changes that add up, in the order in which they are taken.
    pub changes: Vec<Advice>,
    /// Changes that help alone but add nothing to those above: other ways to the same saving.
    pub others: Vec<Advice>,
    /// Changes that were tried and did not help.
    pub without_effect: usize,
    /// Bodies that could not be read, so that nothing was looked for in them.
    pub unread: u64,
    /// The settings that were improved on.
    pub(super) settings: Settings,
}

impl Finding {
    /// What all changes together save.
    #[must_use]
    pub fn saving(&self) -> Saving {
        Saving {
            before: self.before.cost,
            after: self.after.cost,
        }
    }

    /// The change of this rank; ranks count from one, through the changes and then the others.
    #[must_use]
    pub fn advice(&self, rank: usize) -> Option<&Advice> {
        let mut all = self.changes.iter().chain(&self.others);
        all.nth(rank.checked_sub(1)?)
    }

    /// The settings that these ranks come to, to be written into the configuration file.
    #[must_use]
    pub fn patch(&self, ranks: &[usize]) -> Patch {
        let chosen = ranks.iter().filter_map(|rank| self.advice(*rank));
        Patch::of(&self.settings, chosen.map(|advice| &advice.change))
    }
}

/// One change with what it saves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Advice {
    /// The change.
    pub change: Change,
    /// What it saves if it is the only one.
    pub alone: Saving,
    /// What it saves on top of those before it; nothing for other ways to the same saving.
    pub adds: Saving,
    /// What it saves alone on each half of the conversations; `None` for a half without any.
    pub halves: [Option<Saving>; 2],
    /// The traffic as it would have been with this change alone.
    pub tally: Tally,
}

/// Two costs of one stretch of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saving {
    /// Without the change.
    pub before: Money,
    /// With it.
    pub after: Money,
}

impl Saving {
    /// What is saved; negative where the change costs.
    #[must_use]
    pub fn amount(self) -> Money {
        self.before - self.after
    }

    /// What is saved in ten-thousandths of the cost before; zero where that was nothing.
    #[must_use]
    pub fn share(self) -> i64 {
        let part = self.amount().as_pico().saturating_mul(10_000);
        let share = part.checked_div(self.before.as_pico()).unwrap_or(0);
        i64::try_from(share).unwrap_or(0)
    }
}

/// Changes chosen on earlier traffic and measured on later traffic.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Proof {
    /// What was found on the earlier part.
    pub finding: Finding,
    /// Requests of the earlier part.
    pub chosen_on: u64,
    /// Requests of the later part.
    pub measured_on: u64,
    /// When the later part of the first file began; `None` without one.
    pub since: Option<Timestamp>,
    /// Each change with both savings.
    pub tests: Vec<Tested>,
    /// All changes together.
    pub total: Option<Tested>,
}

impl Proof {
    /// Whether every promise was held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.tests.iter().chain(&self.total).all(|one| one.held)
    }
}

/// A promise and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tested {
    /// What it saves on the earlier part.
    pub promised: Saving,
    /// What it saves on the later part.
    pub measured: Saving,
    /// Whether the later share is at least three quarters of the earlier one.
    pub held: bool,
}

impl Tested {
    pub(super) fn new(promised: Saving, measured: Saving) -> Self {
        Self {
            promised,
            measured,
            held: measured.share().saturating_mul(4) >= promised.share().saturating_mul(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_and_a_promise_needs_three_quarters() {
        let saving = |before, after| Saving {
            before: Money::from_pico(before),
            after: Money::from_pico(after),
        };
        assert_eq!(saving(1000, 600).share(), 4000);
        assert_eq!(saving(1000, 1100).share(), -1000);
        assert_eq!(saving(0, 0).share(), 0);
        assert!(Tested::new(saving(1000, 600), saving(500, 350)).held);
        assert!(!Tested::new(saving(1000, 600), saving(500, 351)).held);
    }
}
