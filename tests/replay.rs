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

fn run(path: &Path, policy: Policy) -> (Row, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("sent.jsonl");
    let mut job = Job::new(Arc::new(Catalog::builtin()));
    job.policy = policy;
    let mut emitters = vec![Emitter::create(&target, Detail::Bodies).unwrap()];
    let row = replay(path, &job, &mut emitters, &mut |_, _| {}).unwrap();
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

/// The markers that may be put in, and what a bare string is wrapped in to carry one.
const MARKERS: [&str; 2] = [
    r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#,
    r#","cache_control":{"type":"ephemeral"}"#,
];
const OPEN: &str = r#"[{"type":"text","text":"#;
const CLOSE: &str = "}]";

/// Whether `sent` is `original` byte for byte, but for markers and the wrapping of bare strings.
fn only_marked(sent: &str, original: &str) -> bool {
    let (mut sent, mut original) = (sent.as_bytes(), original.as_bytes());
    let mut wrapped = false;
    while let Some(next) = sent.first() {
        let new = |piece: &&str| {
            sent.starts_with(piece.as_bytes()) && !original.starts_with(piece.as_bytes())
        };
        if let Some(marker) = MARKERS.iter().find(|piece| new(piece)) {
            sent = &sent[marker.len()..];
            if wrapped {
                let Some(rest) = sent.strip_prefix(CLOSE.as_bytes()) else {
                    return false;
                };
                (sent, wrapped) = (rest, false);
            }
        } else if !wrapped && new(&OPEN) && original.starts_with(b"\"") {
            (sent, wrapped) = (&sent[OPEN.len()..], true);
        } else if original.first() == Some(next) {
            (sent, original) = (&sent[1..], &original[1..]);
        } else {
            return false;
        }
    }
    original.is_empty() && !wrapped
}

#[test]
fn the_checker_tells_markers_from_changes() {
    let original = r#"{"a":[{"x":1},"s"],"content":"q"}"#;
    let marked = r#"{"a":[{"x":1,"cache_control":{"type":"ephemeral"}},"s"],"content":[{"type":"text","text":"q","cache_control":{"type":"ephemeral","ttl":"1h"}}]}"#;
    assert!(only_marked(original, original));
    assert!(only_marked(marked, original));
    assert!(!only_marked(&marked.replace("\"q\"", "\"r\""), original));
    assert!(!only_marked(&marked.replace("}}]}", "}}, 1]}"), original));
    assert!(!only_marked(original, marked));
}

fn check(path: &Path, step: usize) {
    let (row, sent) = run(path, Policy::Engine);
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
fn bodies_without_their_markers_are_the_recorded_bytes() {
    let Some(dir) = recordings() else { return };
    for name in ["bfcl", "tau2_bench", "lmcache_agents"] {
        let path = dir.join(format!("{name}.jsonl.xz"));
        let (_, sent) = run(&path, Policy::Engine);
        let sent = String::from_utf8(sent).unwrap();
        let originals = Workload::open(&path, Options::default()).unwrap();
        let mut marked = 0;
        for (place, (line, timed)) in sent.lines().zip(originals).enumerate() {
            let original = String::from_utf8(timed.unwrap().body.to_vec()).unwrap();
            let (_, request) = line.split_once(r#","request":"#).unwrap();
            let request = request.strip_suffix('}').unwrap();
            marked += usize::from(request != original);
            assert!(only_marked(request, &original), "{name}: request {place}");
        }
        assert!(marked > 100, "{name}: nothing was marked");
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
