//! The admin port: metrics and the live report, for people and scrapers.
