//! What all calls share: how the backends do, what may be spent, and the plan that is in force.
//!
//! Locks are held for microseconds, never across an `await`. Sums stay sums whatever happened to the
//! thread that held them, so that a poisoned lock is used on.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;

use super::call::Asked;
use super::{GatewayOptions, Site, Watch};
use crate::adapter::handle::Cachewright;
use crate::ledger::{Record, may_be_billed};
use crate::model::{Timestamp, Usage};
use crate::provider::LimitHeaders;
use crate::route::{
    self, Ask, Caps, Decision, Failure, Full, Ground, Network, Refusal, Reservation, Route, Spent,
    State, Who, Worst, decide,
};

/// What one configuration says.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) network: Arc<Network>,
    pub(super) sites: Vec<Arc<Site>>,
}

/// What all calls share.
pub(super) struct Desk {
    pub(super) cache: Cachewright,
    book: Mutex<Book>,
    caps: Mutex<Caps>,
    calls: AtomicU64,
    watch: Mutex<Option<Arc<dyn Watch>>>,
}

/// The plan that is in force, and the state of its backends, in its order.
struct Book {
    plan: Arc<Plan>,
    state: State,
}

/// One call as it was decided on.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) plan: Arc<Plan>,
    pub(super) outcome: Result<Decision, Refusal>,
}

impl Desk {
    pub(super) fn new(cache: Cachewright, options: GatewayOptions) -> Self {
        let state = State::new(&options.network);
        Self {
            cache,
            caps: Mutex::new(Caps::default()),
            calls: AtomicU64::new(0),
            watch: Mutex::new(options.watch.clone()),
            book: Mutex::new(Book {
                plan: Arc::new(Plan::of(options)),
                state,
            }),
        }
    }

    /// Puts another plan in force; calls under way end by the one they began with.
    pub(super) fn reload(&self, options: GatewayOptions) {
        *lock(&self.watch) = options.watch.clone();
        let plan = Arc::new(Plan::of(options));
        let mut book = lock(&self.book);
        let state = std::mem::take(&mut book.state);
        let state = state.carried(&book.plan.network, &plan.network);
        *book = Book { plan, state };
    }

    pub(super) fn now(&self) -> Timestamp {
        self.cache.now()
    }

    pub(super) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&lock(&self.book).plan)
    }

    /// A number for one more call.
    pub(super) fn number(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Decides on a call; `None` where there is no such route.
    pub(super) fn decide(&self, route: &str, ask: &Ask<'_>) -> Option<Decided> {
        let now = self.now();
        let book = lock(&self.book);
        let caps = lock(&self.caps);
        let route = book.plan.network.route(route)?;
        let ground = Ground {
            network: &book.plan.network,
            state: &book.state,
            caps: &caps,
            now,
        };
        Some(Decided {
            outcome: decide(&ground, route, ask),
            plan: Arc::clone(&book.plan),
        })
    }

    /// Takes room for one attempt, given back when it is dropped unsettled.
    pub(super) fn reserve(self: &Arc<Self>, who: &Who<'_>, worst: &Worst) -> Result<Room, Full> {
        let reservation = lock(&self.caps).reserve(self.now(), who, worst)?;
        Ok(Room {
            desk: Arc::clone(self),
            reservation: Some(reservation),
        })
    }

    /// One attempt begins at a backend.
    pub(super) fn sent(self: &Arc<Self>, backend: &str, tokens: u64) -> Trial {
        let now = self.now();
        self.at(backend, |state, at| {
            if let Some(health) = state.health.get_mut(at) {
                health.sent(now);
            }
            if let Some(limits) = state.limits.get_mut(at) {
                limits.spend(now, tokens);
            }
        });
        Trial {
            desk: Arc::clone(self),
            backend: backend.into(),
            sent: now,
            told: false,
        }
    }

    /// Takes in what the headers of a response say of rate limits.
    pub(super) fn hear(&self, backend: &str, style: LimitHeaders, headers: &HeaderMap) {
        let now = self.now();
        let pairs = headers.iter();
        let mut pairs =
            pairs.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        self.at(backend, |state, at| {
            if let Some(limits) = state.limits.get_mut(at) {
                limits.hear(now, style, &mut pairs);
            }
        });
    }

    /// Changes what is known of a backend; one that the plan in force does not have is forgotten.
    fn at(&self, backend: &str, change: impl FnOnce(&mut State, usize)) {
        let mut book = lock(&self.book);
        if let Some(at) = book.plan.place(backend) {
            change(&mut book.state, at);
        }
    }
}

impl Plan {
    fn of(options: GatewayOptions) -> Self {
        Self {
            network: options.network,
            sites: options.sites,
        }
    }

    /// Place of the backend of this name.
    fn place(&self, backend: &str) -> Option<usize> {
        let mut all = self.network.backends.iter();
        all.position(|one| *one.name == *backend)
    }

    /// The route of this name with its place.
    pub(super) fn route(&self, name: &str) -> Option<&Route> {
        self.network.route(name)
    }
}

/// What an exchange of a route teaches, once it is booked.
pub(super) struct Lesson {
    pub(super) desk: Arc<Desk>,
    pub(super) plan: Arc<Plan>,
    pub(super) asked: Arc<Asked>,
    /// Place of the offer in its route, in this plan.
    pub(super) offer: usize,
}

impl Lesson {
    /// Takes in what the exchange left warm.
    pub(super) fn learn(&self, record: &Record) {
        let (Some(usage), Some(route)) = (record.usage, self.plan.route(&self.asked.route)) else {
            return;
        };
        let lesson = route::Lesson {
            ask: self.asked.ask(),
            offer: self.offer,
            at: record.at,
            usage,
            shared: shared(record, &usage),
        };
        let mut book = lock(&self.desk.book);
        book.state.warmth.learn(&self.plan.network, route, &lesson);
    }
}

/// Tokens of tools and system prompt, at the scale of the provider's own count.
fn shared(record: &Record, usage: &Usage) -> u64 {
    let [tools, system, _] = record.sections;
    let estimated = u128::from(tools.saturating_add(system));
    let input = u128::from(usage.input().unwrap_or(record.estimated_input));
    let scaled = (estimated * input).checked_div(u128::from(record.estimated_input));
    scaled.map_or(0, |tokens| u64::try_from(tokens).unwrap_or(u64::MAX))
}

/// Room that was taken for one attempt.
pub(super) struct Room {
    desk: Arc<Desk>,
    reservation: Option<Reservation>,
}

impl Room {
    /// Puts what was spent in the place of what was reserved; where the provider said that it
    /// served nothing, or was never reached, gives it back.
    pub(super) fn settle(mut self, record: &Record, reached: bool) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        let now = self.desk.now();
        let mut caps = lock(&self.desk.caps);
        let is_billed = reached && may_be_billed(record.status);
        if record.usage.is_none() && !is_billed {
            caps.release(now, reservation);
            return;
        }
        let spent = Spent {
            usage: record.usage,
            money: record.cost.or(record.presumed),
        };
        caps.settle(now, reservation, &spent);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            let now = self.desk.now();
            lock(&self.desk.caps).release(now, reservation);
        }
    }
}

/// One attempt at a backend, which learns what came of it exactly once.
pub(super) struct Trial {
    desk: Arc<Desk>,
    backend: Box<str>,
    sent: Timestamp,
    told: bool,
}

impl Trial {
    /// It was answered; its first byte is here.
    pub(super) fn answered(&mut self) {
        self.told = true;
        let now = self.desk.now();
        let first_byte = now.since(self.sent);
        self.change(|state, at| {
            if let Some(health) = state.health.get_mut(at) {
                health.answered(now, first_byte);
            }
        });
    }

    /// It failed.
    pub(super) fn failed(mut self, failure: &Failure) {
        self.fail(failure);
    }

    /// It had been answered, and broke off.
    pub(super) fn broke_off(mut self, failure: &Failure) {
        self.fail(failure);
    }

    fn fail(&mut self, failure: &Failure) {
        self.told = true;
        let now = self.desk.now();
        self.change(|state, at| {
            if let Some(health) = state.health.get_mut(at) {
                health.failed(now, failure);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State, usize)) {
        self.desk.at(&self.backend, change);
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        let now = self.desk.now();
        self.change(|state, at| {
            if let Some(health) = state.health.get_mut(at) {
                health.dropped(now);
            }
        });
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial")
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}
