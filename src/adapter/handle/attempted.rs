//! What a route tells the layer of an attempt, and how it learns what came of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Pending;
use crate::adapter::running::Left;
use crate::ledger::{Attempt, Record};

/// One attempt of a routed call, as a request extension.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Attempted {
    /// What is written into the ledger.
    pub attempt: Attempt,
    /// Set by whoever sends the request once its first byte may have left.
    reached: Left,
    booked: Option<Booked>,
    /// For how long it may be held for another call that writes its prefix.
    patience: Duration,
    held: Left,
}

/// Whoever is shown the exchange once it is over.
type Booked = Arc<dyn Fn(&Record) + Send + Sync>;

impl Attempted {
    /// An attempt of which nothing is told.
    #[must_use]
    pub fn new(attempt: Attempt) -> Self {
        Self {
            attempt,
            ..Self::default()
        }
    }

    /// The same, whose exchange is shown to `booked` once it is over; exactly once.
    #[must_use]
    pub fn then(mut self, booked: impl Fn(&Record) + Send + Sync + 'static) -> Self {
        self.booked = Some(Arc::new(booked));
        self
    }

    /// The same, held for up to this long while another call writes its prefix, where the settings
    /// ask for that. An attempt of which this is not said waits for nobody: it would lose the time of
    /// its call, and a hedge could wait for the very attempt that it stands beside.
    #[must_use]
    pub const fn patient(mut self, most: Duration) -> Self {
        self.patience = most;
        self
    }

    /// Whether it was held, so that its time to the first byte says nothing of its backend.
    #[must_use]
    pub fn was_held(&self) -> bool {
        self.held.is_set()
    }

    pub(crate) const fn patience(&self) -> Duration {
        self.patience
    }

    pub(crate) fn hold(&self) {
        self.held.set();
    }

    /// Says that the provider may have seen the request.
    pub fn reach(&self) {
        self.reached.set();
    }

    /// Whether the provider may have seen the request.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.reached.is_set()
    }

    pub(super) fn left(&self) -> Left {
        self.reached.clone()
    }

    pub(super) fn pending(&self) -> Option<Box<dyn Pending>> {
        let booked = self.booked.clone()?;
        Some(Box::new(Told(booked)))
    }
}

impl fmt::Debug for Attempted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempted")
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

struct Told(Booked);

impl Pending for Told {
    fn booked(&mut self, record: &Record) {
        (self.0)(record);
    }
}
