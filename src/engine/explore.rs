//! Asking once more for what a provider did not grant, to learn whether it does by now: within a budget
//! that the user states, and only while little is known.

use super::Engine;
use super::keep::tier;
use super::prepare::Draft;
use super::survey::Ground;
use crate::economy::Behaviour;
use crate::model::{Digest, Keyring, Money, Timestamp, Tokens};

/// What one exploration costs at most, within what may be spent on all of them in a UTC day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exploration {
    cost: Money,
    most: Money,
}

impl Engine {
    /// What was set aside on the UTC day of `now`, so far, for asking providers again what they grant;
    /// see [`Settings::explore_per_day`](super::Settings::explore_per_day).
    #[must_use]
    pub fn explored(&self, now: Timestamp) -> Money {
        let mut paid = Money::ZERO;
        let key = key(&self.settings.keyring);
        self.memory
            .returns(&key, &mut |day| paid = day.paid_on(now));
        paid
    }
}

impl Draft<'_> {
    /// What asking for one hour costs at most, for a request of so many tokens, where it was not granted
    /// lately: its premium on all of them. `None` where nothing may be spent on that, where nobody knows
    /// prices, or where enough is known already.
    pub(super) fn exploration(&self, tokens: Tokens) -> Option<Exploration> {
        let most = self.engine.settings.explore_per_day?;
        let tier = tier(&self.model, self.meta, tokens)?;
        let mut doubts = false;
        let look = &mut |known: &Behaviour| doubts = known.doubts_hour(self.now);
        self.engine.memory.behaviour(&self.behaviour(), look);
        doubts.then(|| Exploration {
            cost: (tier.write_1h - tier.write_5m).times(tokens),
            most,
        })
    }
}

impl Ground<'_> {
    /// Sets its cost aside; false where the day's budget does not allow it.
    pub(super) fn explore(&self, Exploration { cost, most }: Exploration) -> bool {
        let mut affords = false;
        self.nodes.learn_returns(key(self.keyring), &mut |day| {
            affords = day.paid_on(self.now) + cost <= most;
            if affords {
                day.pay(self.now, cost);
            }
        });
        affords
    }
}

/// Where the day's sum is kept, whatever provider it was spent at.
fn key(keyring: &Keyring) -> Digest {
    keyring.scope(&[b"explored"])
}
