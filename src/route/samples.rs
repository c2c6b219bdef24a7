//! Networks for the tests of this room.

use super::{Ask, Backend, Caps, Decision, Ground, Network, Offer, Refusal, Route, State, decide};
use crate::model::{Digest, Timestamp};
use crate::provider::Catalog;

/// One route of one model over some backends, all alike, with what is known of them.
pub(super) struct Sample {
    pub(super) network: Network,
    pub(super) state: State,
    pub(super) caps: Caps,
    pub(super) now: Timestamp,
}

impl Sample {
    pub(super) fn new(names: &[&str]) -> Self {
        let facts = Catalog::builtin().model("anthropic", "claude-sonnet-5.5");
        let backend = |name: &&str| Backend {
            name: (*name).into(),
            provider: "anthropic".into(),
            ..Backend::default()
        };
        let offers = (0..names.len()).map(|backend| Offer {
            dialects: vec!["messages".into()],
            ..Offer::new(backend, "claude-sonnet-5.5", facts.clone())
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
