//! Counters and histograms of what was booked, through the `metrics` facade.
//!
//! ```
//! use std::sync::Arc;
//!
//! use cachewright::adapter::handle::Cachewright;
//! use cachewright::adapter::metrics::Metrics;
//!
//! // Install a recorder of your choice first: instruments are registered with the one there is.
//! let cache = Cachewright::builder()
//!     .observer(Arc::new(Metrics::new()))
//!     .build()?;
//! # Ok::<(), cachewright::error::Error>(())
//! ```
//!
//! [`TABLE`] lists every metric with its kind, unit, labels and meaning. Labels are the names of
//! provider and model rows and the user's own names of routes and tenants, never text or keys. At
//! most a hundred values of each are told apart ([`Metrics::at_most`]); later ones count as `other`,
//! and `cachewright_label_overflow_total` says how often.
//!
//! Money is counted in nanodollars. The facade's counters are integers, and a counter is what money
//! spent is: it only grows, and sums and rates over processes and restarts come out right. Dollars
//! would have to be a gauge of floats. The sums behind the counters are kept in picodollars, so that
//! a counter is never off by more than one nanodollar however many exchanges there were; divide by
//! 10⁹ when it is shown. What was saved can fall, when a write has not been read yet, so that it is
//! a gauge, set from the exact sum.
//!
//! Histograms of most recorders keep every observation until somebody reads them: exporters must be
//! scraped, or have their upkeep run.

mod attempts;
mod emit;
mod names;
mod set;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Recorder, SharedString};

pub use self::table::{ATTEMPT_LABELS, Kind, LABELS, Row, TABLE, markdown};

use self::attempts::Attempts;
use self::emit::Emitter;
use self::names::Names;
use self::set::Set;
use super::handle::Observer;
use crate::ledger::{Record, Settled};

/// Values of each label told apart, unless the user says otherwise.
const MOST: usize = 100;

/// Sets of values told apart, per value of one label.
const SETS: usize = 10;

/// An observer that counts what is booked; see the [module](self).
pub struct Metrics {
    emitter: Emitter,
    most: usize,
    dropped: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    names: Names<4>,
    sets: BTreeMap<[u32; 4], Set>,
    routed: Names<2>,
    attempts: BTreeMap<[u32; 2], Attempts>,
    overflow: BTreeMap<&'static str, Counter>,
    dropped: Option<Counter>,
    described: bool,
}

impl Metrics {
    /// Counts through the facade, with the recorder that is installed when a set of labels is first
    /// seen.
    #[must_use]
    pub fn new() -> Self {
        Self {
            emitter: Emitter::default(),
            most: MOST,
            dropped: None,
            state: Mutex::default(),
        }
    }

    /// Tells at most so many values of each label apart, and ten times as many sets of values.
    #[must_use]
    pub const fn at_most(mut self, values: usize) -> Self {
        self.most = values;
        self
    }

    /// Counts with this recorder instead of the facade's.
    #[must_use]
    pub fn recorder(mut self, recorder: Arc<dyn Recorder + Send + Sync>) -> Self {
        self.emitter = Emitter(Some(recorder));
        self
    }

    /// Also shows how many rows a ledger has dropped, as this says.
    #[must_use]
    pub fn ledger_dropped(mut self, dropped: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.dropped = Some(Box::new(dropped));
        self
    }

    /// Brings up to date what changes between bookings; for exporters, before they show anything.
    pub fn refresh(&self) {
        self.count_dropped(&mut self.state());
    }

    fn count_dropped(&self, state: &mut State) {
        let Some(dropped) = &self.dropped else { return };
        self.describe(state);
        let counter = || self.emitter.counter(&table::DROPPED, &[]);
        state
            .dropped
            .get_or_insert_with(counter)
            .absolute(dropped());
    }

    /// Once there is something to count, there should be a recorder as well.
    fn describe(&self, state: &mut State) {
        if !state.described {
            state.described = true;
            self.emitter.describe();
        }
    }

    /// The instruments of these values of the labels.
    fn set<'a>(&self, state: &'a mut State, values: [&str; 4]) -> &'a mut Set {
        self.describe(state);
        let (mut numbers, full) = state.names.numbers(values, self.most);
        let most = self.most.saturating_mul(SETS);
        let crowded = state.sets.len() >= most && !state.sets.contains_key(&numbers);
        if crowded {
            numbers = [0; 4];
        }
        let full = LABELS.into_iter().zip(full).filter(|(_, full)| *full);
        let full = full.map(|(label, _)| label);
        for label in full.chain(crowded.then_some("set")) {
            self.overflowed(&mut state.overflow, label);
        }
        let emitter = &self.emitter;
        let set = state.sets.entry(numbers);
        set.or_insert_with(|| Set::new(emitter, names::shown(values, numbers)))
    }

    /// Adds an attempt of a route to those of its backend.
    fn attempt(&self, state: &mut State, record: &Record) {
        if record.attempt.is_none() {
            return;
        }
        let values = [&*record.route, record.backend()];
        let (mut numbers, full) = state.routed.numbers(values, self.most);
        let most = self.most.saturating_mul(SETS);
        let crowded = state.attempts.len() >= most && !state.attempts.contains_key(&numbers);
        if crowded {
            numbers = [0; 2];
        }
        // The route's overflow is counted among the labels of its exchange.
        let [_, backend] = full;
        if backend {
            self.overflowed(&mut state.overflow, "backend");
        }
        let attempts = state.attempts.entry(numbers);
        attempts
            .or_insert_with(|| Attempts::new(names::shown(values, numbers)))
            .book(&self.emitter, record);
    }

    fn overflowed(&self, counters: &mut BTreeMap<&'static str, Counter>, label: &'static str) {
        let labels = [(table::OVERFLOW.by, SharedString::const_str(label))];
        let counter = || self.emitter.counter(&table::OVERFLOW, &labels);
        counters.entry(label).or_insert_with(counter).increment(1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Sums stay sums whatever happened to the thread that held them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Metrics {
    fn booked(&self, record: &Record) {
        let mut state = self.state();
        self.count_dropped(&mut state);
        let values = names::values(|group| group.label(record));
        self.set(&mut state, values).book(&self.emitter, record);
        self.attempt(&mut state, record);
    }

    fn settled(&self, settled: &[Settled]) {
        let mut state = self.state();
        for write in settled {
            let [provider, model, route, tenant, _] = write.labels.each_ref();
            let values = [provider, model, route, tenant].map(|value| &**value);
            self.set(&mut state, values).settle(write.lost);
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}
