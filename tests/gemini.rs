//! Gemini's and Vertex AI's generateContent: reading, and what a response says it used.

use bytes::Bytes;
use cachewright::model::{Keyring, Usage};
use cachewright::wire::{Dialect, Framing, Generate, Messages, Progress, Seen, Watcher};

const STREAM: &str = include_str!("vectors/gemini/stream.sse");

fn usage(plain: u64, read: Option<u64>, output: u64) -> Usage {
    let mut usage = Usage::default();
    usage.plain = Some(plain);
    usage.read = read;
    usage.output = Some(output);
    usage
}

fn watch(framing: Framing, body: &[u8], step: usize) -> Seen {
    let mut watcher = Watcher::new(&Generate, framing);
    for chunk in body.chunks(step) {
        watcher.feed(chunk);
    }
    watcher.finish()
}

/// The chunks of a stream as the array that comes without `alt=sse`.
fn array() -> String {
    let chunks = STREAM
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    format!("[{}\n]", chunks.collect::<Vec<_>>().join("\n,\r\n"))
}

#[test]
fn the_last_chunk_says_all_of_it() {
    let whole = watch(Framing::Sse, STREAM.as_bytes(), STREAM.len());
    assert_eq!(whole.usage, Some(usage(70 + 20, Some(1274), 99 + 74)));
    assert_eq!(whole.model.as_deref(), Some("gemini-2.5-flash"));
    assert_eq!(whole.stop_reason.as_deref(), Some("STOP"));
    assert!(whole.ended());
    for step in 1..200 {
        assert_eq!(
            watch(Framing::Sse, STREAM.as_bytes(), step),
            whole,
            "{step}"
        );
    }
    assert_eq!(watch(Framing::Json, array().as_bytes(), 100), whole);

    let second = STREAM.match_indices("\n\n").nth(1).unwrap().0;
    let cut = watch(Framing::Sse, &STREAM.as_bytes()[..second + 2], 100);
    assert_eq!(cut.usage, Some(usage(70, Some(1274), 40 + 74)));
    assert_eq!(cut.progress, Progress::Started);
}

#[test]
fn thoughts_are_counted_once_and_absence_is_not_zero() {
    let said = |metadata: &str| {
        let body = format!(r#"{{"usageMetadata":{{{metadata}}}}}"#);
        watch(Framing::Json, body.as_bytes(), 1000).usage
    };
    let prompt = r#""promptTokenCount":620,"candidatesTokenCount":24"#;
    assert_eq!(said(prompt), Some(usage(620, None, 24)));
    let apart = format!(r#"{prompt},"thoughtsTokenCount":70,"totalTokenCount":714"#);
    assert_eq!(said(&apart), Some(usage(620, None, 94)));
    let within = format!(r#"{prompt},"thoughtsTokenCount":10,"totalTokenCount":644"#);
    assert_eq!(said(&within), Some(usage(620, None, 24)));
    let zero = format!(r#"{prompt},"cachedContentTokenCount":0"#);
    assert_eq!(said(&zero), Some(usage(620, Some(0), 24)));
    assert_eq!(said(""), Some(Usage::default()));
}

#[test]
fn failures_have_names() {
    let refused = r#"{"error":{"code":403,"message":"secret words","status":"PERMISSION_DENIED"}}"#;
    for body in [refused.to_owned(), format!("[{refused}\n]")] {
        let seen = watch(Framing::Json, body.as_bytes(), 10);
        assert_eq!(seen.error.as_deref(), Some("PERMISSION_DENIED"));
        assert_eq!(seen.usage, None);
    }
    let blocked = r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":5,"totalTokenCount":5}}"#;
    let seen = watch(Framing::Json, blocked.as_bytes(), 10);
    assert_eq!(seen.stop_reason.as_deref(), Some("SAFETY"));
    assert_eq!(seen.usage.and_then(|usage| usage.plain), Some(5));
    for broken in [
        "",
        "[",
        "{\"usageMetadata\":{\"promptTokenCount\":-1}}",
        "<html>",
    ] {
        assert_eq!(watch(Framing::Json, broken.as_bytes(), 10), Seen::default());
    }
}

/// Claude on Vertex AI speaks Messages: its version stands in the body, its model in the path.
#[test]
fn claude_on_vertex_is_read() {
    let body = r#"{"anthropic_version":"vertex-2023-10-16","max_tokens":5,"messages":[{"role":"user","content":"q"}]}"#;
    let body = Bytes::from(body);
    let keyring = Keyring::new(b"test");
    let reading = Messages.read(&body, &keyring, &mut |_| Vec::new()).unwrap();
    assert_eq!(&*reading.prompt.model, "");
    assert_eq!(reading.prompt.max_tokens, Some(5));
    assert!(reading.prompt.blocks.iter().all(|block| block.markable));
}

/// The usage of a response, by another reader: what its total has beside the prompt was written.
#[cfg(feature = "replay")]
fn said_usage(metadata: &serde_json::Value) -> Option<Usage> {
    let number = |name: &str| metadata[name].as_u64();
    let read = number("cachedContentTokenCount");
    let total = number("totalTokenCount")?;
    let prompt = number("promptTokenCount")?;
    assert_eq!(number("toolUsePromptTokenCount"), None);
    Some(usage(prompt - read.unwrap_or(0), read, total - prompt))
}

/// Every recorded call of the Gemini API and of Vertex AI.
#[cfg(feature = "replay")]
#[test]
fn recorded_calls_are_read_and_their_usage_is_exact() {
    let Some(all) = crate::support::recordings::recorded_exchanges() else {
        return;
    };
    let keyring = Keyring::new(b"test");
    let calls = all
        .iter()
        .filter(|one| one.place().1.ends_with(":generateContent"));
    let (mut count, mut hits, mut thoughts) = (0, 0, 0);
    for call in calls {
        let (name, request) = (&call.name, call.request.as_ref().unwrap());
        let reading = Generate
            .read(request, &keyring, &mut |_| Vec::new())
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        let prompt = reading.prompt;
        assert!(Generate.unmark(&prompt).is_empty(), "{name}");
        assert!(
            Generate
                .mark(request, &prompt, &cachewright::model::Plan::default())
                .is_empty()
        );
        let sent: serde_json::Value = serde_json::from_slice(request).unwrap();
        let parts: usize = sent["contents"]
            .as_array()
            .unwrap()
            .iter()
            .chain(sent.get("systemInstruction"))
            .map(|content| content["parts"].as_array().unwrap().len())
            .sum();
        let tools = sent.get("tools").and_then(|tools| tools.as_array());
        assert_eq!(
            prompt.blocks.len(),
            parts + tools.map_or(0, Vec::len),
            "{name}"
        );

        let seen = watch(call.framing, &call.response, 1000);
        let said: serde_json::Value = serde_json::from_slice(&call.response).unwrap();
        let metadata = &said["usageMetadata"];
        let expected = said_usage(metadata);
        assert!(expected.is_some(), "{name}");
        assert_eq!(seen.usage, expected, "{name}");
        let read = expected.and_then(|usage| usage.read);
        assert_eq!(
            seen.model.as_deref(),
            said["modelVersion"].as_str(),
            "{name}"
        );
        let stop = said["candidates"][0]["finishReason"].as_str();
        assert_eq!(seen.stop_reason.as_deref(), stop, "{name}");
        assert!(seen.ended() && seen.error.is_none(), "{name}");
        assert_eq!(
            call.cached.get("cachedContentTokenCount").copied(),
            read,
            "{name}"
        );
        count += 1;
        hits += usize::from(read > Some(0));
        thoughts += usize::from(metadata["thoughtsTokenCount"].as_u64() > Some(0));
    }
    assert_eq!(count, 29);
    assert!(hits > 10 && thoughts > 10, "{hits} {thoughts}");
}
