//! What all calls share: how the backends do, what may be spent, and the plan that is in force.
//!
//! Locks are held for microseconds, never across an `await`. Sums stay sums whatever happened to the
//! thread that held them, so that a poisoned lock is used on.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;

use super::purse::Written;
use super::trial::{Room, Shut, Trial};
use super::{GatewayOptions, Purse, Site, Watch};
use crate::adapter::handle::Cachewright;
use crate::adapter::running::shielded;
use crate::error::Error;
use crate::model::Timestamp;
use crate::provider::LimitHeaders;
use crate::route::{
    Admission, Ask, Bar, Caps, Crossed, Decision, Full, Ground, Lesson, Network, Refusal,
    RetryBudget, Route, State, Who, Worst, decide,
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
    pub(super) purse: Purse,
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
    /// The cap that keeps a call from being served.
    pub(super) full: Option<Full>,
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
        let outcome = decide(&ground, route, ask);
        let refusal = outcome.as_ref().err();
        Some(Decided {
            full: refusal.and_then(|refusal| full((&ground, route), ask, refusal)),
            outcome,
            plan: Arc::clone(&book.plan),
        })
    }

    /// Takes room for one attempt, given back when it is dropped unsettled.
    pub(super) async fn reserve(
        self: &Arc<Self>,
        who: &Who<'_>,
        worst: &Worst,
    ) -> Result<Room, Box<Full>> {
        let (room, written) = self.take(who, worst)?;
        written.done().await;
        Ok(room)
    }

    /// The same, with what tells whether the caps' file covers it already.
    pub(super) fn take(
        self: &Arc<Self>,
        who: &Who<'_>,
        worst: &Worst,
    ) -> Result<(Room, Written), Box<Full>> {
        let reserved = self.purse.reserve(self.now(), who, worst);
        let (reservation, written) = reserved.map_err(Box::new)?;
        let crossed: Vec<Crossed> = reservation.crossed().into();
        // From here on it is given back, also where the wait is cut short.
        let room = Room::of(Arc::clone(self), reservation, *worst);
        if let Some(watch) = self.watch().filter(|_| !crossed.is_empty()) {
            for crossed in &crossed {
                shielded(|| watch.crossed(crossed));
            }
        }
        Ok((room, written))
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
        let pass = pass.transpose()?;
        drop(book);
        Ok(Trial::of(Arc::clone(self), backend, pass))
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

    /// Takes in what an exchange of a call that was decided by this plan left warm.
    pub(super) fn learn(&self, plan: &Plan, (route, lesson): (&Route, &Lesson<'_>)) {
        let warmth = &mut lock(&self.book).state.warmth;
        warmth.learn(&plan.network, route, lesson);
    }

    /// Changes what is known of a backend; one that the plan in force does not have is forgotten.
    pub(super) fn at<T>(
        &self,
        backend: &str,
        change: impl FnOnce(&mut State, usize) -> T,
    ) -> Option<T> {
        let mut book = lock(&self.book);
        let at = book.plan.place(backend)?;
        Some(change(&mut book.state, at))
    }

    pub(super) fn watch(&self) -> Option<Arc<dyn Watch>> {
        lock(&self.watch).clone()
    }
}

/// The cap that keeps a refused call from being served, if one does.
fn full((ground, route): (&Ground<'_>, &Route), ask: &Ask<'_>, refusal: &Refusal) -> Option<Full> {
    let mut capped = refusal.candidates.iter().filter(|one| {
        let bar = one.bar.as_ref();
        bar.is_some_and(|bar| matches!(bar, Bar::Beyond | Bar::Capped(_)))
    });
    capped.find_map(|one| {
        let offer = route.offers.get(one.offer)?;
        let who = Who {
            route: &route.name,
            tenant: ask.tenant,
            backend: &ground.network.backends.get(offer.backend)?.name,
        };
        ground.caps.room(ground.now, &who, &one.worst).err()
    })
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
