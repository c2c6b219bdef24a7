//! Bounds: what the same traffic costs at least, and what a clairvoyant would do.
//!
//! Apart from the planner: nothing here is used to decide, and a judge that shared code with the
//! planner would share its mistakes.

mod bill;
mod billed;
mod clairvoyant;
mod course;
mod judge;
mod lower;
mod trie;

pub use bill::Bill;
pub use course::{Course, Rate, Runs};
pub use judge::{Access, Judge, Piece, Rules};
pub use lower::{Class, Terms};
