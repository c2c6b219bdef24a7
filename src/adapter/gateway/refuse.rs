//! Answers of our own, in the dialect of the caller.
