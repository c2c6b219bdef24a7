//! No call leaves its zone, whatever fails.
