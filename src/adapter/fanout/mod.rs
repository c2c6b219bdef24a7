//! One request per cold prefix goes first; those beside it wait until what it writes can be read.
