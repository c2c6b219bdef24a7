//! How a provider's cache really behaves, learned from what it reported.
