//! What a response of the Converse dialect says: usage, end, error.

use memchr::memmem;
use serde::Deserialize;

use crate::model::Usage;
use crate::wire::metrics::Metrics;
use crate::wire::{Progress, Seen};

/// A response, an error, or one event of a stream: the members that matter here. Nova's own stream
/// (InvokeModelWithResponseStream) wraps each event in a member of its name.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    usage: Option<Counts>,
    stop_reason: Option<Box<str>>,
    output: Option<serde::de::IgnoredAny>,
    message: Option<serde::de::IgnoredAny>,
    #[serde(rename = "__type")]
    kind: Option<Box<str>>,
    message_start: Option<serde::de::IgnoredAny>,
    message_stop: Option<Box<Self>>,
    metadata: Option<Box<Self>>,
    #[serde(rename = "amazon-bedrock-invocationMetrics")]
    metrics: Option<Metrics>,
}

/// A `usage` object. Input excludes what was read and written (recorded 2026-08: 433 + 2,752 + 16
/// make `totalTokens` 3,201). Each cache counter stands there under one name or two.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_read_input_token_count: Option<u64>,
    cache_write_input_tokens: Option<u64>,
    cache_write_input_token_count: Option<u64>,
    cache_details: Option<Vec<Detail>>,
}

/// What was written in one lifetime class; only there when something was written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    ttl: Option<Box<str>>,
    input_tokens: Option<u64>,
}

impl Counts {
    fn usage(&self) -> Usage {
        let written = self.cache_write_input_tokens;
        let written = written.or(self.cache_write_input_token_count);
        let details = self.cache_details.iter().flatten();
        let of = |hour: bool| {
            let details = details.clone();
            let class = details.filter(|detail| (detail.ttl.as_deref() == Some("1h")) == hour);
            let tokens = class.filter_map(|detail| detail.input_tokens);
            tokens.reduce(u64::saturating_add)
        };
        let write_1h = of(true);
        Usage {
            plain: self.input_tokens,
            read: self
                .cache_read_input_tokens
                .or(self.cache_read_input_token_count),
            // What no class is named for is of the default class: five minutes.
            write_5m: match (written, of(false)) {
                (Some(all), _) => Some(all.saturating_sub(write_1h.unwrap_or(0))),
                (None, named) => named,
            },
            write_1h,
            output: self.output_tokens,
            ..Usage::default()
        }
    }
}

/// Whether the beginning of an event that a frame does not name leaves it possible that the event
/// carries usage or an end.
pub(super) fn may_matter(data: &[u8]) -> bool {
    !data.starts_with(br#"{"contentBlock"#)
}

pub(super) fn event(seen: &mut Seen, name: &str, data: &[u8]) {
    if !matches!(name, "" | "messageStart" | "messageStop" | "metadata") {
        return;
    }
    // Unnamed events are looked at a second time: what this lets through is still parsed.
    let matters = !name.is_empty()
        || ["message", "metadata", "usage", "amazon-bedrock"]
            .into_iter()
            .any(|word| memmem::find(data, word.as_bytes()).is_some());
    let Some(Ok(body)) = matters.then(|| serde_json::from_slice::<Body>(data)) else {
        return;
    };
    match name {
        "messageStart" => started(seen),
        "messageStop" => stopped(seen, &body),
        "metadata" => note(seen, &body),
        _ => unnamed(seen, &body),
    }
}

pub(super) fn document(seen: &mut Seen, copy: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Body>(copy) else {
        return;
    };
    seen.progress = Progress::Ended;
    if body.kind.is_some() || (body.output.is_none() && body.message.is_some()) {
        // Its message may quote the prompt; the type stands in a header, if not here.
        let kind = body.kind.as_deref().unwrap_or("error");
        let name = kind.rsplit('#').next().unwrap_or(kind);
        seen.error = Some(name.into());
        return;
    }
    note(seen, &body);
}

fn unnamed(seen: &mut Seen, body: &Body) {
    if body.message_start.is_some() {
        started(seen);
    }
    if let Some(stop) = &body.message_stop {
        stopped(seen, stop);
    }
    if let Some(metadata) = &body.metadata {
        note(seen, metadata);
    }
    if let (None, Some(metrics)) = (seen.usage, &body.metrics) {
        seen.usage = Some(metrics.usage());
    }
}

fn started(seen: &mut Seen) {
    seen.progress = seen.progress.max(Progress::Started);
}

/// The usage follows the stop in an event of its own, so a stream without it has still ended.
fn stopped(seen: &mut Seen, body: &Body) {
    seen.progress = Progress::Ended;
    note(seen, body);
}

fn note(seen: &mut Seen, body: &Body) {
    if let Some(counts) = &body.usage {
        seen.usage = Some(counts.usage());
    }
    if body.stop_reason.is_some() {
        seen.stop_reason.clone_from(&body.stop_reason);
    }
}
