//! One test binary.

// The Messages dialect: reading, marking, reading on.
mod messages;
// Responses of the Messages dialect, cut at every border.
mod responses;
