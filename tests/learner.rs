//! What is learned of providers, and variants that follow the leader.
