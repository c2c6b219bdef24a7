//! One test binary.
// The simulator against recorded counters and the documentation's own examples.
mod sim;
