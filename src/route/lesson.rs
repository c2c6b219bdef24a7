//! What an exchange tells of the next ones.

use super::price::foreseen;
use super::{Ask, Offer};
use crate::ledger::Record;
use crate::model::{Timestamp, Usage};

/// Tokens per thousand that were foreseen: none below the first nor above the last is believed.
const DENSITY: [u64; 2] = [20, 4000];

/// What an exchange tells of the next ones.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Lesson<'a> {
    /// The call.
    pub ask: Ask<'a>,
    /// Place in the route of the offer that served it.
    pub offer: usize,
    /// When the request was sent: lifetimes count from then.
    pub at: Timestamp,
    /// What the provider reported.
    pub usage: Usage,
    /// Tokens of tools and system prompt: what other conversations of the route may read of it.
    pub shared: u64,
}

impl<'a> Lesson<'a> {
    /// What this call left warm at an offer, by what the provider reported of the request that was
    /// sent at `at`.
    #[must_use]
    pub const fn new(ask: Ask<'a>, offer: usize, at: Timestamp, usage: Usage) -> Self {
        Self {
            ask,
            offer,
            at,
            usage,
            shared: 0,
        }
    }

    /// What the exchange of this call at an offer left warm; `None` where no usage was reported.
    #[must_use]
    pub fn of(ask: Ask<'a>, offer: usize, record: &Record) -> Option<Self> {
        let usage = record.usage?;
        let input = usage.input()?;
        let [tools, system, _] = record.sections;
        // Estimated like the whole, so that the share is better known than the figure.
        let shared = u128::from(tools.saturating_add(system)) * u128::from(input);
        let shared = shared.checked_div(u128::from(record.estimated_input));
        let shared = shared.and_then(|tokens| u64::try_from(tokens).ok());
        Some(Self {
            shared: shared.unwrap_or(0).min(input),
            ..Self::new(ask, offer, record.at, usage)
        })
    }

    /// Tokens counted per thousand foreseen.
    pub(super) fn density(&self, offer: &Offer) -> Option<u32> {
        let foreseen = foreseen(&self.ask, &offer.facts);
        let counted = self.usage.input()?.saturating_mul(1000);
        let [least, most] = DENSITY;
        let density = counted.checked_div(foreseen)?.clamp(least, most);
        u32::try_from(density).ok()
    }
}
