//! Deciding: properties over random networks, whatever health, warmth and goal; and the command that
//! shows what would be decided.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::sync::Arc;
use std::time::Duration;

use cachewright::model::{Digest, Money, Need, Needs, Timestamp, Usage};
use cachewright::provider::Catalog;
use cachewright::route::{
    Ask, Backend, Bar, Billed, Cap, CapScope, Caps, Decision, Failure, FailureKind, Goal, Ground,
    Lesson, Network, Offer, Pick, Refusal, Route, Standing, State, Utc, decide,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const ZONES: [&str; 3] = ["eu", "us", "jp"];
const TENANTS: [&str; 3] = ["acme", "umbra", ""];
const DIALECTS: [&str; 2] = ["messages", "chat"];
const MODELS: [&str; 3] = ["claude-sonnet-5.5", "claude-haiku-4.5", "no-such-model"];

/// Everything that a decision depends on.
#[derive(Clone, Debug)]
struct World {
    network: Network,
    state: State,
    caps: Vec<Cap>,
    now: Timestamp,
    tenant: &'static str,
    dialect: &'static str,
    needs: Needs,
    bytes: u64,
    conversation: Option<Digest>,
}

impl World {
    fn route(&self) -> &Route {
        &self.network.routes[0]
    }

    fn ask(&self) -> Ask<'_> {
        let mut ask = Ask::default();
        ask.tenant = self.tenant;
        ask.dialect = self.dialect;
        ask.needs = self.needs;
        ask.bytes = self.bytes;
        ask.max_output = Some(1_000);
        ask.conversation = self.conversation;
        ask
    }

    fn decide(&self) -> Result<Decision, Refusal> {
        let caps = Caps::new(&self.caps, Arc::new(Utc));
        let ground = Ground {
            network: &self.network,
            state: &self.state,
            caps: &caps,
            now: self.now,
        };
        decide(&ground, self.route(), &self.ask())
    }

    fn learn(&mut self, offer: usize, tokens: u64) {
        let mut state = std::mem::take(&mut self.state);
        let usage = Usage::reported(9, 0, tokens, 0, 99);
        let mut lesson = Lesson::new(self.ask(), offer, self.now, usage);
        lesson.shared = tokens / 4;
        state.warmth.learn(&self.network, self.route(), &lesson);
        self.state = state;
    }

    /// What happened to a backend: nothing, failures, answers, an answer after failures.
    fn happen(&mut self, backend: usize, what: u8) {
        let failure = Failure::without_answer(FailureKind::Server, Billed::No);
        let before = Timestamp::from_micros(self.now.as_micros() - 30_000_000);
        let health = &mut self.state.health[backend];
        for _ in 0..(if what % 2 == 1 { 5 } else { 0 }) {
            let mut pass = health.sent(before, "any");
            health.failed(before, &mut pass, &failure);
        }
        if what >= 2 {
            let mut pass = health.sent(self.now, "any");
            let later = self.now.plus(Duration::from_millis(u64::from(what) * 100));
            health.answered(later, &mut pass);
        }
        // Just broken.
        for _ in 0..(if what == 7 { 9 } else { 0 }) {
            let mut pass = health.sent(self.now, "any");
            health.failed(self.now, &mut pass, &failure);
        }
    }
}

fn names(from: &'static [&'static str]) -> impl Strategy<Value = Vec<Box<str>>> {
    let some = subsequence(from.to_vec(), 0..=from.len());
    some.prop_map(|names| names.into_iter().map(Into::into).collect())
}

fn backend(number: usize) -> impl Strategy<Value = Backend> {
    let parts = (names(&ZONES), names(&TENANTS[..2]), any::<bool>());
    parts.prop_map(move |(zones, tenants, regional)| {
        let mut backend = Backend::default();
        backend.name = format!("backend {number}").into();
        backend.provider = "anthropic".into();
        backend.zones = zones;
        // Lists are rare enough that something fits now and then.
        backend.tenants = if tenants.len() == 1 {
            tenants
        } else {
            Vec::new()
        };
        backend.regional = regional;
        backend
    })
}

fn needs() -> impl Strategy<Value = Needs> {
    let some = subsequence(Need::ALL.to_vec(), 0..=2);
    some.prop_map(|needs| needs.into_iter().fold(Needs::NONE, Needs::with))
}

fn offer(backend: usize, fallback: usize) -> impl Strategy<Value = Offer> {
    let parts = (
        select(MODELS.to_vec()),
        names(&DIALECTS),
        needs(),
        any::<bool>(),
    );
    parts.prop_map(move |(model, dialects, lacks, counts)| {
        let facts = Catalog::builtin().model("anthropic", model);
        let mut offer = Offer::new(backend, model, facts);
        offer.fallback = fallback;
        offer.dialects = dialects;
        offer.facts.lacks = lacks;
        offer.reads_count = counts;
        offer
    })
}

fn network() -> impl Strategy<Value = Network> {
    (1_usize..5, 0_usize..3)
        .prop_flat_map(|(backends, fallbacks)| {
            let all: Vec<_> = (0..backends).map(backend).collect();
            let offers = (0..=fallbacks).flat_map(|fallback| {
                (0..backends).map(move |backend| offer(backend, fallback).boxed())
            });
            let goal = select(vec![Goal::Order, Goal::Latency, Goal::Cost]);
            let offers: Vec<_> = offers.collect();
            let route = (names(&ZONES), any::<bool>(), goal, 0_i64..200);
            (all, offers, route)
        })
        .prop_map(|(backends, offers, (residency, affinity, goal, rank))| {
            let mut route = Route::default();
            route.name = "contracts".into();
            route.residency = if residency.len() == 2 {
                residency
            } else {
                Vec::new()
            };
            route.affinity = affinity;
            route.goal = goal;
            route.worth.rank = Money::from_pico(i128::from(rank) * 1_000_000_000);
            route.cooldown = Duration::from_secs(60);
            route.offers = offers;
            let mut network = Network::default();
            network.backends = backends;
            network.routes = vec![route];
            network
        })
}

fn world() -> impl Strategy<Value = World> {
    let ask = (
        select(TENANTS.to_vec()),
        select(DIALECTS.to_vec()),
        needs(),
        1_u64..400_000,
        any::<bool>(),
    );
    let events = proptest::collection::vec((0_usize..12, 0_u8..8, 0_u64..150_000), 0..8);
    let caps = select(vec![
        None,
        Some("1 USD/day"),
        Some("0.05 USD/day"),
        Some("60000 tokens/day"),
    ]);
    (network(), ask, events, caps).prop_map(|(network, ask, events, cap)| {
        let (tenant, dialect, needs, bytes, known) = ask;
        let scope = CapScope::Backend("backend 0".into());
        let mut world = World {
            state: State::new(&network),
            network,
            caps: cap
                .map(|text| Cap::parse(text).unwrap().of(scope))
                .into_iter()
                .collect(),
            now: Timestamp::from_micros(1_000_000_000),
            tenant,
            dialect,
            needs,
            bytes,
            conversation: known.then_some(Digest::from_bytes([3; 16])),
        };
        for (place, what, tokens) in events {
            let (backends, offers) = (world.network.backends.len(), world.route().offers.len());
            world.happen(place % backends, what);
            if tokens > 1_000 {
                world.learn(place % offers, tokens);
            }
        }
        world
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// No health, no warmth, no goal and no price sends a call where it must not go.
    #[test]
    fn nothing_overrides_a_hard_constraint(world in world()) {
        let Ok(decision) = world.decide() else { return Ok(()) };
        let route = world.route();
        for pick in &decision.picks {
            let offer = &route.offers[pick.offer];
            let backend = &world.network.backends[offer.backend];
            if !route.residency.is_empty() {
                prop_assert!(!backend.zones.is_empty());
                prop_assert!(backend.zones.iter().all(|zone| route.residency.contains(zone)));
            }
            let listed = backend.tenants.iter().any(|tenant| **tenant == *world.tenant);
            prop_assert!(backend.tenants.is_empty() || listed);
            prop_assert!(offer.dialects.iter().any(|dialect| **dialect == *world.dialect));
            prop_assert_eq!(world.needs.first_of(offer.facts.lacks), None);
            let limits = offer.facts.limits;
            let sells = limits.one_hour || !limits.known;
            prop_assert!(sells || !world.needs.has(Need::OneHour));
        }
    }

    /// Who is asked is who has no bar, and a refusal has a bar for everybody.
    #[test]
    fn picks_are_the_candidates_without_a_bar(world in world()) {
        match world.decide() {
            Ok(decision) => {
                let mut picked: Vec<usize> = decision.picks.iter().map(|pick| pick.offer).collect();
                picked.sort_unstable();
                let open = decision.candidates.iter().filter(|one| one.bar.is_none());
                let open: Vec<usize> = open.map(|one| one.offer).collect();
                prop_assert!(!picked.is_empty());
                prop_assert_eq!(picked, open);
                prop_assert_eq!(decision.candidates.len(), world.route().offers.len());
            }
            Err(refusal) => {
                prop_assert!(refusal.candidates.iter().all(|one| one.bar.is_some()));
                let opens = refusal.candidates.iter().filter_map(|one| one.bar.as_ref()?.until());
                // Another bar may fall later, but none before the first.
                if let Some(until) = refusal.until {
                    prop_assert!(opens.min().is_some_and(|first| first <= until && world.now < until));
                }
            }
        }
    }

    /// The same arguments give the same decision, and the same words for it.
    #[test]
    fn a_decision_is_a_function_of_its_arguments(world in world()) {
        let again = world.clone();
        match (world.decide(), again.decide()) {
            (Ok(one), Ok(other)) => {
                prop_assert_eq!(&one.picks, &other.picks);
                prop_assert_eq!(&one.candidates, &other.candidates);
                let why = one.why(&world.network, world.route());
                prop_assert!(why.is_ascii() && why.len() <= 200, "{}", why);
                prop_assert_eq!(why, other.why(&again.network, again.route()));
            }
            (Err(one), Err(other)) => prop_assert_eq!(one, other),
            (one, other) => prop_assert!(false, "{:?} {:?}", one, other),
        }
    }

    /// Fallback models come after the route's own, and what cools down after what is sound.
    #[test]
    fn order_is_by_model_then_soundness_then_score(world in world()) {
        let Ok(decision) = world.decide() else { return Ok(()) };
        let route = world.route();
        let rank = |pick: &Pick| {
            let one = &decision.candidates[pick.offer];
            let is_unpriced = route.goal == Goal::Cost && one.expected.is_none();
            let cools = one.standing == Standing::Cooling;
            (route.offers[pick.offer].fallback, cools, is_unpriced, one.score)
        };
        for pair in decision.picks.windows(2) {
            prop_assert!(rank(&pair[0]) <= rank(&pair[1]));
        }
    }

    /// A conversation stays where it is warm unless rank is worth more than leaving costs.
    #[test]
    fn affinity_holds_unless_the_score_says_otherwise(
        mut world in world(),
        home in 0_usize..12,
        tokens in 5_000_u64..150_000,
    ) {
        world.conversation = Some(Digest::from_bytes([5; 16]));
        world.bytes = tokens * 2;
        world.network.routes[0].goal = Goal::Order;
        world.network.routes[0].affinity = true;
        let home = home % world.route().offers.len();
        world.learn(home, tokens);
        let Ok(decision) = world.decide() else { return Ok(()) };
        let first = decision.picks[0];
        let route = world.route();
        let [one, warm] = [first.offer, home].map(|offer| &decision.candidates[offer]);
        let same = route.offers[first.offer].fallback == route.offers[home].fallback;
        if first.offer == home || warm.bar.is_some() || !same || warm.standing == Standing::Cooling {
            return Ok(());
        }
        // Left for one further ahead in the order, whose lead is worth what leaving costs.
        let lead = i128::try_from(home).unwrap() - i128::try_from(first.offer).unwrap();
        let lead = Money::from_pico(route.worth.rank.as_pico() * lead);
        let left = first.hop.unwrap_or_default() - warm.hop.unwrap_or_default();
        let is_known = one.expected.is_some() && warm.expected.is_some();
        prop_assert!(!is_known || left <= lead, "{:?} {:?} {:?}", first, warm, lead);
    }

    /// What one tenant left warm is foreseen for no other.
    #[test]
    fn warmth_is_a_tenant_s_own(mut world in world()) {
        world.tenant = "a stranger";
        for backend in &mut world.network.backends {
            backend.tenants.clear();
        }
        let candidates = match world.decide() {
            Ok(decision) => decision.candidates,
            Err(refusal) => refusal.candidates,
        };
        prop_assert!(candidates.iter().all(|one| one.warm == 0));
    }
}

/// A bar that time lifts says when.
#[test]
fn bars_say_when_they_fall() {
    let at = Timestamp::from_micros(7);
    for bar in [
        Bar::Broken(at),
        Bar::Unserved(at),
        Bar::RateLimited(at),
        Bar::Capped(at),
    ] {
        assert_eq!(bar.until(), Some(at), "{bar}");
    }
    for bar in [
        Bar::Residency,
        Bar::Tenant,
        Bar::Dialect,
        Bar::Unable("tools"),
        Bar::Beyond,
    ] {
        assert_eq!(bar.until(), None, "{bar}");
    }
}

#[cfg(feature = "cli")]
mod command {
    use std::process::{Command, Output};

    use serde_json::Value;

    const CONFIG: &str = r#"
[providers.direct]
kind = "anthropic"
key = "secret-1"
tenants = ["acme"]
[providers.bedrock]
kind = "bedrock"
region = "eu-central-1"
key = "secret-2"
[routes.voice]
model = "claude-sonnet-4.5"
order = ["direct", "bedrock"]
[routes.contracts]
model = "claude-sonnet-4.5"
order = ["bedrock"]
residency = "eu"
cap = "0.001 USD/day"
"#;

    fn run(extra: &[&str]) -> Output {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("cachewright.toml");
        std::fs::write(&config, CONFIG).unwrap();
        let body = dir.path().join("body.json");
        let text =
            r#"{"model":"voice","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;
        std::fs::write(&body, text).unwrap();
        Command::new(env!("CARGO_BIN_EXE_cachewright"))
            .arg("route")
            .arg("--config")
            .arg(&config)
            .args(extra)
            .arg(&body)
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
    }

    fn json(extra: &[&str]) -> Value {
        let output = run(&[extra, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    #[test]
    fn every_offer_is_shown_with_what_speaks_against_it() {
        let told = json(&["--route", "voice", "--tenant", "acme"]);
        let candidates = told["candidates"].as_array().unwrap();
        assert_eq!(candidates.len(), 2);
        assert_eq!(candidates[0]["backend"], "direct");
        assert_eq!(candidates[0]["asked"], 1);
        assert_eq!(told["why"], "direct: first in order");
        let told = json(&["--route", "voice", "--tenant", "umbra"]);
        assert_eq!(told["candidates"][0]["backend"], "bedrock");
        assert_eq!(told["candidates"][1]["bar"], "tenant");
        let output = run(&["--route", "voice", "--tenant", "umbra"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.contains("bedrock: nobody else may serve it; direct tenant"),
            "{text}"
        );
        assert!(!text.contains("secret"));
    }

    #[test]
    fn a_call_that_nobody_may_serve_is_told_by_the_exit_code() {
        let output = run(&["--route", "contracts"]);
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("beyond a cap"), "{text}");
        let output = run(&["--route", "voices"]);
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            text.contains("no route `voices`") && text.contains("contracts, voice"),
            "{text}"
        );
    }
}
