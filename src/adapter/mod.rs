//! The only rooms that do IO or read a clock, each behind a feature.

#[cfg(feature = "tower")]
mod caller;
pub mod clock;
#[cfg(feature = "tower")]
pub mod handle;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "tower")]
mod running;
#[cfg(feature = "tower")]
pub mod tower;
