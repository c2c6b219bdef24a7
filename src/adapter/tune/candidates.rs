//! From what the traffic showed to the changes that are tried.

use std::time::Duration;

use super::change::{Act, Change};
use super::lines::Shift;
use super::seen::{Route, Seen};
use super::spot::Spot;
use crate::canon::Rule;
use crate::engine::{Settings, Wishes};
use crate::model::{Cause, Markers, Mode, Pattern, Section, Ttl};

/// Changes tried at most: each costs a replay of the traffic.
const MOST: usize = 36;
/// Steps of clocks that are tried.
const STEPS: [u64; 3] = [900, 3600, 86_400];
/// Places named per change.
const PLACES: usize = 4;

/// The changes worth trying, those that most requests ask for first.
pub(super) fn candidates(seen: &Seen, settings: &Settings) -> Vec<Change> {
    let mut found = Vec::new();
    for (name, route) in &seen.routes {
        let ground = Ground {
            name,
            route,
            now: settings.on(name),
        };
        ground.markers(&mut found);
        ground.lifetimes(&mut found);
        ground.tools(&mut found);
        ground.texts(&mut found);
        ground.prompts(&mut found);
    }
    found.sort_by_key(|change| std::cmp::Reverse(change.requests));
    found.truncate(MOST);
    found
}

struct Ground<'a> {
    name: &'a str,
    route: &'a Route,
    now: Wishes<'a>,
}

impl Ground<'_> {
    fn change(&self, act: Act, requests: u64) -> Change {
        Change::new(self.name, act, requests)
    }

    /// A change by a reshape rule, which some requests must not undergo half-way.
    fn reshaping(&self, act: Act, spots: Vec<Spot>, requests: u64) -> Change {
        let mut change = self.change(act, requests);
        change.bound = self.route.bound > 0;
        change.spots = spots;
        change.spots.truncate(PLACES);
        change
    }

    fn in_force(&self, rule: Rule) -> bool {
        self.now.mode == Mode::Reshape && self.now.rules.has(rule)
    }

    fn markers(&self, found: &mut Vec<Change>) {
        if self.now.mode == Mode::Observe {
            found.push(self.change(Act::Place, self.route.requests));
        }
        if self.route.marked > 0 && self.now.markers == Markers::Keep {
            found.push(self.change(Act::ReplaceMarkers, self.route.marked));
        }
    }

    fn lifetimes(&self, found: &mut Vec<Change>) {
        let route = self.route;
        if route.one_hour > 0 && route.gaps > 0 && self.now.ttl != Some(Ttl::OneHour) {
            found.push(self.change(Act::Ttl(Ttl::OneHour), route.gaps));
        }
        if self.now.ttl == Some(Ttl::OneHour) {
            found.push(self.change(Act::Ttl(Ttl::FiveMinutes), route.requests - route.gaps));
        }
        if route.day > 0 && !self.now.day_retention {
            found.push(self.change(Act::DayRetention, route.day));
        }
    }

    fn tools(&self, found: &mut Vec<Change>) {
        let route = self.route;
        let spots = |cause: Cause| {
            route.spots(|spot| spot.cause == cause && spot.pattern == Some(Pattern::Order))
        };
        for (rule, requests, spots) in [
            (Rule::ToolOrder, route.tools_order, spots(Cause::ToolsOrder)),
            (Rule::ToolKeys, route.tool_keys, spots(Cause::ToolsSchema)),
            (Rule::InputKeys, route.input_keys, Vec::new()),
        ] {
            if requests > 0 && !self.in_force(rule) {
                found.push(self.reshaping(Act::Rule(rule), spots, requests));
            }
        }
    }

    fn texts(&self, found: &mut Vec<Change>) {
        let route = self.route;
        let patterns = route.patterns();
        let volatile = |spot: &Spot| spot.cause == Cause::Volatile;
        let early = route.spots(|spot| volatile(spot) && spot.section != Section::Messages);
        let splits = route.spots(|spot| volatile(spot) && spot.section != Section::Tools);
        for (rule, spots) in [(Rule::MoveVolatile, early), (Rule::SplitVolatile, splits)] {
            let requests = spots.iter().map(|spot| spot.requests).max().unwrap_or(0);
            if requests > 0 && !self.in_force(rule) {
                found.push(self.reshaping(Act::Rule(rule), spots, requests));
            }
        }
        let clocks = [Pattern::Timestamp, Pattern::Time];
        if clocks.iter().any(|clock| patterns.contains(clock)) {
            let spots = route.spots(|spot| {
                volatile(spot)
                    && spot.section != Section::Messages
                    && spot.pattern.is_some_and(|one| clocks.contains(&one))
            });
            let requests = spots.iter().map(|spot| spot.requests).max().unwrap_or(0);
            for step in STEPS.map(Duration::from_secs) {
                // Shorter traffic cannot show what a step costs when it passes.
                let shown = route.lasts() >= step.saturating_mul(2);
                if shown && (!self.in_force(Rule::QuantiseClock) || step > self.now.clock_step) {
                    found.push(self.reshaping(Act::Clock(step), spots.clone(), requests));
                }
            }
        }
        for (head, requests) in &route.heads {
            if self.in_force(Rule::DropNonce) && self.now.nonces.contains(head) {
                continue;
            }
            let spots = route.spots(|spot| volatile(spot) && spot.section == Section::System);
            found.push(self.reshaping(Act::Drop(head.clone()), spots, *requests));
        }
    }

    /// Edits that only whoever writes the prompt can make.
    fn prompts(&self, found: &mut Vec<Change>) {
        for (outer, stable) in &self.route.stable {
            if !stable.is_worth_it() {
                continue;
            }
            let spots = self.route.spots(|spot| {
                let moves = matches!(spot.cause, Cause::SystemChanged | Cause::Volatile);
                moves && spot.section == Section::System
            });
            let mut change = self.reshaping(Act::MoveLines, spots, stable.differed);
            change.shift = Some(Shift {
                outer: *outer,
                stable: stable.clone(),
            });
            found.push(change);
        }
    }
}
