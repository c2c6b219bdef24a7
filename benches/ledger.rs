//! What the ledger costs the calls it records.

fn main() {}
