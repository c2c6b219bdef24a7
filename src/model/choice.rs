//! The numbers behind a choice of lifetime class.

use super::{Tokens, Ttl};

/// Which lifetime class a request is written with, and the numbers that decided it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Choice {
    /// The class that what is new is written with.
    pub ttl: Ttl,
    /// Tokens of the prefix that are written, or kept, with one hour; zero for none.
    pub hour: Tokens,
    /// How far one hour is ahead of five minutes in conversations of this kind, in tokens of plain
    /// input; negative where it is behind.
    pub ahead: f64,
    /// How far it must be ahead to be chosen.
    pub needed: f64,
    /// Whether it has cost too much already, or too much of its premium is out.
    pub held_back: bool,
    /// The chance that the end of the request is read again within five minutes.
    pub soon: f64,
    /// The chance that it is within the hour.
    pub late: f64,
    /// Whether the class was settled by an earlier request of the conversation.
    pub latched: bool,
    /// Whether one hour is asked for to learn whether it is granted again.
    pub explores: bool,
}
