//! Bounds: what the same traffic costs at least, and what a clairvoyant would do.
//!
//! Apart from the planner: nothing here is used to decide, and a judge that shared code with the
//! planner would share its mistakes.

mod judge;
mod trie;

pub use judge::{Access, Judge, Piece, Rules};
