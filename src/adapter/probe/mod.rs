//! Finds out how a real endpoint's cache behaves, for little money.
