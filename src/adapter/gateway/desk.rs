//! What is known of backends and spent of caps, behind locks that are held for microseconds.
