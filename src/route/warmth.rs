//! Which conversation is warm where, in bounded memory.

use super::Ask;
use crate::model::{Digest, Timestamp};

/// A prefix that a backend holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warm {
    /// Place of the offer in its route.
    pub offer: usize,
    /// Tokens that the next turn can read there, as the provider counted them.
    pub tokens: u64,
    /// Until when.
    pub until: Timestamp,
    /// Turns of the conversation seen so far, wherever they went.
    pub turns: u32,
}

/// Which conversation is warm where.
#[derive(Clone, Debug, Default)]
pub struct Warmth {}

impl Warmth {
    /// What an offer of a route holds of this call's prompt; the prefix it shares with other
    /// conversations of the route where this one is not known.
    #[must_use]
    pub fn at(&self, route: &str, offer: usize, ask: &Ask<'_>, now: Timestamp) -> Option<Warm> {
        let _ = (route, offer, ask, now);
        None
    }

    /// Takes in what an exchange left warm.
    pub fn learn(&mut self, route: &str, conversation: Option<Digest>, warm: Warm) {
        let _ = (route, conversation, warm);
    }
}
