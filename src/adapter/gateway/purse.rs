//! What was spent of caps, kept over restarts.
