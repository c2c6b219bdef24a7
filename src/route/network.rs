//! What a configuration says of backends and routes, checked and ready to decide by.

use std::time::Duration;

use crate::model::Money;
use crate::provider::Model;

/// Backends, and the routes over them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Network {
    /// Where calls can go; routes name them by their place here.
    pub backends: Vec<Backend>,
    /// What applications ask for.
    pub routes: Vec<Route>,
}

/// One place where models are served under one credential: `[providers.NAME]` of a configuration.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Backend {
    /// Its name in configuration, ledger and headers.
    pub name: Box<str>,
    /// The provider row it follows.
    pub provider: Box<str>,
    /// Every zone in which it may process what it is sent, such as `eu`; empty where nothing is
    /// promised.
    pub zones: Vec<Box<str>>,
    /// The only tenants that may use it; empty for all.
    pub tenants: Vec<Box<str>>,
    /// Whether it is a regional endpoint, which some providers price above the global one.
    pub regional: bool,
}

/// One name that applications send calls to: `[routes.NAME]` with an `order`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Route {
    /// Its name.
    pub name: Box<str>,
    /// The zones in which a call may be processed; empty for anywhere.
    pub residency: Vec<Box<str>>,
    /// The only tenants that may use it; empty for all.
    pub tenants: Vec<Box<str>>,
    /// What is sought among the backends that may serve a call.
    pub goal: Goal,
    /// Whether a warm prefix counts; without it the goal alone decides.
    pub affinity: bool,
    /// What rank and time are worth, in money, to be weighed against a warm prefix.
    pub worth: Worth,
    /// The route's model at each backend in order, then its fallback models, each at each backend.
    pub offers: Vec<Offer>,
    /// How often a call is tried.
    pub retries: Retries,
    /// How long is waited.
    pub patience: Patience,
    /// After what time without a first byte a second backend is asked as well; `None` for never.
    pub hedge: Option<Duration>,
    /// How long a backend must have been sound again before calls return to it that have no warm
    /// prefix there.
    pub cooldown: Duration,
}

/// A model at a backend.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Offer {
    /// Place of the backend in the network.
    pub backend: usize,
    /// The model as the route names it.
    pub model: Box<str>,
    /// Zero for the route's own model, one for its first fallback, and so on.
    pub fallback: usize,
    /// The model as this backend spells it.
    pub id: Box<str>,
    /// The dialects in which it is served here.
    pub dialects: Vec<Box<str>>,
    /// The model's row at this backend: limits, prices, abilities.
    pub facts: Model,
    /// Whether cache reads count against the token limits that the provider reports.
    pub reads_count: bool,
}

/// What is sought among the backends that may serve a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "deciding must know them all")]
pub enum Goal {
    /// The first in order.
    #[default]
    Order,
    /// The one that answers first, by the times observed.
    Latency,
    /// The one that costs least, this call and as many later ones as the conversation has had;
    /// warm prefixes included, where the route lets them count.
    Cost,
}

impl Goal {
    /// Its name in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Latency => "latency",
            Self::Cost => "cost",
        }
    }
}

/// What rank and time are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Worth {
    /// Of being one place further ahead in the order, per call.
    pub rank: Money,
    /// Of one second less until the first byte.
    pub second: Money,
}

impl Default for Worth {
    fn default() -> Self {
        Self {
            rank: Money::from_pico(10_000_000_000),
            second: Money::from_pico(10_000_000_000),
        }
    }
}

/// How often a call is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retries {
    /// Attempts of one call, the first included.
    pub attempts: u32,
    /// Repeats and hedges per hundred calls that a route may make when many fail at once; it saves up a
    /// few.
    pub percent: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 4,
            percent: 20,
        }
    }
}

/// How long is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patience {
    /// For the first byte of one attempt.
    pub first_byte: Duration,
    /// For the next byte of an answer that has begun.
    pub between: Duration,
    /// For the first byte of a call, all attempts together.
    pub deadline: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(60),
            between: Duration::from_secs(120),
            deadline: Duration::from_secs(600),
        }
    }
}

impl Offer {
    /// A model at a backend, as its row describes it there: served under the name that the route
    /// has for it, in no dialect yet.
    #[must_use]
    pub fn new(backend: usize, model: &str, facts: Model) -> Self {
        Self {
            backend,
            model: model.into(),
            fallback: 0,
            id: model.into(),
            dialects: Vec::new(),
            facts,
            reads_count: false,
        }
    }
}

impl Network {
    /// The route of this name.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<&Route> {
        self.routes.iter().find(|route| *route.name == *name)
    }
}
