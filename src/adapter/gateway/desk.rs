//! What all calls share: how the backends do, what may be spent, and the plan that is in force.
//!
//! Locks are held for microseconds, never across an `await`. Sums stay sums whatever happened to the
//! thread that held them, so that a poisoned lock is used on.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;

use super::call::Asked;
use super::{GatewayOptions, Purse, Site, Watch};
use crate::adapter::handle::Cachewright;
use crate::adapter::running::shielded;
use crate::error::Error;
use crate::ledger::{Record, may_be_billed};
use crate::model::{Timestamp, Usage};
use crate::provider::LimitHeaders;
use crate::route::{
    self, Admission, Allowance, Ask, Caps, Crossed, Decision, Failure, FailureKind, Full, Ground,
    Health, Network, Pass, Refusal, Reservation, RetryBudget, Route, Spent, State, Who, Worst,
    decide,
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
    purse: Purse,
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
    /// # Errors
    /// When what was spent cannot be read from its file, or not be kept there.
    pub(super) fn new(cache: Cachewright, options: GatewayOptions) -> Result<Self, Error> {
        let state = State::new(&options.network);
        let caps = Caps::new(&options.caps, Arc::new(options.zone.clone()));
        let purse = match &options.caps_file {
            Some(path) => Purse::open(path, caps, cache.now())?,
            None => Purse::new(caps),
        };
        Ok(Self {
            cache,
            purse,
            calls: AtomicU64::new(0),
            watch: Mutex::new(options.watch.clone()),
            book: Mutex::new(Book {
                plan: Arc::new(Plan::of(options)),
                state,
            }),
        })
    }

    /// Puts another plan in force; calls under way end by the one they began with.
    pub(super) fn reload(&self, options: GatewayOptions) {
        *lock(&self.watch) = options.watch.clone();
        let zone = Arc::new(options.zone.clone());
        self.purse.renew(self.now(), &options.caps, zone);
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

    /// Looks at what is known of the backends and spent of caps.
    pub(super) fn look<T>(&self, look: impl FnOnce((&Network, &State), &Caps) -> T) -> T {
        let book = lock(&self.book);
        look((&book.plan.network, &book.state), &self.purse.caps())
    }

    /// A number for one more call.
    pub(super) fn number(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Decides on a call; `None` where there is no such route.
    pub(super) fn decide(&self, route: &str, ask: &Ask<'_>) -> Option<Decided> {
        let now = self.now();
        let book = lock(&self.book);
        let caps = self.purse.caps();
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
    pub(super) async fn reserve(
        self: &Arc<Self>,
        who: &Who<'_>,
        worst: &Worst,
    ) -> Result<Room, Box<Full>> {
        let reserved = self.purse.reserve(self.now(), who, worst);
        let (reservation, written) = reserved.map_err(Box::new)?;
        let crossed: Vec<Crossed> = reservation.crossed().into();
        // From here on it is given back, also where the wait is cut short.
        let room = Room {
            desk: Arc::clone(self),
            reservation: Some(reservation),
            worst: *worst,
        };
        if let Some(watch) = self.watch().filter(|_| !crossed.is_empty()) {
            for crossed in &crossed {
                shielded(|| watch.crossed(crossed));
            }
        }
        written.done().await;
        Ok(room)
    }

    /// One attempt begins at a backend, unless that is left alone by now or has no room.
    pub(super) fn send(
        self: &Arc<Self>,
        (backend, id): (&str, &str),
        tokens: u64,
    ) -> Result<Trial, Shut> {
        let now = self.now();
        let mut book = lock(&self.book);
        let place = book.plan.place(backend);
        let state = &mut book.state;
        let found =
            place.and_then(|at| Some((state.health.get_mut(at)?, state.limits.get_mut(at)?)));
        // A backend that the plan in force does not have serves the calls that began with it.
        let pass = found.map(|(health, limits)| {
            if let Admission::Broken(until) = health.admission(now) {
                return Err(Shut::Broken(until));
            }
            if let Some(until) = limits.full_until(now, tokens) {
                return Err(Shut::Limited(until));
            }
            limits.spend(now, tokens);
            Ok(health.sent(now, id))
        });
        Ok(Trial {
            desk: Arc::clone(self),
            backend: backend.into(),
            pass: pass.transpose()?,
        })
    }

    /// Lets a call of this route have a look at what the route may ask again.
    pub(super) fn budget<T>(&self, route: &str, ask: impl FnOnce(&mut RetryBudget) -> T) -> T {
        let mut book = lock(&self.book);
        let Book { plan, state } = &mut *book;
        let mut routes = plan.network.routes.iter();
        let at = routes.position(|one| *one.name == *route);
        match at.and_then(|at| state.budgets.get_mut(at)) {
            Some(budget) => ask(budget),
            None => ask(&mut RetryBudget::default()),
        }
    }

    /// Takes in what the headers of a response say of rate limits.
    pub(super) fn hear(&self, backend: &str, style: LimitHeaders, headers: &HeaderMap) {
        let now = self.now();
        let mut pairs = texts(headers);
        let _ = self.at(backend, |state, at| {
            if let Some(limits) = state.limits.get_mut(at) {
                limits.hear(now, style, &mut pairs);
            }
        });
    }

    /// Changes what is known of a backend; one that the plan in force does not have is forgotten.
    fn at<T>(&self, backend: &str, change: impl FnOnce(&mut State, usize) -> T) -> Option<T> {
        let mut book = lock(&self.book);
        let at = book.plan.place(backend)?;
        Some(change(&mut book.state, at))
    }

    fn watch(&self) -> Option<Arc<dyn Watch>> {
        lock(&self.watch).clone()
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
    worst: Worst,
}

impl Room {
    /// Puts what was spent in the place of what was reserved; where the provider said that it
    /// served nothing, or was never reached, gives it back.
    pub(super) fn settle(mut self, record: &Record, reached: bool) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        let is_billed = reached && may_be_billed(record.status);
        if record.usage.is_none() && !is_billed {
            self.desk.purse.release(self.desk.now(), reservation);
            return;
        }
        // As the ledger presumes it; without a figure there, as it was reserved.
        let money = record.presumed.or(self.worst.money);
        let tokens = match record.estimated_input {
            0 => self.worst.tokens,
            tokens => tokens.min(self.worst.tokens),
        };
        let spent = Spent {
            usage: record.usage,
            money: record.cost,
            presumed: is_billed.then(|| Worst::new(money, tokens)),
        };
        self.desk.purse.settle(self.desk.now(), reservation, &spent);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.desk.purse.release(self.desk.now(), reservation);
        }
    }
}

/// Why a backend is not asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// It is left alone until then.
    Broken(Timestamp),
    /// Its rate limit leaves no room until then.
    Limited(Timestamp),
}

/// One attempt at a backend, which learns what came of it exactly once.
pub(super) struct Trial {
    desk: Arc<Desk>,
    backend: Box<str>,
    pass: Option<Pass>,
}

impl Trial {
    /// The same, whose first byte says nothing of how fast the backend is.
    pub(super) fn unmeasured(mut self) -> Self {
        self.pass = self.pass.take().map(Pass::unmeasured);
        self
    }

    /// It was answered; its first byte is here.
    pub(super) fn answered(&mut self) {
        self.change(|(health, _), now, pass| health.answered(now, pass));
    }

    /// It failed, before its first byte or after it.
    pub(super) fn failed(mut self, failure: &Failure) {
        let broken = self.change(|(health, limits), now, pass| {
            if failure.kind == FailureKind::RateLimited {
                limits.refused(now, failure.retry_after);
            }
            health.failed(now, pass, failure);
        });
        if let (Some(Admission::Broken(until)), Some(watch)) = (broken, self.desk.watch()) {
            shielded(|| watch.broken(&self.backend, until, failure));
        }
        // Dropping it has nothing more to tell.
        self.pass = None;
    }

    /// Changes what is known of the backend; returns its new admission where that has changed.
    fn change(
        &mut self,
        change: impl FnOnce((&mut Health, &mut Allowance), Timestamp, &mut Pass),
    ) -> Option<Admission> {
        let pass = self.pass.as_mut()?;
        let now = self.desk.now();
        let changed = self.desk.at(&self.backend, |state, at| {
            let health = state.health.get_mut(at)?;
            let limits = state.limits.get_mut(at)?;
            let before = health.admission(now);
            change((health, limits), now, pass);
            let after = health.admission(now);
            (before != after).then_some((before, after))
        });
        let (before, after) = changed.flatten()?;
        if let (Admission::Sound, Some(watch)) = (after, self.desk.watch())
            && before != Admission::Sound
        {
            shielded(|| watch.recovered(&self.backend));
        }
        Some(after)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // After an answer this does nothing.
        self.change(|(health, _), now, pass| health.dropped(now, pass));
    }
}

/// Headers as texts.
pub(super) fn texts(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let pairs = headers.iter();
    pairs.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
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
