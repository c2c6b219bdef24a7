//! What a response of the Chat dialect says: usage, end, error.

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::Money;
use crate::wire::gateway;
use crate::wire::inclusive::{Counts, named};
use crate::wire::{MarkerStyle, Progress, Seen, told};

/// A completion, an error body, a chunk of a stream, or one of Cohere's events: the members that
/// matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    /// Cohere's name of the event.
    #[serde(rename = "type")]
    kind: Option<Box<str>>,
    id: Option<Box<str>>,
    model: Option<Box<str>>,
    usage: Option<Counts>,
    choices: Option<Vec<Choice>>,
    /// Where Groq puts the usage of a stream whose caller did not ask for it.
    x_groq: Option<Choice>,
    /// What Cohere's `message-end` adds to the message.
    delta: Option<Choice>,
    /// Cohere's place for it.
    finish_reason: Option<Box<str>>,
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
struct Choice {
    finish_reason: Option<Box<str>>,
    /// Where Moonshot puts the usage of a stream.
    usage: Option<Counts>,
    /// Where Vercel puts the price of a document, and of a stream.
    #[serde(deserialize_with = "gateway::within")]
    message: Option<Money>,
    #[serde(deserialize_with = "gateway::within")]
    delta: Option<Money>,
}

/// Whether an event's first line leaves it possible that the event carries usage, an end or an
/// error. Nearly all chunks are content: their usage, if they have the member, and their reason to
/// stop are null.
pub(super) fn may_matter(data: &[u8]) -> bool {
    // The end is no object, and a line that ends otherwise is not the whole event.
    !data.ends_with(b"}")
        || has_value(data, br#""usage""#)
        || has_value(data, br#""finish_reason""#)
        || has_value(data, br#""error""#)
        // The first chunk names the speaker.
        || memmem::find(data, br#""role""#).is_some()
        || memmem::find(data, br#""message-"#).is_some()
}

/// Whether this key stands somewhere with a value other than null. Inside strings quotes are
/// escaped, so content never looks like a key.
fn has_value(data: &[u8], key: &[u8]) -> bool {
    memmem::find_iter(data, key).any(|at| {
        let rest = data.get(at + key.len()..).unwrap_or_default();
        let value = rest.trim_ascii_start().strip_prefix(b":");
        value.is_some_and(|value| !value.trim_ascii_start().starts_with(b"null"))
    })
}

pub(super) fn event(seen: &mut Seen, data: &[u8], marker: MarkerStyle) {
    if data.trim_ascii() == b"[DONE]" {
        seen.progress = Progress::Ended;
        return;
    }
    let ends = [&br#""usage""#[..], br#""finish_reason""#, br#""error""#];
    // Some name the speaker in every chunk; only the first one of those is worth a look.
    if seen.started() && !ends.into_iter().any(|key| has_value(data, key)) {
        return;
    }
    let Ok(body) = serde_json::from_slice::<Body>(data) else {
        return;
    };
    if let Some(error) = &body.error {
        seen.error = Some(named(error));
        return;
    }
    seen.progress = seen.progress.max(Progress::Started);
    note(seen, body, marker);
}

pub(super) fn document(seen: &mut Seen, copy: &[u8], marker: MarkerStyle) {
    let Ok(body) = serde_json::from_slice::<Body>(copy) else {
        return;
    };
    seen.progress = Progress::Ended;
    seen.error = body.error.as_deref().map(named);
    // An error reports no usage, whatever a gateway adds to it.
    if seen.error.is_none() {
        note(seen, body, marker);
    }
}

fn note(seen: &mut Seen, body: Body, marker: MarkerStyle) {
    let is_end = body.kind.as_deref() == Some("message-end");
    let choices = body.choices.unwrap_or_default();
    let mut parts: Vec<Choice> = choices.into_iter().chain(body.x_groq).collect();
    parts.extend(body.delta.filter(|_| is_end));
    parts.push(Choice {
        finish_reason: body.finish_reason,
        usage: body.usage,
        ..Choice::default()
    });
    let mut billed = body.provider_metadata.or(body.metadata);
    for part in parts {
        // A later report replaces an earlier one: counts of a stream are running totals.
        if let Some(usage) = part.usage.and_then(|counts| counts.usage(marker)) {
            billed = billed.or_else(|| seen.usage.and_then(|before| before.cost));
            seen.usage = Some(usage);
        }
        billed = part.message.or(part.delta).or(billed);
        if part.finish_reason.is_some() {
            seen.stop_reason = part.finish_reason;
            seen.progress = Progress::Ended;
        }
    }
    gateway::add(&mut seen.usage, billed);
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
}
