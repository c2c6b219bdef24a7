//! Lifetime classes and pings by expected dollars.
