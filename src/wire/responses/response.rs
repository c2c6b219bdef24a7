//! What a response of the Responses dialect says: usage, end, error.

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::Money;
use crate::wire::gateway;
use crate::wire::inclusive::{Counts, named};
use crate::wire::{MarkerStyle, Progress, Seen, told};

/// A response, an error body, or one event of a stream: the members that matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(rename = "type")]
    kind: Option<Box<str>>,
    id: Option<Box<str>>,
    model: Option<Box<str>>,
    status: Option<Box<str>>,
    incomplete_details: Option<Reason>,
    usage: Option<Counts>,
    /// The response that an event is about.
    response: Option<Box<Self>>,
    /// An event of type `error` has its code beside its type.
    code: Option<Box<RawValue>>,
    /// Anything at all, since gateways have their own ideas.
    error: Option<Box<RawValue>>,
    /// What the provider says of the cache.
    prompt_cache_diagnostics: Option<Box<RawValue>>,
    /// What a gateway says of the price.
    #[serde(deserialize_with = "gateway::metadata")]
    provider_metadata: Option<Money>,
    #[serde(rename = "providerMetadata", deserialize_with = "gateway::metadata")]
    metadata: Option<Money>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reason {
    reason: Option<Box<str>>,
}

/// Types of the events that matter, with what sets them apart from content.
const MATTERS: [&[u8]; 6] = [
    b"\"response.created\"",
    b"\"response.completed\"",
    b"\"response.incomplete\"",
    b"\"response.failed\"",
    b"\"response.cancelled\"",
    b"\"error\"",
];

/// Whether an event's first line leaves it possible that the event carries usage, an end or an
/// error. Nearly all events are content, and say so in their first bytes.
pub(super) fn may_matter(data: &[u8]) -> bool {
    const CONTENT: [&[u8]; 4] = [
        b"{\"type\":\"response.output_",
        b"{\"type\":\"response.content_part",
        b"{\"type\":\"response.function_call",
        b"{\"type\":\"response.reasoning_",
    ];
    if CONTENT.into_iter().any(|start| data.starts_with(start)) {
        return false;
    }
    // Inside strings quotes are escaped, so content never looks like a type. A line that is no
    // whole object is not the whole event.
    !data.ends_with(b"}") || matters(data)
}

fn matters(data: &[u8]) -> bool {
    MATTERS
        .into_iter()
        .any(|name| memmem::find(data, name).is_some())
}

pub(super) fn event(seen: &mut Seen, name: &str, data: &[u8], marker: MarkerStyle) {
    if !(matters(data) || name.contains("error")) {
        return;
    }
    let Ok(body) = serde_json::from_slice::<Body>(data) else {
        return;
    };
    let kind = body.kind.as_deref().unwrap_or(name);
    match kind {
        "response.created" => seen.progress = seen.progress.max(Progress::Started),
        "response.completed" | "response.incomplete" => seen.progress = Progress::Ended,
        "response.failed" | "response.cancelled" => {
            seen.progress = seen.progress.max(Progress::Started);
            seen.error = Some("error".into());
        }
        "error" => {
            let code = body.code.as_deref().and_then(code);
            let error = body.error.as_deref().map(named);
            seen.error = error.or(code).or_else(|| Some("error".into()));
        }
        _ => return,
    }
    if let Some(response) = body.response {
        note(seen, *response, marker);
    }
}

pub(super) fn document(seen: &mut Seen, copy: &[u8], marker: MarkerStyle) {
    let Ok(body) = serde_json::from_slice::<Body>(copy) else {
        return;
    };
    seen.progress = Progress::Ended;
    note(seen, body, marker);
}

/// A response is billed for what it used, also where it failed.
fn note(seen: &mut Seen, body: Body, marker: MarkerStyle) {
    if let Some(usage) = body.usage.and_then(|counts| counts.usage(marker)) {
        seen.usage = Some(usage);
    }
    gateway::add(&mut seen.usage, body.provider_metadata.or(body.metadata));
    if body.id.is_some() {
        seen.id = body.id;
    }
    let said = body.prompt_cache_diagnostics.as_deref();
    if let Some(said) = said.and_then(told::compared) {
        seen.diagnostics = Some(said);
    }
    if body.model.is_some() {
        seen.model = body.model;
    }
    let reason = body.incomplete_details.and_then(|details| details.reason);
    if seen.ended() && (reason.is_some() || body.status.is_some()) {
        seen.stop_reason = reason.or(body.status);
    }
    if let Some(error) = body.error {
        seen.error = Some(named(&error));
    }
}

/// A code where it is a text.
fn code(raw: &RawValue) -> Option<Box<str>> {
    serde_json::from_str(raw.get()).ok()
}
