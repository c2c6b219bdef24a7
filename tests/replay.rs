//! What is really sent in a replay is the recorded body with markers and nothing else.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cachewright::adapter::replay::{Detail, Emitter, Job, Policy, Row, replay};
use cachewright::adapter::workload::{Options, Workload};
use cachewright::provider::Catalog;
use serde_json::Value;

use crate::workload::recordings;

fn vector() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/replay/library.jsonl")
}

/// What a replay came to, and what it sent.
pub(crate) fn run(path: &Path, policy: Policy) -> (Row, Vec<u8>) {
    let mut job = Job::new(Arc::new(Catalog::builtin()));
    job.policy = policy;
    emitted(path, &job)
}

fn emitted(path: &Path, job: &Job) -> (Row, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("sent.jsonl");
    let mut emitters = vec![Emitter::create(&target, Detail::Bodies).unwrap()];
    let row = replay(path, job, &mut emitters, &mut ()).unwrap();
    for emitter in emitters {
        emitter.publish().unwrap();
    }
    (row, std::fs::read(target).unwrap())
}

/// Removes every marker, and unwraps a lone text block, which is how a string is marked.
fn bare(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("cache_control");
            members.values_mut().for_each(bare);
        }
        Value::Array(elements) => {
            elements.iter_mut().for_each(bare);
            if let [Value::Object(only)] = &elements[..]
                && only.len() == 2
                && only.get("type").is_some_and(|kind| kind == "text")
                && let Some(text) = only.get("text").cloned()
            {
                *value = text;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn check(path: &Path, step: usize) {
    let mut job = Job::new(Arc::new(Catalog::builtin()));
    job.alone = true;
    let (row, sent) = emitted(path, &job);
    let sent = String::from_utf8(sent).unwrap();
    let originals = Workload::open(path, Options::default()).unwrap();
    let mut count = 0;
    for (place, (line, timed)) in sent.lines().zip(originals).enumerate() {
        count += 1;
        if place % step != 0 {
            continue;
        }
        let timed = timed.unwrap();
        let mut line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["session"], *timed.session);
        assert_eq!(line["t"], timed.at.as_secs_f64());
        assert_eq!(line["kind"], "request");
        let mut original: Value = serde_json::from_slice(&timed.body).unwrap();
        bare(&mut original);
        bare(&mut line["request"]);
        assert_eq!(line["request"], original, "request {place}");
    }
    assert_eq!(count as u64, row.main.requests);
}

#[test]
fn the_meaning_of_recorded_bodies_never_changes() {
    check(&vector(), 1);
    let Some(dir) = recordings() else { return };
    for name in ["bfcl", "tau2_bench", "tau_bench_airline", "lmcache_agents"] {
        check(&dir.join(format!("{name}.jsonl.xz")), 7);
    }
}

#[test]
fn the_policy_under_test_agrees_with_the_baseline_of_the_same_name() {
    let path = vector();
    for (policy, name) in [
        (Policy::Own, "own"),
        (Policy::Default, "default"),
        (Policy::Automatic, "automatic"),
        (Policy::None, "none"),
    ] {
        let (row, _) = run(&path, policy);
        let baseline = match name {
            "own" => row.baselines.own,
            "default" => row.baselines.default,
            "automatic" => row.baselines.automatic,
            _ => row.baselines.none,
        };
        assert_eq!(row.main, baseline, "{name}");
        assert_eq!(row.main.requests, 4);
    }
}

#[test]
fn the_same_replay_gives_the_same_figures_and_bytes() {
    assert_eq!(
        run(&vector(), Policy::Engine),
        run(&vector(), Policy::Engine)
    );
}

#[test]
fn an_emitted_file_is_a_workload_again() {
    let (row, sent) = run(&vector(), Policy::Engine);
    let dir = tempfile::tempdir().unwrap();
    let again = dir.path().join("again.jsonl");
    std::fs::write(&again, &sent).unwrap();
    let (second, _) = run(&again, Policy::Own);
    assert_eq!(second.main.read, row.main.read);
    assert_eq!(second.main.write_5m, row.main.write_5m);
}

#[test]
fn tenants_do_not_read_each_other_s_entries() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tenants.jsonl");
    let text = std::fs::read_to_string(vector()).unwrap();
    let mut lines = String::new();
    for (place, line) in text.lines().enumerate() {
        let tenant = format!("{{\"tenant\":\"t{place}\",");
        lines.push_str(&line.replacen('{', &tenant, 1));
        lines.push('\n');
    }
    std::fs::write(&path, lines).unwrap();
    let (row, _) = run(&path, Policy::Engine);
    assert_eq!(row.main.read, 0);
    assert_eq!(row.baselines.default.read, 0);
    assert!(run(&vector(), Policy::Engine).0.main.read > 0);
}
