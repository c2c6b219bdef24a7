//! A plan carried out over one scope, run by run.

use super::marks::{Marks, Sight};
use super::scene::{Scene, moment};
use super::value::{Manner, Prices, Value};
use crate::bound::judge::Rules;
use crate::bound::lower::Class;
use crate::model::{Timestamp, Ttl};

/// What is sent.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// A request of this number in the course, with markers by block.
    Serve {
        number: usize,
        marks: Vec<(usize, Ttl)>,
    },
    /// A ping of the first blocks of that request.
    Ping {
        number: usize,
        at: Timestamp,
        blocks: usize,
    },
}

impl Deed {
    pub(super) const fn number(&self) -> usize {
        match self {
            Self::Serve { number, .. } | Self::Ping { number, .. } => *number,
        }
    }
}

/// What is known of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) ends: i64,
    /// From when on the entry at its end can be read.
    visible: i64,
    /// The class it lives in, by its place among those sold.
    pub(super) class: usize,
}

const NEW: State = State {
    ends: i64::MIN,
    visible: i64::MAX,
    class: usize::MAX,
};

/// A prefix that is kept by pings.
#[derive(Clone, Copy, Debug)]
struct Hold {
    stop: usize,
    depth: usize,
    until: usize,
}

/// Carries plans out.
pub(super) struct Play<'a> {
    scene: &'a Scene<'a>,
    rules: Rules,
    value: Value,
    states: Vec<State>,
    holds: Vec<Hold>,
    cost: i128,
    deeds: Option<Vec<Deed>>,
}

impl<'a> Play<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, rules: Rules) -> Self {
        Self {
            scene,
            rules,
            value: Value::default(),
            states: Vec::new(),
            holds: Vec::new(),
            cost: 0,
            deeds: None,
        }
    }

    /// What a plan costs in picodollars, without what nothing can cache.
    pub(super) fn cost(&mut self, holds: &[usize], manner: &Manner) -> i128 {
        self.value.look(self.scene, holds, manner);
        self.states.clear();
        self.states.resize(self.scene.runs.len(), NEW);
        self.holds.clear();
        self.cost = 0;
        for stop in 0..self.scene.stops.len() {
            self.ping(stop);
            self.serve(stop, holds.get(stop).copied().unwrap_or(0), manner);
        }
        self.cost
    }

    /// What a plan sends.
    pub(super) fn deeds(&mut self, holds: &[usize], manner: &Manner) -> Vec<Deed> {
        self.deeds = Some(Vec::new());
        self.cost(holds, manner);
        self.deeds.take().unwrap_or_default()
    }

    fn state(&self, stop: usize, level: usize) -> State {
        let slot = self.scene.path(stop).get(level);
        let state = slot.and_then(|slot| self.states.get(slot.run));
        state.copied().unwrap_or(NEW)
    }

    fn change(&mut self, stop: usize, level: usize, change: impl FnOnce(&mut State)) {
        let slot = self.scene.path(stop).get(level);
        if let Some(state) = slot.and_then(|slot| self.states.get_mut(slot.run)) {
            change(state);
        }
    }

    /// Runs from the start on that are alive, and the deepest of them that can be read.
    fn reach(&self, stop: usize, depth: usize, at: i64) -> (usize, usize) {
        let least = self
            .scene
            .stops
            .get(stop)
            .map_or(0, |stop| stop.rate.min_tokens);
        let mut hit = 0;
        for level in 0..depth {
            let state = self.state(stop, level);
            if state.ends <= at {
                return (level, hit);
            }
            if state.visible <= at && self.scene.prefix(stop, level + 1) >= least {
                hit = level + 1;
            }
        }
        (depth, hit)
    }

    fn renew(&mut self, stop: usize, depth: usize, at: i64) {
        for level in 0..depth {
            let class = self.state(stop, level).class;
            let life = self.scene.sold.get(class).map_or(0, |sold| sold.life);
            self.change(stop, level, |state| state.ends = state.ends.max(at + life));
        }
    }

    /// Sends the pings that are due before a request.
    fn ping(&mut self, stop: usize) {
        let now = self.scene.at(stop);
        self.holds.retain(|hold| hold.until >= stop);
        loop {
            let ends = self.holds.iter().enumerate().map(|(place, hold)| {
                let levels = 0..hold.depth;
                let ends = levels.map(|level| self.state(hold.stop, level).ends);
                (ends.min().unwrap_or(i64::MAX), place)
            });
            let due = ends.filter(|(ends, place)| {
                let until = self.holds.get(*place).map_or(0, |hold| hold.until);
                *ends <= self.scene.at(until)
            });
            let Some((ends, place)) = due.min() else {
                return;
            };
            if ends > now {
                return;
            }
            self.send(place, ends.saturating_sub(1));
        }
    }

    /// Pings one hold, which ends when nothing is left of it.
    fn send(&mut self, place: usize, at: i64) {
        let Some(hold) = self.holds.get(place).copied() else {
            return;
        };
        let (alive, hit) = self.reach(hold.stop, hold.depth, at);
        if alive < hold.depth || hit == 0 || at <= self.scene.at(hold.stop) {
            self.holds.swap_remove(place);
            return;
        }
        let Some(stop) = self.scene.stops.get(hold.stop) else {
            return;
        };
        let (price, number) = (stop.rate.ping.as_pico(), stop.number);
        self.cost += i128::from(self.scene.prefix(hold.stop, hit)) * price;
        self.renew(hold.stop, hit, at);
        let blocks = self
            .scene
            .run(hold.stop, hit - 1)
            .map_or(0, |run| run.blocks);
        if let Some(deeds) = &mut self.deeds {
            deeds.push(Deed::Ping {
                number,
                at: moment(at),
                blocks: blocks as usize,
            });
        }
        if let Some(hold) = self.holds.get_mut(place) {
            hold.depth = hit;
        }
    }

    fn serve(&mut self, stop: usize, held: usize, manner: &Manner) {
        let at = self.scene.at(stop);
        let (alive, hit) = self.reach(stop, self.scene.path(stop).len(), at);
        let entry = |level: &usize| self.state(stop, *level).visible < i64::MAX;
        let kept = (0..alive).rev().find(entry).map_or(0, |level| level + 1);
        self.renew(stop, hit, at);
        let prices = Prices::of(self.scene, stop, manner);
        let sight = Sight {
            scene: self.scene,
            rules: &self.rules,
            value: &self.value,
            stop,
            prices,
            hit,
            kept,
            states: &self.states,
            held,
            broken: self.broken(stop, hit, held),
        };
        let spans = sight.spans();
        let marks = sight.marks(&spans);
        self.bill(stop, hit, (&prices, &spans));
        self.write(stop, hit, &marks);
        if held > 0 {
            let until = self
                .scene
                .path(stop)
                .get(held - 1)
                .and_then(|slot| slot.next);
            self.holds.extend(until.map(|until| Hold {
                stop,
                depth: held,
                until,
            }));
        }
        self.note(stop, &marks);
    }

    /// The last of the later requests before which some of what is read here will be gone.
    fn broken(&self, stop: usize, hit: usize, held: usize) -> Option<usize> {
        let path = self.scene.path(stop).iter().enumerate().take(hit);
        let mut gone = path.skip(held).filter_map(|(level, slot)| {
            let next = slot.next?;
            (self.state(stop, level).ends <= self.scene.at(next)).then_some(next)
        });
        gone.next_back()
    }

    fn bill(&mut self, stop: usize, hit: usize, (prices, spans): (&Prices, &Marks)) {
        let prefix = |depth: usize| i128::from(self.scene.prefix(stop, depth));
        let mut from = prefix(hit);
        let mut cost = from * i128::from(prices.read);
        for (depth, class) in spans {
            let price = prices.write.get(*class).copied().unwrap_or(0);
            cost += (prefix(*depth) - from) * i128::from(price);
            from = prefix(*depth);
        }
        let all = prefix(self.scene.path(stop).len());
        self.cost += cost + (all - from) * i128::from(prices.input);
    }

    fn write(&mut self, stop: usize, hit: usize, marks: &Marks) {
        let at = self.scene.at(stop);
        let visible = self.scene.visible(stop);
        let mut from = hit;
        for (depth, class) in marks {
            let life = self.scene.sold.get(*class).map_or(0, |sold| sold.life);
            for level in from..*depth {
                self.change(stop, level, |state| {
                    if state.ends <= at {
                        *state = NEW;
                    }
                    state.class = state.class.min(*class);
                    state.ends = state.ends.max(at + life);
                });
            }
            if *depth > hit || self.rules.below {
                self.change(stop, depth - 1, |state| {
                    state.visible = state.visible.min(visible)
                });
            }
            from = from.max(*depth);
        }
    }

    fn note(&mut self, stop: usize, marks: &Marks) {
        let Some(deeds) = &mut self.deeds else {
            return;
        };
        let by_block = marks.iter().filter_map(|(depth, class)| {
            let run = self.scene.run(stop, depth - 1)?;
            match self.scene.sold.get(*class)?.class {
                Class::Marked(ttl) => Some((run.blocks as usize - 1, ttl)),
                Class::Implicit(_) => None,
            }
        });
        deeds.push(Deed::Serve {
            number: self.scene.stops.get(stop).map_or(0, |stop| stop.number),
            marks: by_block.collect(),
        });
    }
}
