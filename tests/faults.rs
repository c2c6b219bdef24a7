//! Every fault at every stage of every provider.
