//! What a token of each run costs from some request on, given the state that the request leaves.

use super::scene::Scene;
use crate::bound::lower::CLASSES;

/// The price of what may not be done.
pub(super) const NEVER: i64 = i64::MAX / 8;

/// How a plan weighs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Which of the classes it may write with.
    pub(super) classes: [bool; CLASSES],
    /// Whether it minds that a request cannot read what one before it has just written. Who minds
    /// leaves writing to a later request, which is better or worse depending on who comes then.
    pub(super) minds: bool,
}

/// Costs to come from one slot, in picodollars per token.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Costs {
    pub(super) gone: i64,
    pub(super) alive: [i64; CLASSES],
    /// Alive, and written by this very request, whose answer may begin after the next one is sent.
    pub(super) fresh: [i64; CLASSES],
}

/// Costs to come, by slot.
#[derive(Debug, Default)]
pub(super) struct Value {
    costs: Vec<Costs>,
}

/// Prices of one request per token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices {
    pub(super) input: i64,
    pub(super) read: i64,
    pub(super) write: [i64; CLASSES],
}

impl Prices {
    pub(super) fn of(scene: &Scene<'_>, stop: usize, manner: &Manner) -> Self {
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
        let classes = prices
            .write
            .iter_mut()
            .zip(&scene.sold)
            .zip(&manner.classes);
        for ((price, sold), _) in classes.filter(|(_, allowed)| **allowed) {
            *price = small(sold.class.write(tier).as_pico());
        }
        prices
    }
}

impl Value {
    /// Looks from the last request back to the first. `holds` tells for each request how many runs
    /// of its prefix pings hold until they are asked for again.
    pub(super) fn look(&mut self, scene: &Scene<'_>, holds: &[usize], manner: &Manner) {
        self.costs.clear();
        self.costs.resize(scene.len(), Costs::default());
        let prices: Vec<Prices> = (0..scene.stops.len())
            .map(|stop| Prices::of(scene, stop, manner))
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
                let pause = Pause {
                    gap: if level < held { 0 } else { gap },
                    seen: !manner.minds || scene.visible(stop) <= scene.at(next),
                };
                let costs = pause.before(scene, prices, &then);
                if let Some(place) = self.costs.get_mut(from + level) {
                    *place = costs;
                }
            }
        }
    }

    pub(super) fn at(&self, slot: usize) -> Costs {
        self.costs.get(slot).copied().unwrap_or_default()
    }
}

/// What lies between two uses of a run.
struct Pause {
    /// How long; nothing where pings bridge it.
    gap: i64,
    /// Whether the later one can read what the earlier one wrote.
    seen: bool,
}

impl Pause {
    /// Costs before the later request, those behind it being `then`.
    fn before(&self, scene: &Scene<'_>, prices: &Prices, then: &Costs) -> Costs {
        let written = prices.write.iter().zip(&then.fresh);
        let written = written.map(|(write, then)| write + then);
        let gone = written.fold(prices.input + then.gone, i64::min);
        let mut costs = Costs {
            gone,
            alive: [gone; CLASSES],
            fresh: [gone; CLASSES],
        };
        let lives = costs.alive.iter_mut().zip(&mut costs.fresh);
        for (((alive, fresh), sold), then) in lives.zip(&scene.sold).zip(&then.alive) {
            if self.gap < sold.life {
                *alive = prices.read + then;
                *fresh = if self.seen {
                    *alive
                } else {
                    gone.min(prices.input + then)
                };
            }
        }
        costs
    }
}
