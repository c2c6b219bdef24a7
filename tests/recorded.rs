//! Every recorded request through the engine and the simulator: nothing but markers is added,
//! nothing is refused, and the bill is no higher than that of the simple ways.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test stops at the first surprise, and says how much it has seen"
)]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cachewright::adapter::memory::InProcess;
use cachewright::adapter::replay::{Job, Row, Watch, replay};
use cachewright::adapter::workload::Timed;
use cachewright::engine::{End, Engine, Framing, Meta, Settings};
use cachewright::model::Timestamp;
use cachewright::provider::Catalog;
use cachewright::sim::Sim;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::support::marked::additions;
use crate::workload::recordings;

/// Anthropic's limit.
const MARKERS: usize = 4;

/// Compares what is sent with what was recorded.
#[derive(Debug, Default)]
struct Checker {
    requests: u64,
    markers: usize,
}

impl Watch for Checker {
    fn sent(&mut self, timed: &Timed, body: &[u8]) {
        match additions(body, &timed.body) {
            Ok(added) => {
                assert!(
                    added <= MARKERS,
                    "request {}: {added} markers",
                    self.requests
                );
                self.markers += added;
            }
            Err(place) => panic!("request {} differs at byte {place}", self.requests),
        }
        self.requests += 1;
    }
}

/// The recorded workloads, and how many requests each has.
const FILES: [(&str, u64); 7] = [
    ("cc_entire_cli", 10_928),
    ("codex_agentv", 1_373),
    ("tau2_bench", 682),
    ("tau_bench_airline", 2_454),
    ("lmcache_agents", 402),
    ("rag_cookbook", 737),
    ("bfcl", 992),
];

/// What the replay of a recorded workload by the default settings came to; every body of it was
/// compared with what was recorded. It is made once for all tests.
pub(crate) fn replayed(name: &str) -> Option<&'static Row> {
    static ROWS: [OnceLock<Row>; FILES.len()] = [const { OnceLock::new() }; FILES.len()];
    let path = recordings()?.join(format!("{name}.jsonl.xz"));
    let at = FILES.iter().position(|(file, _)| *file == name).unwrap();
    Some(ROWS[at].get_or_init(|| compared(&path, FILES[at].1)))
}

fn compared(path: &Path, expected: u64) -> Row {
    let mut checker = Checker::default();
    let job = Job::new(Arc::new(Catalog::builtin()));
    let row = replay(path, &job, &mut [], &mut checker).unwrap();
    let name = &row.name;
    eprintln!("{name}: {} requests checked", checker.requests);
    assert_eq!(checker.requests, expected, "{name}");
    assert!(checker.markers > 100, "{name}: hardly anything was marked");
    row
}

#[expect(clippy::float_arithmetic, reason = "a bound on a ratio of costs")]
fn check(name: &str) {
    let Some(row) = replayed(name) else { return };
    let main = &row.main;
    assert_eq!((main.rejected, main.unpriced), (0, 0), "{name}");
    let expected = FILES.iter().find(|(file, _)| *file == name).unwrap().1;
    assert_eq!(main.requests, expected, "{name}");
    let [cost, none, default] =
        [main, &row.baselines.none, &row.baselines.default].map(|tally| tally.cost.as_usd());
    let bound = none.min(default) * 1.01;
    assert!(
        cost <= bound,
        "{name}: ${cost}, none ${none}, default ${default}"
    );
    let hit_rate = main.hit_rate().unwrap();
    assert!(hit_rate > 0.80, "{name}: {hit_rate}");
}

#[test]
fn claude_code_sessions() {
    check("cc_entire_cli");
}

#[test]
fn codex_sessions() {
    check("codex_agentv");
}

#[test]
fn customer_service_with_a_clock() {
    check("tau2_bench");
}

#[test]
fn customer_service_without_a_clock() {
    check("tau_bench_airline");
}

#[test]
fn agents_in_a_shell() {
    check("lmcache_agents");
}

#[test]
fn many_questions_about_one_document() {
    check("rag_cookbook");
}

#[test]
fn short_prompts_with_changing_tools() {
    check("bfcl");
}

#[derive(Deserialize)]
struct Recording<'a> {
    url: Option<String>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
}

/// The bodies of recorded calls of the Messages API, as they were sent.
fn messages(file: &Path) -> Vec<Bytes> {
    let mut text = String::new();
    let file = std::fs::File::open(file).unwrap();
    let mut unpacked = liblzma::read::XzDecoder::new(file);
    std::io::Read::read_to_string(&mut unpacked, &mut text).unwrap();
    let lines = text.lines().filter_map(|line| {
        let recording: Recording<'_> = serde_json::from_str(line).unwrap();
        let url = recording.url?;
        let path = url.strip_prefix("https://api.anthropic.com")?;
        let path = path.split('?').next()?;
        let body = recording.request?.get().to_owned();
        (path == "/v1/messages").then(|| Bytes::from(body))
    });
    lines.collect()
}

/// Markers anywhere in a body.
fn markers(value: &Value) -> usize {
    match value {
        Value::Object(members) => {
            let own = usize::from(members.get("cache_control").is_some_and(Value::is_object));
            own + members.values().map(markers).sum::<usize>()
        }
        Value::Array(elements) => elements.iter().map(markers).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The history is empty at first, then knows the request, then knows that it returns.
#[test]
fn recorded_calls_keep_their_own_markers_and_their_acceptance() {
    let Some(dir) = recordings() else { return };
    let bodies = messages(&dir.join("http_recordings.jsonl.xz"));
    assert_eq!(bodies.len(), 21);
    let catalog = Arc::new(Catalog::builtin());
    let engine = Engine::new(Arc::clone(&catalog), Settings::default())
        .remembering(Arc::new(InProcess::default()));
    let mut sim = Sim::new(Arc::clone(&catalog));
    let (mut own, mut added) = (0, 0);
    for (turn, original) in bodies.iter().chain(&bodies).chain(&bodies).enumerate() {
        let now = Timestamp::from_secs_f64(f64::from(u32::try_from(turn).unwrap()));
        let prepared = engine.prepare(now, &Meta::of("anthropic"), original);
        let sent = prepared.body.as_ref().unwrap_or(original);
        assert!(prepared.skip.is_none() || sent == original, "call {turn}");
        let more = additions(sent, original)
            .unwrap_or_else(|place| panic!("call {turn} differs at byte {place}"));
        let there = markers(&serde_json::from_slice(original).unwrap());
        assert!(
            more == 0 || there + more <= MARKERS,
            "call {turn}: {there} + {more}"
        );
        assert_eq!(
            markers(&serde_json::from_slice(sent).unwrap()),
            there + more
        );
        (own, added) = (own + there, added + more);
        let before = sim.read(original).map(drop);
        let after = sim.read(sent);
        assert_eq!(
            format!("{:?}", after.as_ref().map(drop)),
            format!("{before:?}")
        );
        let mut exchange = prepared.exchange;
        match after.and_then(|request| sim.serve("", now, now, &request)) {
            Ok(usage) => {
                exchange.on_usage(now, usage);
                let _ = exchange.finish(now, End::Complete);
            }
            Err(refusal) => {
                let _ = exchange.on_response(now, refusal.status, Framing::Opaque);
                let _ = exchange.finish(now, End::Failed);
            }
        }
    }
    eprintln!(
        "{} calls, three times each: {own} markers kept, {added} added",
        bodies.len()
    );
    assert!(own > 0 && added > 0);
}
