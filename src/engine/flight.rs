//! What a request that is under way writes, and whether another one had better wait for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::trail::agreeing;
use super::{Conversation, Opened};
use crate::model::{Digest, Money};

/// The least that waiting must save: below a tenth of a cent nobody wants to be held up.
const LEAST: Money = Money::from_pico(1_000_000_000);

/// What a request writes that was not there before it, and others can read once it is answered.
pub struct Flight {
    pub(super) turn: Arc<Conversation>,
    /// Tokens at its beginning that are there already.
    pub(super) warm: u64,
    pub(super) reach: Reach,
    /// The shortest prefix that is kept, in tokens.
    pub(super) min_tokens: u64,
    /// What reading a token instead of writing it saves; `None` without prices.
    pub(super) per_token: Option<Money>,
    /// How long after the first byte of its answer what it writes can be read.
    pub(super) visible_after: Duration,
}

/// Where what it writes can be read up to.
pub(super) enum Reach {
    /// To these ends: leading blocks with their tokens, shortest first.
    Ends(Vec<(usize, u64)>),
    /// To any block: the tokens up to each.
    Anywhere(Vec<u64>),
}

/// What another request would read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shared {
    /// Estimated tokens that both would otherwise write.
    pub tokens: u64,
    /// What reading them saves against writing them; `None` without prices.
    pub saving: Option<Money>,
}

impl Flight {
    /// What its prefixes are of: account, model and everything else that separates caches.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.turn.root
    }

    /// How long after the first byte of its answer what it writes can be read, by what was seen of this
    /// provider; zero where nothing was.
    #[must_use]
    pub const fn visible_after(&self) -> Duration {
        self.visible_after
    }

    /// What `opened` would read of it if it waited; `None` where that is nothing or not worth it.
    #[must_use]
    pub fn shared_with(&self, opened: &Opened) -> Option<Shared> {
        self.shared(opened.turn()?)
    }

    /// The same for a request that is planned already.
    #[must_use]
    pub fn shared_with_flight(&self, other: &Self) -> Option<Shared> {
        self.shared(&other.turn)
    }

    fn shared(&self, other: &Conversation) -> Option<Shared> {
        if self.turn.root != other.root {
            return None;
        }
        let blocks = agreeing(&self.turn.chain, &other.chain);
        let tokens = match &self.reach {
            Reach::Ends(ends) => ends.iter().rev().find(|(end, _)| *end <= blocks)?.1,
            Reach::Anywhere(tokens) => *tokens.get(blocks.checked_sub(1)?)?,
        };
        if tokens < self.min_tokens {
            return None;
        }
        let tokens = tokens.checked_sub(self.warm).filter(|tokens| *tokens > 0)?;
        let shared = Shared {
            tokens,
            saving: self.per_token.map(|price| price.times(tokens)),
        };
        shared.pays(self.min_tokens).then_some(shared)
    }
}

impl Shared {
    /// Whether it is worth waiting for: by money, or where there are no prices by tokens.
    fn pays(&self, min_tokens: u64) -> bool {
        match self.saving {
            Some(saving) => saving >= LEAST,
            None => self.tokens >= min_tokens,
        }
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("warm", &self.warm)
            .field("per_token", &self.per_token)
            .finish_non_exhaustive()
    }
}
