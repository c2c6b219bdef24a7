//! Which prefixes pings hold, and which classes are written, tried out scope by scope.

use super::holds;
use super::play::{Deed, Play};
use super::scene::Scene;
use super::value::Allowed;
use crate::bound::judge::Rules;
use crate::bound::lower::{CLASSES, Terms};

/// Slots that the search of one scope may go through.
const WORK: usize = 30_000_000;
/// Plays of one scope at most.
const PLAYS: usize = 600;

/// A plan and what it costs.
struct Plan {
    cost: i128,
    holds: Vec<usize>,
    allowed: Allowed,
}

/// The best found for this scope.
pub(super) fn best(scene: &Scene<'_>, rules: Rules, terms: &Terms) -> Vec<Deed> {
    let mut search = Search {
        play: Play::new(scene, rules),
        left: (WORK / scene.len().max(1)).min(PLAYS),
    };
    let none = vec![0; scene.stops.len()];
    let mut plans = Vec::new();
    for allowed in choices(scene.sold.len()) {
        plans.push(search.plan(none.clone(), allowed));
        if terms.pings {
            plans.push(search.plan(holds::worthwhile(scene, &allowed), allowed));
        }
    }
    plans.sort_by_key(|plan| plan.cost);
    if terms.pings {
        // Where two ways begin nearly alike, the one that looks worse may end better.
        plans.truncate(3);
        for plan in &mut plans {
            let share = search.left / 2;
            search.climb(scene, plan, share);
        }
        plans.sort_by_key(|plan| plan.cost);
    }
    let best = plans.into_iter().next();
    best.map_or_else(Vec::new, |best| {
        search.play.deeds(&best.holds, &best.allowed)
    })
}

/// All classes together, and each one alone.
fn choices(classes: usize) -> Vec<Allowed> {
    let alone = (0..classes).map(|only| std::array::from_fn(|class| class == only));
    let all = (classes > 1).then_some([true; CLASSES]);
    all.into_iter().chain(alone).collect()
}

struct Search<'a> {
    play: Play<'a>,
    /// Plays that may still be made.
    left: usize,
}

impl Search<'_> {
    fn plan(&mut self, holds: Vec<usize>, allowed: Allowed) -> Plan {
        self.left = self.left.saturating_sub(1);
        Plan {
            cost: self.play.cost(&holds, &allowed),
            holds,
            allowed,
        }
    }

    /// Changes one hold at a time while that makes the plan cheaper, within so many plays.
    fn climb(&mut self, scene: &Scene<'_>, plan: &mut Plan, share: usize) {
        let least = self.left - share;
        loop {
            let mut better = false;
            for (stop, depth) in holds::candidates(scene) {
                let Some(now) = plan.holds.get(stop).copied() else {
                    continue;
                };
                if self.left <= least {
                    return;
                }
                self.left -= 1;
                let then = if now == depth { 0 } else { depth };
                set(&mut plan.holds, stop, then);
                let cost = self.play.cost(&plan.holds, &plan.allowed);
                if cost < plan.cost {
                    plan.cost = cost;
                    better = true;
                } else {
                    set(&mut plan.holds, stop, now);
                }
            }
            if !better {
                return;
            }
        }
    }
}

fn set(holds: &mut [usize], stop: usize, depth: usize) {
    if let Some(hold) = holds.get_mut(stop) {
        *hold = depth;
    }
}
