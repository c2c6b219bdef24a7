//! The numbers behind a plan, for whoever asks why.

use super::Prepared;
use crate::economy::leader::Led;
use crate::model::{Choice, Outlook, Plan, Rates, Tokens, Ttl, Why};

/// The numbers behind a plan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Numbers {
    /// Prices, with the chance that a warm prefix is read.
    pub rates: Rates,
    /// The places that were weighed, in the order of the blocks.
    pub weighed: Vec<Weighed>,
    /// The deepest block whose prefix should be warm, with the class of its entry.
    pub warm: Option<(usize, Ttl)>,
    /// The deepest place beyond it that a request under way is writing.
    pub pending: Option<usize>,
    /// How the class came about; `None` where the user or the provider has settled it.
    pub choice: Option<Choice>,
    /// Which variant of the decisions was followed, and what each would have cost; `None` as above.
    pub led: Option<Led>,
}

/// One place that was weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Weighed {
    /// The block that the prefix ends with.
    pub block: usize,
    /// Why it was weighed.
    pub why: Why,
    /// Estimated tokens of the prefix.
    pub tokens: Tokens,
    /// The class it would be written with.
    pub ttl: Ttl,
    /// The chance that a later request reads it, or a deeper one, within the entry's life.
    pub chance: f64,
    /// The chance from which on a write pays.
    pub threshold: f64,
    /// What writing its tokens is expected to cost or, below zero, to save against sending them
    /// plainly now and once more, in tokens of plain input: `(w − 1) − chance × ρ(w − r)` for each.
    pub expected: f64,
    /// Whether a breakpoint was set there.
    pub marked: bool,
}

impl Numbers {
    pub(super) fn of(
        rates: &Rates,
        outlook: &Outlook,
        plan: &Plan,
        (choice, led): (Option<Choice>, Option<Led>),
    ) -> Self {
        let weighed = outlook.candidates.iter().map(|candidate| {
            let ttl = outlook.class_at(candidate.block);
            let tokens = outlook.tokens_to(candidate.block);
            Weighed {
                block: candidate.block,
                why: candidate.why,
                tokens,
                ttl,
                chance: candidate.reuse,
                threshold: rates.break_even(ttl),
                expected: expected(rates, ttl, tokens, candidate.reuse),
                marked: plan
                    .breakpoints
                    .iter()
                    .any(|one| one.block == candidate.block),
            }
        });
        Self {
            rates: *rates,
            weighed: weighed.collect(),
            warm: outlook.warm,
            pending: outlook.pending,
            choice,
            led,
        }
    }
}

#[expect(clippy::float_arithmetic, reason = "an expectation, never money")]
fn expected(rates: &Rates, ttl: Ttl, tokens: Tokens, chance: f64) -> f64 {
    let each = (rates.write(ttl) - 1.0) - chance * rates.spread(ttl);
    super::expected::to_f64(tokens) * each
}

impl Prepared {
    /// The numbers behind the plan; `None` where the body was not read.
    #[must_use]
    pub const fn numbers(&self) -> Option<&Numbers> {
        self.numbers.as_ref()
    }
}
