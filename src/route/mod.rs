//! Where a call goes, and what is done when that fails: hard constraints first, then the warm
//! prefix, then the route's goal; caps around all of it.
//!
//! Pure: state and time are arguments, so that every decision can be made again and explained.

mod ask;
mod breaker;
mod budget;
mod candidate;
mod caps;
mod course;
mod decay;
mod decide;
mod failure;
mod fit;
mod health;
mod hold;
mod lesson;
mod limits;
mod moment;
mod network;
mod pause;
mod price;
#[cfg(test)]
mod samples;
mod shelves;
mod state;
mod stops;
mod telling;
mod warmth;
mod why;
mod words;

pub use ask::Ask;
pub use budget::RetryBudget;
pub use candidate::{Candidate, Standing};
pub use caps::{
    Amount, Calendar, Cap, CapScope, Caps, Crossed, Figures, Full, Hardness, Holder, Level, Period,
    Reservation, Spent, Tally, Urgency, Utc, Who, Worst,
};
pub use course::{Course, Move};
pub use decide::{Bar, Decision, Ground, Pick, Refusal, decide};
pub use failure::{Billed, Failure, FailureKind, Response, Step};
pub use health::{Admission, Health, Pass};
pub use lesson::Lesson;
pub use limits::{Allowance, retry_after};
pub use network::{Backend, Goal, Network, Offer, Patience, Retries, Route, Worth};
pub use state::State;
pub use warmth::{Warm, Warmth};
pub use why::Reason;
