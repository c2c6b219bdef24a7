//! What is worth paying for: lifetime classes, pings and writes by expected dollars.
//!
//! Pure: time is an argument, prices are [`Rates`](crate::model::Rates), and everything learned is a
//! plain value that a memory keeps. Reuse is seen whether or not anything was written, so nothing is
//! spent on learning it.

mod duel;
mod flat;
pub mod leader;
mod odds;
pub mod provider;
mod returns;
mod signs;
mod stream;
mod tally;
mod watch;

pub use duel::{Bout, Duel, Score, Standing};
pub use flat::{Flat, Flatten, Tape};
pub use odds::{EDGES, Odds};
pub use provider::{Behaviour, Foreseen};
pub use returns::Returns;
pub use signs::{Input, Overtaken, Signs};
pub use stream::{Asked, Kind, Stream};
pub use tally::{Outcome, Tally};
pub use watch::{GOES_ON, Stake, Watch};
