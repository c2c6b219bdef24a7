//! One test binary: a module per subject.

// The house in order: floors, no IO in the core, small files.
mod architecture;
// Same meaning, same bytes: tables, properties, real schemas.
mod canon;
// What each kind of traffic costs, judged by the simulator.
#[cfg(feature = "state")]
mod economics;
// The Messages dialect: reading, marking, reading on.
mod messages;
// The simulator against recorded counters and the documentation's own examples.
mod sim;
// What several subjects share.
mod support;
