//! The numbers behind a choice of lifetime class.

use super::{Tokens, Ttl};

/// Which lifetime class a request is written with, and the numbers that decided it.
///
/// Costs are in tokens of plain input, for what is written new.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Choice {
    /// The class that what is new is written with.
    pub ttl: Ttl,
    /// Tokens of the prefix that are written, or kept, with one hour; zero for none.
    pub hour: Tokens,
    /// How many more pauses are expected that outlast five minutes and end within the hour.
    pub pauses: f64,
    /// How many there must be for one hour to pay.
    pub threshold: f64,
    /// The chance that the conversation returns within five minutes.
    pub soon: f64,
    /// The chance that it returns later than that, and within the hour.
    pub late: f64,
    /// What this request's new tokens are expected to cost with five minutes, pings included where
    /// they are allowed: this write, later reads left out, and what later pauses cost.
    pub cost_5m: f64,
    /// The same with one hour.
    pub cost_1h: f64,
    /// Whether the class was settled by an earlier request of the conversation.
    pub latched: bool,
}
