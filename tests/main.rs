//! One test binary.
// The simulated provider over real sockets.
#[cfg(feature = "server")]
mod server;
// The simulator against recorded counters and the documentation's own examples.
mod sim;
