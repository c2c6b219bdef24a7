//! What deciding costs, beside what the engine does for the same request.

fn main() {}
