//! What keeping to a warm prefix is worth when backends fail, on interleaved replays.

fn main() {}
