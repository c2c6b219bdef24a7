//! One request and its response, from being sent to being accounted for.

use std::sync::Arc;

use super::estimate::Uncounted;
use super::{Conversation, Engine, Memory, Meta};
use crate::ledger::Record;
use crate::ledger::history::{Entry, Node, Spot};
use crate::model::{Digest, Skip, Timestamp, Ttl, Usage};
use crate::provider::Model;
use crate::wire::{Framing, Watcher};

/// How a response is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// One JSON document.
    Json,
    /// Server-sent events.
    Sse,
    /// Something whose usage cannot be seen.
    Opaque,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The response was read to its end.
    Complete,
    /// The connection or the body failed.
    Failed,
    /// The caller dropped it.
    Dropped,
}

/// A prefix that the provider should hold once it has begun to answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) prefix: Digest,
    pub(super) ttl: Ttl,
    pub(super) tokens: u64,
}

/// What was expected when the request was sent.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) keys: [Digest; 2],
    pub(super) marks: Vec<Mark>,
    pub(super) warm: Option<Digest>,
    /// The prefix on which the request ended.
    pub(super) tail: Option<Digest>,
    pub(super) estimated: [f64; 3],
    pub(super) uncounted: Option<Uncounted>,
    /// What the conversation's next turn will be compared with, and its key.
    pub(super) turn: (Digest, Arc<Conversation>),
    pub(super) placed: usize,
}

/// One request and its response, from being sent to being accounted for.
///
/// The adapter calls `on_response` once, `on_bytes` per chunk, and `finish` exactly once.
pub struct Exchange {
    memory: Arc<dyn Memory>,
    record: Record,
    model: Option<Model>,
    expected: Option<Expected>,
    watcher: Option<Watcher>,
    usage: Option<Usage>,
    whole: bool,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    pub(super) fn skipped(engine: &Engine, now: Timestamp, meta: &Meta<'_>, why: Skip) -> Self {
        let mut exchange = Self::new(engine, now, meta);
        exchange.record.skip = Some(why);
        exchange
    }

    pub(super) fn sent(
        engine: &Engine,
        now: Timestamp,
        meta: &Meta<'_>,
        model: Model,
        expected: Expected,
    ) -> Self {
        let mut exchange = Self::new(engine, now, meta);
        exchange.record.model = model.name.clone();
        exchange.record.model_known = model.limits.known;
        exchange.record.estimated_input = sum(&expected.estimated);
        exchange.record.breakpoints = count(expected.marks.len());
        exchange.record.breakpoints_placed = count(expected.placed);
        exchange.model = Some(model);
        exchange.expected = Some(expected);
        exchange
    }

    fn new(engine: &Engine, now: Timestamp, meta: &Meta<'_>) -> Self {
        let record = Record {
            at: now,
            provider: meta.provider.into(),
            route: meta.route.into(),
            tenant: meta.tenant.into(),
            ..Record::default()
        };
        Self {
            memory: Arc::clone(&engine.memory),
            record,
            model: None,
            expected: None,
            watcher: None,
            usage: None,
            whole: false,
        }
    }

    /// The response's head has arrived: what was marked can be read from now on.
    pub fn on_response(&mut self, _now: Timestamp, status: u16, content: Content) {
        self.record.status = status;
        self.watcher = match content {
            Content::Json => Some(Watcher::new(Framing::Json)),
            Content::Sse => Some(Watcher::new(Framing::Sse)),
            Content::Opaque => None,
        };
        if (200..300).contains(&status) {
            self.enter(None);
        }
    }

    /// A chunk of the response's body has arrived, whatever its borders.
    pub fn on_bytes(&mut self, _now: Timestamp, chunk: &[u8]) {
        if let Some(watcher) = &mut self.watcher {
            watcher.feed(chunk);
        }
    }

    /// Usage is known by other means (a recording): stands in for `on_response` and `on_bytes`.
    pub fn on_usage(&mut self, _first_byte: Timestamp, usage: Usage) {
        self.record.status = 200;
        self.usage = Some(usage);
        self.whole = true;
        self.enter(None);
    }

    /// Settles the exchange with the history and returns its row.
    #[must_use]
    pub fn finish(mut self, now: Timestamp, end: End) -> Record {
        self.answered(now);
        let uncounted = self.expected.as_mut().and_then(|one| one.uncounted.take());
        if let Some(expected) = &self.expected {
            let (key, turn) = &expected.turn;
            self.memory.remember(*key, Arc::clone(turn));
        }
        if let Some(uncounted) = uncounted {
            uncounted.count();
        }
        if let Some(seen) = self.watcher.take().map(Watcher::finish) {
            self.whole = seen.ended();
            self.usage = seen.usage;
        }
        // A caller may stop reading right after the terminal event; the usage is final all the same.
        self.record.complete = self.whole || end == End::Complete;
        self.record.usage = self.usage;
        if let Some(usage) = self.usage {
            self.settle(&usage);
        }
        self.price();
        self.record
    }

    /// From now on the caller can continue this turn: its silence begins to mean something.
    fn answered(&self, now: Timestamp) {
        let Some(expected) = &self.expected else {
            return;
        };
        let Some(tail) = expected.tail else { return };
        let Some(node) = self.memory.node(&tail) else {
            return;
        };
        for key in expected.keys {
            self.memory.learn(key, &mut |learned| {
                learned.trials_mut(node.spot).answered(&tail, now);
            });
        }
    }

    /// Writes down what the provider should hold, or corrects it by what it reported.
    fn enter(&self, usage: Option<&Usage>) {
        let Some(expected) = &self.expected else {
            return;
        };
        let cached = usage
            .is_none_or(|usage| usage.read.unwrap_or(0) > 0 || usage.written().unwrap_or(0) > 0);
        let downgraded =
            usage.is_some_and(|usage| usage.write_1h == Some(0) && usage.write_5m.unwrap_or(0) > 0);
        for mark in &expected.marks {
            let known = self.memory.node(&mark.prefix);
            let mut node = known.unwrap_or_else(|| Node::first_seen(Spot::Branch, self.record.at));
            let asked = if downgraded {
                Ttl::FiveMinutes
            } else {
                mark.ttl
            };
            // A read refreshes an entry and leaves it its own class.
            let ttl = match node.live(self.record.at) {
                Some(entry) if usage.is_none() => entry.ttl,
                _ => asked,
            };
            node.entry = cached.then(|| Entry::new(ttl, self.record.at));
            self.memory.put_node(mark.prefix, node);
        }
    }

    fn settle(&mut self, usage: &Usage) {
        let Some(expected) = &self.expected else {
            return;
        };
        let silent = usage.read == Some(0) && usage.written() == Some(0);
        if silent || usage.write_1h == Some(0) && asked_hour(&expected.marks) {
            self.enter(Some(usage));
        }
        if usage.read.unwrap_or(0) > 0 {
            self.record.read_prefix = expected.warm;
        }
        if usage.written().unwrap_or(0) > 0 {
            self.record.written = expected
                .marks
                .iter()
                .map(|mark| (mark.prefix, mark.ttl, mark.tokens))
                .collect();
        }
        if let Some(reported) = usage.input() {
            let [scope, _] = expected.keys;
            let estimated = expected.estimated;
            self.memory.learn(scope, &mut |learned| {
                learned.calibration.observe(estimated, to_f64(reported));
            });
        }
    }

    fn price(&mut self) {
        let Some(prices) = self.model.as_ref().and_then(|model| model.prices) else {
            return;
        };
        let Some(usage) = self.usage else { return };
        let Some(input) = usage.input() else { return };
        let tier = prices.tier(input);
        self.record.cost = Some(tier.cost(&usage));
        self.record.cost_without_caching = Some(tier.cost_without_caching(&usage));
        self.record.premium = tier.write_premium(&usage);
    }
}

fn asked_hour(marks: &[Mark]) -> bool {
    marks.iter().any(|mark| mark.ttl == Ttl::OneHour)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and an estimate is never negative"
)]
fn sum(parts: &[f64; 3]) -> u64 {
    parts.iter().sum::<f64>() as u64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "token counts stay far below 2^53"
)]
const fn to_f64(tokens: u64) -> f64 {
    tokens as f64
}
