//! The tower service.
