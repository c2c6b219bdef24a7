//! Where breakpoints go: pure functions of a prompt, its limits, its prices and an outlook.
//!
//! Two questions are answered one after the other. *How deep to write*: a write costs its premium
//! once and earns the discount on every later read, so it pays where the chance of reuse exceeds
//! `(w − 1) ÷ (w − r)`. *Which markers to set besides*: markers below the top cost nothing (billing
//! is by span), so every free slot goes where a later request is likely to part from this one.

mod budget;
mod candidates;
mod choose;
mod staircase;

pub use budget::Budget;
pub use candidates::candidates;
pub use choose::plan;
use staircase::{staircase, to_f64};

pub use crate::model::Rates;
