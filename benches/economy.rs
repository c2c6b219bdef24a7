//! What deciding costs beside the engine's own scan and hash of the same request, in the same run, and
//! what a million prefixes and a hundred thousand conversations weigh.
//!
//! *Deciding* is all that a request of which only digests and tokens are known passes through: the
//! survey of its prefixes, lifetime class, leader, the provider's behaviour, the plan and its lineage,
//! and what its answer teaches. *Scan and hash* is reading the body with the fingerprints of its
//! blocks, and the chain of its prefixes. The bar is 20 µs.
//!
//! `cargo bench --bench economy`; `-- --quick` takes fewer samples and a tenth of the memory.

#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![expect(clippy::float_arithmetic, reason = "ratios of durations")]
#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::cell::Cell;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cachewright::adapter::memory::{Bounds, InProcess};
use cachewright::economy::leader::{Allowed, Extent, Leader, Shadow, Variant};
use cachewright::economy::{Behaviour, Foreseen, Stream};
use cachewright::engine::{End, Engine, Memory as _, Meta, Settings, Traced};
use cachewright::ledger::history::{Entry, Maker, Node, Nodes as _, Spot};
use cachewright::model::{Keyring, Rates, Timestamp, Ttl, Usage};
use cachewright::provider::Catalog;
use cachewright::wire::{Dialect as _, Messages};

/// Microseconds that deciding may take.
const BAR: f64 = 20.0;
/// Megabytes that the state of a million prefixes may take.
const MEMORY_BAR: f64 = 256.0;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    // What a process has freed is not always given back: memory comes first.
    memory(if quick { 10 } else { 1 });
    let samples = if quick { 101 } else { 1_001 };
    println!(
        "{:<9} {:>7} {:>15} {:>13} {:>11} {:>13}  bar {BAR} µs",
        "body", "blocks", "scan+hash µs", "decide µs", "ratio", "finish µs"
    );
    let mut worst = Times::default();
    for size in [10_000, 100_000, 1_000_000] {
        let all = decide(size, samples);
        worst.least = worst.least.max(all.least);
        worst.median = worst.median.max(all.median);
    }
    let told = |time: f64| if time < BAR { "held" } else { "NOT HELD" };
    println!(
        "the bar of {BAR} µs is {} by the least ({:.1} µs), {} by the median ({:.1} µs)",
        told(worst.least),
        worst.least,
        told(worst.median),
        worst.median,
    );
    parts(samples / 10);
}

/// Microseconds that something took: at least, and in half of all samples.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    least: f64,
    median: f64,
}

impl Times {
    /// Both of them as a share of others.
    fn of(self, others: Self) -> Self {
        Self {
            least: self.least / others.least,
            median: self.median / others.median,
        }
    }

    fn show(self, digits: usize) -> String {
        format!("{:.digits$} / {:.digits$}", self.least, self.median)
    }
}

/// Reads a body with the fingerprints of its blocks, and chains its prefixes.
fn scan_and_hash(body: &Bytes, keyring: &Keyring, samples: usize) -> Times {
    let run = |()| {
        let read = Messages.read(body, keyring, &mut |_| Vec::new()).unwrap();
        let links = read.prompt.blocks.iter();
        links.fold(Default::default(), |last, block| {
            keyring.link(last, block.fingerprint)
        })
    };
    times(samples, || (), run)
}

/// The third turn of one conversation after another, in an engine that has been used.
fn decide(size: usize, samples: usize) -> Times {
    let body = conversation(size);
    let keyring = Keyring::new(b"bench");
    let reading = Messages.read(&body, &keyring, &mut |_| Vec::new()).unwrap();
    let prompt = reading.prompt;
    let scan = scan_and_hash(&body, &keyring, samples);
    let engine = Engine::new(Arc::new(Catalog::builtin()), Settings::default())
        .remembering(Arc::new(InProcess::default()));
    let meta = Meta::of("anthropic");
    let mut tokens = 0;
    let blocks = prompt.blocks.iter();
    let prefix_tokens: Vec<u64> = blocks
        .map(|block| {
            tokens += u64::from(block.weight) / 3;
            tokens
        })
        .collect();
    let now = Cell::new(0.0);
    // Every conversation is another one: its first turn is another text.
    let number = Cell::new(0_u64);
    let traced = |blocks: usize| {
        let mut traced = Traced::default();
        traced.prompt = prompt.clone();
        traced.prompt.blocks.truncate(blocks);
        if let Some(block) = traced.prompt.blocks.get_mut(22) {
            block.fingerprint = keyring.link(block.fingerprint, fingerprint(number.get()));
        }
        traced.prefix_tokens = prefix_tokens.get(..blocks).unwrap().to_vec();
        traced
    };
    let prepare = |traced: Traced| {
        now.set(now.get() + 5.0);
        engine.prepare_traced(Timestamp::from_secs_f64(now.get()), &meta, traced)
    };
    let finish = |prepared: cachewright::engine::Prepared| {
        let at = Timestamp::from_secs_f64(now.get() + 1.0);
        let mut exchange = prepared.exchange;
        exchange.on_usage(at, Usage::reported(10, tokens / 2, 500, 0, 10));
        exchange.finish(at, End::Complete)
    };
    let all = prompt.blocks.len();
    let turns_before = || {
        number.set(number.get() + 1);
        drop(finish(prepare(traced(all - 6))));
        drop(finish(prepare(traced(all - 3))));
        traced(all)
    };
    for _ in 0..100 {
        drop(finish(prepare(turns_before())));
    }
    let deciding = times(samples, turns_before, prepare);
    let settling = times(samples, || prepare(turns_before()), finish);
    println!(
        "{:<9} {all:>7} {:>15} {:>13} {:>11} {:>13}",
        body.len(),
        scan.show(1),
        deciding.show(1),
        deciding.of(scan).show(2),
        settling.show(1),
    );
    deciding
}

fn fingerprint(number: u64) -> cachewright::model::Fingerprint {
    cachewright::model::Fingerprint(u128::from(number))
}

/// The pieces that the economics add, each by itself.
fn parts(samples: usize) {
    let rates = Rates::USUAL;
    let own = Variant::FIXED[2];
    let with = (&rates, Allowed::of(|variant| variant.pings == 0));
    let mut shadow = Shadow::default();
    let mut wider = Leader::default();
    let mut behaviour = Behaviour::default();
    let each = |name: &str, run: &mut dyn FnMut(u64)| {
        const TIMES: u64 = 1_000;
        let mut nanos: Vec<u128> = (0..samples)
            .map(|_| {
                let start = Instant::now();
                (0..TIMES).for_each(&mut *run);
                start.elapsed().as_nanos() / u128::from(TIMES)
            })
            .collect();
        nanos.sort_unstable();
        let median = nanos.get(nanos.len() / 2).copied().unwrap_or_default();
        println!("{name:<40} {median:>6} ns");
    };
    let at = |n: u64| Timestamp::from_secs_f64(1.0).plus(Duration::from_secs(n));
    each("a request under every variant", &mut |n| {
        let extent = Extent::new(50_000 + n, 8_000, 50_100 + n);
        black_box(shadow.step((at(n), &extent), &own, with, &mut wider));
    });
    each("the provider's behaviour, asked", &mut |n| {
        black_box(behaviour.hit_of(at(n), n * 100));
    });
    each("the provider's behaviour, taught", &mut |n| {
        let foreseen = Foreseen::new(n * 100, Duration::from_secs(n % 300), 2);
        behaviour.observe(at(n), &foreseen, (n % 9 != 0).into());
    });
}

/// A million live prefixes, every second of which came back, as many of which only is known that they
/// were sent, and a hundred thousand conversations, by what the process takes for them.
fn memory(part: u64) {
    let mut bounds = Bounds::default();
    bounds.prefixes = 1_000_000 / part;
    let memory = InProcess::new(bounds);
    let keyring = Keyring::new(b"bench");
    let before = resident();
    let now = Timestamp::from_secs_f64(1.0);
    let key = |number: u64| keyring.scope(&[&number.to_le_bytes()]);
    for number in 0..bounds.prefixes {
        let mut node = if number % 2 == 0 {
            Node::first_seen(Spot::Later, now)
        } else {
            Node::seen_before(Spot::Later, Duration::from_secs(60), now)
        };
        node.entry = Some(Entry::new(Ttl::FiveMinutes, now));
        memory.put_node(key(number), node);
    }
    let prefixes = resident() - before;
    let live = |number: &u64| memory.node(&key(*number)).is_some();
    let held = (0..bounds.prefixes).filter(live).count();
    for number in 0..10_000 / part {
        let path: Vec<u64> = (0..100).map(|block| tag(number * 100 + block)).collect();
        black_box(memory.pass(&path, Maker::new(7, 10), now));
    }
    let prints = resident() - before - prefixes;
    for number in 0..100_000 / part {
        let key = keyring.scope(&[b"conversation", &number.to_le_bytes()]);
        memory.put_stream(key, Stream::default());
        memory.put_shadow(key, Shadow::default());
    }
    let times = f64::from(u32::try_from(part).unwrap());
    let megabytes = (resident() - before) * times;
    println!(
        "{held} prefixes held; of a million: {:.0} MB, as many prints {:.0} MB, with 100,000 conversations {megabytes:.0} MB",
        prefixes * times,
        prints * times,
    );
    let told = if megabytes < MEMORY_BAR {
        "held"
    } else {
        "NOT HELD"
    };
    println!("the bar of {MEMORY_BAR} MB is {told}");
    drop(memory);
}

/// A tag like that of a prefix.
const fn tag(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// Resident megabytes of this process; zero where the system does not tell.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1_000.0
}

/// Microseconds of `run` over what `setup` gives; neither that nor dropping the result is timed.
fn times<S, R>(samples: usize, setup: impl Fn() -> S, run: impl Fn(S) -> R) -> Times {
    let mut times: Vec<f64> = (0..samples)
        .map(|_| {
            let state = setup();
            let start = Instant::now();
            let result = black_box(run(state));
            let elapsed = start.elapsed();
            drop(result);
            elapsed.as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    Times {
        least: times.first().copied().unwrap_or_default(),
        median: times.get(times.len() / 2).copied().unwrap_or_default(),
    }
}

/// A coding agent's conversation of about `size` bytes.
fn conversation(size: usize) -> Bytes {
    let mut tools = String::new();
    for n in 0..20 {
        let comma = if n > 0 { "," } else { "" };
        let _ = write!(
            tools,
            r#"{comma}{{"name":"tool_{n}","description":"{}","input_schema":{{"type":"object"}}}}"#,
            prose(n, size.min(100_000) / 400),
        );
    }
    let mut body = format!(
        r#"{{"model":"claude-sonnet-4-5","max_tokens":32000,"tools":[{tools}],"system":[{{"type":"text","text":"{}"}}],"messages":[{{"role":"user","content":[{{"type":"text","text":"Please mend the failing test."}}]}}"#,
        prose(99, size.min(100_000) / 10),
    );
    let mut turn = 0;
    while body.len() < size || turn < 2 {
        let _ = write!(
            body,
            r#",{{"role":"assistant","content":[{{"type":"text","text":"{}"}},{{"type":"tool_use","id":"toolu_{turn}","name":"tool_3","input":{{"path":"src/{turn}.rs"}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"toolu_{turn}","content":"{}"}}]}}"#,
            prose(turn, 300),
            prose(turn + 7, 400 + (turn * 7919) % 5200),
        );
        turn += 1;
    }
    body.push_str("]}");
    body.into()
}

fn prose(seed: usize, length: usize) -> String {
    const WORDS: [&str; 5] = [
        "let value = ",
        "self.cache",
        "// the prefix ",
        "match ",
        "{ Ok }",
    ];
    let mut text = String::with_capacity(length + 32);
    let mut state = seed.wrapping_mul(0x9E37_79B9).wrapping_add(1);
    while text.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let word = WORDS.get((state >> 33) % WORDS.len());
        text.push_str(word.copied().unwrap_or_default());
    }
    text
}
