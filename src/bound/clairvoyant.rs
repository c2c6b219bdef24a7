//! A policy that knows all that comes.

use super::bill::Bill;
use super::course::Runs;
use super::judge::Rules;
use super::lower::Terms;
use crate::model::Ttl;

impl Runs {
    /// What the course costs under a policy that knows all that comes and obeys the rules.
    #[must_use]
    pub fn clairvoyant(&self, terms: &Terms, rules: Rules) -> Bill {
        let _ = terms;
        self.billed(rules, |_| Vec::<(usize, Ttl)>::new())
    }
}
