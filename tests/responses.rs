//! Watching responses: every way to cut a recording says the same.

use cachewright::model::Usage;
use cachewright::wire::{Framing, Messages, Seen, Watcher};
use proptest::prelude::*;

const STREAM: &[u8] = include_bytes!("vectors/anthropic/stream.sse");
const ODD: &[u8] = include_bytes!("vectors/anthropic/odd_framing.sse");
const OVERLOADED: &[u8] = include_bytes!("vectors/anthropic/overloaded.sse");
const ERROR: &[u8] = include_bytes!("vectors/anthropic/error.json");
const MESSAGE: &[u8] = include_bytes!("vectors/anthropic/message.json");

fn watch<'a>(framing: Framing, chunks: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut watcher = Watcher::new(&Messages, framing);
    for chunk in chunks {
        watcher.feed(chunk);
    }
    watcher.finish()
}

fn whole(framing: Framing, body: &[u8]) -> Seen {
    watch(framing, [body])
}

/// Cut into every size from one byte, the response says what it says whole.
fn holds_at_every_border(framing: Framing, body: &[u8]) -> Seen {
    let seen = whole(framing, body);
    for step in (1..64).chain([100, 1000, 4096]) {
        assert_eq!(
            watch(framing, body.chunks(step)),
            seen,
            "in chunks of {step}"
        );
    }
    seen
}

#[test]
fn a_stream_reports_its_usage_with_the_split() {
    let seen = holds_at_every_border(Framing::Sse, STREAM);
    assert_eq!(seen.usage, Some(Usage::reported(3, 1024, 336, 9366, 42)));
    assert_eq!(seen.model.as_deref(), Some("claude-sonnet-4-6"));
    assert_eq!(seen.stop_reason.as_deref(), Some("end_turn"));
    assert!(seen.started() && seen.ended());
    assert_eq!(seen.error, None);

    let windows = String::from_utf8(STREAM.to_vec())
        .unwrap()
        .replace('\n', "\r\n");
    assert_eq!(
        holds_at_every_border(Framing::Sse, windows.as_bytes()),
        seen
    );
}

#[test]
fn a_cut_stream_reports_what_it_said_until_then() {
    let cut = STREAM.len() / 2;
    let seen = whole(Framing::Sse, STREAM.get(..cut).unwrap());
    assert_eq!(seen.usage, Some(Usage::reported(3, 1024, 336, 9366, 1)));
    assert!(seen.started() && !seen.ended());
    assert_eq!(whole(Framing::Sse, b""), Seen::default());
}

#[test]
fn odd_framing_is_understood() {
    let seen = holds_at_every_border(Framing::Sse, ODD);
    let usage = seen.usage.unwrap();
    assert_eq!(
        (usage.plain, usage.read, usage.output),
        (Some(2), Some(7), Some(9))
    );
    assert_eq!((usage.write_5m, usage.write_1h), (Some(0), None));
    assert_eq!(seen.stop_reason.as_deref(), Some("tool_use"));
    assert!(seen.ended());
}

/// A client may read no further than to the reason why the model stopped.
#[test]
fn a_stream_ends_with_the_reason() {
    let text = std::str::from_utf8(STREAM).unwrap();
    let up_to = |event: &str| &STREAM[..text.find(event).unwrap()];
    let seen = whole(Framing::Sse, up_to("event: message_stop"));
    assert!(seen.ended());
    assert_eq!(seen, whole(Framing::Sse, STREAM));
    assert!(!whole(Framing::Sse, up_to("event: message_delta")).ended());
}

#[test]
fn errors_have_names_and_no_end() {
    let seen = holds_at_every_border(Framing::Sse, OVERLOADED);
    assert_eq!(seen.error.as_deref(), Some("overloaded_error"));
    assert_eq!(seen.usage.unwrap().read, Some(4096));
    assert!(!seen.ended());
    let seen = holds_at_every_border(Framing::Json, ERROR);
    assert_eq!(seen.error.as_deref(), Some("invalid_request_error"));
    assert_eq!(seen.usage, None);
}

#[test]
fn a_document_reports_at_its_end() {
    let seen = holds_at_every_border(Framing::Json, MESSAGE);
    assert_eq!(seen.usage, Some(Usage::reported(3, 1111, 418, 0, 33)));
    assert!(seen.ended());
    let cut = MESSAGE.get(..MESSAGE.len() - 3).unwrap();
    assert_eq!(whole(Framing::Json, cut), Seen::default());
    let mut watcher = Watcher::with_limit(&Messages, Framing::Json, MESSAGE.len() - 1);
    watcher.feed(MESSAGE);
    assert_eq!(watcher.finish(), Seen::default());
    assert_eq!(whole(Framing::Opaque, MESSAGE), Seen::default());
}

proptest! {
    #[test]
    fn random_borders_change_nothing(cuts in prop::collection::vec(0..STREAM.len(), 0..40)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let mut rest = STREAM;
        let mut chunks = Vec::new();
        for cut in cuts {
            let length = cut - (STREAM.len() - rest.len());
            let (chunk, after) = rest.split_at(length);
            chunks.push(chunk);
            rest = after;
        }
        chunks.push(rest);
        prop_assert_eq!(watch(Framing::Sse, chunks), whole(Framing::Sse, STREAM));
    }

    #[test]
    fn noise_is_never_a_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8)) {
        for framing in [Framing::Json, Framing::Sse, Framing::Opaque] {
            let seen = watch(framing, chunks.iter().map(Vec::as_slice));
            prop_assert_eq!(seen.usage, None);
        }
    }
}

/// Recorded responses, when the workloads are at hand.
#[cfg(feature = "replay")]
mod recorded {
    use std::io::{BufRead, BufReader};
    use std::path::PathBuf;

    use serde_json::Value;

    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told where workloads lie"
    )]
    fn workload(name: &str) -> Option<impl BufRead> {
        let folder = std::env::var("CACHEWRIGHT_WORKLOADS").map_or_else(
            |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/workloads"),
            PathBuf::from,
        );
        let path = folder.join(name);
        let Ok(file) = std::fs::File::open(&path) else {
            let required = std::env::var("CACHEWRIGHT_REQUIRE_ALL").is_ok_and(|all| all == "1");
            assert!(!required, "missing workload {}", path.display());
            return None;
        };
        Some(BufReader::new(liblzma::read::XzDecoder::new(file)))
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says what is missing")]
    fn recordings_say_the_same_at_every_border() {
        let Some(lines) = workload("http_recordings.jsonl.xz") else {
            eprintln!("skipped: workload http_recordings.jsonl.xz is missing");
            return;
        };
        let (mut streams, mut documents, mut compactions) = (0, 0, 0);
        for line in lines.lines() {
            let entry: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if entry["provider"] != "anthropic" {
                continue;
            }
            let (framing, body) = match (&entry["response_text"], &entry["response"]) {
                (Value::String(text), _) if text.starts_with("event:") => {
                    (Framing::Sse, text.clone())
                }
                (Value::String(text), _) => {
                    let event = |data: &str| format!("data: {data}\n\n");
                    (Framing::Sse, text.lines().map(event).collect())
                }
                (_, Value::Null) => continue,
                (_, document) => (Framing::Json, document.to_string()),
            };
            let seen = holds_at_every_border(framing, body.as_bytes());
            let recorded = |name: &str| entry["cached"][name].as_u64();
            assert_eq!(seen.usage.is_some(), body.contains("\"usage\":{"));
            let Some(usage) = seen.usage else { continue };
            assert!(seen.ended());
            assert!(
                usage.read >= recorded("cache_read_input_tokens"),
                "{usage:?}"
            );
            assert!(
                usage.written() >= recorded("cache_creation_input_tokens"),
                "{usage:?}"
            );
            streams += usize::from(framing == Framing::Sse);
            documents += usize::from(framing == Framing::Json);
            compactions +=
                usize::from(usage.written() == Some(55_096) || usage.read == Some(55_096));
        }
        assert!(
            (streams, documents, compactions) >= (2, 15, 2),
            "{streams} {documents} {compactions}"
        );
    }
}
