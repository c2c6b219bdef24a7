//! No call leaves its zone, whatever fails: random configurations and random faults, judged by what
//! arrived at the simulated providers.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use cachewright::adapter::handle::Cachewright;
use cachewright::model::{KeepAlive, Ttl};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::conformance::bench::{Bench, header};
use crate::support::hands::Hands;

/// How many configurations are drawn; about every second one can serve all its routes.
const WORLDS: u64 = 120;

const ZONES: [&str; 4] = ["eu", "us", "jp", "ch"];

/// Rows with a region, the zone that it is in, and what else they need.
const KINDS: [(&str, &str, &str); 10] = [
    ("anthropic", "", ""),
    ("bedrock", "eu-central-1", "eu"),
    ("bedrock", "us-east-1", "us"),
    ("bedrock", "ap-northeast-1", "jp"),
    ("bedrock-mantle", "eu-west-1", "eu"),
    ("vertex", "europe-west1", "eu"),
    ("vertex", "us-east5", "us"),
    ("foundry", "", ""),
    ("vercel", "", ""),
    ("openrouter", "", ""),
];

const FAULTS: [&str; 9] = [
    r#"{"fault": "reset"}"#,
    r#"{"fault": "hang"}"#,
    r#"{"fault": "garbage", "billed": true}"#,
    r#"{"status": 429, "retry_after": 0}"#,
    r#"{"status": 529}"#,
    r#"{"status": 500}"#,
    r#"{"spend_limit": "enforced"}"#,
    r#"{"cut_after_bytes": 9}"#,
    r#"{"drip_ms": 1, "drip_bytes": 90}"#,
];

/// Numbers that look random and are the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.roll() % most as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A random world: its configuration, and who may process what.
#[derive(Debug, Default)]
struct World {
    config: String,
    /// Every zone in which a backend may process; none where it does not say.
    zones: BTreeMap<String, Vec<&'static str>>,
    /// How many facts its system prompts tell.
    facts: usize,
    /// The zones of each route; none for anywhere.
    routes: BTreeMap<String, Vec<&'static str>>,
}

fn list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", names.join(", "))
}

impl World {
    fn of(dice: &mut Dice) -> Self {
        let mut world = Self::default();
        let backends = 3 + dice.below(4);
        for n in 0..backends {
            world.add_backend(&format!("b{n}"), dice);
        }
        for n in 0..3 {
            world.add_route(&format!("r{n}"), dice);
        }
        world
    }

    fn add_backend(&mut self, name: &str, dice: &mut Dice) {
        let (kind, region, zone) = *dice.pick(&KINDS);
        let _ = write!(
            self.config,
            "[providers.{name}]\nkind = \"{kind}\"\nendpoint = \"{{sim}}/{kind}\"\nkey = \"k\"\n\
             headers = {{ x-backend = \"{name}\" }}\n"
        );
        let mut zones = Vec::new();
        if !region.is_empty() {
            let _ = writeln!(self.config, "region = \"{region}\"");
            zones.push(zone);
        } else if dice.chance(70) {
            // Where nothing is derived, one zone or two may be promised.
            zones.push(*dice.pick(&ZONES));
            if dice.chance(40) {
                zones.push(*dice.pick(&ZONES));
            }
            zones.sort_unstable();
            zones.dedup();
            let _ = writeln!(self.config, "residency = {}", list(&zones));
        }
        if kind == "vertex" {
            self.config += "project = \"p\"\n";
        }
        self.zones.insert(name.into(), zones);
    }

    fn add_route(&mut self, name: &str, dice: &mut Dice) {
        let mut order: Vec<&str> = self.zones.keys().map(String::as_str).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, dice.below(at + 1));
        }
        order.truncate(2 + dice.below(order.len() - 1));
        let mut zones = Vec::new();
        if dice.chance(80) {
            zones.push(*dice.pick(&ZONES[..2]));
            if dice.chance(30) {
                zones.push(*dice.pick(&ZONES));
            }
        }
        let goal = dice.pick(&["order", "latency", "cost"]);
        let mut config = format!(
            "[routes.{name}]\nmodel = \"claude-sonnet-5.5\"\norder = {}\ngoal = \"{goal}\"\n\
             first_byte = \"300ms\"\nbetween = \"300ms\"\ndeadline = \"1200ms\"\n\
             attempts = {}\nretry_percent = 100\ncooldown = \"0s\"\nexplicit_caches = true\n",
            list(&order),
            1 + dice.below(5)
        );
        if !zones.is_empty() {
            let _ = writeln!(config, "residency = {}", list(&zones));
        }
        if dice.chance(60) {
            config += "hedge = \"20ms\"\n";
        }
        if dice.chance(50) {
            config += "fallback_models = [\"claude-haiku-4.5\"]\n";
        }
        if dice.chance(30) {
            config += "affinity = false\n";
        }
        self.config += &config;
        self.routes.insert(name.into(), zones);
    }

    /// Whether this backend may see calls of this route.
    fn may(&self, backend: &str, route: &str) -> bool {
        let (zones, allowed) = (&self.zones[backend], &self.routes[route]);
        allowed.is_empty() || (!zones.is_empty() && zones.iter().all(|zone| allowed.contains(zone)))
    }
}

fn pings(bench: &Bench) -> usize {
    let records = bench.cache.records();
    let pings = records.iter().filter(|one| one.errand_kind == "ping");
    pings.count()
}

/// Lets five minutes pass twice, in which idle prefixes are kept warm, also where their backend fails.
async fn idle(bench: &Bench, hands: &Hands, dice: &mut Dice) {
    for _ in 0..2 {
        let due = pings(bench) + bench.cache.retained().sessions;
        if dice.chance(50) {
            let order = serde_json::from_str(dice.pick::<&str>(&FAULTS)).unwrap();
            bench.order("/admin/faults", &order).await;
        }
        hands.advance(281);
        for _ in 0..200 {
            if pings(bench) >= due {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Asks in this world under faults.
async fn ask(world: &World, bench: &Bench, dice: &mut Dice) {
    for turn in 0..10_usize {
        for _ in 0..dice.below(3) {
            let mut order: Value = serde_json::from_str(dice.pick::<&str>(&FAULTS)).unwrap();
            order["count"] = (1 + dice.below(3)).into();
            if dice.chance(50) {
                order["provider"] = dice.pick(&KINDS).0.into();
            }
            bench.order("/admin/faults", &order).await;
        }
        let names: Vec<&String> = world.routes.keys().collect();
        let route = dice.pick(&names).as_str();
        let long = "A fact that is told again. ".repeat(world.facts);
        let body = json!({"model": route, "max_tokens": 20, "stream": dice.chance(50),
            "system": long, "tools": [{"name": "look", "input_schema": {"type": "object"}}],
            "messages": [{"role": "user", "content": format!("conversation {}", turn % 4)}]});
        // A path, a header, or the model alone.
        let said = [("x-test-route", route), ("x-cachewright-route", route)];
        let path = format!("/{route}/v1/messages");
        let (path, said) = match dice.below(3) {
            0 => (path.as_str(), &said[..1]),
            1 => ("/v1/messages", &said[..]),
            _ => ("/v1/messages", &said[..1]),
        };
        bench.send(path, said, &body).await;
    }
}

/// Judges by what arrived, and returns how many requests were for routes that are bound to a zone.
async fn judge(world: &World, bench: &Bench) -> usize {
    let mut bound = 0;
    for one in bench.arrived().await {
        let (backend, route) = (header(&one, "x-backend"), header(&one, "x-test-route"));
        assert!(
            world.may(backend, route),
            "{route} reached {backend}\n{}\n{}",
            one["path"],
            world.config
        );
        bound += usize::from(!world.routes[route].is_empty());
    }
    bound
}

/// One world: how many requests of bound routes arrived, how many pairs of backend and route are
/// forbidden, and how many pings were sent, in every third world. Nothing where nobody may serve a route,
/// which is refused as a configuration.
async fn explore(seed: u64) -> Option<(usize, usize, usize)> {
    let mut dice = Dice(seed);
    let mut world = World::of(&mut dice);
    let hands = Hands::default();
    let is_kept = seed.is_multiple_of(3);
    // Short prefixes are not worth a ping.
    world.facts = if is_kept { 4_000 } else { 400 };
    let cache = if is_kept {
        let builder = Cachewright::builder().clock(hands.clone());
        let builder = builder.ttl(Ttl::FiveMinutes);
        builder
            .with_keep_alive(KeepAlive::default())
            .build()
            .unwrap()
    } else {
        Cachewright::new()
    };
    let bench = Bench::over(&world.config, cache).await.ok()?;
    let errands = is_kept.then(|| tokio::spawn(bench.gateway.errands()));
    ask(&world, &bench, &mut dice).await;
    if let Some(errands) = errands {
        idle(&bench, &hands, &mut dice).await;
        errands.abort();
    }
    let bound = judge(&world, &bench).await;
    let pairs = world
        .routes
        .keys()
        .flat_map(|route| world.zones.keys().map(move |backend| (backend, route)));
    let forbidden = pairs.filter(|(backend, route)| !world.may(backend, route));
    Some((bound, forbidden.count(), pings(&bench)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_never_reaches_a_provider_outside_of_its_zone() {
    let worlds = futures_util::stream::iter(0..WORLDS).map(explore);
    let explored: Vec<_> = worlds.buffer_unordered(12).collect().await;
    let explored: Vec<_> = explored.into_iter().flatten().collect();
    let bound: usize = explored.iter().map(|(bound, ..)| bound).sum();
    let forbidden: usize = explored.iter().map(|(_, forbidden, _)| forbidden).sum();
    let pings: usize = explored.iter().map(|(.., pings)| pings).sum();
    // Enough was asked, and enough was forbidden, for this to mean something.
    assert!(explored.len() > 20, "only {} worlds", explored.len());
    assert!(bound > 150, "only {bound} requests of bound routes");
    assert!(forbidden > 60, "only {forbidden} backends out of bounds");
    assert!(pings > 2, "only {pings} pings");
}

/// Where every backend in the zone is down, the call fails rather than to leave it.
#[tokio::test]
async fn a_zone_that_is_down_is_an_error() {
    let bench = Bench::new(
        "[providers.inside]\nkind = \"bedrock\"\nregion = \"eu-central-1\"\n\
         endpoint = \"{closed}\"\nkey = \"k\"\n\
         [providers.outside]\nkind = \"anthropic\"\nresidency = \"us\"\n\
         endpoint = \"{sim}/anthropic\"\nkey = \"k\"\n\
         [providers.anywhere]\nkind = \"vercel\"\nendpoint = \"{sim}/vercel\"\nkey = \"k\"\n\
         [routes.app]\nmodel = \"claude-sonnet-5.5\"\nresidency = \"eu\"\nhedge = \"1ms\"\n\
         order = [\"outside\", \"anywhere\", \"inside\"]\ndeadline = \"2s\"\n",
    )
    .await;
    let body = json!({"model": "app", "max_tokens": 9,
        "messages": [{"role": "user", "content": "hello"}]});
    let answered = bench.ask("app", "messages", &body).await;
    assert!(answered.status >= 500, "{}", answered.text());
    assert_eq!(bench.arrived().await, Vec::<Value>::new());
}
