//! Where a call goes, and what is done when that fails: hard constraints first, then the warm
//! prefix, then the route's goal; caps around all of it.
//!
//! Pure: state and time are arguments, so that every decision can be made again and explained.

mod ask;
mod caps;
mod course;
mod decide;
mod failure;
mod health;
mod limits;
mod network;
mod state;
mod warmth;

pub use ask::Ask;
pub use caps::{
    Amount, Calendar, Cap, CapScope, Caps, Crossed, Figures, Full, Hardness, Holder, Level, Period,
    Reservation, Spent, Tally, Urgency, Utc, Who, Worst,
};
pub use course::{Course, Move};
pub use decide::{Bar, Candidate, Decision, Ground, Pick, Refusal, decide};
pub use failure::{Billed, Failure, FailureKind, Response, Step};
pub use health::{Admission, Health};
pub use limits::Allowance;
pub use network::{Backend, Goal, Network, Offer, Patience, Retries, Route, Worth};
pub use state::State;
pub use warmth::{Warm, Warmth};
