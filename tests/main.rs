//! One test binary: a module per subject.

// The house in order: floors, no IO in the core, small files.
mod architecture;
// Same meaning, same bytes: tables, properties, real schemas.
mod canon;
// The same bytes with and without `serde_json/preserve_order`.
mod preserve_order;
// The README's examples of configuration.
#[cfg(feature = "tower")]
mod readme;
// What several subjects share.
mod support;
