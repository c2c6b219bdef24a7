//! Volatile text split, moved, rounded and dropped; rules per route.
