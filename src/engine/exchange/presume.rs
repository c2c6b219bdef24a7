//! What the provider may have billed for a prompt of which it reported no usage.

use super::Exchange;
use crate::ledger::may_be_billed;
use crate::model::{Money, PriceTier};
use crate::wire::Seen;

impl Exchange {
    /// Says that the provider may have seen the request. Where it answers, nobody need say so.
    pub const fn reached(&mut self) {
        self.reached = true;
    }

    /// The status of the answer to what was sent last; zero where that had none.
    pub(super) const fn last_status(&self) -> u16 {
        // The caller's own body was sent again, and no answer to it came.
        if self.refusal.is_some() && self.record.resent {
            0
        } else {
            self.record.status
        }
    }

    /// The price of the prompt as it was planned, where it may be billed without a word.
    pub(super) fn presume(&self, status: u16, seen: &Seen) -> Option<Money> {
        // An error before anything of an answer is a refusal, although its status is none.
        let refused = status < 300 && seen.error.is_some() && !seen.started();
        let left = self.reached || self.record.status != 0;
        if self.usage.is_some() || refused || !left || !may_be_billed(status) {
            return None;
        }
        let input = self.record.estimated_input;
        Some(self.planned(self.prices()?.tier(input)))
    }

    /// What the prompt costs where the provider reads and writes what was foreseen.
    fn planned(&self, tier: &PriceTier) -> Money {
        let input = self.record.estimated_input;
        let (Some(expected), Some(model)) = (&self.expected, &self.model) else {
            return Money::ZERO;
        };
        let read = expected.lineage.predicted.map_or(0, |held| held.tokens);
        let mut below = read.min(input);
        let mut cost = tier.read.times(below);
        // What was added was not sent again after a refusal.
        let marks = expected.marks.iter().filter(|_| !self.record.resent);
        for mark in marks.filter(|mark| mark.tokens >= model.limits.min_tokens) {
            let end = mark.tokens.clamp(below, input);
            cost += tier.write(mark.ttl).times(end - below);
            below = end;
        }
        cost + tier.input.times(input - below)
    }
}
