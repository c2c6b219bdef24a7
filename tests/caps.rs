//! Caps under concurrency, over restarts and calendars.
