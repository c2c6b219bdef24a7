//! Hard constraints: what no affinity and no goal can override.

use super::price::Quote;
use super::{Admission, Ask, Backend, Bar, Ground, Offer, Route, Who};
use crate::model::{Need, Needs, Timestamp};

/// What never changes with time: residency, tenants, dialect, abilities.
pub(super) fn fixed(route: &Route, offer: &Offer, backend: &Backend, ask: &Ask<'_>) -> Option<Bar> {
    if !resides(route, backend) {
        return Some(Bar::Residency);
    }
    if !admits(&route.tenants, ask.tenant) || !admits(&backend.tenants, ask.tenant) {
        return Some(Bar::Tenant);
    }
    if !offer
        .dialects
        .iter()
        .any(|dialect| **dialect == *ask.dialect)
    {
        return Some(Bar::Dialect);
    }
    let lacking = ask.needs.first_of(offer.facts.lacks);
    lacking
        .or_else(|| hour(offer, ask.needs))
        .map(|need| Bar::Unable(need.as_str()))
}

/// What may change with time, in the order in which it is asked: breaker, rate limits, caps.
pub(super) fn passing(
    ground: &Ground<'_>,
    who: (&Route, &Offer, &Backend),
    ask: &Ask<'_>,
    quote: &Quote<'_>,
) -> [Option<Bar>; 3] {
    let (route, offer, backend) = who;
    let now = ground.now;
    let health = ground.state.health.get(offer.backend);
    let broken = health.and_then(|health| match health.admission(now) {
        Admission::Broken(until) => Some(Bar::Broken(until)),
        Admission::Sound | Admission::Probe => None,
    });
    let limits = ground.state.limits.get(offer.backend);
    let limited = limits.and_then(|limits| limits.full_until(now, counted(offer, quote)));
    let who = Who {
        route: &route.name,
        tenant: ask.tenant,
        backend: &backend.name,
    };
    let room = ground.caps.room(now, &who, &quote.worst);
    let capped = room.err().map(|full| Bar::Capped(full.resets));
    [broken, limited.map(Bar::RateLimited), capped]
}

/// Tokens of a prompt that the provider counts against its rate limits.
pub(super) fn counted(offer: &Offer, quote: &Quote<'_>) -> u64 {
    if offer.reads_count {
        quote.prompt
    } else {
        quote.prompt.saturating_sub(quote.warm)
    }
}

impl Bar {
    /// When it falls; `None` where time does not help.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Broken(until) | Self::RateLimited(until) | Self::Capped(until) => Some(*until),
            Self::Residency | Self::Tenant | Self::Dialect | Self::Unable(_) => None,
        }
    }
}

/// Whether the backend promises to stay within the route's zones. One that promises nothing serves
/// only routes that ask for nothing.
fn resides(route: &Route, backend: &Backend) -> bool {
    let within = |zone: &Box<str>| route.residency.contains(zone);
    route.residency.is_empty() || (!backend.zones.is_empty() && backend.zones.iter().all(within))
}

fn admits(tenants: &[Box<str>], tenant: &str) -> bool {
    tenants.is_empty() || tenants.iter().any(|listed| **listed == *tenant)
}

/// The one-hour class, where a row is sure that it is not on sale.
fn hour(offer: &Offer, needs: Needs) -> Option<Need> {
    let limits = &offer.facts.limits;
    let lacks = limits.known && !limits.one_hour;
    (lacks && needs.has(Need::OneHour)).then_some(Need::OneHour)
}
