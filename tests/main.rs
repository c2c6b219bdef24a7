//! One test binary: a module per subject.

// The house in order: floors, no IO in the core, small files.
mod architecture;
// Same meaning, same bytes: tables, properties, real schemas.
mod canon;
// What several subjects share.
mod support;
// Readers of recorded traffic, over the real recordings and over broken files.
#[cfg(feature = "replay")]
mod workload;
