//! One look through the traffic: what differs between requests that should be alike.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hasher;
use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use super::Task;
use super::lines::inside;
use super::seen::{File, Route, Seen};
use super::spot::Spot;
use super::trial::Part;
use crate::adapter::replay::endpoint;
use crate::adapter::workload::{Timed, Workload};
use crate::diagnose::{Changed, Difference, Side, compare};
use crate::error::Error;
use crate::model::{
    Block, BlockKind, Cause, Pattern, Prompt, Section, Span, Thinking, Timestamp, Ttl,
};
use crate::wire::Dialect;

/// Conversations whose last request is kept for comparison.
const CONVERSATIONS: usize = 64;
/// Bytes of bodies kept for comparison, those of other conversations of a route left out.
const KEPT: usize = 64 << 20;
/// First requests of conversations kept per route.
const FIRSTS: usize = 4;
/// Routes that are looked at; what goes beyond is replayed but not improved on.
const ROUTES: usize = 64;
/// Places kept per route.
const SPOTS: usize = 64;
/// Ways for lines to begin kept per route.
const HEADS: usize = 16;

/// Causes whose places a change can name.
const PLACED: [Cause; 4] = [
    Cause::ToolsOrder,
    Cause::ToolsSchema,
    Cause::Volatile,
    Cause::SystemChanged,
];

/// Looks through the traffic, or through the first half of every file.
pub(super) fn scan(task: &Task, part: Part) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    for path in &task.files {
        let workload = Workload::open(path, task.reading.clone())?;
        let requests = workload.requests();
        let cut = requests.div_ceil(2);
        seen.files.push(File { requests, cut });
        let limit = match part {
            Part::First => cut,
            Part::All => requests,
        };
        let mut look = Look::new(task);
        for timed in workload.take(usize::try_from(limit).unwrap_or(usize::MAX)) {
            look.take(&timed?, &mut seen);
        }
    }
    Ok(seen)
}

/// A request that later ones are compared with.
struct Past {
    body: Bytes,
    prompt: Prompt,
    dialect: &'static dyn Dialect,
    at: Timestamp,
}

impl Past {
    fn side(&self) -> Side<'_> {
        Side::new(&self.body, &self.prompt, self.dialect)
    }
}

/// One file being looked through.
struct Look<'a> {
    task: &'a Task,
    last: BTreeMap<u64, Arc<Past>>,
    /// Conversations in the order of their last requests, longest ago first.
    order: VecDeque<u64>,
    kept: usize,
    firsts: BTreeMap<Box<str>, VecDeque<Arc<Past>>>,
    latest: BTreeMap<Box<str>, Timestamp>,
}

impl<'a> Look<'a> {
    const fn new(task: &'a Task) -> Self {
        Self {
            task,
            last: BTreeMap::new(),
            order: VecDeque::new(),
            kept: 0,
            firsts: BTreeMap::new(),
            latest: BTreeMap::new(),
        }
    }

    fn take(&mut self, timed: &Timed, seen: &mut Seen) {
        self.bill(timed, seen);
        let name = timed.route.as_deref().unwrap_or_default();
        if !seen.routes.contains_key(name) && seen.routes.len() >= ROUTES {
            return;
        }
        let route = seen.routes.entry(name.into()).or_default();
        route.requests += 1;
        let [from, to] = route.span.unwrap_or([timed.at; 2]);
        route.span = Some([from.min(timed.at), to.max(timed.at)]);
        let keyring = &self.task.settings.keyring;
        let read = endpoint(&self.task.catalog, timed).and_then(|endpoint| {
            let reading = endpoint
                .dialect
                .read(&timed.body, keyring, &mut |_| Vec::new());
            Some((endpoint.dialect, reading.ok()?))
        });
        let Some((dialect, reading)) = read else {
            route.unread += 1;
            return;
        };
        let key = conversation(timed, reading.conversation.0);
        let now = Arc::new(Past {
            body: timed.body.clone(),
            prompt: reading.prompt,
            dialect,
            at: timed.at,
        });
        self.facts(timed, &now.prompt, route);
        let before = self.last.get(&key).cloned();
        let since = match &before {
            Some(before) => Some(before.at),
            None => self.latest.get(name).copied(),
        };
        gap(since, timed.at, route);
        match before {
            Some(before) => note(
                &compare(&before.side(), &now.side()),
                [&before, &now],
                route,
            ),
            None => self.first(name, &now, route),
        }
        self.latest.insert(name.into(), timed.at);
        self.keep(key, now);
    }

    /// Sums up what the provider billed.
    fn bill(&self, timed: &Timed, seen: &mut Seen) {
        let model = self.task.catalog.model(&timed.provider, &timed.model);
        if let (Some(usage), Some(prices)) = (&timed.usage, &model.prices) {
            let tier = prices.tier(usage.input().unwrap_or(0));
            seen.billed.0 += 1;
            seen.billed.1 += tier.cost(usage);
        }
    }

    /// What a request shows without a comparison.
    fn facts(&self, timed: &Timed, prompt: &Prompt, route: &mut Route) {
        let model = self.task.catalog.model(&timed.provider, &timed.model);
        let bound = model.prefix_check || prompt.thinking != Thinking::Off;
        let provider = self.task.catalog.provider(&timed.provider);
        let sells = provider.is_some_and(|row| row.ttls.contains(&Ttl::OneHour));
        route.bound += u64::from(bound);
        route.marked += u64::from(prompt.own_markers() > 0);
        route.one_hour += u64::from(sells && model.limits.one_hour);
        route.day += u64::from(model.day_retention);
    }

    /// Compares the first request of a conversation with the nearest of some others before it.
    fn first(&mut self, name: &str, now: &Arc<Past>, route: &mut Route) {
        let others = self.firsts.entry(name.into()).or_default();
        let compared = others.iter().map(|past| {
            let difference = compare(&past.side(), &now.side());
            (difference, past)
        });
        let head = |difference: &Difference| {
            let mut changes = difference.changes.iter();
            let within = changes.by_ref();
            within
                .filter(|changed| changed.place.section != Section::Messages)
                .count()
        };
        let nearest = compared.min_by_key(|(difference, _)| head(difference));
        if let Some((difference, past)) = nearest {
            note(&difference, [past, now], route);
        }
        if others.len() >= FIRSTS {
            others.pop_front();
        }
        others.push_back(Arc::clone(now));
    }

    fn keep(&mut self, key: u64, now: Arc<Past>) {
        self.kept += now.body.len();
        if let Some(old) = self.last.insert(key, now) {
            self.kept -= old.body.len();
            self.order.retain(|one| *one != key);
        }
        self.order.push_back(key);
        while self.order.len() > CONVERSATIONS || self.kept > KEPT && self.order.len() > 1 {
            let Some(old) = self.order.pop_front() else {
                return;
            };
            if let Some(old) = self.last.remove(&old) {
                self.kept -= old.body.len();
            }
        }
    }
}

/// Names the conversation; where no session is named, its first message does.
fn conversation(timed: &Timed, opening: u128) -> u64 {
    let mut hash = Xxh3::new();
    let names = [&timed.route, &timed.tenant, &timed.lane];
    for name in names {
        hash.write(name.as_deref().unwrap_or_default().as_bytes());
        hash.write_u8(0);
    }
    if timed.session.is_empty() {
        hash.write_u128(opening);
    } else {
        hash.write(timed.session.as_bytes());
    }
    hash.digest()
}

/// Counts a gap that five minutes do not outlast and an hour does.
fn gap(since: Option<Timestamp>, at: Timestamp, route: &mut Route) {
    let Some(since) = since else { return };
    let gap = at.since(since);
    let [short, long] = [Ttl::FiveMinutes, Ttl::OneHour].map(Ttl::duration);
    route.gaps += u64::from(gap > short && gap <= long);
}

/// Takes in what one comparison shows; every kind of change counts once per request.
fn note(difference: &Difference, [before, now]: [&Past; 2], route: &mut Route) {
    let mut told = [false; 3];
    for changed in &difference.changes {
        let block = now.prompt.blocks.get(changed.place.block as usize);
        let order = changed.pattern == Some(Pattern::Order);
        told[0] |= changed.cause == Cause::ToolsOrder;
        told[1] |= changed.cause == Cause::ToolsSchema && order;
        told[2] |= changed.cause == Cause::HistoryRewritten && order && is_call(block);
        let (Some(block), true) = (block, PLACED.contains(&changed.cause)) else {
            continue;
        };
        spot(changed, block, route);
        if changed.cause == Cause::Volatile {
            head(changed, (block, now), route);
        }
        if matches!(changed.cause, Cause::Volatile | Cause::SystemChanged) {
            lines(changed, [before, now], route);
        }
    }
    let [order, keys, inputs] = told.map(u64::from);
    route.tools_order += order;
    route.tool_keys += keys;
    route.input_keys += inputs;
}

fn is_call(block: Option<&Block>) -> bool {
    block.is_some_and(|block| block.kind == BlockKind::ToolUse)
}

fn spot(changed: &Changed, block: &Block, route: &mut Route) {
    let place = &changed.place;
    let key = (place.section, block.outer, changed.pattern, changed.cause);
    if !route.spots.contains_key(&key) && route.spots.len() >= SPOTS {
        return;
    }
    let start = block.span.start;
    let span = Span::new(
        changed.after.start.saturating_sub(start),
        changed.after.end.saturating_sub(start),
    );
    let entry = route.spots.entry(key).or_insert_with(|| Spot {
        section: place.section,
        pointer: place.pointer.clone(),
        span,
        pattern: changed.pattern,
        cause: changed.cause,
        requests: 0,
    });
    entry.pointer.clone_from(&place.pointer);
    entry.span = span;
    entry.requests += 1;
}

/// Notes how the line of the system prompt begins that holds an id, where it has a name of its own.
fn head(changed: &Changed, (block, now): (&Block, &Past), route: &mut Route) {
    let ids = [
        Pattern::Uuid,
        Pattern::Nonce,
        Pattern::Counter,
        Pattern::Timestamp,
    ];
    if block.section != Section::System || !changed.pattern.is_some_and(|one| ids.contains(&one)) {
        return;
    }
    let Some(text) = inside(&now.body, block) else {
        return;
    };
    let before = Span::new(text.start, changed.after.start.max(text.start)).of(&now.body);
    let line = memchr::memmem::rfind(before, br"\n").map_or(0, |at| at + 2);
    let line = before.get(line..).unwrap_or_default().trim_ascii_start();
    let Some(name) = label(line) else { return };
    if route.heads.contains_key(&name) || route.heads.len() < HEADS {
        *route.heads.entry(name).or_default() += 1;
    }
}

/// The label of a header-like line, colon included: `x-request-id:`.
fn label(line: &[u8]) -> Option<Box<str>> {
    const LONGEST: usize = 48;
    let end = memchr::memchr(b':', line).filter(|end| (4..=LONGEST).contains(end))?;
    let name = line.get(..=end)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    let fits = name.iter().all(plain) && name.iter().any(|byte| b"-_".contains(byte));
    fits.then(|| String::from_utf8_lossy(name).into())
}

/// Learns which lines of a block of the system prompt stay.
fn lines(changed: &Changed, [before, now]: [&Past; 2], route: &mut Route) {
    let at = changed.place.block as usize;
    let text = |past: &Past| {
        let block = past.prompt.blocks.get(at)?;
        if block.section != Section::System {
            return None;
        }
        let text = inside(&past.body, block)?;
        Some((block.outer, past.body.slice(range(text))))
    };
    if let (Some((_, old)), Some((outer, new))) = (text(before), text(now)) {
        route.stable.entry(outer).or_default().learn(&old, &new);
    }
}

const fn range(span: Span) -> std::ops::Range<usize> {
    span.start as usize..span.end as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_with_a_name_of_their_own_can_be_dropped() {
        assert_eq!(label(b"x-request-id: 7").as_deref(), Some("x-request-id:"));
        for line in ["It is now: 7", "Note: 7", "id: 7", "no colon", "a b-c: 7"] {
            assert_eq!(label(line.as_bytes()), None, "{line}");
        }
    }
}
