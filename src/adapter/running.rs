//! One exchange under way: finished exactly once, by its end, its failure or its drop.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use http::{HeaderMap, StatusCode};

use super::caller;
use super::handle::Cachewright;
use super::journal::Sent;
use crate::engine::{End, Exchange, Order};

/// An exchange with the handle that accounts for it.
pub(crate) struct Running {
    cache: Cachewright,
    exchange: Option<Exchange>,
    sent: Option<Sent>,
}

impl Running {
    pub(crate) const fn new(cache: Cachewright, exchange: Exchange) -> Self {
        Self {
            cache,
            exchange: Some(exchange),
            sent: None,
        }
    }

    /// The same exchange, whose request goes to the journal once it is finished.
    pub(crate) fn keeping(mut self, sent: Option<Sent>) -> Self {
        self.sent = sent;
        self
    }

    /// The response's head has arrived; says whether the caller's own body is to be sent instead.
    pub(crate) fn on_response(&mut self, status: StatusCode, headers: &HeaderMap) -> Order {
        let framing = caller::framing(headers);
        let mut order = Order::Proceed;
        self.watch(|exchange, cache| {
            order = exchange.on_response(cache.now(), status.as_u16(), framing);
        });
        order
    }

    /// A chunk of the response's body has arrived.
    pub(crate) fn on_bytes(&mut self, chunk: &[u8]) {
        self.watch(|exchange, cache| exchange.on_bytes(cache.now(), chunk));
    }

    /// Settles the exchange; whatever comes later does nothing.
    pub(crate) fn finish(&mut self, end: End) {
        if let Some(exchange) = self.exchange.take() {
            let cache = &self.cache;
            let sent = self.sent.take();
            shielded(|| {
                let record = exchange.finish(cache.now(), end);
                cache.keep(sent, &record);
                cache.book(record);
            });
        }
    }

    /// Lets the exchange see something; should that fail, it is settled with what it had seen.
    fn watch(&mut self, see: impl FnOnce(&mut Exchange, &Cachewright)) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        if shielded(|| see(exchange, &self.cache)).is_none() {
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
