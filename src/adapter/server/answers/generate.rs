//! Gemini's `generateContent`, at Google AI and on Vertex.

use serde_json::{Value, json};

use super::super::manners::Manner;
use super::super::when;
use super::super::wish::Tool;
use super::{Answer, Block, Event, Stop};

pub(super) fn document(answer: &Answer) -> Value {
    let parts: Value = answer
        .blocks
        .iter()
        .filter(|block| !matches!(block, Block::Text(words) if words.is_empty()))
        .map(|block| match block {
            Block::Thinking(words) => thought(&words.join(" ")),
            Block::Text(words) => json!({"text": words.join(" ")}),
            Block::Call(tool, number) => call(answer, tool, *number),
        })
        .collect();
    piece(answer, &parts, Some(answer.output()), Some(finish(answer)))
}

pub(super) fn events(answer: &Answer) -> Vec<Event> {
    let mut parts: Vec<Value> = Vec::new();
    for block in &answer.blocks {
        match block {
            Block::Thinking(words) => {
                parts.extend(Answer::pieces(words).map(|text| json!([thought(&text)])));
            }
            Block::Text(words) => {
                parts.extend(Answer::pieces(words).map(|text| json!([{"text": text}])));
            }
            Block::Call(tool, number) => parts.push(json!([call(answer, tool, *number)])),
        }
    }
    if parts.is_empty() {
        parts.push(json!([]));
    }
    let last = parts.len() - 1;
    let pieces = parts.iter().enumerate().map(|(index, parts)| {
        let end = index == last;
        let told = end || !answer.has(Manner::Vertex);
        let words = u64::try_from((index + 1) * super::WORDS_PER_EVENT).unwrap_or(u64::MAX);
        let output = if end { answer.output() } else { words };
        (
            "",
            piece(
                answer,
                parts,
                told.then_some(output),
                end.then_some(finish(answer)),
            ),
        )
    });
    pieces.collect()
}

const fn finish(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::Limit => "MAX_TOKENS",
        Stop::Tool | Stop::Turn | Stop::Sequence => "STOP",
    }
}

/// One document, or one piece of a stream: with its part of the text, the usage so far if it is to
/// be told, and the reason to stop at the end.
fn piece(answer: &Answer, parts: &Value, output: Option<u64>, finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let (Some(reason), Some(fields)) = (finish, candidate.as_object_mut()) {
        fields.insert("finishReason".into(), reason.into());
    }
    let mut piece = json!({
        "candidates": [candidate], "modelVersion": answer.model, "responseId": answer.id,
    });
    if let Some(fields) = piece.as_object_mut() {
        if let Some(output) = output {
            fields.insert("usageMetadata".into(), usage(answer, output));
        }
        if answer.has(Manner::Vertex) {
            fields.insert("createTime".into(), when::rfc3339(answer.created).into());
        }
    }
    piece
}

fn thought(text: &str) -> Value {
    json!({"text": text, "thought": true})
}

fn call(answer: &Answer, tool: &Tool, number: usize) -> Value {
    let id = match number {
        0 => format!("sim{}", answer.id),
        number => format!("sim{}_{number}", answer.id),
    };
    json!({"functionCall": {"id": id, "name": tool.name, "args": tool.input}})
}

/// The prompt's count includes what was cached; on a miss nothing is said of a cache (recorded
/// traffic, 2026-08).
fn usage(answer: &Answer, output: u64) -> Value {
    let text = |count: u64| json!([{"modality": "TEXT", "tokenCount": count}]);
    let mut usage = json!({
        "promptTokenCount": answer.input(),
        "candidatesTokenCount": output.saturating_sub(answer.thought()),
        "totalTokenCount": answer.input().saturating_add(output),
        "promptTokensDetails": text(answer.input()),
    });
    if let Some(fields) = usage.as_object_mut() {
        if answer.thought() > 0 {
            fields.insert("thoughtsTokenCount".into(), answer.thought().into());
        }
        if let Some(read) = answer.usage.read.filter(|read| *read > 0) {
            fields.insert("cachedContentTokenCount".into(), read.into());
            fields.insert("cacheTokensDetails".into(), text(read));
        }
        let (name, value) = if answer.has(Manner::Vertex) {
            ("trafficType", "ON_DEMAND")
        } else {
            ("serviceTier", "standard")
        };
        fields.insert(name.into(), value.into());
    }
    usage
}
