//! What is known of the backends at a moment.

use super::{Allowance, Backend, Health, Network, RetryBudget, Warmth};

/// What is known of the backends at a moment: changed by what comes of calls, read by deciding.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct State {
    /// How each backend of the network does.
    pub health: Vec<Health>,
    /// What each backend said of its rate limits.
    pub limits: Vec<Allowance>,
    /// What is warm where.
    pub warmth: Warmth,
    /// How often each route of the network may ask again.
    pub budgets: Vec<RetryBudget>,
}

impl State {
    /// Of a network of which nothing is known yet.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        let count = network.backends.len();
        Self {
            health: vec![Health::default(); count],
            limits: vec![Allowance::default(); count],
            warmth: Warmth::default(),
            budgets: vec![RetryBudget::default(); network.routes.len()],
        }
    }

    /// The same for a changed network: backends are known again by name and provider, routes by name,
    /// and what is warm by backend and model.
    #[must_use]
    pub fn carried(self, old: &Network, new: &Network) -> Self {
        let mut carried = Self::new(new);
        let known = old.backends.iter().zip(self.health).zip(self.limits);
        for ((backend, health), limits) in known {
            let same =
                |other: &Backend| other.name == backend.name && other.provider == backend.provider;
            let place = new.backends.iter().position(same);
            let slot =
                place.and_then(|at| carried.health.get_mut(at).zip(carried.limits.get_mut(at)));
            if let Some((to_health, to_limits)) = slot {
                (*to_health, *to_limits) = (health, limits);
            }
        }
        let saved = old.routes.iter().zip(self.budgets);
        for (route, saved) in saved {
            let place = new.routes.iter().position(|other| other.name == route.name);
            if let Some(budget) = place.and_then(|at| carried.budgets.get_mut(at)) {
                *budget = saved;
            }
        }
        carried.warmth = self.warmth;
        carried
    }
}
