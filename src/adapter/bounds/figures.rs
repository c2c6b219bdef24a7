//! What closed traffic is measured to.

use crate::bound::{Bill, Rate, Rules, Runs};
use crate::model::{Money, Tokens, Ttl};

use super::{Marked, Regime};

/// Closed traffic.
#[derive(Clone, Debug)]
pub struct Figures {
    runs: Runs,
    marked: Vec<Marked>,
    rules: Rules,
}

impl Figures {
    pub(super) const fn new(runs: Runs, marked: Vec<Marked>, rules: Rules) -> Self {
        Self {
            runs,
            marked,
            rules,
        }
    }

    /// The same traffic at other prices.
    #[must_use]
    pub fn at(&self, change: impl FnMut(&Rate) -> Rate) -> Self {
        Self {
            runs: self.runs.at(change),
            ..self.clone()
        }
    }

    /// How many requests there are.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.marked.len()
    }

    /// Input tokens of all requests.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        self.runs.tokens()
    }

    /// What it costs without caching.
    #[must_use]
    pub fn uncached(&self) -> Money {
        self.runs.uncached()
    }

    /// What it costs with the markers that the provider's documentation recommends: five minutes,
    /// on the end of the system prompt and on the last block.
    #[must_use]
    pub fn documented(&self) -> Bill {
        self.runs.billed(self.rules, |number| {
            let places = self
                .marked
                .get(number)
                .map_or(&[][..], |marked| &marked.places);
            let marks = places.iter();
            marks
                .map(|place| (*place as usize, Ttl::FiveMinutes))
                .collect()
        })
    }

    /// What it costs at least.
    #[must_use]
    pub fn lower(&self, regime: Regime) -> Bill {
        self.runs.lower(&regime.terms())
    }

    /// What it costs under a policy that knows all that comes and obeys what binds a request.
    #[must_use]
    pub fn clairvoyant(&self, regime: Regime) -> Bill {
        self.runs.clairvoyant(&regime.terms(), self.rules)
    }
}
