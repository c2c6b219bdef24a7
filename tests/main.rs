//! One test binary.

// The Messages dialect: reading, marking, reading on.
mod messages;
