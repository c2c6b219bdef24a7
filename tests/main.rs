//! One test binary: a module per subject.

// The house in order: floors, no IO in the core, small files.
mod architecture;
// Same meaning, same bytes: tables, properties, real schemas.
mod canon;
// The layer over any `http` client.
#[cfg(feature = "tower")]
mod layer;
// The layer over reqwest.
#[cfg(feature = "reqwest")]
mod reqwest;
// What several subjects share.
mod support;
//! One test binary.
// The simulator against recorded counters and the documentation's own examples.
mod sim;
