//! What is held to send pings, and what is under way.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::day::{Day, Reserved};
use super::letter::Letter;
use super::ticker;
use super::{Pinger, Retained, Retention};
use crate::adapter::clock::Clock;
use crate::adapter::errands::Place;
use crate::model::{Digest, KeepAlive, Money, Timestamp, Vigil};

/// For how long nothing is held for an account and a model whose ping wrote instead of read.
const SHUT_FOR: Duration = Duration::from_secs(3600);

/// What is held to send pings. Clones share it.
#[derive(Clone)]
pub(crate) struct Keep(Arc<Held>);

pub(super) struct Held {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    retention: Retention,
}

#[derive(Default)]
struct State {
    /// By the conversation.
    idle: BTreeMap<Digest, Idle>,
    /// Pings that are being decided on or are under way, by their numbers.
    out: BTreeMap<u64, Out>,
    flights: u64,
    day: Day,
    /// Accounts and models whose pings wrote, and until when nothing is held for them.
    shut: BTreeMap<Digest, Timestamp>,
    is_stopped: bool,
    /// Whoever waits for a ping to tell.
    told: Option<Waker>,
    /// Whether a ticker runs.
    is_ticking: bool,
}

/// One conversation that nobody uses right now.
pub(super) struct Idle {
    pub(super) vigil: Box<Vigil>,
    pub(super) letter: Letter,
    pub(super) place: Option<Place>,
    /// Account, model and place: what the breaker is for.
    pub(super) lane: Digest,
    pub(super) budgets: KeepAlive,
    /// Its deadline.
    pub(super) until: Timestamp,
}

/// A ping under way.
struct Out {
    conversation: Digest,
    bytes: usize,
    reserved: Option<Reserved>,
    place: Option<Place>,
    /// Whether what it knows is to be dropped once it is back.
    is_over: bool,
    /// Whether it is not to be waited for.
    is_cut: bool,
}

/// One conversation taken out to be pinged.
pub(crate) struct Flight {
    number: u64,
    pub(super) idle: Idle,
    pub(super) at: Timestamp,
}

/// What comes of a ping.
pub(super) enum Fate {
    /// The next one.
    Next(Box<Vigil>),
    /// No other.
    LetGo,
    /// It wrote instead of read.
    Shut,
    /// Its account is refused.
    Revoked,
}

impl Keep {
    pub(crate) fn new(clock: Arc<dyn Clock>, retention: Retention) -> Self {
        Self(Arc::new(Held {
            state: Mutex::default(),
            clock,
            retention,
        }))
    }

    /// Whether the user's own code sends pings.
    pub(super) fn is_told(&self) -> bool {
        self.0.retention.pinger == Pinger::Caller
    }

    /// Holds a conversation, in the place of what was held of it.
    pub(super) fn hold(&self, idle: Idle) {
        let now = self.0.clock.now();
        let mut state = self.0.state();
        state.idle.remove(&idle.vigil.conversation);
        let is_shut = state.shut.get(&idle.lane).is_some_and(|until| now < *until);
        let is_late = idle.until <= now || idle.vigil.expires <= now;
        if state.is_stopped || is_shut || is_late {
            return;
        }
        state.idle.insert(idle.vigil.conversation, idle);
        let bounds = &self.0.retention;
        while state.retained().bytes > bounds.max_bytes
            || state.retained().sessions > bounds.max_sessions
        {
            let due = |(_, idle): &(&Digest, &Idle)| idle.vigil.due;
            let first = state.idle.iter().min_by_key(due).map(|(key, _)| *key);
            let Some(first) = first else { break };
            state.idle.remove(&first);
        }
        if !mem::replace(&mut state.is_ticking, true) && !ticker::start(&self.0) {
            // Nothing would wake anybody, nor keep the deadlines.
            *state = State::default();
        }
    }

    /// The conversation goes on, or is over.
    pub(crate) fn end(&self, conversation: &Digest) {
        let mut state = self.0.state();
        state.idle.remove(conversation);
        let same = |out: &&mut Out| out.conversation == *conversation;
        state
            .out
            .values_mut()
            .filter(same)
            .for_each(|out| out.is_over = true);
    }

    /// What is due of those at this place; the others have somebody else.
    pub(crate) fn due(&self, place: Option<&Place>) -> Option<Flight> {
        let now = self.0.clock.now();
        let mut state = self.0.state();
        state.sweep(now);
        let due = |idle: &Idle| idle.vigil.due <= now && idle.place.as_ref() == place;
        let found = state.idle.iter().find(|(_, idle)| due(idle));
        let conversation = *found?.0;
        let idle = state.idle.remove(&conversation)?;
        state.flights += 1;
        let number = state.flights;
        let out = Out {
            conversation,
            bytes: idle.letter.len(),
            reserved: None,
            place: idle.place.clone(),
            is_over: false,
            is_cut: false,
        };
        state.out.insert(number, out);
        Some(Flight {
            number,
            idle,
            at: now,
        })
    }

    /// Waits for what is due to be told.
    pub(super) fn poll_told(&self, cx: &Context<'_>) -> Poll<Flight> {
        self.0.state().told = Some(cx.waker().clone());
        self.due(None).map_or(Poll::Pending, Poll::Ready)
    }

    /// Sets its price aside, where the budgets allow it. What nobody can price is not pinged.
    pub(super) fn afford(&self, flight: &Flight) -> bool {
        let (vigil, budgets) = (&flight.idle.vigil, &flight.idle.budgets);
        let Some(price) = vigil.price else {
            return false;
        };
        if price > budgets.per_ping || vigil.spent + price > budgets.per_session {
            return false;
        }
        let mut state = self.0.state();
        let reserved = state.day.reserve(flight.at, price, budgets.per_day);
        match state.out.get_mut(&flight.number) {
            Some(out) if reserved.is_some() => {
                out.reserved = reserved;
                true
            }
            _ => false,
        }
    }

    /// Nothing was sent of it: it is let go.
    pub(super) fn release(&self, flight: Flight) {
        let mut state = self.0.state();
        if let Some(reserved) = state
            .out
            .remove(&flight.number)
            .and_then(|out| out.reserved)
        {
            state.day.settle(reserved, Some(Money::ZERO));
        }
    }

    /// It was sent, and this came of it.
    pub(super) fn settle(&self, flight: Flight, cost: Option<Money>, fate: Fate) {
        let now = self.0.clock.now();
        let mut state = self.0.state();
        let out = state.out.remove(&flight.number);
        if let Some(reserved) = out.as_ref().and_then(|out| out.reserved) {
            state.day.settle(reserved, cost);
        }
        let mut idle = flight.idle;
        match fate {
            Fate::Next(vigil) if out.is_some_and(|out| !out.is_over) => {
                drop(state);
                idle.vigil = vigil;
                self.hold(idle);
            }
            Fate::Next(_) | Fate::LetGo => {}
            Fate::Shut => {
                state.shut.retain(|_, until| *until > now);
                state.shut.insert(idle.lane, now.plus(SHUT_FOR));
                state.idle.retain(|_, other| other.lane != idle.lane);
            }
            Fate::Revoked => {
                let account = |idle: &Idle| {
                    let caller = &idle.letter.caller;
                    (caller.provider.clone(), caller.account.clone())
                };
                let gone = account(&idle);
                state.idle.retain(|_, other| account(other) != gone);
            }
        }
    }

    /// Whether a ping is not to be waited for any more.
    pub(crate) fn is_cut(&self, flight: &Flight) -> bool {
        let state = self.0.state();
        state.out.get(&flight.number).is_none_or(|out| out.is_cut)
    }

    /// Whoever ran the errands of this place has ended.
    pub(crate) fn leave(&self, place: &Place) {
        let mut state = self.0.state();
        state
            .idle
            .retain(|_, idle| idle.place.as_ref() != Some(place));
        let same = |out: &&mut Out| out.place.as_ref() == Some(place);
        state
            .out
            .values_mut()
            .filter(same)
            .for_each(|out| out.is_over = true);
    }

    /// Drops everything, and takes nothing more.
    pub(super) fn stop(&self) -> Retained {
        self.drop_all(true)
    }

    /// Drops everything.
    pub(crate) fn clear(&self) -> Retained {
        self.drop_all(false)
    }

    #[expect(
        clippy::fn_params_excessive_bools,
        reason = "what is kept of it is one"
    )]
    fn drop_all(&self, stops: bool) -> Retained {
        let mut state = self.0.state();
        let dropped = state.retained();
        state.is_stopped |= stops;
        let idle = mem::take(&mut state.idle);
        let mut places = Vec::new();
        for out in state.out.values_mut() {
            (out.is_over, out.is_cut) = (true, true);
            places.extend(out.place.clone());
        }
        drop(state);
        drop(idle);
        places.iter().for_each(Place::wake);
        dropped
    }

    pub(super) fn resume(&self) {
        self.0.state().is_stopped = false;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.0.state().is_stopped
    }

    pub(super) fn retained(&self) -> Retained {
        let now = self.0.clock.now();
        let mut state = self.0.state();
        state.sweep(now);
        state.retained()
    }
}

impl Held {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what is late and wakes whoever has something due; the time until this is to be done
    /// again, or `None` where nothing is held.
    pub(super) fn tick(&self) -> Option<Duration> {
        let now = self.clock.now();
        let mut state = self.state();
        state.sweep(now);
        if state.idle.is_empty() {
            state.is_ticking = false;
            return None;
        }
        let mut places: Vec<Place> = Vec::new();
        let mut told = None;
        for idle in state.idle.values().filter(|idle| idle.vigil.due <= now) {
            match &idle.place {
                Some(place) if !places.contains(place) => places.push(place.clone()),
                Some(_) => {}
                None => told = Some(()),
            }
        }
        let told = told.and_then(|()| state.told.take());
        let next = state
            .idle
            .values()
            .map(|idle| idle.vigil.due.min(idle.until));
        let next = next.min().map_or(Duration::MAX, |at| at.since(now));
        drop(state);
        places.iter().for_each(Place::wake);
        told.into_iter().for_each(Waker::wake);
        Some(next)
    }
}

impl State {
    /// Drops what is past its deadline or has expired.
    fn sweep(&mut self, now: Timestamp) {
        self.idle
            .retain(|_, idle| now < idle.until && now < idle.vigil.expires);
    }

    fn retained(&self) -> Retained {
        let idle = self.idle.values().map(|idle| idle.letter.len());
        let out = self.out.values().map(|out| out.bytes);
        Retained {
            sessions: self.idle.len() + self.out.len(),
            bytes: idle.chain(out).sum(),
        }
    }
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep").finish_non_exhaustive()
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
