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
                (*to_health, *to_limits) = (health.mended(), limits);
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

#[cfg(test)]
mod tests {
    use crate::route::samples::{Sample, ask};
    use crate::route::{Bar, FailureKind};

    #[test]
    fn what_is_known_follows_names_into_a_changed_network() {
        let mut sample = Sample::new(&["a", "b"]);
        sample.fail(0, FailureKind::Server);
        let old = sample.network.clone();
        sample.network.backends.insert(0, old.backends[1].clone());
        sample.network.backends.pop();
        for offer in &mut sample.route().offers {
            offer.backend = 1 - offer.backend;
        }
        let state = std::mem::take(&mut sample.state);
        sample.state = state.carried(&old, &sample.network);
        let decision = sample.decide(&ask(10)).unwrap();
        let broken = |bar: &Option<Bar>| matches!(bar, Some(Bar::Broken(_)));
        let broken: Vec<bool> = decision
            .candidates
            .iter()
            .map(|one| broken(&one.bar))
            .collect();
        assert_eq!(broken, [true, false]);
        // Near miss: another provider under the same name is another backend.
        let old = sample.network.clone();
        sample.network.backends[1].provider = "bedrock".into();
        let state = std::mem::take(&mut sample.state);
        sample.state = state.carried(&old, &sample.network);
        assert_eq!(sample.order(&ask(10)), [0, 1]);
    }
}
