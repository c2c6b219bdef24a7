//! The user's handle: engine, ledger and clock behind one cheap clone.

mod attempted;
mod books;
mod builder;
mod config;
mod keeping;
mod observer;
mod report;
mod rewrite;
mod spelled;
mod waits;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

pub use self::attempted::Attempted;
use self::books::Books;
pub use self::builder::Builder;
use self::observer::Callback;
pub use self::observer::{Observer, Pending, Sending};
pub use self::report::{Report, Row};
pub(crate) use self::rewrite::Rewrite;
use super::caller::{Caller, Head, Passage};
use super::clock::Clock;
use super::fanout::Flights;
pub use super::fanout::{Cold, Prewarmed};
use super::journal::{Journal, Sent};
use super::keep::Keep;
use super::running::{Running, shielded};
use super::tower::{PromptCache, PromptCacheLayer};
use crate::engine::{Engine, Exchange};
use crate::ledger::{Group, Id, Record, Settled, Totals};
use crate::model::{Arm, Share, Skip, Timestamp};
use crate::provider::Found;

/// One installation: wrap clients with it, then ask it what happened.
///
/// Clones share everything.
///
/// ```
/// use cachewright::adapter::handle::Cachewright;
///
/// let cache = Cachewright::new();
/// assert_eq!(cache.totals().exchanges, 0);
/// ```
#[derive(Clone)]
pub struct Cachewright {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    clock: Arc<dyn Clock>,
    tenant: Box<str>,
    route: Box<str>,
    assume: Option<Box<str>>,
    observers: Vec<Arc<dyn Observer>>,
    journal: Option<Journal>,
    /// What is held to send pings.
    keep: Keep,
    /// Names this handle in the ids of its exchanges.
    run: u64,
    /// Requests that write what others could read.
    flights: Flights,
    books: Mutex<Books>,
}

/// The tenant of one request, as a request extension; over the handle's default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name and nothing else")]
pub struct Tenant(pub Box<str>);

/// The route of one request (the user's own name for this kind of call), as a request extension;
/// over the handle's default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name and nothing else")]
pub struct Route(pub Box<str>);

/// The provider row that one request is for, as a request extension; over what its host says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name and nothing else")]
pub struct Behind(pub Box<str>);

/// The account of one request whose headers do not carry its key, as a request extension: for
/// credentials that are put in below the layer. Caches are not shared between accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name and nothing else")]
pub struct Account(pub Box<str>);

/// Has one request's body collected although its length is not known, as a request extension: for
/// proxies, whose callers do not wait for an answer before they have sent everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it says all by being there")]
pub struct Collect;

impl Cachewright {
    /// A handle with the built-in rows and the default settings.
    #[must_use]
    pub fn new() -> Self {
        Builder::new().finish(None)
    }

    /// A handle to be configured.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A layer for stacks of services.
    #[must_use]
    pub fn layer(&self) -> PromptCacheLayer {
        PromptCacheLayer::new(self.clone())
    }

    /// Wraps one client.
    #[must_use]
    pub fn wrap<S>(&self, service: S) -> PromptCache<S> {
        PromptCache::new(service, self.clone())
    }

    /// The engine in use.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// Sums over all finished exchanges, with what has expired unread by now booked as waste.
    #[must_use]
    pub fn totals(&self) -> Totals {
        *self.settled().ledger.totals()
    }

    /// The same sums per provider, model, route or tenant.
    #[must_use]
    pub fn totals_by(&self, group: Group) -> BTreeMap<Box<str>, Totals> {
        let books = self.settled();
        let groups = books.ledger.totals_by(group);
        groups
            .map(|(label, totals)| (label.into(), *totals))
            .collect()
    }

    /// The most recent exchanges, oldest first; at most [`Cachewright::RECENT`].
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.books().recent()
    }

    /// The journal of requests, where one is kept.
    #[must_use]
    pub fn journal(&self) -> Option<&Journal> {
        self.shared.journal.as_ref()
    }

    /// How many recent exchanges are kept.
    pub const RECENT: usize = books::RECENT;

    /// Hit rate, cost and savings per model, ready to be shown.
    #[must_use]
    pub fn report(&self) -> Report {
        let total = self.totals();
        Report::new(self.totals_by(Group::Model), total)
    }

    /// The books with everything settled that has expired by now.
    fn settled(&self) -> MutexGuard<'_, Books> {
        let now = self.now();
        let settled = self.books().ledger.settle(now);
        self.tell(&settled);
        self.books()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Sums stay sums whatever happened to the thread that held them.
        let books = self.shared.books.lock();
        books.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the layers call.
impl Cachewright {
    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// See [`Clock::stopwatch`].
    pub(crate) fn stopwatch(&self) -> Duration {
        self.shared.clock.stopwatch()
    }

    /// The tenant of requests that name none.
    #[cfg(feature = "gateway")]
    pub(crate) fn default_tenant(&self) -> &str {
        &self.shared.tenant
    }

    /// What is held to send pings.
    pub(crate) fn keep(&self) -> &Keep {
        &self.shared.keep
    }

    pub(crate) fn max_body(&self) -> usize {
        self.shared.engine.settings().max_body
    }

    /// Who calls, and what becomes of the request as far as its head tells.
    pub(crate) fn judge(
        &self,
        head: Head<'_>,
        tenant: Option<Box<str>>,
        route: Option<Box<str>>,
    ) -> (Caller, Passage) {
        let found = self.endpoint(head);
        let passage = head.passage(found.as_ref().map(|found| &*found.provider.name));
        if passage == Passage::Forward {
            return (Caller::default(), passage);
        }
        let keyring = &self.shared.engine.settings().keyring;
        let account = head.credential().map(|secret| {
            let digest = keyring.scope(&[b"account", secret]);
            digest.to_string().into()
        });
        let mut caller = Caller {
            account: account.unwrap_or_default(),
            tenant: tenant.unwrap_or_else(|| self.shared.tenant.clone()),
            route: route.unwrap_or_else(|| self.shared.route.clone()),
            session: head.session(),
            betas: head.betas(),
            host: head.host.into(),
            ..Caller::default()
        };
        if let Some(found) = found {
            let wishes = self.shared.engine.settings().on(&caller.route);
            if wishes.explicit_caches {
                caller.storage = found.endpoint.storage(head.path);
            }
            caller.provider = found.provider.name.clone();
            caller.dialect = found.endpoint.name;
            caller.model = found.model.unwrap_or_default().into();
            caller.place = format!("{}{}", head.host, found.place).into();
            caller.regional = found.regional;
            let affinity = found.endpoint.affinity.as_ref();
            let mut steering = affinity.iter().flat_map(|affinity| &affinity.unless);
            caller.steered = steering.any(|name| head.headers.contains_key(&**name));
        }
        (caller, passage)
    }

    /// Requests that write what others could read.
    pub(crate) fn flights(&self) -> &Flights {
        &self.shared.flights
    }

    /// What the journal needs of a request, where one is kept.
    fn kept(&self, caller: &Caller, body: &Bytes) -> Option<Sent> {
        let journal = self.shared.journal.as_ref();
        journal.map(|_| Sent {
            body: body.clone(),
            named: caller.model.clone(),
        })
    }

    /// Hands one finished exchange to the journal.
    pub(crate) fn note(&self, sent: Option<Sent>, record: &Record) {
        if let (Some(sent), Some(journal)) = (sent, &self.shared.journal) {
            journal.keep(sent, record, self.now());
        }
    }

    /// An exchange whose body goes through unread.
    pub(crate) fn skipped(&self, caller: &Caller, why: Skip) -> Option<Running> {
        let (engine, began) = (&self.shared.engine, self.stopwatch());
        let exchange = shielded(|| engine.skipped(self.now(), &caller.meta(), why))?;
        Some(self.running(caller, exchange, began))
    }

    /// An exchange on its way, with those who follow it; `began` is when our side of it began.
    fn running(&self, caller: &Caller, mut exchange: Exchange, began: Duration) -> Running {
        if let Some(attempted) = &caller.attempted {
            exchange.attempted(attempted.attempt.clone());
        }
        // The conversation goes on: nobody need keep it warm for now.
        if let Some(conversation) = &exchange.record().lineage {
            self.shared.keep.end(conversation);
        }
        let sending = Sending::new(&exchange, caller, self.shared.engine.catalog());
        let observers = self.shared.observers.iter();
        let followed = caller.attempted.as_ref().and_then(Attempted::pending);
        let pending = observers
            .filter_map(|observer| shielded(|| observer.sending(&sending)).flatten())
            .chain(followed)
            .collect();
        let spent = self.stopwatch().saturating_sub(began);
        let left = caller.attempted.as_ref().map(Attempted::left);
        Running::new(self.clone(), exchange, (spent, pending)).told_by(left)
    }

    /// Books one finished exchange, then tells the observers outside the lock; returns what was
    /// booked.
    pub(crate) fn book(&self, mut record: Record) -> Record {
        let holdout = self.shared.engine.settings().on(&record.route).holdout;
        if record.errand && holdout != Share::NONE {
            // Nothing is asked on behalf of a conversation that is left alone.
            record.arm = Some(Arm::Treated);
        }
        let settled = {
            let mut books = self.books();
            record.id = Id {
                run: self.shared.run,
                number: books.next(),
            };
            books.record(record.clone())
        };
        for observer in &self.shared.observers {
            shielded(|| observer.booked(&record));
        }
        self.tell(&settled);
        record
    }

    fn tell(&self, settled: &[Settled]) {
        if settled.is_empty() {
            return;
        }
        for observer in &self.shared.observers {
            shielded(|| observer.settled(settled));
        }
    }

    /// The endpoint that a request goes to. Gateways put a prefix of their own before the path of
    /// the provider that is assumed behind them.
    pub(crate) fn endpoint(&self, head: Head<'_>) -> Option<Found<'_>> {
        let catalog = self.shared.engine.catalog();
        let behind = |name: &str| catalog.provider(name)?.behind(head.path);
        if let Some(name) = head.behind {
            return behind(name);
        }
        catalog
            .find(head.host, head.path)
            .or_else(|| behind(self.shared.assume.as_deref()?))
    }
}

impl Default for Cachewright {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Cachewright {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither names of tenants nor the ledger belong into a log by accident.
        f.debug_struct("Cachewright").finish_non_exhaustive()
    }
}
