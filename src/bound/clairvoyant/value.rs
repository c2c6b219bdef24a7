//! What a token of each run costs from some request on, given the state that the request leaves.

use super::scene::Scene;
use crate::bound::lower::CLASSES;

/// States of a run: gone, or alive in one of the classes.
pub(super) const STATES: usize = CLASSES + 1;
/// The price of what may not be done.
pub(super) const NEVER: i64 = i64::MAX / 8;

/// Which of the classes a plan may write with.
pub(super) type Allowed = [bool; CLASSES];

/// Costs to come, by slot and state, in picodollars per token.
#[derive(Debug, Default)]
pub(super) struct Value {
    costs: Vec<[i64; STATES]>,
}

/// Prices of one request per token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices {
    pub(super) input: i64,
    pub(super) read: i64,
    pub(super) write: [i64; CLASSES],
}

impl Prices {
    pub(super) fn of(scene: &Scene<'_>, stop: usize, allowed: &Allowed) -> Self {
        let small = |pico: i128| i64::try_from(pico).unwrap_or(NEVER);
        let mut prices = Self {
            input: 0,
            read: 0,
            write: [NEVER; CLASSES],
        };
        let Some(stop) = scene.stops.get(stop) else {
            return prices;
        };
        let tier = &stop.rate.tier;
        prices.input = small(tier.input.as_pico());
        prices.read = small(tier.read.as_pico());
        let classes = prices.write.iter_mut().zip(&scene.sold).zip(allowed);
        for ((price, sold), _) in classes.filter(|(_, allowed)| **allowed) {
            *price = small(sold.class.write(tier).as_pico());
        }
        prices
    }
}

impl Value {
    /// Looks from the last request back to the first. `holds` tells for each request how many runs
    /// of its prefix pings hold until they are asked for again.
    pub(super) fn look(&mut self, scene: &Scene<'_>, holds: &[usize], allowed: &Allowed) {
        self.costs.clear();
        self.costs.resize(scene.len(), [0; STATES]);
        let prices: Vec<Prices> = (0..scene.stops.len())
            .map(|stop| Prices::of(scene, stop, allowed))
            .collect();
        for stop in (0..scene.stops.len()).rev() {
            let held = holds.get(stop).copied().unwrap_or(0);
            let from = scene.from(stop);
            for (level, slot) in scene.path(stop).iter().enumerate() {
                let Some(next) = slot.next else { continue };
                let Some(prices) = prices.get(next) else {
                    continue;
                };
                let then = self.at(scene.from(next) + level);
                let gap = scene.at(next) - scene.at(stop);
                let costs = before(scene, (gap, level < held), prices, &then);
                if let Some(place) = self.costs.get_mut(from + level) {
                    *place = costs;
                }
            }
        }
    }

    pub(super) fn at(&self, slot: usize) -> [i64; STATES] {
        self.costs.get(slot).copied().unwrap_or_default()
    }
}

/// Costs before a request whose costs afterwards are `then`.
fn before(
    scene: &Scene<'_>,
    (gap, held): (i64, bool),
    prices: &Prices,
    then: &[i64; STATES],
) -> [i64; STATES] {
    let [gone, alive @ ..] = then;
    let written = prices
        .write
        .iter()
        .zip(alive)
        .map(|(write, then)| write + then);
    let dead = written.fold(prices.input + gone, i64::min);
    let mut costs = [dead; STATES];
    let lives = costs.iter_mut().skip(1).zip(&scene.sold).zip(alive);
    for ((cost, sold), then) in lives {
        if held || gap < sold.life {
            *cost = prices.read + then;
        }
    }
    costs
}
