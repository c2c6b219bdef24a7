//! Errands: what is asked of a provider beside the caller's calls, and who asks it.
//!
//! A library starts nothing behind its user's back, and an errand must outlive the call that caused
//! it: a prefix whose name never arrives is paid for in vain. So the layer lays errands on a desk, and
//! whoever wants them run drives them, as one drives a connection of hyper: a future that the user
//! spawns on a runtime of their own. Where nobody does, there are none. It runs them by the client of
//! the calls that caused them and under their credentials, and ends when the last clone of the wrapped
//! client is gone, after it has deleted what is still kept.
//!
//! The same future sends the pings of [`keep`](super::keep).
//!
//! What it knows, prompts and keys among it, stays in memory, for as long as a prefix is kept.

mod desk;
mod drive;
mod job;

pub(crate) use self::desk::{Desk, Place};
pub(crate) use self::drive::{Answer, LONGEST, drive};
pub(crate) use self::job::Job;
