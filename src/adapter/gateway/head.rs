//! Which route a request names, and in which dialect.
