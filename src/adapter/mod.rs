//! The only rooms that do IO, read a clock or hold a lock, each behind a feature.

pub mod clock;
#[cfg(feature = "server")]
pub mod server;
