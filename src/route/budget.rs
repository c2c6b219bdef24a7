//! How often a route may ask again when many of its calls fail at once.

use super::Retries;

/// What a route has saved up for asking again.
///
/// Each call earns [`Retries::percent`] hundredths of an attempt, and up to ten are saved. Asking a
/// backend once more in the same call, and asking a second one beside a silent one, takes an attempt
/// out and is not done without one: this is what would multiply the load on providers that are down.
/// Going on to a backend that this call has not asked yet takes one out where there is one, but
/// waits for none: it asks no one twice, and a route exists to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// In hundredths of an attempt.
    saved: u32,
}

/// The price of an attempt.
const ATTEMPT: u32 = 100;

/// What is saved at most, and what a route begins with.
const MOST: u32 = 10 * ATTEMPT;

impl Default for RetryBudget {
    fn default() -> Self {
        Self { saved: MOST }
    }
}

impl RetryBudget {
    /// A call has begun.
    pub(super) fn earn(&mut self, retries: &Retries) {
        self.saved = self.saved.saturating_add(retries.percent).min(MOST);
        if retries.percent == 0 {
            self.saved = 0;
        }
    }

    /// Takes an attempt out, if there is one.
    #[must_use]
    pub(super) const fn take(&mut self) -> bool {
        match self.saved.checked_sub(ATTEMPT) {
            Some(left) => {
                self.saved = left;
                true
            }
            None => false,
        }
    }

    /// Attempts that are left, whole ones.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.saved / ATTEMPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retries(percent: u32) -> Retries {
        Retries {
            attempts: 4,
            percent,
        }
    }

    #[test]
    fn a_budget_begins_full_and_is_earned_back_by_calls() {
        let mut budget = RetryBudget::default();
        let taken = (0..100).filter(|_| budget.take()).count();
        assert_eq!((taken, budget.left()), (10, 0));
        for _ in 0..4 {
            budget.earn(&retries(20));
            assert!(!budget.take());
        }
        budget.earn(&retries(20));
        assert!(budget.take() && !budget.take());
        for _ in 0..1000 {
            budget.earn(&retries(20));
        }
        assert_eq!(budget.left(), 10);
    }

    #[test]
    fn no_percent_is_no_second_attempt() {
        let mut budget = RetryBudget::default();
        budget.earn(&retries(0));
        assert!(!budget.take());
    }
}
