//! One exchange as a log tells it.

use std::sync::Arc;

use super::compared::Sent;
use crate::model::{Timestamp, Usage};

/// One exchange, whatever kind of log it stands in.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// When it was sent; zero where the log has no clock.
    pub(super) at: Timestamp,
    /// When the answer began, as far as the log tells.
    pub(super) first_byte: Option<Timestamp>,
    pub(super) ended: Timestamp,
    pub(super) place: Place,
    pub(super) provider: Arc<str>,
    pub(super) dialect: &'static str,
    /// As the log spells it.
    pub(super) model: Arc<str>,
    /// Whether it went to a regional endpoint.
    pub(super) regional: bool,
    pub(super) status: u16,
    pub(super) ending: Ending,
    pub(super) usage: Option<Usage>,
    pub(super) history: History,
    /// The request itself, where it is in the log.
    pub(super) sent: Option<Sent>,
}

/// How the answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is whole, and so are its counts.
    Whole,
    /// It broke off, or the log does not say.
    Open,
}

impl From<bool> for Ending {
    fn from(whole: bool) -> Self {
        if whole { Self::Whole } else { Self::Open }
    }
}

/// Where it belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) session: Arc<str>,
    /// The sub-agent's lane; empty for the main one.
    pub(super) lane: Arc<str>,
    pub(super) route: Arc<str>,
    pub(super) tenant: Arc<str>,
}

/// What the log tells about the prompt, beside how long it was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum History {
    /// Nothing.
    #[default]
    Untold,
    /// Its messages, but neither system prompt nor tools.
    Messages(Messages),
    /// All of it.
    Bodies,
}

/// The messages of one request against those of the request before in the same lane.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Messages {
    /// Messages of the request before.
    pub(super) before: usize,
    /// How many of them this one begins with.
    pub(super) kept: usize,
    /// Messages of this one.
    pub(super) now: usize,
    /// Blocks that came behind those kept, runs of tool uses or results counted once.
    pub(super) positions: usize,
    /// Whether the user speaks in them, other than through tool results.
    pub(super) speaks: bool,
    /// Bytes of the messages that were added.
    pub(super) bytes: u64,
}
