//! What a response of the generateContent dialect says: usage, end, error.

use serde::Deserialize;

use crate::model::Usage;
use crate::wire::{Progress, Seen};

/// A response, one chunk of a stream, or an error: the members that matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    usage_metadata: Option<Counts>,
    model_version: Option<Box<str>>,
    candidates: Vec<Candidate>,
    prompt_feedback: Option<Feedback>,
    error: Option<Failure>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Candidate {
    finish_reason: Option<Box<str>>,
}

/// Why a prompt was not answered at all.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<Box<str>>,
}

/// The only member of an error that may be shown: its message can quote the prompt.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Failure {
    status: Option<Box<str>>,
}

/// A `usageMetadata` object, in tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Counts {
    prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    total_token_count: Option<u64>,
}

impl Counts {
    /// The usage so far: each chunk says all of it again, and what one leaves out was said before.
    fn after(&self, before: Option<Usage>) -> Usage {
        let before = before.unwrap_or_default();
        let read = self.cached_content_token_count.or(before.read);
        let tools = self.tool_use_prompt_token_count.unwrap_or(0);
        let plain = self.prompt_token_count.map(|prompt| {
            let fresh = prompt.saturating_sub(read.unwrap_or(0));
            fresh.saturating_add(tools)
        });
        Usage {
            plain: plain.or(before.plain),
            read,
            output: self.output().or(before.output),
            ..Usage::default()
        }
    }

    /// What was written: candidates and thoughts.
    ///
    /// In every recorded exchange (Gemini API and Vertex AI, 2026-08) the total is prompt,
    /// candidates and thoughts together, so candidates leave the thoughts out. Where a total says
    /// that they hold them already (as is told of the Gemini API), nothing is counted twice.
    fn output(&self) -> Option<u64> {
        let (candidates, thoughts) = (self.candidates_token_count, self.thoughts_token_count);
        let (Some(all), Some(thought)) = (candidates, thoughts) else {
            return candidates.or(thoughts);
        };
        let prompt = self.prompt_token_count.unwrap_or(0);
        let tools = self.tool_use_prompt_token_count.unwrap_or(0);
        let without = prompt.saturating_add(tools).saturating_add(all);
        if self.total_token_count == Some(without) {
            return Some(all);
        }
        Some(all.saturating_add(thought))
    }
}

pub(super) fn event(seen: &mut Seen, data: &[u8]) {
    if let Ok(body) = serde_json::from_slice::<Body>(data) {
        note(seen, &body);
    }
}

/// One response, or (a stream that was not asked for as events) an array of chunks.
pub(super) fn document(seen: &mut Seen, copy: &[u8]) {
    // A structure would be read from an array too, member by member, so the bracket decides.
    let chunks = if copy.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<Vec<Body>>(copy)
    } else {
        serde_json::from_slice::<Body>(copy).map(|body| vec![body])
    };
    let Ok(chunks) = chunks else { return };
    for chunk in &chunks {
        note(seen, chunk);
    }
    seen.progress = Progress::Ended;
}

fn note(seen: &mut Seen, body: &Body) {
    if let Some(failure) = &body.error {
        // An error reports no usage.
        seen.error = failure.status.clone().or_else(|| Some("error".into()));
        return;
    }
    seen.progress = seen.progress.max(Progress::Started);
    if let Some(counts) = &body.usage_metadata {
        seen.usage = Some(counts.after(seen.usage));
    }
    if body.model_version.is_some() {
        seen.model.clone_from(&body.model_version);
    }
    let blocked = body.prompt_feedback.as_ref();
    let blocked = blocked.and_then(|feedback| feedback.block_reason.as_ref());
    let mut finished = body.candidates.iter();
    let finished = finished.find_map(|candidate| candidate.finish_reason.as_ref());
    if let Some(reason) = finished.or(blocked) {
        seen.stop_reason = Some(reason.clone());
        seen.progress = Progress::Ended;
    }
}
