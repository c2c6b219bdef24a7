//! Whoever wants to know what was booked, or to follow an exchange from its beginning.

use crate::adapter::caller::Caller;
use crate::engine::Exchange;
use crate::ledger::{Record, Settled};
use crate::provider::Catalog;

/// Whoever wants to know what was booked: metrics, spans, a store. Called on the task of the
/// exchange, outside of every lock: keep it short. A panic in it is caught and ignored.
pub trait Observer: Send + Sync {
    /// An exchange is about to be sent, on the caller's task. Who wants to follow this one returns
    /// whom to tell of its end.
    fn sending(&self, sending: &Sending<'_>) -> Option<Box<dyn Pending>> {
        let _ = sending;
        None
    }

    /// One exchange or errand was booked.
    fn booked(&self, record: &Record);

    /// Writes have expired; what nobody read of them is lost.
    fn settled(&self, settled: &[Settled]) {
        let _ = settled;
    }
}

/// Follows one exchange; dropped when it is over.
pub trait Pending: Send + Sync {
    /// It was booked.
    fn booked(&mut self, record: &Record);
}

/// An exchange that is about to be sent.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sending<'a> {
    /// What is known of it so far: who asks whom for which model, and what was marked.
    pub record: &'a Record,
    /// The provider, by the name that OpenTelemetry knows it by.
    pub provider: &'a str,
    /// What is asked of it, by OpenTelemetry's name.
    pub operation: &'a str,
    /// The host that it goes to, without the port.
    pub host: &'a str,
}

impl<'a> Sending<'a> {
    pub(super) fn new(exchange: &'a Exchange, caller: &'a Caller, catalog: &'a Catalog) -> Self {
        let record = exchange.record();
        let provider = catalog.provider(&record.provider);
        Self {
            record,
            provider: provider.map_or(&record.provider, |provider| &provider.otel),
            operation: exchange.operation(),
            host: &caller.host,
        }
    }
}

/// A callback as an observer.
pub(super) struct Callback<F>(pub(super) F);

impl<F: Fn(&Record) + Send + Sync> Observer for Callback<F> {
    fn booked(&self, record: &Record) {
        (self.0)(record);
    }
}
