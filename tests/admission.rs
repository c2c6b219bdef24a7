//! Which prefixes are written, on generated and recorded traffic.
