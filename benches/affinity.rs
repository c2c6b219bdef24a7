//! What affinity is worth: recorded sessions, interleaved as in a busy service, replayed in virtual
//! time over three simulated backends with caches of their own, of which each fails now and then.
//!
//! Of each file the sessions that begin first are taken, so that a run stays below a minute; the
//! figures say how many. One session begins every 20 seconds and keeps the gaps it was recorded with.
//! A backend fails for four minutes out of forty on average, and beside that one call in fifty.
//!
//! `cargo bench --bench affinity`; `-- --quick` takes fewer requests.

#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]
#![expect(clippy::float_arithmetic, reason = "ratios, and times that vary")]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench stops at the first surprise"
)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cachewright::adapter::memory::InProcess;
use cachewright::adapter::workload::{Options, Timed, Workload};
use cachewright::engine::{End, Engine, Exchange, Meta, Settings};
use cachewright::model::{Digest, Keyring, Money, Timestamp, Usage};
use cachewright::provider::Catalog;
use cachewright::route::{
    Ask, Backend, Billed, Caps, Course, Failure, FailureKind, Goal, Ground, Lesson, Move, Network,
    Offer, Pass, Pick, Route, State, decide,
};
use cachewright::sim::{Ask as Sent, Sim};

/// The files, and how many requests are taken of each.
const FILES: [(&str, usize); 3] = [
    ("cc_entire_cli.jsonl.xz", 700),
    ("tau2_bench.jsonl.xz", 682),
    ("lmcache_agents.jsonl.xz", 402),
];
const BACKENDS: [&str; 3] = ["anthropic", "bedrock", "vertex"];
const BETWEEN_SESSIONS: Duration = Duration::from_secs(20);

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let Some(dir) = recordings() else {
        println!(
            "skipped: no recorded workloads; put them beside the repository at ../shared/workloads \
             or name their directory in CACHEWRIGHT_WORKLOADS"
        );
        return;
    };
    let requests = interleaved(&dir, if quick { 4 } else { 1 });
    let catalog = Arc::new(Catalog::builtin());
    println!(
        "\n{:<8} {:<9} {:<9} {:>9} {:>8} {:>9} {:>6} {:>9} {:>8} {:>6}",
        "goal",
        "failures",
        "affinity",
        "cost",
        "hit rate",
        "hops",
        "moves",
        "hop cost",
        "failed",
        "lost"
    );
    for (goal, faults) in [
        (Goal::Order, Faults::None),
        (Goal::Order, Faults::Injected),
        (Goal::Latency, Faults::Injected),
        (Goal::Cost, Faults::Injected),
    ] {
        let costs = [Affinity::On, Affinity::Off].map(|affinity| {
            let tally = Run::new(&catalog, (goal, affinity), faults).over(&requests);
            tally.print((goal, affinity), faults);
            tally.cost.as_usd()
        });
        let [on, off] = costs;
        println!("{:<8} affinity saves {:.2} %", "", 100.0 * (off - on) / off);
    }
}

fn recordings() -> Option<PathBuf> {
    let named = std::env::var_os("CACHEWRIGHT_WORKLOADS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/workloads");
    let dir = named.unwrap_or(beside);
    FILES
        .iter()
        .all(|(name, _)| dir.join(name).is_file())
        .then_some(dir)
}

/// Requests of all files on one clock.
fn interleaved(dir: &Path, part: usize) -> Vec<Timed> {
    let mut all = Vec::new();
    let mut begun = 0_u32;
    for (name, most) in FILES {
        let most = most / part;
        let workload = Workload::open(&dir.join(name), Options::default()).unwrap();
        let total = workload.requests();
        let mut shifts: BTreeMap<Arc<str>, i64> = BTreeMap::new();
        let first = all.len();
        for timed in workload.take(most) {
            let mut timed = timed.unwrap();
            let shift = *shifts.entry(Arc::clone(&timed.session)).or_insert_with(|| {
                // Files alternate, since each has its own hour.
                let start = BETWEEN_SESSIONS * begun;
                begun += 1;
                i64::try_from(start.as_micros()).unwrap() - timed.at.as_micros()
            });
            for time in [&mut timed.at, &mut timed.first_byte, &mut timed.end] {
                *time = Timestamp::from_micros(time.as_micros() + shift);
            }
            all.push(timed);
        }
        let taken = all.len() - first;
        println!(
            "{name}: {taken} of {total} requests, {} sessions",
            shifts.len()
        );
        begun = 0;
    }
    all.sort_by_key(|timed| timed.at);
    all
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Affinity {
    On,
    Off,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Faults {
    None,
    Injected,
}

/// What happens next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrived,
    Due,
    Failed,
    FirstByte,
    Ended,
}

/// One call under way.
struct Call {
    number: usize,
    course: Course,
    pick: Option<Pick>,
    pass: Option<Pass>,
    open: Option<(Exchange, Usage)>,
    failure: Option<Failure>,
    left: Option<usize>,
}

#[derive(Default)]
struct Tally {
    requests: u64,
    failed: u64,
    lost: u64,
    hops: u64,
    moves: u64,
    input: u64,
    read: u64,
    cost: Money,
    hop_cost: Money,
}

impl Tally {
    fn print(&self, (goal, affinity): (Goal, Affinity), faults: Faults) {
        let faults = if faults == Faults::None {
            "none"
        } else {
            "injected"
        };
        let on = match affinity {
            Affinity::On => "on",
            Affinity::Off => "off",
        };
        let rate = 100.0 * self.read as f64 / self.input.max(1) as f64;
        println!(
            "{:<8} {faults:<9} {on:<9} {:>9} {rate:>7.1}% {:>9} {:>6} {:>9} {:>8} {:>6}",
            goal.as_str(),
            self.cost.to_string(),
            self.hops,
            self.moves,
            self.hop_cost.to_string(),
            self.failed,
            self.lost,
        );
    }
}

/// One policy over all requests.
struct Run {
    catalog: Arc<Catalog>,
    engine: Engine,
    keyring: Keyring,
    sims: Vec<Sim>,
    network: Network,
    /// Place of the route in the network by the model it is for.
    routes: BTreeMap<Arc<str>, usize>,
    template: Route,
    state: State,
    caps: Caps,
    /// When each backend fails altogether.
    outages: Vec<Vec<(Timestamp, Timestamp)>>,
    dice: u64,
    events: BinaryHeap<Reverse<(Timestamp, u64, Event, usize)>>,
    sequence: u64,
    calls: BTreeMap<usize, Call>,
    /// Where each conversation went last.
    went: BTreeMap<Digest, usize>,
    tally: Tally,
}

impl Run {
    fn new(catalog: &Arc<Catalog>, (goal, affinity): (Goal, Affinity), faults: Faults) -> Self {
        let mut network = Network::default();
        for name in BACKENDS {
            let mut backend = Backend::default();
            backend.name = name.into();
            backend.provider = name.into();
            // The same list price everywhere but for the regional endpoints.
            backend.regional = name != "anthropic";
            network.backends.push(backend);
        }
        let mut template = Route::default();
        template.goal = goal;
        template.affinity = affinity == Affinity::On;
        template.cooldown = Duration::from_secs(60);
        let mut dice = 7;
        let outages = (0..BACKENDS.len()).map(|_| match faults {
            Faults::None => Vec::new(),
            Faults::Injected => outages(&mut dice),
        });
        Self {
            engine: Engine::new(Arc::clone(catalog), Settings::default())
                .remembering(Arc::new(InProcess::default())),
            keyring: Keyring::new(b"affinity"),
            sims: BACKENDS
                .iter()
                .map(|name| Sim::of(Arc::clone(catalog), name))
                .collect(),
            state: State::new(&network),
            outages: outages.collect(),
            network,
            routes: BTreeMap::new(),
            template,
            caps: Caps::default(),
            dice: if faults == Faults::None { 0 } else { 99 },
            events: BinaryHeap::new(),
            sequence: 0,
            calls: BTreeMap::new(),
            went: BTreeMap::new(),
            tally: Tally::default(),
            catalog: Arc::clone(catalog),
        }
    }

    fn over(mut self, requests: &[Timed]) -> Tally {
        for (number, timed) in requests.iter().enumerate() {
            self.plan(timed.at, Event::Arrived, number);
        }
        while let Some(Reverse((now, _, event, number))) = self.events.pop() {
            let timed = &requests[number];
            match event {
                Event::Arrived => self.arrive(now, number, timed),
                Event::Due => self.send(now, number, timed),
                Event::Failed => self.fail(now, number, timed),
                Event::FirstByte => self.begin(now, number),
                Event::Ended => self.end(now, number, timed),
            }
        }
        self.tally
    }

    fn plan(&mut self, at: Timestamp, event: Event, number: usize) {
        self.sequence += 1;
        self.events
            .push(Reverse((at, self.sequence, event, number)));
    }

    /// The route to this model, made when it is first asked for.
    fn route(&mut self, model: &Arc<str>) -> usize {
        if let Some(known) = self.routes.get(model) {
            return *known;
        }
        let mut route = self.template.clone();
        route.name = (&**model).into();
        for (place, name) in BACKENDS.into_iter().enumerate() {
            let mut offer = Offer::new(place, model, self.catalog.model(name, model));
            offer.dialects = vec!["messages".into()];
            route.offers.push(offer);
        }
        self.network.routes.push(route);
        self.state
            .budgets
            .push(cachewright::route::RetryBudget::default());
        self.routes
            .insert(Arc::clone(model), self.network.routes.len() - 1);
        self.network.routes.len() - 1
    }

    fn conversation(&self, timed: &Timed) -> Digest {
        let lane = timed.lane.as_deref().unwrap_or_default();
        self.keyring
            .scope(&[timed.session.as_bytes(), lane.as_bytes()])
    }

    fn ask(&self, timed: &Timed) -> Ask<'static> {
        let mut ask = Ask::default();
        ask.dialect = "messages";
        ask.bytes = timed.body.len() as u64;
        ask.conversation = Some(self.conversation(timed));
        ask
    }

    fn arrive(&mut self, now: Timestamp, number: usize, timed: &Timed) {
        self.tally.requests += 1;
        let place = self.route(&timed.model);
        let ask = self.ask(timed);
        let route = &self.network.routes[place];
        let ground = Ground {
            network: &self.network,
            state: &self.state,
            caps: &self.caps,
            now,
        };
        let Ok(decision) = decide(&ground, route, &ask) else {
            self.tally.lost += 1;
            return;
        };
        let call = Call {
            number,
            course: Course::new(&decision, route, now, number as u64),
            pick: None,
            pass: None,
            open: None,
            failure: None,
            left: self.went.get(&self.conversation(timed)).copied(),
        };
        self.calls.insert(number, call);
        self.next(now, number, timed);
    }

    fn next(&mut self, now: Timestamp, number: usize, timed: &Timed) {
        let place = self.route(&timed.model);
        let budget = &mut self.state.budgets[place];
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        match call.course.next(now, budget) {
            Move::Send(pick) => {
                call.pick = Some(pick);
                self.send(now, number, timed);
            }
            Move::Wait(pick, at) => {
                call.pick = Some(pick);
                self.plan(at, Event::Due, number);
            }
            Move::Listen => {}
            Move::GiveUp => {
                self.calls.remove(&number);
                self.tally.lost += 1;
            }
        }
    }

    fn send(&mut self, now: Timestamp, number: usize, timed: &Timed) {
        let place = self.route(&timed.model);
        let Some(pick) = self.calls.get(&number).and_then(|call| call.pick) else {
            return;
        };
        let offer = &self.network.routes[place].offers[pick.offer];
        let backend = offer.backend;
        let pass = self.state.health[backend].sent(now, &offer.id);
        let down = self.outages[backend]
            .iter()
            .any(|(from, until)| *from <= now && now < *until);
        let unlucky = self.dice != 0 && roll(&mut self.dice) < 0.02;
        let speed = [0.7, 1.0, 0.9][backend];
        let luck = 0.6
            + 0.8
                * if self.dice == 0 {
                    0.5
                } else {
                    roll(&mut self.dice)
                };
        if down || unlucky {
            let kind = if down {
                FailureKind::Server
            } else {
                FailureKind::Overloaded
            };
            let call = self.calls.get_mut(&number).unwrap();
            call.failure = Some(Failure::without_answer(kind, Billed::No));
            call.pass = Some(pass);
            self.plan(now.plus(Duration::from_millis(300)), Event::Failed, number);
            return;
        }
        let mut meta = Meta::of(BACKENDS[backend]);
        meta.dialect = "messages";
        meta.regional = self.network.backends[backend].regional;
        let prepared = self.engine.prepare(now, &meta, &timed.body);
        let body = prepared.body.clone().unwrap_or_else(|| timed.body.clone());
        let sim = &mut self.sims[backend];
        let request = sim.ask(&Sent::new("messages", &body)).unwrap();
        // Half a second, and one more for what twenty thousand tokens that are not read take.
        let cold = timed.body.len() as f64 / 2.7 / 20_000.0;
        let quick = Duration::from_secs_f64(speed * luck * (0.5 + 0.05 * cold));
        let first = now.plus(quick);
        let mut usage = sim.serve("", now, first, &request).unwrap();
        usage.output = Some(timed.output.unwrap_or(300));
        let took = timed.end.since(timed.at).max(quick);
        let call = self.calls.get_mut(&number).unwrap();
        call.pass = Some(pass);
        call.open = Some((prepared.exchange, usage));
        self.plan(first, Event::FirstByte, number);
        self.plan(now.plus(took), Event::Ended, number);
    }

    fn fail(&mut self, now: Timestamp, number: usize, timed: &Timed) {
        self.tally.failed += 1;
        let place = self.route(&timed.model);
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        let (pick, failure) = (call.pick.unwrap(), call.failure.take().unwrap());
        let backend = self.network.routes[place].offers[pick.offer].backend;
        let mut pass = call.pass.take().unwrap();
        self.state.health[backend].failed(now, &mut pass, &failure);
        let _ = call.course.failed(now, pick, &failure);
        self.next(now, number, timed);
    }

    fn begin(&mut self, now: Timestamp, number: usize) {
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        let pick = call.pick.unwrap();
        call.course.answered(pick);
        // Offers stand in the order of backends here.
        let mut pass = call.pass.take().unwrap();
        self.state.health[pick.offer].answered(now, &mut pass);
        if let Some((exchange, usage)) = &mut call.open {
            exchange.on_usage(now, *usage);
        }
    }

    fn end(&mut self, now: Timestamp, number: usize, timed: &Timed) {
        let place = self.route(&timed.model);
        let Some(call) = self.calls.remove(&number) else {
            return;
        };
        debug_assert_eq!(call.number, number);
        let (exchange, usage) = call.open.unwrap();
        let record = exchange.finish(now, End::Complete);
        let pick = call.pick.unwrap();
        self.tally.input += usage.input().unwrap_or(0);
        self.tally.read += usage.read.unwrap_or(0);
        self.tally.cost += record.cost.unwrap_or_default();
        if let Some(hop) = pick.hop.filter(|hop| *hop > Money::ZERO) {
            self.tally.hops += 1;
            self.tally.hop_cost += hop;
        }
        self.tally.moves += u64::from(call.left.is_some_and(|left| left != pick.offer));
        self.went.insert(self.conversation(timed), pick.offer);
        if let Some(lesson) = Lesson::of(self.ask(timed), pick.offer, &record) {
            let route = &self.network.routes[place];
            self.state.warmth.learn(&self.network, route, &lesson);
        }
    }
}

/// Two days of failing for four minutes out of forty on average.
fn outages(dice: &mut u64) -> Vec<(Timestamp, Timestamp)> {
    let mut all = Vec::new();
    let mut at = 0.0;
    while at < 172_800.0 {
        at -= 2_160.0 * (1.0 - roll(dice)).ln();
        let from = at;
        at -= 240.0 * (1.0 - roll(dice)).ln();
        all.push((Timestamp::from_secs_f64(from), Timestamp::from_secs_f64(at)));
    }
    all
}

/// The next number from zero to one (splitmix64).
fn roll(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
