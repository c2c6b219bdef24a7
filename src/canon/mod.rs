//! Same meaning, same bytes: the `reshape` rules.
