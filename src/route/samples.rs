//! Networks for the tests of this room.

use std::time::Duration;

use super::{
    Ask, Backend, Billed, Caps, Decision, Failure, FailureKind, Ground, Network, Offer, Refusal,
    Route, State, decide,
};
use crate::model::{Digest, Timestamp};
use crate::provider::Catalog;

const MODEL: &str = "claude-sonnet-5.5";

/// One route of one model over some backends, all alike, with what is known of them.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) network: Network,
    pub(super) state: State,
    pub(super) caps: Caps,
    pub(super) now: Timestamp,
}

impl Sample {
    pub(super) fn new(names: &[&str]) -> Self {
        let facts = Catalog::builtin().model("anthropic", MODEL);
        let backend = |name: &&str| Backend {
            name: (*name).into(),
            provider: "anthropic".into(),
            ..Backend::default()
        };
        let offers = (0..names.len()).map(|backend| Offer {
            dialects: vec!["messages".into()],
            ..Offer::new(backend, MODEL, facts.clone())
        });
        let route = Route {
            name: "contracts".into(),
            affinity: true,
            offers: offers.collect(),
            ..Route::default()
        };
        let network = Network {
            backends: names.iter().map(backend).collect(),
            routes: vec![route],
        };
        Self {
            state: State::new(&network),
            network,
            caps: Caps::default(),
            now: Timestamp::from_micros(1_000_000),
        }
    }

    pub(super) fn route(&mut self) -> &mut Route {
        &mut self.network.routes[0]
    }

    pub(super) fn decide(&self, ask: &Ask<'_>) -> Result<Decision, Refusal> {
        let ground = Ground {
            network: &self.network,
            state: &self.state,
            caps: &self.caps,
            now: self.now,
        };
        decide(&ground, &self.network.routes[0], ask)
    }

    /// Lets calls to a backend fail in this way until its breaker opens.
    pub(super) fn fail(&mut self, backend: usize, kind: FailureKind) {
        let failure = Failure::without_answer(kind, Billed::No);
        for _ in 0..5 {
            let health = &mut self.state.health[backend];
            let mut pass = health.sent(self.now, MODEL);
            health.failed(self.now, &mut pass, &failure);
        }
    }

    /// Lets a call to a backend be answered at once.
    pub(super) fn answer(&mut self, backend: usize) {
        self.answer_after(backend, Duration::ZERO);
    }

    /// Lets a call to a backend be answered after a while.
    pub(super) fn answer_after(&mut self, backend: usize, time: Duration) {
        let health = &mut self.state.health[backend];
        let mut pass = health.sent(self.now, MODEL);
        health.answered(self.now.plus(time), &mut pass);
    }

    pub(super) fn why(&self, decision: &Decision) -> String {
        decision.why(&self.network, &self.network.routes[0])
    }

    /// Backends in the order in which they would be asked.
    pub(super) fn order(&self, ask: &Ask<'_>) -> Vec<usize> {
        let picks = self.decide(ask).unwrap().picks;
        picks.iter().map(|pick| pick.offer).collect()
    }
}

/// A call of one conversation with so long a prompt.
pub(super) fn ask(bytes: u64) -> Ask<'static> {
    Ask {
        tenant: "acme",
        dialect: "messages",
        bytes,
        conversation: Some(Digest::from_bytes([7; 16])),
        ..Ask::default()
    }
}
