//! What `prepare` and response watching cost, each figure as a ratio against baselines measured in
//! the same run: a `serde_json::Value` round trip, and one memcpy plus memcmp, of the same body.
//!
//! `cargo bench --bench engine`; `-- --quick` takes fewer samples, `-- --smallest` only the
//! smallest body.

#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![expect(clippy::float_arithmetic, reason = "ratios of durations")]
#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::cell::Cell;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use cachewright::adapter::memory::InProcess;
use cachewright::engine::{End, Engine, Exchange, Meta, Settings};
use cachewright::model::{Keyring, Timestamp};
use cachewright::provider::Catalog;
use cachewright::wire::{Dialect as _, Framing, Messages, Outer, Watcher};

fn main() {
    let samples = if std::env::args().any(|arg| arg == "--quick") {
        5
    } else {
        25
    };
    let catalog = Arc::new(Catalog::builtin());
    println!(
        "body      blocks  value µs  copy µs  cold µs  value/cold  turn µs  value/turn  turn/copy"
    );
    let smallest = std::env::args().any(|arg| arg == "--smallest");
    let sizes = [10_000, 100_000, 1_000_000, 4_000_000];
    for size in sizes.into_iter().take(if smallest { 1 } else { 4 }) {
        prepare(&catalog, size, samples);
    }
    println!("body      read µs  outer µs  outer/read");
    for size in sizes.into_iter().take(if smallest { 1 } else { 3 }) {
        outer(size, samples);
    }
    watch(samples);
}

/// What is read of a call before it is known where it goes, against a whole reading of its body.
fn outer(size: usize, samples: usize) {
    let (_, body, _) = conversation(size);
    let keyring = Keyring::new(b"bench");
    let read = median(
        samples,
        || (),
        |()| Messages.read(&body, &keyring, &mut |_| Vec::new()).is_ok(),
    );
    let outer = median(
        samples,
        || (),
        |()| Outer::read("messages", &body, &keyring).is_ok(),
    );
    println!(
        "{:<9} {read:>7.1} {outer:>9.1} {:>11.2}",
        body.len(),
        outer / read
    );
}

fn prepare(catalog: &Arc<Catalog>, size: usize, samples: usize) {
    let (before, body, blocks) = conversation(size);
    let value = median(
        samples,
        || (),
        |()| {
            let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
            serde_json::to_vec(&value).unwrap().len()
        },
    );
    let copy = median(
        samples,
        || (),
        |()| {
            let copy = body.to_vec();
            usize::from(black_box(&copy[..]) == &body[..])
        },
    );
    // One engine in use, and for every sample a conversation of its own.
    let engine = Engine::new(Arc::clone(catalog), Settings::default())
        .remembering(Arc::new(InProcess::default()));
    let number = Cell::new(0_u32);
    let named = |body: &Bytes| {
        let text = std::str::from_utf8(body).unwrap();
        Bytes::from(text.replacen("failing test", &format!("test {:06}", number.get()), 1))
    };
    let send =
        |body: &Bytes| engine.prepare(Timestamp::from_micros(1), &Meta::of("anthropic"), body);
    // Its memory is full, as it is in any process that has run for a while.
    for _ in 0..(80_000_000 / size).clamp(8, 400) {
        number.set(number.get() + 1);
        answered(send(&named(&body)).exchange);
    }
    let fresh = || {
        number.set(number.get() + 1);
        named(&body)
    };
    let cold = median(samples, fresh, |body| send(&body));
    let known = || {
        number.set(number.get() + 1);
        answered(send(&named(&before)).exchange);
        named(&body)
    };
    let turn = median(samples, known, |body| send(&body));
    println!(
        "{:<9} {blocks:>6} {value:>9.1} {copy:>8.1} {cold:>8.1} {:>11.1} {turn:>8.1} {:>11.1} {:>10.1}",
        body.len(),
        value / cold,
        value / turn,
        turn / copy,
    );
}

/// Ends an exchange as one that was answered: the next turn goes on from it.
fn answered(mut exchange: Exchange) {
    let _ = exchange.on_response(Timestamp::from_micros(2), 200, Framing::Json);
    drop(exchange.finish(Timestamp::from_micros(3), End::Complete));
}

/// Median microseconds of `run` over what `setup` gives; neither that nor dropping the result is
/// timed.
fn median<S, R>(samples: usize, setup: impl Fn() -> S, run: impl Fn(S) -> R) -> f64 {
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
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A coding agent's conversation of about `size` bytes: the body before its last turn (a line of
/// text, a tool call and its result), the whole body, and the number of its blocks.
fn conversation(size: usize) -> (Bytes, Bytes, usize) {
    let mut tools = String::new();
    for n in 0..20 {
        let comma = if n > 0 { "," } else { "" };
        let _ = write!(
            tools,
            r#"{comma}{{"name":"tool_{n}","description":"{}","input_schema":{{"type":"object","properties":{{"path":{{"type":"string","description":"where"}},"limit":{{"type":"integer"}}}},"required":["path"]}}}}"#,
            prose(n, size.min(100_000) / 400),
        );
    }
    let head = format!(
        r#"{{"model":"claude-sonnet-4-5","max_tokens":32000,"tools":[{tools}],"system":[{{"type":"text","text":"{}"}}],"messages":[{{"role":"user","content":[{{"type":"text","text":"Please mend the failing test."}}]}}"#,
        prose(99, size.min(100_000) / 10),
    );
    let (mut body, mut before, mut blocks, mut turn) = (head, String::new(), 22, 0);
    while body.len() < size {
        before = format!("{body}]}}");
        let _ = write!(
            body,
            r#",{{"role":"assistant","content":[{{"type":"text","text":"{}"}},{{"type":"tool_use","id":"toolu_{turn}","name":"tool_3","input":{{"path":"src/{turn}.rs","limit":{turn}}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"toolu_{turn}","content":"{}"}}]}}"#,
            prose(turn, 300),
            prose(turn + 7, 400 + (turn * 7919) % 5200),
        );
        blocks += 3;
        turn += 1;
    }
    body.push_str("]}");
    (before.into(), body.into(), blocks)
}

/// JSON-escaped text with line ends and quotes, as source code has them.
fn prose(seed: usize, length: usize) -> String {
    const WORDS: [&str; 8] = [
        "let value = ",
        "self.cache",
        ".unwrap_or_default();",
        r"\n    ",
        "// the prefix ",
        r#"\"text\""#,
        "match breakpoint ",
        "{ Ok(found) => ",
    ];
    let mut text = String::with_capacity(length + 32);
    let mut state = seed.wrapping_mul(0x9E37_79B9).wrapping_add(1);
    while text.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push_str(
            WORDS
                .get((state >> 33) % WORDS.len())
                .copied()
                .unwrap_or_default(),
        );
    }
    text
}

fn watch(samples: usize) {
    let mut stream = String::from(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude-sonnet-4-5\",\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":9000,\"cache_creation_input_tokens\":120,\"cache_creation\":{\"ephemeral_5m_input_tokens\":120,\"ephemeral_1h_input_tokens\":0},\"output_tokens\":1}}}\n\n",
    );
    for n in 0..2000 {
        let _ = write!(
            stream,
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"piece {n} of the answer\"}}}}\n\n",
        );
    }
    stream.push_str("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2000}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    let chunks: Vec<&[u8]> = stream.as_bytes().chunks(1400).collect();
    let serde = median(
        samples,
        || (),
        |()| {
            let events = stream
                .lines()
                .filter_map(|line| line.strip_prefix("data: "));
            events
                .map(|data| {
                    serde_json::from_str::<serde_json::Value>(data)
                        .unwrap()
                        .is_object()
                })
                .filter(|ok| *ok)
                .count()
        },
    );
    let ours = median(
        samples,
        || Watcher::new(&Messages, Framing::Sse),
        |mut watcher| {
            chunks.iter().for_each(|chunk| watcher.feed(chunk));
            usize::from(watcher.finish().usage.is_some())
        },
    );
    println!(
        "watching {} SSE events: {ours:.1} µs, {:.1} % of a serde parse of each ({serde:.1} µs)",
        2003,
        100.0 * ours / serde
    );
}
