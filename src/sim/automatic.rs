//! A cache that decides by itself: it matches the prompt token by token, in steps, on the machine
//! to which a request was sent.
//!
//! What providers leave to chance follows from hashes and counters here, so that equal traffic has
//! equal results.

use std::collections::BTreeMap;
use std::time::Duration;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::facts::Spelled;
use super::habits::Reach;
use super::request::Table;
use super::{Moment, scope};
use crate::model::{Timestamp, Ttl, Usage};

/// Steps where the row names none.
const STEP: u64 = 64;
/// Tokens at the start of a prompt by which it is sent to a machine (about 256 at `OpenAI`); no more
/// than the shortest prompt that is cached.
const ROUTED_BY: u64 = 256;
/// How long requests to one machine are counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// What `"24h"` keeps.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Requests that share a prefix before Gemini reads it from a prompt that is new (assumed).
const SIGHTINGS: u32 = 3;
/// Tokens at a prompt's end that Gemini left uncached (recorded 2026-08): 270 to 900.
const TAIL: (u64, u64) = (270, 631);

/// Everything that the machines of one provider hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Machines {
    cells: BTreeMap<(u128, u128), Cell>,
    routes: BTreeMap<u128, Route>,
    next_sweep: Option<Timestamp>,
}

/// A prefix on one machine.
#[derive(Clone, Copy, Debug)]
struct Cell {
    visible: Timestamp,
    /// When it became a unit that can be read by itself.
    unit: Option<Timestamp>,
    /// Whether it was a whole prompt.
    whole: bool,
    seen: u32,
    ends: Timestamp,
    last_end: Timestamp,
}

/// Where requests that begin alike were sent.
#[derive(Clone, Copy, Debug)]
struct Route {
    count: u64,
    since: Timestamp,
    recent: u64,
}

/// A prefix of the prompt: its tokens and its hash.
#[derive(Clone, Copy, Debug)]
struct Step {
    tokens: u64,
    hash: u128,
}

impl Machines {
    /// Reads what is there, keeps the prompt, and counts.
    pub(super) fn serve(&mut self, workspace: &str, when: Moment, table: &Table) -> Usage {
        self.sweep(when.at);
        let steps = steps(table);
        let scope = scope(workspace, &table.row) ^ table.facts.apart;
        let machine = self.route(scope, when.at, table, &steps);
        let visit = Visit {
            machine,
            table,
            steps: &steps,
            when,
        };
        let hit = visit.hit(&self.cells);
        visit.keep(&mut self.cells);
        visit.usage(hit)
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The machine that the request is sent to: by its first tokens and its key, by turns where
    /// there is no key, and to another one when there are too many.
    fn route(&mut self, scope: u128, at: Timestamp, table: &Table, steps: &[Step]) -> u128 {
        let facts = &table.facts;
        let by = ROUTED_BY.min(table.limits.min_tokens);
        let first = steps.iter().take_while(|step| step.tokens <= by);
        let first = first
            .last()
            .or_else(|| steps.first())
            .map_or(0, |step| step.hash);
        let group = mix(&[scope, first, facts.key.unwrap_or(0)]);
        let fresh = Route {
            count: 0,
            since: at,
            recent: 0,
        };
        let route = self.routes.entry(group).or_insert(fresh);
        if at.since(route.since) >= WINDOW {
            (route.since, route.recent) = (at, 0);
        }
        let spread = match facts.spelled {
            Spelled::Responses => facts.habit.responses,
            Spelled::Messages | Spelled::Chat | Spelled::Converse | Spelled::Generate => {
                facts.habit.spread
            }
        };
        let turn = match facts.key {
            Some(_) => 0,
            None => route.count / spread.run % spread.machines,
        };
        let allowed = facts.per_minute.map_or(u64::MAX, u64::from).max(1);
        let spilled = route.recent / allowed;
        route.count += 1;
        route.recent += 1;
        mix(&[group, u128::from(turn), u128::from(spilled)])
    }

    fn sweep(&mut self, at: Timestamp) {
        if self.next_sweep.is_some_and(|next| at < next) {
            return;
        }
        self.next_sweep = Some(at.plus(WINDOW));
        self.cells.retain(|_, cell| at < cell.ends.plus(WINDOW));
        self.routes.retain(|_, route| at < route.since.plus(DAY));
    }
}

struct Visit<'a> {
    machine: u128,
    table: &'a Table,
    steps: &'a [Step],
    when: Moment,
}

impl Visit<'_> {
    /// Tokens that are found.
    fn hit(&self, cells: &BTreeMap<(u128, u128), Cell>) -> u64 {
        let at = self.when.at;
        let cell = |step: &Step| {
            let cell = cells.get(&(self.machine, step.hash));
            cell.filter(|cell| cell.visible <= at && at < cell.ends)
        };
        let reach = self.table.facts.habit.reach;
        let found = self.steps.iter().rev().find(|step| {
            cell(step).is_some_and(|cell| match reach {
                Reach::Any => true,
                Reach::Units => cell.unit.is_some_and(|since| since <= at),
                Reach::Repeats => cell.whole && self.is_whole(step) || cell.seen >= SIGHTINGS,
            })
        });
        let found = found.map_or(0, |step| step.tokens);
        let found = match reach {
            Reach::Any | Reach::Units => found - found % self.table.step(STEP),
            Reach::Repeats => found.min(self.table.total().saturating_sub(self.tail())),
        };
        if found >= self.table.limits.min_tokens {
            found
        } else {
            0
        }
    }

    fn is_whole(&self, step: &Step) -> bool {
        step.tokens == self.table.total()
    }

    fn tail(&self) -> u64 {
        let (least, range) = TAIL;
        let hash = self.steps.last().map_or(0, |step| step.hash);
        let noise = u64::from_le_bytes(hash.to_le_bytes().first_chunk().copied().unwrap_or([0; 8]));
        least + noise % range
    }

    /// Keeps every step; what was there lives on.
    fn keep(&self, cells: &mut BTreeMap<(u128, u128), Cell>) {
        let at = self.when.at;
        let (idle, most) = self.life();
        let visible = self.when.readable(self.table);
        let new = Cell {
            visible,
            unit: None,
            whole: false,
            seen: 0,
            ends: at.plus(idle),
            last_end: at.plus(most),
        };
        let last = self.steps.iter().rposition(|step| !self.is_odd(step));
        let mut shared = None;
        for (index, step) in self.steps.iter().enumerate() {
            let cell = cells.entry((self.machine, step.hash)).or_insert(new);
            if cell.ends <= at {
                *cell = new;
            } else if cell.seen > 0 {
                shared = Some(step.hash);
            }
            cell.seen = cell.seen.saturating_add(1);
            cell.ends = at.plus(idle).min(cell.last_end);
            cell.visible = cell.visible.min(visible);
            cell.whole |= self.is_whole(step);
            if Some(index) == last {
                cell.unit.get_or_insert(visible);
            }
        }
        let shared = shared.and_then(|hash| cells.get_mut(&(self.machine, hash)));
        if let Some(cell) = shared {
            cell.unit.get_or_insert(visible);
        }
    }

    /// Whether a step is there only because the prompt ends on it.
    fn is_odd(&self, step: &Step) -> bool {
        !step.tokens.is_multiple_of(self.table.step(STEP))
    }

    /// How long an entry lives unused, and at most.
    fn life(&self) -> (Duration, Duration) {
        let facts = &self.table.facts;
        if facts.day {
            return (DAY, DAY);
        }
        let idle = match (facts.habit.writes, facts.ttl) {
            (true, ttl) => ttl.duration(),
            (false, _) => facts.habit.idle,
        };
        (idle, facts.habit.most.unwrap_or(Duration::MAX))
    }

    fn usage(&self, hit: u64) -> Usage {
        let total = self.table.total();
        let habit = self.table.facts.habit;
        let hidden = if habit.hidden <= total {
            habit.hidden
        } else {
            0
        };
        let read = hit.max(hidden);
        let mut usage = Usage::default();
        if habit.silent && read == 0 {
            usage.plain = Some(total);
            return usage;
        }
        let kept = self.steps.iter().rev().find(|step| !self.is_odd(step));
        let kept = kept.map_or(0, |step| step.tokens);
        let long = kept >= self.table.limits.min_tokens;
        let written = if habit.writes && long {
            kept.saturating_sub(read)
        } else {
            0
        };
        usage.plain = Some(total - read - written);
        usage.read = Some(read);
        if habit.writes {
            let hour = self.table.facts.ttl == Ttl::OneHour;
            usage.write_5m = Some(if hour { 0 } else { written });
            usage.write_1h = Some(if hour { written } else { 0 });
        }
        usage
    }
}

/// The prefixes of a prompt at every multiple of the step, and the prompt itself.
fn steps(table: &Table) -> Vec<Step> {
    let text = &table.facts.text.0;
    let step = table.step(STEP);
    let total = table.total();
    let mut hasher = Xxh3::new();
    hasher.update(&table.facts.seed.to_le_bytes());
    let (mut from, mut steps) = (0, Vec::new());
    let ends = (1..=total / step).map(|n| n * step).chain(
        // A prompt that ends between two steps.
        (!total.is_multiple_of(step)).then_some(total),
    );
    let mut place = table.ruler();
    for tokens in ends {
        let to = if tokens == total {
            text.len()
        } else {
            place.byte(tokens).clamp(from, text.len())
        };
        hasher.update(text.get(from..to).unwrap_or_default());
        from = to;
        // A token may end where the one before it did.
        hasher.update(&tokens.to_le_bytes());
        let hash = hasher.digest128();
        steps.push(Step { tokens, hash });
    }
    steps
}

fn mix(parts: &[u128]) -> u128 {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
    xxh3_128(&bytes)
}
