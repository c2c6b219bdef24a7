//! The only rooms that do IO or read a clock, each behind a feature.

#[cfg(feature = "replay")]
pub mod replay;
#[cfg(feature = "replay")]
pub mod workload;
