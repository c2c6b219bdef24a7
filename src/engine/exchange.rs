//! One request and its response, from being sent to being accounted for.

use std::sync::Arc;
use std::time::Duration;

use super::estimate::Uncounted;
use super::refusal::Refusal;
use super::vault::Rented;
use super::{Conversation, Engine, Memory, Meta};
use crate::canon::Rules;
use crate::ledger::Record;
use crate::ledger::history::{Entry, Learned, Node, Spot};
use crate::model::{Digest, Skip, Timestamp, Ttl, Usage};
use crate::provider::{Catalog, Model};
use crate::wire::{Dialect, Framing, Watcher};

/// What the adapter does after a response's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "an adapter must know every order")]
pub enum Order {
    /// Hand the response on.
    Proceed,
    /// The provider may have refused what was added. Send the caller's own body, if it is at hand,
    /// and show this exchange the head of the answer to that; hand this response on if it is not,
    /// and show its body: what names the cache is remembered as a refusal of what was added.
    Resend,
}

/// For how long nothing is added where the provider refused it.
const REFUSED_FOR: Duration = Duration::from_secs(3600);

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
    /// Whether the body that is sent is not the caller's.
    pub(super) changed: bool,
    /// The rules that changed it.
    pub(super) rules: Rules,
    /// The prefix that the provider could keep for rent, or does.
    pub(super) rented: Option<Rented>,
}

/// One request and its response, from being sent to being accounted for.
///
/// The adapter calls `on_response` once per attempt, `on_bytes` per chunk, and `finish` exactly once.
#[expect(clippy::struct_excessive_bools, reason = "two independent facts")]
pub struct Exchange {
    memory: Arc<dyn Memory>,
    catalog: Arc<Catalog>,
    record: Record,
    dialect: Option<&'static dyn Dialect>,
    /// The model by the path, for a body that was not read.
    named: Box<str>,
    regional: bool,
    model: Option<Model>,
    expected: Option<Expected>,
    watcher: Option<Watcher>,
    /// What was refused and not answered a second time yet.
    refusal: Option<Refusal>,
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
        exchange.record.reshaped = expected.rules.names();
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
            catalog: Arc::clone(&engine.catalog),
            record,
            dialect: engine.dialect(meta),
            named: meta.model.into(),
            regional: meta.regional,
            model: None,
            expected: None,
            watcher: None,
            refusal: None,
            usage: None,
            whole: false,
        }
    }

    /// The response's head has arrived: what was marked can be read from now on.
    pub fn on_response(&mut self, now: Timestamp, status: u16, framing: Framing) -> Order {
        self.record.status = status;
        if self.refuses(status) {
            self.record.resent = true;
            self.record.breakpoints_placed = 0;
            self.refusal = Some(Refusal::default());
            return Order::Resend;
        }
        if self.refusal.take().is_some() {
            // From now on the exchange is about the caller's own body.
            self.record.resent = true;
            self.record.breakpoints_placed = 0;
        }
        self.watcher = self.dialect.map(|dialect| Watcher::new(dialect, framing));
        if (200..300).contains(&status) {
            if self.record.resent {
                self.refused(now);
            } else {
                self.enter(None);
            }
        }
        Order::Proceed
    }

    /// Whether this status may be the answer to something that was added: a bad request, or what
    /// Bedrock says of models without a cache.
    fn refuses(&self, status: u16) -> bool {
        let Some(expected) = &self.expected else {
            return false;
        };
        // What was rented may be gone.
        let rented = expected.rented.as_ref();
        let used = rented.is_some_and(|rented| rented.used.is_some());
        let refused = matches!(status, 400 | 403 | 422) || used && status == 404;
        expected.changed && !self.record.resent && self.refusal.is_none() && refused
    }

    /// The caller's own body was accepted where ours was not, or the refusal named the cache.
    fn refused(&mut self, now: Timestamp) {
        let Some(expected) = &mut self.expected else {
            return;
        };
        expected.marks.clear();
        let [scope, service] = expected.keys;
        if let Some(name) = expected.rented.take().and_then(|rented| rented.used) {
            // The rented prefix is gone; nothing else was refused. Another may be there already.
            let forget = &mut |learned: &mut Learned| {
                learned.held.take_if(|held| held.name == name);
            };
            self.memory.learn(service, forget);
            return;
        }
        self.memory.learn(scope, &mut |learned| {
            learned.refused_until = Some(now.plus(REFUSED_FOR));
        });
    }

    /// A chunk of the response's body has arrived, whatever its borders.
    pub fn on_bytes(&mut self, _now: Timestamp, chunk: &[u8]) {
        if let Some(refusal) = &mut self.refusal {
            // It is handed on, so nothing was sent again.
            refusal.feed(chunk);
            self.record.resent = false;
            let placed = self.expected.as_ref().map_or(0, |one| one.placed);
            self.record.breakpoints_placed = count(placed);
        } else if let Some(watcher) = &mut self.watcher {
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
        let refusal = self.refusal.take();
        if refusal.is_some_and(|refusal| refusal.is_about_the_cache()) {
            self.refused(now);
        }
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
            self.recognize(seen.model.as_deref());
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

    #[expect(clippy::float_arithmetic, reason = "a share, never money")]
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
        if let Some(rented) = expected.rented.as_ref().filter(|one| one.used.is_none()) {
            let [_, service] = expected.keys;
            let share = to_f64(usage.read.unwrap_or(0)) / to_f64(rented.tokens.max(1));
            self.memory
                .learn(service, &mut |learned| learned.implicit.observe(share));
        }
        if let Some(reported) = usage.input() {
            let [scope, _] = expected.keys;
            let estimated = expected.estimated;
            self.memory.learn(scope, &mut |learned| {
                learned.calibration.observe(estimated, to_f64(reported));
            });
        }
    }

    /// The model of a body that was not read, by the path, and of a name that hides it, as that of
    /// a deployment does, by the response.
    fn recognize(&mut self, answered: Option<&str>) {
        let named = Some(&*self.named).filter(|name| !name.is_empty());
        for id in [named, answered].into_iter().flatten() {
            let model = self.catalog.model(&self.record.provider, id);
            let is_new = self.model.as_ref().is_none_or(|old| {
                let old = old.limits;
                !old.known && model.limits.known
            });
            if is_new {
                self.record.model = model.name.clone();
                self.record.model_known = model.limits.known;
                self.model = Some(model);
            }
        }
    }

    fn price(&mut self) {
        let Some(usage) = self.usage else { return };
        self.record.cost = usage.cost;
        let Some(model) = &self.model else { return };
        let Some(mut prices) = model.prices else {
            return;
        };
        if self.regional {
            prices = prices.dearer_by(model.regional_percent);
        }
        let Some(input) = usage.input() else { return };
        let tier = prices.tier(input);
        self.record.cost = usage.cost.or_else(|| Some(tier.cost(&usage)));
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
