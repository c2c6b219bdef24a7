//! Lower bounds and the clairvoyant against brute force on small tries.
