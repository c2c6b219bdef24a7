//! What is held to send pings, and what is under way.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::day::{Day, Reserved};
use super::fund::Grant;
use super::letter::Letter;
use super::ticker;
use super::{Pinger, Retained, Retention};
use crate::adapter::clock::Clock;
use crate::adapter::errands::{GIVEN_UP_AFTER, Place};
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
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
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
    at: Timestamp,
    stage: Stage,
}

/// How far a ping under way is still wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Wanted,
    /// It is the last one of its conversation.
    Last,
    /// It is not waited for.
    Cut,
}

/// One conversation taken out to be pinged.
pub(crate) struct Flight {
    number: u64,
    pub(super) idle: Idle,
    pub(super) at: Timestamp,
    /// Room for it in what others count.
    pub(super) grant: Option<Grant>,
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
            state.is_ticking = false;
            state.idle.clear();
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
            .for_each(|out| out.stage = out.stage.max(Stage::Last));
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
            at: now,
            stage: Stage::Wanted,
        };
        state.out.insert(number, out);
        Some(Flight {
            number,
            idle,
            at: now,
            grant: None,
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
    pub(super) fn release(&self, flight: &Flight) {
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
            Fate::Next(vigil) if out.is_some_and(|out| out.stage == Stage::Wanted) => {
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
        state
            .out
            .get(&flight.number)
            .is_none_or(|out| out.stage == Stage::Cut)
    }

    /// Whoever ran the errands of this place has ended; pings under way are not waited for.
    pub(crate) fn leave(&self, place: &Place) {
        let mut state = self.0.state();
        let is_here = |other: &Option<Place>| other.as_ref() == Some(place);
        state.idle.retain(|_, idle| !is_here(&idle.place));
        let here = state.out.values_mut().filter(|out| is_here(&out.place));
        here.for_each(|out| out.stage = Stage::Cut);
    }

    /// Drops everything, and takes nothing more.
    pub(super) fn stop(&self) -> Retained {
        self.0.state().is_stopped = true;
        self.clear()
    }

    /// Drops everything; pings under way are not waited for.
    pub(crate) fn clear(&self) -> Retained {
        let mut state = self.0.state();
        let dropped = state.retained();
        let idle = mem::take(&mut state.idle);
        let mut places = Vec::new();
        for out in state.out.values_mut() {
            out.stage = Stage::Cut;
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
        if state.idle.is_empty() && state.out.values().all(|out| out.place.is_none()) {
            state.is_ticking = false;
            return None;
        }
        let due = state.idle.values().filter(|idle| idle.vigil.due <= now);
        let (told, sent): (Vec<_>, Vec<_>) = due.partition(|idle| idle.place.is_none());
        let late = |out: &&Out| now.since(out.at) > GIVEN_UP_AFTER;
        let late = state.out.values().filter(late).map(|out| &out.place);
        let mut places: Vec<Place> = Vec::new();
        for place in sent.iter().map(|idle| &idle.place).chain(late).flatten() {
            if !places.contains(place) {
                places.push(place.clone());
            }
        }
        let tells = !told.is_empty();
        let told = state.told.take_if(|_| tells);
        // What is due already waits for whoever sends it, or expires.
        let next = state.idle.values().map(|idle| {
            let end = idle.until.min(idle.vigil.expires);
            if idle.vigil.due > now {
                idle.vigil.due.min(end)
            } else {
                end
            }
        });
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use http::Request;

    use super::*;
    use crate::adapter::caller::Caller;
    use crate::adapter::keep::letter::Least;
    use crate::model::{Keyring, Ttl};

    #[derive(Debug, Default)]
    struct Hands(AtomicI64);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            at(self.0.load(Ordering::SeqCst))
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn told(bounds: impl FnOnce(&mut Retention)) -> (Keep, Arc<Hands>) {
        let hands = Arc::new(Hands::default());
        let mut retention = Retention {
            pinger: Pinger::Caller,
            ..Retention::default()
        };
        bounds(&mut retention);
        let clock: Arc<dyn Clock> = Arc::clone(&hands) as _;
        (Keep::new(clock, retention), hands)
    }

    fn key(name: &str) -> Digest {
        Keyring::new(b"k").scope(&[name.as_bytes()])
    }

    fn idle(conversation: &str, account: &str, due: i64) -> Idle {
        let (mut parts, ()) = Request::post("http://h/v1/messages")
            .body(())
            .expect("a request")
            .into_parts();
        parts.extensions.insert(Least(0));
        let caller = Caller {
            dialect: "messages",
            account: account.into(),
            ..Caller::default()
        };
        let letter = Letter::new(caller, parts, br#"{"max_tokens":1}"#);
        Idle {
            vigil: Box::new(Vigil {
                conversation: key(conversation),
                prefix: key("prefix"),
                ttl: Ttl::FiveMinutes,
                due: at(due),
                expires: at(due + 20),
                tokens: 9,
                pings: 0,
                price: Some(Money::from_pico(5)),
                worst: Some(Money::from_pico(60)),
                spent: Money::ZERO,
                chance: 1.0,
                threshold: 0.1,
                planned: 1,
                service: key("service"),
                session: None,
                model: "m".into(),
            }),
            letter: letter.expect("a ping"),
            place: None,
            lane: key(account),
            budgets: KeepAlive::default(),
            until: at(1000),
        }
    }

    #[test]
    fn a_deadline_holds_whatever_the_vigil_says() {
        let (keep, hands) = told(|_| {});
        let mut short = idle("one", "a", 280);
        short.until = at(100);
        keep.hold(short);
        keep.hold(idle("two", "a", 280));
        assert_eq!(keep.retained().sessions, 2);
        hands.0.store(100, Ordering::SeqCst);
        assert_eq!(keep.retained().sessions, 1);
        // What expires unpinged goes as well, and what comes too late is not taken.
        hands.0.store(300, Ordering::SeqCst);
        assert_eq!(keep.retained(), Retained::default());
        keep.hold(idle("two", "a", 280));
        assert_eq!(keep.retained(), Retained::default());
    }

    #[test]
    fn a_ping_of_a_conversation_that_went_on_is_the_last_one() {
        let (keep, hands) = told(|_| {});
        keep.hold(idle("one", "a", 280));
        assert!(keep.due(None).is_none());
        hands.0.store(280, Ordering::SeqCst);
        let flight = keep.due(None).expect("it is due");
        assert!(keep.due(None).is_none() && keep.afford(&flight));
        assert_eq!(keep.retained().sessions, 1);
        keep.end(&key("one"));
        assert!(!keep.is_cut(&flight));
        let next = Fate::Next(idle("one", "a", 560).vigil);
        keep.settle(flight, Some(Money::from_pico(7)), next);
        assert_eq!(keep.retained(), Retained::default());
    }

    #[test]
    fn a_stop_cuts_what_is_under_way_and_takes_nothing_more() {
        let (keep, hands) = told(|_| {});
        keep.hold(idle("one", "a", 280));
        keep.hold(idle("two", "a", 290));
        hands.0.store(280, Ordering::SeqCst);
        let flight = keep.due(None).expect("it is due");
        assert_eq!(keep.stop().sessions, 2);
        assert!(keep.is_cut(&flight));
        keep.settle(flight, None, Fate::Next(idle("one", "a", 560).vigil));
        keep.hold(idle("three", "a", 560));
        assert_eq!(keep.retained(), Retained::default());
        keep.resume();
        keep.hold(idle("three", "a", 560));
        assert_eq!(keep.retained().sessions, 1);
    }

    #[test]
    fn a_refused_key_and_a_write_end_what_is_theirs_and_no_more() {
        for (fate, later) in [(Fate::Revoked, 2), (Fate::Shut, 1)] {
            let (keep, hands) = told(|_| {});
            keep.hold(idle("one", "a", 280));
            keep.hold(idle("two", "a", 290));
            keep.hold(idle("three", "b", 290));
            hands.0.store(280, Ordering::SeqCst);
            let flight = keep.due(None).expect("it is due");
            keep.settle(flight, None, fate);
            assert_eq!(keep.retained().sessions, 1);
            // A key may be changed; a cache that is not understood stays so for a while.
            keep.hold(idle("two", "a", 290));
            assert_eq!(keep.retained().sessions, later);
        }
    }

    #[test]
    fn what_is_due_first_makes_room() {
        let (keep, hands) = told(|retention| retention.max_sessions = 2);
        for (conversation, due) in [("one", 300), ("two", 280), ("three", 290)] {
            keep.hold(idle(conversation, "a", due));
        }
        hands.0.store(299, Ordering::SeqCst);
        let flight = keep.due(None).expect("it is due");
        assert_eq!(flight.idle.vigil.conversation, key("three"));
        let unpriced = |mut idle: Idle| {
            idle.vigil.price = None;
            idle
        };
        keep.release(&flight);
        keep.hold(unpriced(idle("four", "a", 299)));
        let flight = keep.due(None).expect("it is due");
        assert!(!keep.afford(&flight));
    }
}
