//! Prefixes that pings may hold: those that are asked for again after a pause that ends lives.

use super::scene::Scene;
use super::value::{Allowed, Prices};

/// Requests whose prefix can be held, and to which level: every group of runs with one next use.
pub(super) fn candidates(scene: &Scene<'_>) -> Vec<(usize, usize)> {
    let life = scene.sold.last().map_or(0, |sold| sold.life);
    let mut found = Vec::new();
    for stop in 0..scene.stops.len() {
        for (depth, next) in groups(scene, stop) {
            if scene.at(next) - scene.at(stop) >= life {
                found.push((stop, depth));
            }
        }
    }
    found
}

/// For each request the depth whose hold saves most by itself; zero where none does.
pub(super) fn worthwhile(scene: &Scene<'_>, allowed: &Allowed) -> Vec<usize> {
    let open = scene.sold.iter().enumerate();
    let open = open.filter(|(class, _)| allowed.get(*class).copied().unwrap_or(false));
    let Some((class, sold)) = open.last() else {
        return vec![0; scene.stops.len()];
    };
    let stops = (0..scene.stops.len()).map(|stop| {
        let prices = Prices::of(scene, stop, allowed);
        let write = prices.write.get(class).copied().unwrap_or(0);
        let saved = i128::from(write - prices.read);
        let (mut best, mut depth, mut dying, mut above) = (0, 0, 0, 0);
        for (until, next) in groups(scene, stop) {
            let gap = scene.at(next) - scene.at(stop);
            let prefix = i128::from(scene.prefix(stop, until));
            let pings = i128::from(gap / sold.life.max(1));
            if pings > 0 {
                dying += prefix - above;
            }
            above = prefix;
            let gain = dying * saved - pings * prefix * i128::from(prices.read);
            if gain > best {
                (best, depth) = (gain, until);
            }
        }
        depth
    });
    stops.collect()
}

/// The depths at which the next use of a request's prefix changes, each with that use.
fn groups(scene: &Scene<'_>, stop: usize) -> Vec<(usize, usize)> {
    let mut groups: Vec<(usize, usize)> = Vec::new();
    for (level, slot) in scene.path(stop).iter().enumerate() {
        let Some(next) = slot.next else { break };
        match groups.last_mut() {
            Some((depth, known)) if *known == next => *depth = level + 1,
            _ => groups.push((level + 1, next)),
        }
    }
    groups
}
