//! What probe finds out about simulators whose rules were altered.
