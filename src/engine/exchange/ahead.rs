//! What others can wait for: what an exchange is about to write.

use std::sync::Arc;
use std::time::Duration;

use super::Exchange;
use crate::engine::flight::{Flight, Reach};
use crate::model::{Arm, Money, PriceTier, Regime, Ttl};

impl Exchange {
    /// What it will write that is not there yet, long enough to be kept; `None` where that is
    /// nothing, or where it passes untouched.
    #[must_use]
    pub fn flight(&self) -> Option<Flight> {
        let (expected, model) = (self.expected.as_ref()?, self.model.as_ref()?);
        if self.record.arm == Some(Arm::Control) {
            return None;
        }
        let limits = &model.limits;
        let warm = expected.lineage.predicted.map_or(0, |held| held.known());
        let total = *expected.prefix_tokens.last()?;
        let prices = self.prices();
        let tier = prices.as_ref().map(|prices| prices.tier(total));
        let (reach, per_token) = if limits.regime == Regime::Automatic {
            let is_cold = total >= limits.min_tokens && total > warm;
            let tokens = is_cold.then(|| expected.prefix_tokens.clone())?;
            (Reach::Anywhere(tokens), tier.map(|tier| saved(tier, None)))
        } else {
            let kept = |tokens: u64| tokens >= limits.min_tokens && !limits.is_beyond(tokens);
            let marks = expected.marks.iter();
            let cold = marks.filter(|mark| mark.tokens > warm && kept(mark.tokens));
            let ends: Vec<_> = cold.map(|mark| (mark.block + 1, mark.tokens)).collect();
            let last = expected.marks.last().filter(|_| !ends.is_empty())?;
            (
                Reach::Ends(ends),
                tier.map(|tier| saved(tier, Some(last.ttl))),
            )
        };
        let (_, turn) = &expected.turn;
        Some(Flight {
            turn: Arc::clone(turn),
            warm,
            reach,
            min_tokens: limits.min_tokens,
            per_token,
            visible_after: self.visible_after(),
        })
    }

    fn visible_after(&self) -> Duration {
        let mut after = Duration::ZERO;
        self.memory.behaviour(&self.behaviour, &mut |known| {
            after = known.visible_after(self.record.at);
        });
        after
    }

    /// The class in which it keeps what it reads and writes; `None` where it is too short for that.
    #[must_use]
    pub fn lasts(&self) -> Option<Ttl> {
        let (expected, model) = (self.expected.as_ref()?, self.model.as_ref()?);
        let limits = &model.limits;
        let kept = |tokens: u64| tokens >= limits.min_tokens && !limits.is_beyond(tokens);
        if limits.regime == Regime::Automatic {
            let asked = expected.marks.last().map_or(limits.ttl, |mark| mark.ttl);
            return kept(*expected.prefix_tokens.last()?).then_some(asked);
        }
        let mut marks = expected.marks.iter().rev();
        marks.find(|mark| kept(mark.tokens)).map(|mark| mark.ttl)
    }

    /// Whether what it writes can be read once its answer has begun.
    #[must_use]
    pub fn is_written_at_the_start(&self) -> bool {
        !self.limits().written_at_end
    }

    /// It was held back for this long before it was sent.
    pub fn held(&mut self, passed: Duration) {
        self.record.held = passed;
    }

    /// Neither what is left alone nor what no call asked for is kept warm.
    pub(super) fn unwatched(&mut self) {
        if self.record.arm == Some(Arm::Control) || self.record.errand {
            self.record.vigil = None;
        }
    }

    /// Says that no call of the user's asked for it: it is an errand of this kind.
    pub fn for_errand(&mut self, kind: &'static str) {
        self.record.errand = true;
        self.record.errand_kind = kind;
    }
}

/// What reading a token saves against writing it in this class, or against plain input.
fn saved(tier: &PriceTier, ttl: Option<Ttl>) -> Money {
    ttl.map_or(tier.input, |ttl| tier.write(ttl)) - tier.read
}
