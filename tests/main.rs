//! One test binary.

/// Readers of recorded traffic, over the real recordings.
#[cfg(feature = "replay")]
mod workload;
