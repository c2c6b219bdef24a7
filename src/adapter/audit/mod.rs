//! Logs that people already have: what caching cost and lost there.
