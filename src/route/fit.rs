//! Hard constraints: what no affinity and no goal can override.

use super::price::Quote;
use super::{Admission, Ask, Backend, Bar, Candidate, Ground, Offer, Route, Who, Worst};
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

/// What may change with time, in the order in which it is asked: breaker, model, rate limits.
pub(super) fn passing(
    ground: &Ground<'_>,
    offer: &Offer,
    quote: &Quote<'_>,
) -> impl Iterator<Item = Bar> + use<> {
    let now = ground.now;
    let health = ground.state.health.get(offer.backend);
    let broken = health.and_then(|health| match health.admission(now) {
        Admission::Broken(until) => Some(Bar::Broken(until)),
        Admission::Sound | Admission::Probe => None,
    });
    let lacks = health.and_then(|health| health.lacks(now, &offer.id));
    let limits = ground.state.limits.get(offer.backend);
    let limited = limits.and_then(|limits| limits.full_until(now, counted(offer, quote)));
    let told = [
        broken,
        lacks.map(Bar::Unserved),
        limited.map(Bar::RateLimited),
    ];
    told.into_iter().flatten()
}

/// Bars what no cap has room for.
pub(super) fn cap(ground: &Ground<'_>, route: &Route, ask: &Ask<'_>, candidates: &mut [Candidate]) {
    let caps = ground.caps;
    let who = |backend| Who {
        route: &route.name,
        tenant: ask.tenant,
        backend,
    };
    // Most caps are of the route and the tenant: where they have room for the dearest offer, they have
    // it for all.
    let open = candidates.iter().filter(|one| one.bar.is_none());
    let dearest = open.fold(Worst::default(), |most, one| Worst {
        money: most.money.max(one.worst.money),
        tokens: most.tokens.max(one.worst.tokens),
    });
    let is_roomy = caps.room(ground.now, &who(""), &dearest).is_ok();
    for (one, offer) in candidates.iter_mut().zip(&route.offers) {
        let backend = ground.network.backends.get(offer.backend);
        let backend: &str = backend.map_or("", |backend| &backend.name);
        if is_roomy && !caps.has_backend(backend) {
            continue;
        }
        if let Err(full) = caps.room(ground.now, &who(backend), &one.worst) {
            one.hinder(if full.is_hopeless() {
                Bar::Beyond
            } else {
                Bar::Capped(full.resets)
            });
        }
    }
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
            Self::Broken(until)
            | Self::Unserved(until)
            | Self::RateLimited(until)
            | Self::Capped(until) => Some(*until),
            Self::Residency | Self::Tenant | Self::Dialect | Self::Unable(_) | Self::Beyond => None,
        }
    }
}

/// Whether the backend promises to stay within the route's zones. One that promises nothing serves
/// only routes that ask for nothing.
fn resides(route: &Route, backend: &Backend) -> bool {
    let within = |zone: &str| route.residency.iter().any(|one| **one == *zone);
    route.residency.is_empty()
        || (!backend.zones.is_empty() && backend.zones.iter().all(|zone| within(zone)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::samples::{Sample, ask};

    fn bars(sample: &Sample, ask: &Ask<'_>) -> Vec<Option<Bar>> {
        let candidates = match sample.decide(ask) {
            Ok(decision) => decision.candidates,
            Err(refusal) => refusal.candidates,
        };
        candidates.into_iter().map(|one| one.bar).collect()
    }

    #[test]
    fn every_zone_must_lie_within_the_route_s() {
        let mut sample = Sample::new(&["a", "b", "c", "d"]);
        let zones: [&[&str]; 4] = [&["eu"], &["eu", "us"], &[], &["eu-west"]];
        for (backend, zones) in sample.network.backends.iter_mut().zip(zones) {
            backend.zones = zones.iter().map(|zone| (*zone).into()).collect();
        }
        assert_eq!(bars(&sample, &ask(10)), [None, None, None, None]);
        sample.route().residency = vec!["eu".into()];
        let out = Some(Bar::Residency);
        assert_eq!(
            bars(&sample, &ask(10)),
            [None, out.clone(), out.clone(), out.clone()]
        );
        sample.route().residency = vec!["us".into(), "eu".into()];
        assert_eq!(bars(&sample, &ask(10)), [None, None, out.clone(), out]);
    }

    #[test]
    fn lists_of_tenants_hold_of_route_and_backend() {
        let mut sample = Sample::new(&["a", "b"]);
        sample.network.backends[1].tenants = vec!["acme".into(), "other".into()];
        let call = ask(10);
        assert_eq!(bars(&sample, &call), [None, None]);
        sample.network.backends[1].tenants = vec!["acm".into(), "acme2".into()];
        assert_eq!(bars(&sample, &call), [None, Some(Bar::Tenant)]);
        sample.route().tenants = vec!["other".into()];
        assert_eq!(bars(&sample, &call), [Some(Bar::Tenant), Some(Bar::Tenant)]);
        // Nobody in particular is on no list.
        sample.route().tenants = vec!["acme".into()];
        let mut nobody = call;
        nobody.tenant = "";
        assert_eq!(
            bars(&sample, &nobody),
            [Some(Bar::Tenant), Some(Bar::Tenant)]
        );
        assert_eq!(bars(&sample, &call), [None, Some(Bar::Tenant)]);
    }

    #[test]
    fn dialects_and_abilities_are_looked_at() {
        let mut sample = Sample::new(&["a", "b"]);
        let mut call = ask(10);
        call.dialect = "chat";
        let missing = Some(Bar::Dialect);
        assert_eq!(bars(&sample, &call), [missing.clone(), missing]);
        let mut call = ask(10);
        call.needs = Needs::NONE.with(Need::Images).with(Need::Tools);
        sample.route().offers[1].facts.lacks = Needs::NONE.with(Need::Images);
        assert_eq!(bars(&sample, &call), [None, Some(Bar::Unable("images"))]);
        call.needs = Needs::NONE.with(Need::Tools);
        assert_eq!(bars(&sample, &call), [None, None]);
    }

    #[test]
    fn the_hour_is_needed_only_by_those_who_ask_for_it() {
        let mut sample = Sample::new(&["a", "b"]);
        sample.route().offers[1].facts.limits.one_hour = false;
        let mut call = ask(10);
        assert_eq!(bars(&sample, &call), [None, None]);
        call.needs = Needs::NONE.with(Need::OneHour);
        assert_eq!(bars(&sample, &call), [None, Some(Bar::Unable("one_hour"))]);
        // Of a model without a row nobody can say so.
        sample.route().offers[1].facts.limits.known = false;
        assert_eq!(bars(&sample, &call), [None, None]);
    }
}
