//! Where breakpoints go.
