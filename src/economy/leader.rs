//! Follow the leader: variants of a policy run as shadow caches on the real stream, and the best one
//! takes over.
