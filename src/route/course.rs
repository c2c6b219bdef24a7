//! The course of one call over its attempts: send, wait, hedge, give up.

use super::{Decision, Failure, Pick, Route};
use crate::model::Timestamp;

/// The course of one call: told what came of its attempts, it says what is next.
#[derive(Debug)]
pub struct Course {
    picks: Vec<Pick>,
    next: usize,
    attempts: u32,
}

/// What is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever drives a call must know them all"
)]
pub enum Move {
    /// Send the call to this pick.
    Send(Pick),
    /// Send the call to this pick at that time, not before.
    Wait(Pick, Timestamp),
    /// Nothing more: the last failure is the caller's.
    GiveUp,
}

impl Course {
    /// Of a call that was decided on at `now`.
    #[must_use]
    pub fn new(decision: &Decision, route: &Route, now: Timestamp) -> Self {
        let _ = now;
        Self {
            picks: decision.picks.clone(),
            next: 0,
            attempts: route.retries.attempts,
        }
    }

    /// The first move, or the one after the last failure that was told.
    #[must_use]
    pub fn next(&mut self, now: Timestamp) -> Move {
        let _ = now;
        match self.picks.get(self.next) {
            Some(pick) if self.attempts > 0 => {
                self.next += 1;
                self.attempts -= 1;
                Move::Send(*pick)
            }
            _ => Move::GiveUp,
        }
    }

    /// An attempt failed.
    pub fn failed(&mut self, now: Timestamp, pick: Pick, failure: &Failure) {
        let _ = (now, pick, failure);
    }
}
