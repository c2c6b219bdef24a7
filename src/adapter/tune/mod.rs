//! Changes of settings and prompts, tried on recorded traffic.
