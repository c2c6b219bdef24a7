//! The same conversations through every provider of a dialect.
