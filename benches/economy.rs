//! What deciding costs beside the engine's own scan and hash, and what a million prefixes weigh.

fn main() {}
