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

/// The bytes that a body has left when the markers that the engine writes are cut out of it, and
/// the wrapping that they needed.
fn cut(body: &str) -> String {
    let markers = [
        r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#,
        r#","cache_control":{"type":"ephemeral"}"#,
    ];
    let mut text = body.to_owned();
    for marker in markers {
        let wrapped = format!("{marker}}}]");
        // Within JSON text a quote is escaped, so neither pattern can stand inside a string.
        while let Some(end) = text.find(&wrapped) {
            let Some(start) = wrap(&text, end) else { break };
            let inner = text[start.1..end].to_owned();
            text.replace_range(start.0..end + wrapped.len(), &inner);
        }
        text = text.replace(marker, "");
    }
    text
}

/// Where the wrapping of the string that ends at `end` begins and ends, if it was a bare string:
/// the value of a member `content` or `system`, which are strings or lists.
fn wrap(text: &str, end: usize) -> Option<(usize, usize)> {
    let open = r#"[{"type":"text","text":"#;
    let start = text[..end].rfind(open)?;
    let string = &text[start + open.len()..end];
    let whole = serde_json::from_str::<String>(string).is_ok();
    let _ = (whole && !text[..start].ends_with('"')).then_some(())?;
    Some((start, start + open.len()))
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
    for name in ["bfcl", "tau2_bench"] {
        let path = dir.join(format!("{name}.jsonl.xz"));
        let (_, sent) = run(&path, Policy::Engine);
        let sent = String::from_utf8(sent).unwrap();
        let originals = Workload::open(&path, Options::default()).unwrap();
        let mut marked = 0;
        for (line, timed) in sent.lines().zip(originals) {
            let original = String::from_utf8(timed.unwrap().body.to_vec()).unwrap();
            let (_, request) = line.split_once(r#","request":"#).unwrap();
            let request = request.strip_suffix('}').unwrap();
            marked += usize::from(request != original);
            assert_eq!(cut(request), cut(&original), "{name}");
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
        let baseline = match policy {
            Policy::Own => row.baselines.own,
            Policy::Default => row.baselines.default,
            Policy::Automatic => row.baselines.automatic,
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
