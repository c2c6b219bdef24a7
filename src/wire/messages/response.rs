//! What a response of the Messages dialect says: usage, end, error.

use memchr::memmem;

use super::usage::Body;
use crate::wire::{Progress, Seen, gateway, told};

/// Whether an event's first line leaves it possible that the event carries usage or an end. Nearly
/// all events are content, and say so in their first bytes.
pub(super) fn may_matter(data: &[u8]) -> bool {
    !data.starts_with(br#"{"type":"content_block_"#)
        && !data.starts_with(br#"{"type": "content_block_"#)
}

pub(super) fn event(seen: &mut Seen, data: &[u8]) {
    // A second, slower look at what is spelled unusually; what it lets through is still parsed.
    let matters =
        memmem::find(data, b"message_").is_some() || memmem::find(data, b"error").is_some();
    let Some(body) = matters.then(|| serde_json::from_slice::<Body>(data)) else {
        return;
    };
    let Ok(body) = body else { return };
    match body.kind.as_deref() {
        Some("message_start") => {
            seen.progress = seen.progress.max(Progress::Started);
            if let Some(message) = &body.message {
                note(seen, message);
            }
        }
        Some("message_delta") => {
            note(seen, &body);
            if let Some(delta) = &body.delta {
                note(seen, delta);
                // Some clients (rig) stop reading here: why the model stopped is the last thing
                // said, and the usage beside it is final.
                if delta.stop_reason.is_some() {
                    seen.progress = Progress::Ended;
                }
            }
        }
        Some("message_stop") => {
            seen.progress = Progress::Ended;
            if let (None, Some(metrics)) = (seen.usage, &body.metrics) {
                seen.usage = Some(metrics.usage());
            }
        }
        Some("error") => seen.error = body.error().or_else(|| Some("error".into())),
        _ => {}
    }
}

pub(super) fn document(seen: &mut Seen, copy: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Body>(copy) else {
        return;
    };
    seen.progress = Progress::Ended;
    seen.error = body.error();
    // An error reports no usage, whatever a gateway adds to it.
    if seen.error.is_none() {
        note(seen, &body);
    }
}

fn note(seen: &mut Seen, body: &Body) {
    if let Some(counts) = &body.usage {
        seen.usage = Some(counts.after(seen.usage));
    }
    gateway::add(&mut seen.usage, body.provider_metadata.or(body.metadata));
    if body.id.is_some() {
        seen.id.clone_from(&body.id);
    }
    if let Some(said) = body.diagnostics.as_deref().and_then(told::asked) {
        seen.diagnostics = Some(said);
    }
    if body.model.is_some() {
        seen.model.clone_from(&body.model);
    }
    if body.stop_reason.is_some() {
        seen.stop_reason.clone_from(&body.stop_reason);
    }
}
