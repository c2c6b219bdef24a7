//! Logs that people already have: billed tokens, dollars, causes.
