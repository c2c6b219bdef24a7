//! What the simulated provider keeps between requests: its cache, its clock, its faults.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::SimOptions;
use super::faults::Fault;
use crate::model::{Timestamp, Usage};
use crate::sim::{Rejection, Request, Sim};

/// Everything the handlers share.
#[derive(Debug)]
pub(super) struct World {
    pub(super) options: SimOptions,
    state: Mutex<State>,
    requests: AtomicU64,
}

#[derive(Debug)]
struct State {
    sim: Sim,
    /// Added to the clock, in microseconds.
    offset: i64,
    faults: VecDeque<Fault>,
}

impl World {
    pub(super) fn new(options: SimOptions) -> Self {
        let sim = Sim::of(options.catalog.clone(), &options.provider);
        Self {
            options,
            state: Mutex::new(State {
                sim,
                offset: 0,
                faults: VecDeque::new(),
            }),
            requests: AtomicU64::new(0),
        }
    }

    /// The simulated present.
    pub(super) fn now(&self) -> Timestamp {
        let now = self.options.clock.now().as_micros();
        Timestamp::from_micros(now.saturating_add(self.state().offset))
    }

    /// Makes `now` the simulated present.
    pub(super) fn set_now(&self, now: Timestamp) {
        let real = self.options.clock.now().as_micros();
        self.state().offset = now.as_micros().saturating_sub(real);
    }

    /// Reads and serves one body.
    pub(super) fn serve(
        &self,
        workspace: &str,
        at: Timestamp,
        body: &[u8],
    ) -> Result<(Request, Usage), Rejection> {
        let mut state = self.state();
        let request = state.sim.read(body)?;
        let first_byte = at.plus(self.options.first_byte);
        let usage = state.sim.serve(workspace, at, first_byte, &request)?;
        Ok((request, usage))
    }

    pub(super) fn count_tokens(&self, body: &[u8]) -> Result<u64, Rejection> {
        self.state().sim.count_tokens(body)
    }

    pub(super) fn next_fault(&self) -> Option<Fault> {
        self.state().faults.pop_front()
    }

    pub(super) fn add_faults(&self, faults: VecDeque<Fault>) {
        self.state().faults.extend(faults);
    }

    /// Everything as it was at the start.
    pub(super) fn reset(&self) {
        let mut state = self.state();
        state.sim.clear();
        state.offset = 0;
        state.faults.clear();
    }

    /// A number for the next request.
    pub(super) fn number(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// A handler that panicked left the state as it was: entries are written one by one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
