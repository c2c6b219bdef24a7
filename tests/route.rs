//! Deciding: properties over random networks.
