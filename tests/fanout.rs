//! Single flight per cold prefix, and pre-warming.
