//! The decision: which backends may serve a call, and in which order they are asked.

use std::fmt;

use super::{Ask, Caps, Network, Route, State};
use crate::model::{Money, Timestamp};

/// What a decision stands on.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "every part is needed")]
pub struct Ground<'a> {
    /// Backends and routes.
    pub network: &'a Network,
    /// How they do.
    pub state: &'a State,
    /// What may be spent.
    pub caps: &'a Caps,
    /// The time.
    pub now: Timestamp,
}

/// Where a call goes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Decision {
    /// Whom to ask, best first.
    pub picks: Vec<Pick>,
    /// Every offer of the route, with what speaks against it, or for it.
    pub candidates: Vec<Candidate>,
}

/// One offer that may serve the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pick {
    /// Place of the offer in its route.
    pub offer: usize,
    /// What the call is expected to cost there; `None` without prices.
    pub expected: Option<Money>,
    /// What the call costs more here than where its prefix is warm; `None` where nothing is left
    /// behind.
    pub hop: Option<Money>,
}

/// One offer as it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// Place of the offer in its route.
    pub offer: usize,
    /// Why it may not, or not now, serve the call.
    pub bar: Option<Bar>,
    /// Tokens that are warm there.
    pub warm: u64,
    /// What the call is expected to cost there.
    pub expected: Option<Money>,
    /// What it was ranked by: the lower the better.
    pub score: Money,
}

/// Why an offer may not serve a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bar {
    /// The backend may process it outside of the route's zones, or does not say where.
    Residency,
    /// The tenant may not use it.
    Tenant,
    /// The dialect is not served there.
    Dialect,
    /// The model cannot do something there that the call needs; named.
    Unable(&'static str),
    /// Its breaker is open until then.
    Broken(Timestamp),
    /// Its rate limit leaves no room until then.
    RateLimited(Timestamp),
    /// A cap is full until then.
    Capped(Timestamp),
}

/// No offer can serve the call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// What speaks against each offer.
    pub candidates: Vec<Candidate>,
    /// When it may be worth trying again; `None` where time does not help.
    pub until: Option<Timestamp>,
}

/// Decides where a call of this route goes.
///
/// # Errors
/// When no offer can serve it.
pub fn decide(ground: &Ground<'_>, route: &Route, ask: &Ask<'_>) -> Result<Decision, Refusal> {
    let _ = (ground, ask);
    let offers = 0..route.offers.len();
    Ok(Decision {
        picks: offers
            .map(|offer| Pick {
                offer,
                expected: None,
                hop: None,
            })
            .collect(),
        candidates: Vec::new(),
    })
}

impl Decision {
    /// One line for people: whom, and why before the others. Names backends and figures only.
    #[must_use]
    pub fn why(&self, network: &Network, route: &Route) -> String {
        let _ = (network, route);
        String::new()
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Residency => "residency",
            Self::Tenant => "tenant",
            Self::Dialect => "dialect",
            Self::Unable(what) => what,
            Self::Broken(_) => "broken",
            Self::RateLimited(_) => "rate limited",
            Self::Capped(_) => "capped",
        })
    }
}
