//! The only rooms that do IO, read a clock or hold a lock, each behind a feature.

#[cfg(feature = "state")]
pub mod memory;
