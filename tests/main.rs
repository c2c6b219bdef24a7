//! One test binary: a module per subject.

// The house in order: floors, no IO in the core, small files.
mod architecture;
// Same meaning, same bytes: tables, properties, real schemas.
mod canon;
// What several subjects share.
mod support;
//! One test binary.
// The simulator against recorded counters and the documentation's own examples.
mod sim;
