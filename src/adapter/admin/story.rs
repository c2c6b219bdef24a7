//! The story of one handle since it began, where no ledger tells a longer one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::adapter::handle::{Cachewright, Observer};
use crate::ledger::{Record, Story, Teller};

/// What the handle has booked, to be told.
#[derive(Default)]
pub(super) struct Tally(Mutex<Teller>);

impl Tally {
    pub(super) fn story(&self, cache: &Cachewright) -> Story {
        let told = self.teller().clone();
        told.story(cache.now())
    }

    fn teller(&self) -> MutexGuard<'_, Teller> {
        // Sums stay sums whatever happened to the thread that held them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Tally {
    fn booked(&self, record: &Record) {
        self.teller().add(record);
    }
}
