//! Traffic that is made up: one-shot calls, interleaved agents, elided observations.
