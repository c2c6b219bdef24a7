//! Changes that tune proposes save what it promised.
