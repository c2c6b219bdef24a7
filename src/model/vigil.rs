//! A warm prefix that is watched while nobody uses it, and what may be spent on that.

use std::time::Duration;

use super::{Digest, Money, Timestamp, Tokens, Ttl};

/// A warm prefix that nobody uses right now: when the next ping is due, and why.
///
/// An adapter that can send requests of its own keeps what it takes to send one under
/// [`Vigil::conversation`], asks the engine when [`Vigil::due`] has come whether the ping still pays,
/// and tells the engine what came of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Vigil {
    /// The conversation whose last request would be repeated. One conversation has one vigil: a
    /// later one replaces it, and a request of the conversation ends it.
    pub conversation: Digest,
    /// The prefix that is kept alive.
    pub prefix: Digest,
    /// Its lifetime class, where one class holds for all of it; the shortest one otherwise.
    pub ttl: Ttl,
    /// When to ping: a margin before the entry expires.
    pub due: Timestamp,
    /// When the entry expires; a ping that arrives later would write instead of read.
    pub expires: Timestamp,
    /// Tokens that a ping reads.
    pub tokens: Tokens,
    /// Pings since the last request of the conversation.
    pub pings: u32,
    /// What one ping should cost, where prices are known.
    pub price: Option<Money>,
    /// What one ping costs at most, where prices are known: what it should read may be gone, so that it
    /// writes.
    pub worst: Option<Money>,
    /// What was spent on this conversation's pings so far.
    pub spent: Money,
    /// The chance that the conversation returns within the life that the ping buys.
    pub chance: f64,
    /// The chance from which on a ping pays.
    pub threshold: f64,
    /// How many pings in a row are worth planning for, this one included.
    pub planned: u32,
    /// The service (tools and system prompt) whose pauses are learned together, as a digest.
    pub service: Digest,
    /// The session, where somebody names it: it may have gone on in another conversation by then.
    pub session: Option<Digest>,
    /// The model that the last request was for, by its row.
    pub model: Box<str>,
}

/// What may be spent on keeping prefixes warm. Asking for it is opting in: pings are requests that
/// no call of the user's asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// The most that one ping may cost.
    pub per_ping: Money,
    /// The most that the pings of one conversation may cost.
    pub per_session: Money,
    /// The most that all pings of a UTC day may cost.
    pub per_day: Money,
    /// For how long after its last request a conversation is kept warm at most.
    pub deadline: Duration,
}

impl KeepAlive {
    /// No pings at all: what a route says where general settings allow some.
    pub const OFF: Self = Self {
        per_ping: Money::ZERO,
        per_session: Money::ZERO,
        per_day: Money::ZERO,
        deadline: Duration::ZERO,
    };

    /// The same, where it allows anything.
    #[must_use]
    pub fn allowed(self) -> Option<Self> {
        (self != Self::OFF).then_some(self)
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            per_ping: Money::from_pico(500_000_000_000),
            per_session: Money::from_pico(2_000_000_000_000),
            per_day: Money::from_pico(20_000_000_000_000),
            deadline: Duration::from_secs(24 * 3600),
        }
    }
}
