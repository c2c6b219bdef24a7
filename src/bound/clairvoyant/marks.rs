//! Where the markers of one request go, given what is worth keeping.

use super::scene::Scene;
use super::value::{NEVER, Prices, STATES, Value};
use crate::bound::judge::Rules;
use crate::bound::lower::CLASSES;

/// Number of phases of a prompt behind what it reads: written in each class, the longest first, and
/// then plain.
const PHASES: usize = CLASSES + 1;

/// What is known when markers are chosen.
pub(super) struct Sight<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) rules: &'a Rules,
    pub(super) value: &'a Value,
    pub(super) stop: usize,
    pub(super) prices: Prices,
    /// Runs that are read.
    pub(super) hit: usize,
    /// Runs that pings hold from this request on.
    pub(super) held: usize,
    /// The later request that will not find what is read alive, so that nothing behind it helps.
    pub(super) broken: Option<usize>,
}

/// Depths in runs with the class that is written up to there, in order.
pub(super) type Marks = Vec<(usize, usize)>;

impl Sight<'_> {
    /// Where each class ends: the cheapest way to cut what is not read into classes and plain input.
    pub(super) fn spans(&self) -> Marks {
        let levels = self.scene.path(self.stop).len();
        let mut ways: Vec<[usize; PHASES]> = Vec::with_capacity(levels - self.hit);
        let mut sums = [i128::MAX; PHASES];
        for level in self.hit..levels {
            let free = level == self.hit;
            let costs = self.costs(level);
            let ends = free || self.is_long(level);
            let mut next = [i128::MAX; PHASES];
            let mut way = [0; PHASES];
            for (phase, cost) in costs.into_iter().enumerate().rev() {
                let before = if free {
                    Some((phase, 0))
                } else {
                    cheapest(&sums, phase, ends)
                };
                let Some(((from, sum), cost)) = before.zip(cost) else {
                    continue;
                };
                if let Some(next) = next.get_mut(phase) {
                    *next = sum + cost;
                }
                if let Some(way) = way.get_mut(phase) {
                    *way = from;
                }
            }
            sums = next;
            ways.push(way);
        }
        let last = (0..PHASES)
            .rev()
            .min_by_key(|phase| sums.get(*phase).copied());
        self.trace(&ways, last.unwrap_or(CLASSES))
    }

    /// Follows the ways back, and notes where each class ends.
    fn trace(&self, ways: &[[usize; PHASES]], last: usize) -> Marks {
        let mut marks = Vec::new();
        let mut phase = last;
        let mut ended = true;
        for (level, way) in ways.iter().enumerate().rev() {
            if ended && phase < CLASSES {
                marks.push((self.hit + level + 1, phase));
            }
            let before = way.get(phase).copied().unwrap_or(phase);
            ended = before != phase;
            phase = before;
        }
        marks.reverse();
        marks
    }

    /// Whether the prefix before this level is long enough to be cached.
    fn is_long(&self, level: usize) -> bool {
        let least = self.scene.stops.get(self.stop);
        let least = least.map_or(0, |stop| stop.rate.min_tokens);
        self.scene.prefix(self.stop, level) >= least
    }

    /// What this level costs in each phase, now and from now on; `None` for what is not sold.
    fn costs(&self, level: usize) -> [Option<i128>; PHASES] {
        let mut costs = [None; PHASES];
        let Some(slot) = self.scene.path(self.stop).get(level) else {
            return costs;
        };
        let tokens = self.scene.runs.get(slot.run).map_or(0, |run| run.tokens);
        let then: [i64; STATES] = self.value.at(self.scene.from(self.stop) + level);
        let [gone, alive @ ..] = then;
        let in_vain = self.broken.is_some() && slot.next == self.broken;
        let price = |now: i64, then: i64| i128::from(tokens) * i128::from(now + then);
        let written = costs.iter_mut().zip(self.prices.write).zip(alive);
        for ((cost, write), alive) in written.filter(|((_, write), _)| *write < NEVER) {
            *cost = Some(price(write, if in_vain { gone } else { alive }));
        }
        if let Some(plain) = costs.last_mut() {
            *plain = Some(price(self.prices.input, gone));
        }
        costs
    }

    /// The markers: where classes end, where reading needs one, and where later requests part.
    pub(super) fn marks(&self, spans: &Marks) -> Marks {
        let mut marks = spans.clone();
        let first = spans
            .first()
            .map_or(self.scene.sold.len() - 1, |(_, class)| *class);
        if self.hit > 0 && !self.finds(spans) {
            marks.insert(0, (self.hit, first));
        }
        while marks.len() > self.rules.max_breakpoints {
            marks.remove(0);
        }
        while marks.len() < self.rules.max_breakpoints {
            let Some(depth) = self.anchor(&marks) else {
                break;
            };
            let at = marks.partition_point(|(mark, _)| *mark < depth);
            let class = marks.get(at).map_or(first, |(_, class)| *class);
            marks.insert(at, (depth, class));
        }
        marks
    }

    /// Whether a marker that is needed anyway finds what is to be read.
    fn finds(&self, spans: &Marks) -> bool {
        let Some((depth, _)) = spans.first() else {
            return false;
        };
        let blocks = |depth: usize| {
            let last = self.scene.run(self.stop, depth - 1);
            last.map_or(0, |run| run.blocks as usize)
        };
        let apart = blocks(*depth).saturating_sub(blocks(self.hit));
        let rate = self.scene.stops.get(self.stop).map(|stop| stop.rate);
        let lookback = rate.and_then(|rate| rate.lookback).or(self.rules.lookback);
        lookback.is_none_or(|most| apart < most)
    }

    /// The depth where one more marker saves most tokens for requests that part from this one.
    fn anchor(&self, marks: &Marks) -> Option<usize> {
        let top = marks.last().map(|(depth, _)| *depth)?;
        let from = if self.rules.below { 0 } else { self.hit };
        let path = self.scene.path(self.stop).iter().enumerate();
        let wanted = path.take(top).skip(from).filter_map(|(level, slot)| {
            slot.parts?;
            let class = marks.iter().find(|(depth, _)| *depth > level)?.1;
            let life = self.scene.sold.get(class)?.life;
            let lives = level < self.held || slot.idle < life;
            (lives && self.is_long(level + 1)).then_some(level + 1)
        });
        let wanted: Vec<usize> = wanted.collect();
        let prefix = |depth: usize| self.scene.prefix(self.stop, depth);
        let known = |depth: usize| {
            let below = marks.iter().rev().find(|(mark, _)| *mark <= depth);
            let hit = if self.hit <= depth { self.hit } else { 0 };
            below.map_or(hit, |(mark, _)| (*mark).max(hit))
        };
        let gain = |anchor: &usize| {
            let later = wanted.iter().filter(|depth| *depth >= anchor);
            let gains = later.map(|depth| prefix(*anchor).saturating_sub(prefix(known(*depth))));
            gains.sum::<u64>()
        };
        let best = wanted.iter().map(|depth| (gain(depth), *depth)).max()?;
        (best.0 > 0).then_some(best.1)
    }
}

/// The cheapest phase to come from, this one or an earlier one; another one only where an entry can
/// end.
fn cheapest(sums: &[i128; PHASES], phase: usize, ends: bool) -> Option<(usize, i128)> {
    let from = if ends { 0 } else { phase };
    let known = sums.iter().copied().enumerate();
    let known = known.skip(from).take(phase + 1 - from);
    let known = known.filter(|(_, sum)| *sum < i128::MAX);
    // The later phase wins a tie: fewer classes need fewer markers.
    known.min_by_key(|(from, sum)| (*sum, std::cmp::Reverse(*from)))
}
