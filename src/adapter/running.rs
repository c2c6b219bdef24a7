//! One exchange under way: finished exactly once, by its end, its failure or its drop.

use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::caller;
use super::fanout::{Cold, Lead};
use super::handle::{Cachewright, Pending};
use super::journal::Sent;
use super::keep::Original;
use crate::engine::{End, Exchange, Flight, Framing, Order};
use crate::model::{Arm, Skip, Ttl};

/// An exchange with the handle that accounts for it.
pub(crate) struct Running {
    cache: Cachewright,
    exchange: Option<Exchange>,
    /// What our side has taken so far.
    spent: Duration,
    pending: Vec<Box<dyn Pending>>,
    sent: Option<Sent>,
    /// The request as it was sent, where it may be repeated to keep its prefix warm.
    original: Option<Original>,
    left: Left,
    /// Whether somebody else says when the request leaves.
    told: bool,
    /// Others wait for what it writes.
    lead: Option<Lead>,
}

/// Whether a request may have left, as far as whoever sends it tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left(Arc<AtomicBool>);

impl Left {
    /// From now on it may have.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Running {
    pub(crate) fn new(
        cache: Cachewright,
        exchange: Exchange,
        (spent, pending): (Duration, Vec<Box<dyn Pending>>),
    ) -> Self {
        Self {
            cache,
            exchange: Some(exchange),
            spent,
            pending,
            sent: None,
            original: None,
            left: Left::default(),
            told: false,
            lead: None,
        }
    }

    /// The same exchange, of which a route tells when its request leaves.
    pub(crate) fn told_by(mut self, left: Option<Left>) -> Self {
        self.told = left.is_some();
        self.left = left.unwrap_or_default();
        self
    }

    /// What is to be set once the request's body is asked for; `None` where a route tells it.
    pub(crate) fn left(&self) -> Option<Left> {
        (!self.told).then(|| self.left.clone())
    }

    /// The same exchange, whose request goes to the journal once it is finished.
    pub(crate) fn keeping(mut self, sent: Option<Sent>) -> Self {
        self.sent = sent;
        self
    }

    /// What it writes that others could read.
    pub(crate) fn flight(&self) -> Option<Flight> {
        let exchange = self.exchange.as_ref()?;
        shielded(|| exchange.flight()).flatten()
    }

    /// Others wait until it is answered, fails or is dropped.
    pub(crate) fn leads(&mut self, lead: Lead) {
        self.lead = Some(lead);
    }

    /// It was held back for this long.
    pub(crate) fn held(&mut self, passed: Duration) {
        if let Some(exchange) = &mut self.exchange {
            exchange.held(passed);
        }
    }

    /// The same exchange, whose request may be repeated once it is finished.
    pub(crate) fn repeatable(mut self, original: Option<Original>) -> Self {
        self.original = original;
        self
    }

    /// Says that no call of the user's asked for it.
    pub(crate) fn for_errand(&mut self, kind: &'static str) {
        if let Some(exchange) = &mut self.exchange {
            exchange.for_errand(kind);
        }
    }

    /// For how long it would keep what it reads and writes, or why it would keep nothing.
    pub(crate) fn warms(&self) -> Result<Duration, Cold> {
        let exchange = self.exchange.as_ref();
        let exchange = exchange.ok_or(Cold::Skipped(Skip::NotARequest))?;
        let record = exchange.record();
        if let Some(skip) = record.skip {
            return Err(Cold::Skipped(skip));
        }
        if record.arm == Some(Arm::Control) {
            return Err(Cold::LeftAlone);
        }
        exchange.lasts().map(Ttl::duration).ok_or(Cold::TooShort)
    }

    /// Tells one more of its end.
    pub(crate) fn follow(&mut self, pending: Box<dyn Pending>) {
        self.pending.push(pending);
    }

    /// It is not sent after all, and not booked.
    pub(crate) fn discard(mut self) {
        self.pending.clear();
        if let Some(exchange) = self.exchange.take() {
            shielded(|| drop(exchange.finish(self.cache.now(), End::Dropped)));
        }
    }

    /// The response's head has arrived; says whether the caller's own body is to be sent instead.
    pub(crate) fn on_response(&mut self, status: StatusCode, headers: &HeaderMap) -> Order {
        self.on_head(status.as_u16(), caller::framing(headers))
    }

    /// The same, where its head is known by these alone.
    pub(crate) fn on_head(&mut self, status: u16, framing: Framing) -> Order {
        let mut order = Order::Proceed;
        self.watch(|exchange, cache| {
            order = exchange.on_response(cache.now(), status, framing);
        });
        // What it wrote can be read, or there is nothing to wait for.
        let exchange = self.exchange.as_ref();
        let is_written = exchange.is_none_or(Exchange::is_written_at_the_start);
        if !(200..300).contains(&status) {
            self.lead = None;
        } else if is_written && let Some(lead) = self.lead.take() {
            lead.land();
        }
        order
    }

    /// A chunk of the response's body has arrived.
    pub(crate) fn on_bytes(&mut self, chunk: &[u8]) {
        self.watch(|exchange, cache| exchange.on_bytes(cache.now(), chunk));
    }

    /// Settles the exchange; whatever comes later does nothing.
    pub(crate) fn finish(&mut self, end: End) {
        let Some(mut exchange) = self.exchange.take() else {
            return;
        };
        let lead = self.lead.take();
        if self.left.is_set() {
            exchange.reached();
        }
        let (sent, original) = (self.sent.take(), self.original.take());
        let (cache, began) = (&self.cache, self.cache.stopwatch());
        let record = shielded(|| {
            let mut record = exchange.finish(cache.now(), end);
            record.overhead = self.spent + cache.stopwatch().saturating_sub(began);
            cache.note(sent, &record);
            if let Some(original) = original {
                cache.watch(original, &record);
            }
            cache.book(record)
        });
        match lead {
            Some(lead) if end == End::Complete => lead.land(),
            lead => drop(lead),
        }
        for mut pending in mem::take(&mut self.pending) {
            if let Some(record) = &record {
                shielded(|| pending.booked(record));
            }
        }
    }

    /// Lets the exchange see something; should that fail, it is settled with what it had seen.
    fn watch(&mut self, see: impl FnOnce(&mut Exchange, &Cachewright)) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        let began = self.cache.stopwatch();
        let seen = shielded(|| see(exchange, &self.cache));
        self.spent += self.cache.stopwatch().saturating_sub(began);
        if seen.is_none() {
            self.finish(End::Failed);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.finish(End::Dropped);
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("finished", &self.exchange.is_none())
            .finish()
    }
}

/// Runs our side of a call. A fault there is no fault of the call, nor may a panicking callback
/// abort the process from within a drop; `None` says that it happened.
pub(crate) fn shielded<T>(ours: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(ours)).ok()
}
