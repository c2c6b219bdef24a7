//! Readers of recorded traffic: over the shared recordings, and over broken files.

use std::io::Write as _;
use std::path::PathBuf;

use cachewright::adapter::workload::{Options, Workload};

/// Sessions with full messages, and how many requests each file holds.
const FILES: [(&str, u64); 7] = [
    ("bfcl", 992),
    ("cc_entire_cli", 10_928),
    ("codex_agentv", 1_373),
    ("lmcache_agents", 402),
    ("rag_cookbook", 737),
    ("tau2_bench", 682),
    ("tau_bench_airline", 2_454),
];

#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test finds its data by the environment and says what is missing"
)]
pub(crate) fn recordings() -> Option<PathBuf> {
    let dir = std::env::var("CACHEWRIGHT_WORKLOADS").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/workloads"),
        PathBuf::from,
    );
    if dir.is_dir() {
        return Some(dir);
    }
    assert!(
        std::env::var("CACHEWRIGHT_REQUIRE_ALL").is_err(),
        "no recordings in {}",
        dir.display()
    );
    eprintln!("skipped: no recordings in {}", dir.display());
    None
}

#[expect(clippy::unwrap_used, reason = "a test fails where it fails")]
fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

#[expect(clippy::unwrap_used, reason = "a test fails where it fails")]
fn fault(content: &[u8]) -> String {
    let file = file(content);
    let error = Workload::open(file.path(), Options::default()).unwrap_err();
    let name = file.path().display().to_string();
    error.to_string().replace(&name, "FILE")
}

#[test]
fn every_recording_is_read_in_time_order_as_json() {
    let Some(dir) = recordings() else { return };
    for (name, expected) in FILES {
        let path = dir.join(format!("{name}.jsonl.xz"));
        let workload = Workload::open(&path, Options::default()).unwrap();
        assert_eq!(workload.requests(), expected, "{name}");
        let (mut count, mut before) = (0, None);
        for timed in workload {
            let timed = timed.unwrap();
            assert!(before <= Some(timed.at), "{name} is out of order");
            assert!(timed.at <= timed.first_byte && timed.first_byte <= timed.end);
            before = Some(timed.at);
            count += 1;
            if count % 29 == 0 {
                let body: serde_json::Value = serde_json::from_slice(&timed.body).unwrap();
                assert_eq!(body["model"], *timed.model, "{name}");
                assert!(!body["messages"].as_array().unwrap().is_empty(), "{name}");
                let text = body.to_string();
                assert!(!text.contains(r#""text":"""#), "{name}");
            }
        }
        assert_eq!(count, expected, "{name}");
    }
}

#[test]
fn lines_out_of_order_are_put_in_order() {
    let file = file(b"{\"t\":5,\"session\":\"b\",\"request\":{}}\n\n{\"t\":1,\"session\":\"a\",\"request\":{}}\n{\"t\":5,\"session\":\"c\",\"request\":{}}\n");
    let workload = Workload::open(file.path(), Options::default()).unwrap();
    let sessions: Vec<String> = workload
        .map(|timed| timed.unwrap().session.to_string())
        .collect();
    assert_eq!(sessions, ["a", "b", "c"]);
}

#[test]
fn sessions_that_overlap_are_merged() {
    let session = |id: &str, t: u32| {
        format!(
            r#"{{"v":1,"id":"{id}","dialect":"anthropic.messages","msgs":[{{"role":"user","content":"q"}}],"reqs":[{{"t":{t},"m":"claude","keep":0,"add":[0]}},{{"t":{},"m":"claude","keep":1,"add":[]}}]}}"#,
            t + 10
        )
    };
    let text = format!("{}\n{}\n", session("late", 5), session("early", 1));
    let file = file(text.as_bytes());
    let workload = Workload::open(file.path(), Options::default()).unwrap();
    let order: Vec<String> = workload
        .map(|timed| timed.unwrap().session.to_string())
        .collect();
    assert_eq!(order, ["early", "late", "early", "late"]);
}

#[test]
fn broken_files_are_named_with_their_position() {
    assert_eq!(fault(b""), "FILE: is empty");
    assert_eq!(
        fault(b"{\"t\":1,\"request\":{}}\n{\"t\":2,\"requ"),
        "FILE, line 2: JSON is cut off (column 12)"
    );
    assert!(fault(b"\x7fELF\x02\x01\0\0garbage").starts_with("FILE, line 1: not valid JSON"));
    assert!(fault(br#"{"id":"x","block":64,"reqs":[]}"#).contains("block hashes"));
    assert!(fault(br#"{"a":1}"#).contains("neither a session"));
    let pool = br#"{"v":1,"id":"s","dialect":"anthropic.messages","msgs":[],"reqs":[{"m":"claude","keep":0,"add":[0]}]}"#;
    assert!(fault(pool).contains("line 1: request 0 adds a message that is not in the pool"));
    let dialect = br#"{"v":1,"id":"s","dialect":"other","msgs":[],"reqs":[]}"#;
    assert!(fault(dialect).contains("unknown dialect"));
}

#[test]
fn damaged_compression_is_a_fault() {
    let line = format!(
        "{{\"t\":1,\"request\":{{\"x\":\"{}\"}}}}\n",
        "words ".repeat(3000)
    );
    let mut packed = Vec::new();
    let mut encoder = liblzma::write::XzEncoder::new(&mut packed, 1);
    encoder.write_all(line.as_bytes()).unwrap();
    encoder.finish().unwrap();
    let whole = file(&packed);
    let workload = Workload::open(whole.path(), Options::default()).unwrap();
    assert_eq!(workload.requests(), 1);
    let cut = fault(&packed[..packed.len() - 40]);
    assert!(cut.starts_with("FILE, line "), "{cut}");
    assert!(
        cut.ends_with("the compressed data is damaged or cut off"),
        "{cut}"
    );
    let mut flipped = packed.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    assert!(fault(&flipped).contains("damaged or cut off"));
}
