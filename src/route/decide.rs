//! The decision: which backends may serve a call, and in which order they are asked.

use std::fmt;

use super::candidate::{Candidate, Home};
use super::{Ask, Caps, Network, Route, State, fit};
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
    /// The model was not served there when it was last asked for; asked again then.
    Unserved(Timestamp),
    /// Its rate limit leaves no room until then.
    RateLimited(Timestamp),
    /// A cap is full until then.
    Capped(Timestamp),
    /// The call may cost more than a cap allows altogether.
    Beyond,
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
/// First come hard constraints: [`Bar`] names them in the order in which they are looked at. The
/// offers without a bar are asked, the lowest score first, where the score is money:
///
/// * [`Goal::Order`](super::Goal::Order): the place in the order ×
///   [`Worth::rank`](super::Worth::rank),
/// * [`Goal::Latency`](super::Goal::Latency): the decayed time to first byte ×
///   [`Worth::second`](super::Worth::second); a backend of which it is not known counts as the fastest
///   that is, and is tried before it,
/// * [`Goal::Cost`](super::Goal::Cost): what the call is expected to cost, and with it as many later
///   turns as the conversation has had, 20 at most.
///
/// Where the route has affinity, the cost of leaving a warm prefix is added to rank or time: what the
/// call costs more than where it is warm. The expected cost holds it already. Without affinity
/// nothing counts as warm.
///
/// Whatever the score: a backend that has been sound for less than the route's cooldown comes after
/// the others, unless the conversation is warm there and nowhere cheaper; and fallback models come
/// after all offers of the route's own model, in their order.
///
/// # Errors
/// When no offer can serve it: says what speaks against each, and when that may change.
pub fn decide(ground: &Ground<'_>, route: &Route, ask: &Ask<'_>) -> Result<Decision, Refusal> {
    let mut candidates = look(ground, route, ask);
    if candidates.iter().all(|candidate| candidate.bar.is_some()) {
        let opens = candidates.iter().filter_map(Candidate::opens);
        return Err(Refusal {
            until: opens.min(),
            candidates,
        });
    }
    weigh(route, &mut candidates);
    let mut picks = Vec::with_capacity(candidates.len());
    let open = candidates.iter().filter(|one| one.bar.is_none());
    picks.extend(open.map(|candidate| Pick {
        offer: candidate.offer,
        expected: candidate.expected,
        hop: candidate.hop,
    }));
    picks.sort_unstable_by_key(|pick| candidates.get(pick.offer).map(|one| one.rank(route.goal)));
    Ok(Decision { picks, candidates })
}

/// Every offer with its bar and its price.
fn look(ground: &Ground<'_>, route: &Route, ask: &Ask<'_>) -> Vec<Candidate> {
    let known = ground
        .state
        .warmth
        .known((ground.network, route), ask, ground.now);
    let mut candidates: Vec<Candidate> = Vec::with_capacity(route.offers.len());
    for (number, offer) in route.offers.iter().enumerate() {
        let mut candidate = Candidate::barred(number, Bar::Residency);
        candidate.stand(offer.fallback, candidates.last());
        // A route over a backend that is not there keeps the bar.
        if let Some(backend) = ground.network.backends.get(offer.backend) {
            candidate.look(ground, (route, offer, backend), ask, &known);
        }
        candidates.push(candidate);
    }
    fit::cap(ground, route, ask, &mut candidates);
    candidates
}

/// Gives every candidate its hop, its standing and its score.
fn weigh(route: &Route, candidates: &mut [Candidate]) {
    let open = candidates.iter().filter(|one| one.bar.is_none());
    let fastest = open.filter_map(Candidate::first_byte).min();
    let mut home = None;
    for at in 0..candidates.len() {
        let before = at.checked_sub(1).and_then(|before| candidates.get(before));
        let before = before.map(Candidate::fallback);
        // All offers of one model have the same.
        if candidates.get(at).map(Candidate::fallback) != before {
            home = candidates.get(at).and_then(|one| Home::of(one, candidates));
        }
        if let Some(one) = candidates.get_mut(at) {
            one.weigh(route, home.as_ref(), fastest.unwrap_or_default());
        }
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
            Self::Unserved(_) => "without the model",
            Self::RateLimited(_) => "rate limited",
            Self::Capped(_) => "capped",
            Self::Beyond => "beyond a cap",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::model::Usage;
    use crate::route::samples::{Sample, ask};
    use crate::route::{Cap, CapScope, FailureKind, Goal, Lesson, Standing, Utc, Who};

    fn learn(sample: &mut Sample, offer: usize, tokens: u64) {
        let usage = Usage::reported(0, 0, tokens, 0, 300);
        let lesson = Lesson::new(ask(tokens * 2), offer, sample.now, usage);
        let Sample { network, state, .. } = sample;
        state.warmth.learn(network, &network.routes[0], &lesson);
    }

    #[test]
    fn nothing_that_fits_is_a_refusal_that_names_every_bar() {
        let mut sample = Sample::new(&["a", "b"]);
        sample.route().residency = vec!["eu".into()];
        sample.network.backends[1].zones = vec!["eu".into()];
        sample.network.backends[1].tenants = vec!["other".into()];
        let refusal = sample.decide(&ask(10)).unwrap_err();
        let bars: Vec<_> = refusal
            .candidates
            .iter()
            .map(|one| one.bar.clone())
            .collect();
        assert_eq!(bars, [Some(Bar::Residency), Some(Bar::Tenant)]);
        assert_eq!(refusal.until, None);
        sample.route().offers.clear();
        assert!(sample.decide(&ask(10)).unwrap_err().candidates.is_empty());
    }

    #[test]
    fn what_is_broken_is_left_alone_and_then_tried_by_one() {
        let mut sample = Sample::new(&["a", "b"]);
        sample.fail(0, FailureKind::Server);
        let decision = sample.decide(&ask(10)).unwrap();
        let Some(Bar::Broken(until)) = decision.candidates[0].bar else {
            panic!("{:?}", decision.candidates);
        };
        assert_eq!(sample.order(&ask(10)), [1]);
        sample.fail(1, FailureKind::Server);
        let refusal = sample.decide(&ask(10)).unwrap_err();
        assert_eq!(refusal.until, Some(until));
        // Then one call may find out, in its place.
        sample.now = until;
        assert_eq!(sample.order(&ask(10)), [0, 1]);
        let standing = sample.decide(&ask(10)).unwrap().candidates[0].standing;
        assert_eq!(standing, Standing::Probing);
        let _probe = sample.state.health[0].sent(sample.now, "claude-sonnet-5.5");
        assert_eq!(sample.order(&ask(10)), [1]);
    }

    #[test]
    fn what_has_recovered_is_asked_last_until_it_has_cooled_down() {
        let mut sample = Sample::new(&["a", "b"]);
        learn(&mut sample, 1, 40_000);
        sample.fail(0, FailureKind::Server);
        sample.now = sample.now.plus(Duration::from_secs(10));
        sample.answer(0);
        sample.route().cooldown = Duration::from_secs(60);
        // Neither a call that is warm elsewhere nor one that is warm nowhere returns to it.
        let mut cold = ask(80_000);
        cold.conversation = None;
        assert_eq!(sample.order(&cold), [1, 0]);
        sample.route().worth.rank = Money::from_pico(1_000_000_000_000);
        assert_eq!(sample.order(&ask(80_000)), [1, 0]);
        let decision = sample.decide(&cold).unwrap();
        assert_eq!(sample.why(&decision), "b: first in order; a cooling down");
        // One that is warm there does.
        let back = sample.clone();
        learn(&mut sample, 0, 44_000);
        assert_eq!(sample.order(&ask(88_000)), [0, 1]);
        sample = back;
        sample.now = sample.now.plus(Duration::from_secs(60));
        assert_eq!(sample.order(&cold), [0, 1]);
        assert_eq!(sample.order(&ask(80_000)), [0, 1]);
    }

    #[test]
    fn a_model_that_a_backend_does_not_serve_is_not_asked_for_there() {
        let mut sample = Sample::new(&["a", "b"]);
        sample.fail(0, FailureKind::NoModel);
        let decision = sample.decide(&ask(10)).unwrap();
        let bar = &decision.candidates[0].bar;
        assert!(matches!(bar, Some(Bar::Unserved(_))), "{bar:?}");
        sample.route().offers[0].id = "another".into();
        assert_eq!(sample.order(&ask(10)), [0, 1]);
    }

    #[test]
    fn the_fastest_wins_and_the_unknown_is_tried() {
        let mut sample = Sample::new(&["a", "b", "c"]);
        sample.route().goal = Goal::Latency;
        assert_eq!(sample.order(&ask(10)), [0, 1, 2]);
        sample.answer_after(0, Duration::from_millis(900));
        // As fast as the fastest that is known, and tried before it.
        assert_eq!(sample.order(&ask(10)), [1, 2, 0]);
        sample.answer_after(1, Duration::from_millis(1_200));
        assert_eq!(sample.order(&ask(10)), [2, 0, 1]);
        sample.answer_after(2, Duration::from_millis(1_100));
        assert_eq!(sample.order(&ask(10)), [0, 2, 1]);
        // Leaving costs $0.012; a tenth of a second is worth $0.01, and then $0.014.
        learn(&mut sample, 2, 5_000);
        sample.route().worth.second = Money::from_pico(50_000_000_000);
        assert_eq!(sample.order(&ask(10_000)), [2, 0, 1]);
        sample.route().worth.second = Money::from_pico(70_000_000_000);
        assert_eq!(sample.order(&ask(10_000)), [0, 2, 1]);
    }

    #[test]
    fn what_no_cap_has_room_for_is_not_asked() {
        let mut sample = Sample::new(&["a", "b"]);
        let cap = |text: &str, scope| Cap::parse(text).unwrap().of(scope);
        let scope = CapScope::Backend("a".into());
        sample.caps = Caps::new(&[cap("0.01 USD/day", scope)], Arc::new(Utc));
        let decision = sample.decide(&ask(80_000)).unwrap();
        assert_eq!(decision.candidates[0].bar, Some(Bar::Beyond));
        sample.caps = Caps::new(&[cap("100000 tokens/day", CapScope::Total)], Arc::new(Utc));
        assert_eq!(sample.order(&ask(80_000)), [0, 1]);
        let worst = sample.decide(&ask(80_000)).unwrap().candidates[0].worst;
        let taken = sample
            .caps
            .reserve(sample.now, &Who::default(), &worst)
            .unwrap();
        let refusal = sample.decide(&ask(80_000)).unwrap_err();
        assert_eq!(refusal.until, Some(Timestamp::from_micros(86_400_000_000)));
        sample.caps.release(sample.now, taken);
        assert_eq!(sample.order(&ask(80_000)), [0, 1]);
    }

    #[test]
    fn an_offer_at_no_backend_is_never_asked() {
        let mut sample = Sample::new(&["a", "b"]);
        sample.route().offers[0].backend = 9;
        assert_eq!(sample.order(&ask(10)), [1]);
    }

    #[test]
    fn the_warm_one_wins_unless_rank_is_worth_more() {
        let mut sample = Sample::new(&["a", "b", "c"]);
        assert_eq!(sample.order(&ask(80_000)), [0, 1, 2]);
        learn(&mut sample, 2, 40_000);
        // Leaving costs $0.096, two places are worth $0.02.
        assert_eq!(sample.order(&ask(80_000)), [2, 0, 1]);
        let decision = sample.decide(&ask(80_000)).unwrap();
        let hops: Vec<_> = decision.picks.iter().map(|pick| pick.hop).collect();
        let left = Some(Money::from_pico(96_000_000_000));
        assert_eq!(hops, [None, left, left]);
        let rank = Money::from_pico(48_000_000_001);
        sample.route().worth.rank = rank;
        assert_eq!(sample.order(&ask(80_000)), [0, 2, 1]);
        sample.route().worth.rank = rank - Money::from_pico(2);
        assert_eq!(sample.order(&ask(80_000)), [2, 0, 1]);
        // Without affinity a hop is told, and counts for nothing.
        sample.route().affinity = false;
        assert_eq!(sample.order(&ask(80_000)), [0, 1, 2]);
        assert_eq!(sample.decide(&ask(80_000)).unwrap().picks[0].hop, left);
    }

    #[test]
    fn cost_counts_this_call_and_later_ones() {
        let mut sample = Sample::new(&["dear", "cheap"]);
        sample.route().goal = Goal::Cost;
        let prices = sample.route().offers[1].facts.prices.as_mut().unwrap();
        prices.standard.read = Money::from_pico(50_000);
        prices.standard.output = Money::from_pico(9_000_000);
        assert_eq!(sample.order(&ask(80_000)), [1, 0]);
        // A first turn left little behind: leaving costs more than later turns save.
        learn(&mut sample, 0, 40_000);
        assert_eq!(sample.order(&ask(82_000)), [0, 1]);
        for _ in 0..30 {
            learn(&mut sample, 0, 40_000);
        }
        // Twenty more turns that read at half the price save $0.047, against $0.096 for leaving ...
        assert_eq!(sample.order(&ask(82_000)), [0, 1]);
        let prices = sample.route().offers[0].facts.prices.as_mut().unwrap();
        prices.standard.read = Money::from_pico(200_000);
        // ... and $0.129 at a quarter of it, against $0.092.
        assert_eq!(sample.order(&ask(82_000)), [1, 0]);
    }

    #[test]
    fn a_model_without_prices_comes_last_where_cost_counts() {
        let mut sample = Sample::new(&["a", "b"]);
        sample.route().goal = Goal::Cost;
        sample.route().offers[0].facts.prices = None;
        assert_eq!(sample.order(&ask(80_000)), [1, 0]);
        sample.route().goal = Goal::Order;
        assert_eq!(sample.order(&ask(80_000)), [0, 1]);
        // Its prefix is weighed all the same, by usual prices.
        learn(&mut sample, 1, 40_000);
        assert_eq!(sample.order(&ask(80_000)), [1, 0]);
        assert_eq!(sample.decide(&ask(80_000)).unwrap().picks[1].hop, None);
    }

    #[test]
    fn fallback_models_come_after_all_offers_of_the_route_s_own() {
        let mut sample = Sample::new(&["a", "b", "c"]);
        for (offer, fallback) in sample.route().offers.iter_mut().zip([0, 0, 1]) {
            offer.fallback = fallback;
        }
        learn(&mut sample, 2, 40_000);
        assert_eq!(sample.order(&ask(80_000)), [0, 1, 2]);
        for goal in [Goal::Latency, Goal::Cost] {
            sample.route().goal = goal;
            assert_eq!(sample.order(&ask(80_000)), [0, 1, 2], "{goal:?}");
        }
    }
}
