//! Hash traces through replay: baselines, pings, what is emitted.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use cachewright::adapter::replay::{Job, Policy, Row, Score, replay};
use cachewright::adapter::workload::{Options, Workload};
use cachewright::model::Money;
use cachewright::provider::Catalog;
use serde_json::{Value, json};

use crate::workload::recordings;

/// One session with a pause that outlives five minutes: 3, 4 and 5 blocks of 1,024 tokens.
const SESSION: &str = r#"{"id":"s","block":1024,"tool_tokens":1024,"system_tokens":0,"models":["claude-sonnet-4-5"],"reqs":[{"t":0.0,"m":"claude-sonnet-4-5","in":3072,"out":10,"keep":0,"runs":[[1,3]],"stop":"tool_use","api":2.0,"ity":["text"],"oty":["tool_use"]},{"t":10.0,"m":"claude-sonnet-4-5","in":4096,"out":10,"keep":3,"runs":[[4,1]],"stop":"end_turn","api":2.0,"ity":["tool_result"],"oty":["text"]},{"t":400.0,"m":"claude-sonnet-4-5","in":5120,"out":10,"keep":4,"runs":[[5,1]],"stop":"end_turn","api":2.0,"ity":["text"],"oty":["text"]}]}"#;

/// Tokens of that session at Sonnet's prices in picodollars (platform.claude.com, 2026-08): plain,
/// read, written for five minutes and for an hour.
fn dollars(plain: i128, read: i128, write_5m: i128, write_1h: i128) -> Money {
    Money::from_pico(
        plain * 3_000_000 + read * 300_000 + write_5m * 3_750_000 + write_1h * 6_000_000,
    )
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

fn run(path: &Path, policy: Policy) -> (Row, Vec<Value>) {
    let (row, sent) = crate::replay::run(path, policy);
    let lines = serde_json::Deserializer::from_slice(&sent).into_iter();
    (row, lines.map(Result::unwrap).collect())
}

fn score(row: &Row, policy: Policy) -> Score {
    let mut scores = row.scores().into_iter();
    scores.find(|score| score.policy == policy).unwrap()
}

#[test]
fn every_policy_is_billed_by_the_block() {
    let file = file(SESSION);
    let (row, _) = run(file.path(), Policy::Keep(1));
    let costs = [
        (Policy::None, dollars(12_288, 0, 0, 0)),
        (Policy::Own, dollars(12_288, 0, 0, 0)),
        (Policy::Default, dollars(0, 3_072, 9_216, 0)),
        (Policy::Automatic, dollars(0, 3_072, 9_216, 0)),
        (Policy::Hour, dollars(0, 7_168, 0, 5_120)),
        // One ping before the pause ends, and one for a return that never comes.
        (Policy::Keep(1), dollars(0, 7_168 + 9_216, 5_120, 0)),
    ];
    for (policy, cost) in costs {
        assert_eq!(score(&row, policy).tally.input_cost, cost, "{policy}");
    }
    let pinged = score(&row, Policy::Keep(1)).tally;
    assert_eq!((pinged.pings, pinged.requests), (2, 3));
    assert_eq!(pinged.ping_cost, dollars(0, 9_216, 0, 0));
    // Written once more after the pause: the first three blocks had been read, the fourth had not.
    assert_eq!(score(&row, Policy::Default).tally.wasted, 1_024 + 5_120);
}

#[test]
fn no_policy_costs_less_than_the_bound_and_the_default_closes_nothing() {
    let file = file(SESSION);
    let (row, _) = run(file.path(), Policy::Engine);
    // Everything is written for five minutes and the pause is bridged by one ping of four blocks.
    assert_eq!(
        row.least(),
        Some(dollars(0, 7_168 + 4_096, 4_096, 0) + dollars(1_024, 0, 0, 0))
    );
    for score in row.scores() {
        assert!(score.over_bound.unwrap().value >= 1.0, "{}", score.policy);
        // One session tells nothing of others.
        assert_eq!(score.closure.unwrap().interval, None);
    }
    assert_eq!(score(&row, Policy::Default).closure.unwrap().value, 0.0);
}

#[test]
fn a_trace_is_emitted_by_the_index_of_blocks_and_pings_by_their_kind() {
    let file = file(SESSION);
    let (_, lines) = run(file.path(), Policy::Keep(1));
    let kinds: Vec<&str> = lines
        .iter()
        .map(|line| line["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["request", "request", "ping", "request", "ping"]);
    let starts: Vec<f64> = lines
        .iter()
        .map(|line| line["t"].as_f64().unwrap())
        .collect();
    let first = starts[0];
    let since: Vec<f64> = starts.iter().map(|start| (start - first).round()).collect();
    assert_eq!(since, [0.0, 10.0, 295.0, 400.0, 685.0]);
    let marks = |last: u64| {
        json!([
            {"block": 0, "ttl": "5m", "why": "system end"},
            {"block": last, "ttl": "5m", "why": "tail"},
        ])
    };
    assert_eq!(lines[0]["breakpoints"], marks(2));
    assert_eq!(
        (&lines[2]["blocks"], &lines[2]["breakpoints"]),
        (&json!(4), &marks(3))
    );
    assert_eq!(lines[1]["session"], "s");
}

#[test]
fn the_engine_reads_what_a_trace_shares() {
    let lines: Vec<String> = (0..3)
        .map(|session| {
            let requests = (0..30).map(|at| {
                let (keep, first) = (at * 40, at * 40 + 1);
                format!(
                    r#"{{"t":{},"m":"claude-sonnet-4-5","in":{},"out":900,"keep":{keep},"runs":[[{first},40]],"stop":"tool_use","api":3.0,"ity":["tool_result"],"oty":["tool_use"]}}"#,
                    at * 20,
                    (at + 1) * 40 * 64,
                )
            });
            let requests: Vec<String> = requests.collect();
            format!(
                r#"{{"id":"s{session}","block":64,"tool_tokens":640,"system_tokens":640,"models":[],"reqs":[{}]}}"#,
                requests.join(",")
            )
        })
        .collect();
    let file = file(&lines.join("\n"));
    let (row, sent) = run(file.path(), Policy::Engine);
    let engine = score(&row, Policy::Engine);
    let default = score(&row, Policy::Default);
    assert_eq!((engine.tally.requests, engine.tally.rejected), (90, 0));
    assert!(engine.tally.hit_rate() >= default.tally.hit_rate());
    assert!(engine.over_bound.unwrap().value < 1.05, "{engine:?}");
    assert!(sent.iter().all(|line| line.get("request").is_none()));
}

#[test]
fn requests_without_sessions_share_what_begins_alike() {
    let lines = [
        r#"{"timestamp":0,"input_length":2600,"output_length":5,"hash_ids":[1,2,3,4,5,6]}"#,
        r#"{"timestamp":4000,"input_length":3100,"output_length":5,"hash_ids":[1,2,3,4,5,7,8]}"#,
    ];
    let file = file(&lines.join("\n"));
    let (row, sent) = run(file.path(), Policy::Default);
    assert_eq!((row.main.input(), row.main.read), (5_700, 2_560));
    assert_eq!(row.main.write_5m, 2_560 + 512);
    assert_eq!(sent[1]["blocks"], 6);
    assert_eq!(sent[1]["session"], "");
}

#[test]
fn whoever_needs_bodies_is_told_that_there_are_none() {
    let file = file(SESSION);
    let error = Workload::open(file.path(), Options::default()).unwrap_err();
    assert!(error.to_string().contains("block hashes"), "{error}");
}

#[test]
fn a_ping_repeats_the_body_that_was_sent() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/replay/library.jsonl");
    let (row, lines) = run(&path, Policy::Keep(2));
    let (default, _) = run(&path, Policy::Default);
    assert_eq!(row.main.requests, default.main.requests);
    let pings: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "ping").collect();
    assert_eq!(row.main.pings, pings.len() as u64);
    assert!(!pings.is_empty());
    for ping in pings {
        let same = |line: &&Value| line["kind"] == "request" && line["request"] == ping["request"];
        assert!(lines.iter().any(|line| same(&line)));
    }
}

#[test]
fn reads_at_another_price_change_the_reads_alone() {
    let catalog = Catalog::builtin().with_reads_at(25_000);
    let file = file(SESSION);
    let mut job = Job::new(Arc::new(catalog));
    job.policy = Policy::Default;
    let row = replay(file.path(), &job, &mut [], &mut ()).unwrap();
    let cost = dollars(0, 0, 9_216, 0) + Money::from_pico(3_072 * 75_000);
    assert_eq!(row.main.input_cost, cost);
}

/// What the replay of a serving trace of many tenants came to, on Anthropic's Sonnet; it is made once
/// for all tests.
pub(crate) fn many_tenants() -> Option<&'static Row> {
    static ROW: OnceLock<Row> = OnceLock::new();
    let path = recordings()?.join("mooncake_synth.jsonl.xz");
    Some(ROW.get_or_init(|| by_default(&path)))
}

/// The replay of a file by the default settings.
fn by_default(path: &Path) -> Row {
    let job = Job::new(Arc::new(Catalog::builtin()));
    replay(path, &job, &mut [], &mut ()).unwrap()
}

/// Baselines of the shared traces lie where the published replays of the same traces lie.
#[test]
fn recorded_traces_cost_what_published_replays_found() {
    let Some(dir) = recordings() else { return };
    let row = by_default(&dir.join("kvct_claude_code.jsonl.xz"));
    let relative = |policy: Policy| score(&row, policy).relative.unwrap().value;
    assert!((0.18..0.22).contains(&relative(Policy::Default)));
    assert!((0.16..0.20).contains(&relative(Policy::Hour)));
    assert!(relative(Policy::Keep(3)) < relative(Policy::Default));
    assert!(relative(Policy::Engine) < 1.01 * relative(Policy::Default));
    let (low, high) = score(&row, Policy::Hour).closure.unwrap().interval.unwrap();
    assert!(low < high && high < 1.0);

    let row = many_tenants().unwrap();
    let relative = |policy: Policy| score(row, policy).relative.unwrap().value;
    assert!((0.60..0.85).contains(&relative(Policy::Default)));
    assert_eq!(row.main.rejected, 0);
}
