//! Sends pings that keep idle prefixes warm, or says when to send them.
//!
//! Opt-in: [`Builder::with_keep_alive`](super::handle::Builder::with_keep_alive), or `keep_alive` in
//! the configuration. The engine decides whether a ping pays; this room sends it, and holds what that
//! takes.
//!
//! A ping repeats the last request of a conversation, to the same place and under the same
//! credentials, by the client that sent it. So both must be held until it is due, under these rules:
//!
//! * In memory only, never on disk; in buffers of their own that are overwritten once nobody needs
//!   them. What the client below makes of a request while it is sent is beyond that.
//! * Only while somebody runs the errands of that client
//!   ([`http_errands`](super::tower::PromptCache::http_errands)), or asks for
//!   [due pings](super::handle::Cachewright::due_pings) where [`Pinger::Caller`] is set.
//! * Until the conversation goes on, the engine lets it go, its deadline has come, the client is gone,
//!   or a ping wrote instead of read; then what is held of it goes at once. An answer of 401 or 403
//!   lets everything of that account go.
//! * Within [`Retention::max_bytes`] and [`Retention::max_sessions`]: what is due first makes room.
//! * [`Cachewright::stop_pings`](super::handle::Cachewright::stop_pings) drops all of it at once, and
//!   nothing is held until [`resume_pings`](super::handle::Cachewright::resume_pings).
//!
//! Where a route over backends sent the request, its pings take room in the caps that count it, as calls
//! do, and are not sent where there is none.
//!
//! Every ping that was sent is one row of the ledger, an errand of the kind `ping`. One that fails is
//! nobody's failure, and no call waits for one.

mod day;
mod fund;
mod held;
mod letter;
mod original;
mod secret;
mod settle;
mod ticker;
mod told;

#[cfg(feature = "gateway")]
pub(crate) use self::fund::{Fund, Grant};
pub(crate) use self::held::{Flight, Keep};
pub(crate) use self::original::Original;
pub use self::told::Ping;

/// What is held in memory to send pings, and who sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// The most bytes of requests, heads included.
    pub max_bytes: usize,
    /// The most conversations.
    pub max_sessions: usize,
    /// Who sends pings.
    pub pinger: Pinger,
}

/// Who sends pings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pinger {
    /// Whoever runs the errands of the client.
    #[default]
    Us,
    /// The user's own code, which asks for [due
    /// pings](super::handle::Cachewright::due_pings) and says what came of each.
    Caller,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
            max_sessions: 1000,
            pinger: Pinger::Us,
        }
    }
}

/// How much is held to send pings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retained {
    /// Conversations.
    pub sessions: usize,
    /// Bytes of their last requests, heads included.
    pub bytes: usize,
}
