//! The clock of files that have none: deterministic gaps with the spread of recorded agent traffic.
//!
//! The gap between two requests of a session is log-normal with a median of 4 s and a 99th
//! percentile of 23 s (the recorded tau2 conversations, 2026-08). Session starts are spaced by the
//! same draw stretched to a mean of 20 s. Draws depend on nothing but the place of the session in
//! its file and of the request in its session, so a replay gives the same figures every time.

use std::time::Duration;

/// The middle of each 64th of the distribution, in milliseconds.
const GAPS: [u64; 64] = [
    650, 898, 1064, 1200, 1321, 1432, 1536, 1636, 1732, 1826, 1917, 2008, 2098, 2187, 2275, 2364,
    2453, 2543, 2633, 2724, 2816, 2909, 3003, 3099, 3197, 3296, 3398, 3501, 3607, 3716, 3827, 3942,
    4059, 4181, 4306, 4436, 4570, 4709, 4854, 5005, 5163, 5327, 5500, 5682, 5874, 6077, 6292, 6522,
    6767, 7031, 7317, 7628, 7968, 8344, 8764, 9238, 9781, 10415, 11174, 12112, 13332, 15043, 17827,
    24634,
];

/// The time between request `number` of session `session` and the one before it.
pub(super) fn gap(session: u64, number: u64) -> Duration {
    Duration::from_millis(draw(
        session.wrapping_mul(0x1_0000_0001).wrapping_add(number),
    ))
}

/// The time between the start of session `session` and the start of the one before it in the file.
pub(super) fn spacing(session: u64) -> Duration {
    Duration::from_millis(draw(!session).saturating_mul(377) / 100)
}

/// One of the gaps, picked by a fixed mixing function (`SplitMix64`).
fn draw(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let pick = usize::try_from((mixed ^ (mixed >> 31)) >> 58).unwrap_or(0);
    GAPS.get(pick).copied().unwrap_or(4000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_documented_spread() {
        let mut gaps: Vec<u128> = (0..200)
            .flat_map(|session| (1..20).map(move |number| gap(session, number).as_millis()))
            .collect();
        gaps.sort_unstable();
        let median = gaps[gaps.len() / 2];
        let late = gaps[gaps.len() * 99 / 100];
        assert!((3600..4400).contains(&median), "{median}");
        assert!((17_000..27_000).contains(&late), "{late}");
        let mean = (0..4000).map(|n| spacing(n).as_millis()).sum::<u128>() / 4000;
        assert!((18_500..21_500).contains(&mean), "{mean}");
    }
}
