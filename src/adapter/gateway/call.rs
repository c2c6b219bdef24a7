//! One call over its attempts.
