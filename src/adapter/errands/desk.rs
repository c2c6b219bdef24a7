//! The desk between those who ask for errands and the one who runs them.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};

use super::Job;
use crate::adapter::caller::Caller;

/// Errands that may wait; more are forgotten, to be asked for again later.
const MOST_WAITING: usize = 64;

/// The side of those who ask. When the last clone is gone, the other side learns it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk(Arc<Open>);

#[derive(Debug, Default)]
struct Open(Arc<Line>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Desk {
    /// The other side, while nobody has it.
    pub(crate) fn driven(&self) -> Option<Driven> {
        let Open(line) = &*self.0;
        let mut state = line.state();
        if state.stage != Stage::Idle {
            return None;
        }
        state.stage = Stage::Driven;
        Some(Driven(Arc::clone(line)))
    }

    /// Where nobody runs errands, no prefix can be kept.
    pub(crate) fn admit(&self, caller: &mut Caller) {
        if caller.storage.is_some() && self.0.0.state().stage != Stage::Driven {
            caller.storage = None;
        }
    }

    pub(crate) fn ask(&self, job: Job) {
        let mut state = self.0.0.state();
        if state.stage == Stage::Driven && state.waiting.len() < MOST_WAITING {
            state.waiting.push_back(job);
            wake(state);
        }
    }

    /// Takes no more errands.
    pub(crate) fn close(&self) {
        self.0.0.close();
    }

    /// Whoever runs errands, while somebody does.
    pub(crate) fn place(&self) -> Option<Place> {
        let Open(line) = &*self.0;
        let is_driven = line.state().stage == Stage::Driven;
        is_driven.then(|| Place(Arc::downgrade(line)))
    }
}

/// Where somebody runs errands: names them, without holding on to them.
#[derive(Clone, Debug)]
pub(crate) struct Place(Weak<Line>);

impl Place {
    /// Has whoever runs errands there look for what is due.
    pub(crate) fn wake(&self) {
        if let Some(line) = self.0.upgrade() {
            wake(line.state());
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }
}

/// The side of the one who runs them.
#[derive(Debug)]
pub(crate) struct Driven(Arc<Line>);

impl Driven {
    /// The next errand; where there is none, `cx` is woken by the next one or by the end.
    pub(super) fn next(&self, cx: &Context<'_>) -> Option<Job> {
        let mut state = self.0.state();
        state.waker = Some(cx.waker().clone());
        state.waiting.pop_front()
    }

    pub(super) fn place(&self) -> Place {
        Place(Arc::downgrade(&self.0))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.state().stage == Stage::Closed
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if state.stage == Stage::Driven {
            state.stage = Stage::Idle;
        }
        state.waiting.clear();
    }
}

#[derive(Default)]
struct Line(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    waker: Option<Waker>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nobody runs errands.
    #[default]
    Idle,
    Driven,
    /// Nobody asks for any.
    Closed,
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut state = self.state();
        state.stage = Stage::Closed;
        wake(state);
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

/// Wakes the other side when the lock is free.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = mem::take(&mut state.waker);
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}
