//! What is known of the backends at a moment.

use super::{Allowance, Health, Network, RetryBudget, Warmth};

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
}
