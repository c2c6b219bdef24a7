//! The recorded HTTP exchanges, one by one.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cachewright::wire::Framing;
use serde::Deserialize;
use serde_json::value::RawValue;

/// One recorded exchange.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Where it comes from, for messages: source, file, number.
    pub(crate) name: String,
    /// Who answered, such as `openai`; `other` for those without a name of their own.
    pub(crate) provider: String,
    /// Empty where only the response was recorded.
    pub(crate) url: String,
    pub(crate) status: u16,
    /// The request's body; `None` where there was none or it was not recorded.
    pub(crate) request: Option<Bytes>,
    pub(crate) response: Bytes,
    pub(crate) framing: Framing,
    /// Cache counters as the collectors of the recordings found them, by the field's name.
    pub(crate) cached: BTreeMap<String, u64>,
}

impl Recording {
    /// Host and path of the request, without scheme and query.
    pub(crate) fn place(&self) -> (&str, &str) {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let rest = rest.split('?').next().unwrap_or(rest);
        let at = rest.find('/').unwrap_or(rest.len());
        rest.split_at(at)
    }
}

#[derive(Deserialize)]
struct Line {
    src: String,
    file: String,
    i: u64,
    provider: String,
    url: Option<String>,
    status: u16,
    #[serde(default)]
    ctype: Option<String>,
    request: Option<Box<RawValue>>,
    response: Option<Box<RawValue>>,
    response_text: Option<String>,
    response_b64: Option<String>,
    cached: BTreeMap<String, u64>,
}

impl From<Line> for Recording {
    fn from(line: Line) -> Self {
        let kind = line.ctype.unwrap_or_default();
        let text = line.response_text.map(unpacked);
        let (response, framing) = match (line.response, text, line.response_b64) {
            (Some(json), ..) => (json.get().to_owned().into(), Framing::Json),
            (_, Some(text), _) if kind == "sse-chunks" => {
                // Recorded without the framing: one event's data per line.
                let events = text.lines().filter(|line| !line.is_empty());
                let stream: String = events.map(|data| format!("data: {data}\n\n")).collect();
                (stream.into(), Framing::Sse)
            }
            (_, Some(text), _) if kind.contains("event-stream") => (text.into(), Framing::Sse),
            (_, Some(text), _) => (text.into(), Framing::Json),
            (.., Some(base64)) => {
                let bytes = STANDARD.decode(base64).expect("base64");
                (bytes.into(), Framing::EventStream)
            }
            (None, None, None) => (Bytes::new(), Framing::Opaque),
        };
        Self {
            name: format!("{} {} #{}", line.src, line.file, line.i),
            provider: line.provider,
            url: line.url.unwrap_or_default(),
            status: line.status,
            request: line
                .request
                .filter(|request| request.get() != "null")
                .map(
                    |request| match serde_json::from_str::<String>(request.get()) {
                        Ok(text) => text.into(),
                        Err(_) => request.get().to_owned().into(),
                    },
                ),
            response,
            framing,
            cached: line.cached,
        }
    }
}

/// All recorded exchanges; `None`, with a word about it, where the recordings are absent.
pub(crate) fn recorded_exchanges() -> Option<Vec<Recording>> {
    let path = crate::workload::recordings()?.join("http_recordings.jsonl.xz");
    let file = File::open(path).expect("the recordings are complete");
    let lines = BufReader::new(liblzma::read::XzDecoder::new(file)).lines();
    let read = lines.map(|line| {
        let line: Line = serde_json::from_str(&line.expect("readable")).expect("an exchange");
        Recording::from(line)
    });
    Some(read.collect())
}

/// Some recorders took responses with non-ASCII text for binary and kept them in base64.
fn unpacked(text: String) -> String {
    // `{"`, `data: ` and `event:`.
    let packed = ["eyJ", "ZGF0YTog", "ZXZlbnQ6"];
    if !packed.into_iter().any(|start| text.starts_with(start)) {
        return text;
    }
    let bytes = STANDARD.decode(&text).expect("base64 as it begins");
    String::from_utf8(bytes).unwrap_or(text)
}

/// Every exchange is there, and what was cut apart is whole again.
#[test]
fn every_exchange_is_read() {
    let Some(all) = recorded_exchanges() else {
        return;
    };
    assert_eq!(all.len(), 447);
    let with_request = all.iter().filter(|one| one.request.is_some()).count();
    assert!(with_request > 300, "{with_request}");
    for framing in [Framing::Json, Framing::Sse, Framing::EventStream] {
        let count = all.iter().filter(|one| one.framing == framing).count();
        assert!(count > 0, "no {framing:?}");
    }
    assert!(
        all.iter()
            .all(|one| !one.response.is_empty() || one.status == 204)
    );
}
