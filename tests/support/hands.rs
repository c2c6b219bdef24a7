//! A clock that only a test moves, for both sides.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cachewright::adapter::clock::Clock;
use cachewright::model::Timestamp;

/// One clock, moved by hand. Clones show the same time.
#[derive(Clone, Debug)]
pub(crate) struct Hands(Arc<AtomicI64>);

impl Default for Hands {
    /// Eleven days after the epoch, so that there is time before it.
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(1_000_000_000_000)))
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

impl Hands {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}
