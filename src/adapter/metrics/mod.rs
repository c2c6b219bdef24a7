//! Counters and histograms through the `metrics` facade.
