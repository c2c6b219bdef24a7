//! Hash traces through replay: baselines, pings, what is emitted.
