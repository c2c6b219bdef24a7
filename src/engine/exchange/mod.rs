//! One request and its response, from being sent to being accounted for.

mod ahead;
mod pause;
mod presume;
mod settle;
mod taught;

use std::sync::Arc;
use std::time::Duration;

use super::announced::Announced;
use super::expected::{Expected, count};
use super::refusal::Refusal;
use super::{Engine, Memory, Meta};
use crate::ledger::history::Learned;
use crate::ledger::{Record, Verdict};
use crate::model::{Digest, KeepAlive, Skip, Stop, Timestamp, Usage};
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

/// One request and its response, from being sent to being accounted for.
///
/// The adapter calls `on_response` once per attempt, `on_bytes` per chunk, and `finish` exactly once.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Exchange {
    memory: Arc<dyn Memory>,
    catalog: Arc<Catalog>,
    /// What may be spent on pings.
    keep_alive: Option<KeepAlive>,
    pub(super) record: Record,
    pub(super) dialect: Option<&'static dyn Dialect>,
    /// The model by the path, for a body that was not read.
    named: Box<str>,
    regional: bool,
    model: Option<Model>,
    expected: Option<Expected>,
    /// What others take to be written by it, until it is answered or given up.
    announced: Option<Announced>,
    /// The key of what is known of this provider's cache.
    behaviour: Digest,
    watcher: Option<Watcher>,
    /// What was refused and not answered a second time yet.
    refusal: Option<Refusal>,
    usage: Option<Usage>,
    whole: bool,
    /// Why the model stopped, as far as it was told.
    stop: Option<Stop>,
    /// Whether the provider may have seen the request, by the word of whoever sent it.
    reached: bool,
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
        (expected, announced): (Expected, Option<Announced>),
    ) -> Self {
        let mut exchange = Self::new(engine, now, meta);
        exchange.record.model = model.name.clone();
        exchange.record.model_known = model.limits.known;
        exchange.describe(&expected, &engine.settings.keyring);
        exchange.behaviour = meta.behaviour(&engine.settings.keyring, &model.name);
        exchange.model = Some(model);
        exchange.expected = Some(expected);
        exchange.announced = announced;
        exchange
    }

    fn new(engine: &Engine, now: Timestamp, meta: &Meta<'_>) -> Self {
        let provider = engine.catalog.provider(meta.provider);
        let endpoint = provider.and_then(|provider| provider.endpoint(meta.dialect));
        let record = Record {
            at: now,
            provider: meta.provider.into(),
            dialect: endpoint
                .map_or(meta.dialect, |endpoint| endpoint.name)
                .into(),
            route: meta.route.into(),
            tenant: meta.tenant.into(),
            scope: Some(meta.digest(&engine.settings.keyring)),
            ..Record::default()
        };
        Self {
            memory: Arc::clone(&engine.memory),
            catalog: Arc::clone(&engine.catalog),
            keep_alive: engine.settings.on(meta.route).keep_alive,
            record,
            dialect: endpoint.map(|endpoint| endpoint.dialect),
            named: meta.model.into(),
            regional: meta.regional,
            model: None,
            expected: None,
            announced: None,
            behaviour: Digest::default(),
            watcher: None,
            refusal: None,
            usage: None,
            whole: false,
            stop: None,
            reached: false,
        }
    }

    /// The response's head has arrived: what was marked can be read from now on.
    pub fn on_response(&mut self, now: Timestamp, status: u16, framing: Framing) -> Order {
        self.record.status = status;
        self.record.first_byte = Some(now);
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
            self.begin(now);
        }
        if !self.limits().written_at_end {
            self.announced = None;
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
        // What was asked is the likelier cause; if it was the markers, the next request shows it.
        let asked = std::mem::take(&mut expected.asked);
        self.memory.learn(scope, &mut |learned| {
            let until = Some(now.plus(REFUSED_FOR));
            if asked {
                learned.unasked_until = until;
            } else {
                learned.refused_until = until;
            }
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
    pub fn on_usage(&mut self, first_byte: Timestamp, usage: Usage) {
        self.record.status = 200;
        self.record.first_byte = Some(first_byte);
        self.usage = Some(usage);
        self.whole = true;
        self.enter(None);
        self.begin(first_byte);
        self.announced = None;
    }

    /// Why the model stopped is known by other means (a recording).
    pub const fn on_stop(&mut self, stop: Stop) {
        self.stop = Some(stop);
    }

    /// Settles the exchange with the history and returns its row.
    #[must_use]
    pub fn finish(mut self, now: Timestamp, end: End) -> Record {
        self.record.ended = now;
        self.announced = None;
        self.answered(now);
        let status = self.last_status();
        let refusal = self.refusal.take();
        if refusal.is_some_and(|refusal| refusal.is_about_the_cache()) {
            self.refused(now);
            self.record.verdict = Verdict::Refused;
        }
        let uncounted = self.expected.as_mut().and_then(|one| one.uncounted.take());
        // What nobody answered is in no cache, and nothing goes on from it.
        let is_served = (200..300).contains(&self.record.status);
        if let Some(expected) = self.expected.as_ref().filter(|_| is_served) {
            let (key, turn) = &expected.turn;
            self.memory.remember(*key, Arc::clone(turn));
        }
        if let Some(uncounted) = uncounted {
            uncounted.count();
        }
        let watched = self.watcher.take().map(Watcher::finish);
        let is_watched = watched.is_some();
        let seen = watched.unwrap_or_default();
        if is_watched {
            self.whole = seen.ended();
            self.usage = seen.usage;
            self.stop = seen.stop_reason.as_deref().map(Stop::parse);
            self.recognize(seen.model.as_deref());
        }
        // A caller may stop reading right after the terminal event; the usage is final all the same.
        self.record.complete = self.whole || end == End::Complete;
        self.record.usage = self.usage;
        self.record.presumed = self.presume(status, &seen);
        self.judge();
        if let Some(usage) = self.usage {
            self.settle(&usage);
        }
        let told = seen.diagnostics.as_ref();
        let reported = told.and_then(|told| told.reason.as_deref());
        self.price(reported);
        self.teach();
        self.leave(&seen);
        self.pause(now);
        self.unwatched();
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
                learned.answered(&tail, node.spot, now);
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
}
