//! Anthropic's Messages, also inside InvokeModel and `rawPredict`.

use serde_json::{Value, json};

use super::super::form::Wrap;
use super::{Answer, Block, Event, Stop};

pub(super) fn document(answer: &Answer, wrap: Wrap) -> Value {
    let content: Value = said(answer).map(|block| whole(answer, block)).collect();
    let usage = usage_in_full(answer, answer.output(), wrap);
    message(answer, &content, Some(stop(answer)), &usage)
}

pub(super) fn events(answer: &Answer, wrap: Wrap) -> Vec<Event> {
    // The first event counts the token that is already there.
    let first = usage_in_full(answer, answer.output().min(1), wrap);
    let message = message(answer, &json!([]), None, &first);
    let mut events = vec![typed("message_start", json!({"message": message}))];
    for (index, block) in said(answer).enumerate() {
        let begun = begun(answer, block);
        events.push(typed(
            "content_block_start",
            json!({"index": index, "content_block": begun}),
        ));
        if index == 0 {
            events.push(typed("ping", json!({})));
        }
        let deltas = deltas(block).into_iter();
        events.extend(deltas.map(|delta| {
            typed(
                "content_block_delta",
                json!({"index": index, "delta": delta}),
            )
        }));
        events.push(typed("content_block_stop", json!({"index": index})));
    }
    events.push(typed(
        "message_delta",
        json!({
            "delta": {"stop_reason": stop(answer), "stop_sequence": answer.stopped_by},
            "usage": usage(answer, answer.output()),
        }),
    ));
    events.push(typed("message_stop", json!({})));
    events
}

/// The blocks that there is something in.
fn said(answer: &Answer) -> impl Iterator<Item = &Block> {
    let is_empty = |block: &&Block| matches!(block, Block::Text(words) if words.is_empty());
    answer.blocks.iter().filter(move |block| !is_empty(block))
}

fn whole(answer: &Answer, block: &Block) -> Value {
    let mut value = begun(answer, block);
    let Some(fields) = value.as_object_mut() else {
        return value;
    };
    match block {
        Block::Thinking(words) => {
            fields.insert("thinking".into(), words.join(" ").into());
            fields.insert("signature".into(), Answer::signature(words).into());
        }
        Block::Text(words) => drop(fields.insert("text".into(), words.join(" ").into())),
        Block::Call(tool, _) => drop(fields.insert("input".into(), tool.input.clone())),
    }
    value
}

fn deltas(block: &Block) -> Vec<Value> {
    match block {
        Block::Thinking(words) => {
            let signature = Answer::signature(words);
            Answer::pieces(words)
                .map(|text| json!({"type": "thinking_delta", "thinking": text}))
                .chain([json!({"type": "signature_delta", "signature": signature})])
                .collect()
        }
        Block::Text(words) => Answer::pieces(words)
            .map(|text| json!({"type": "text_delta", "text": text}))
            .collect(),
        Block::Call(tool, _) => Answer::arguments(tool)
            .into_iter()
            .map(|json| json!({"type": "input_json_delta", "partial_json": json}))
            .collect(),
    }
}

/// An event says its name in its data, too.
fn typed(name: &'static str, mut data: Value) -> Event {
    if let Some(fields) = data.as_object_mut() {
        fields.insert("type".into(), name.into());
    }
    (name, data)
}

/// A block whose content is still to come.
fn begun(answer: &Answer, block: &Block) -> Value {
    match block {
        Block::Thinking(_) => json!({"type": "thinking", "thinking": "", "signature": ""}),
        Block::Text(_) => json!({"type": "text", "text": ""}),
        Block::Call(tool, number) => json!({
            "type": "tool_use", "id": answer.part_id("toolu", *number), "name": tool.name,
            "input": {},
        }),
    }
}

fn message(answer: &Answer, content: &Value, stop: Option<&str>, usage: &Value) -> Value {
    let mut message = json!({
        "id": format!("msg_sim_{}", answer.id), "type": "message", "role": "assistant",
        "model": answer.model, "content": content, "stop_reason": stop,
        "stop_sequence": stop.and(answer.stopped_by),
        "usage": usage,
    });
    if let (Some(said), Some(fields)) = (&answer.diagnostics, message.as_object_mut()) {
        fields.insert("diagnostics".into(), said.clone());
    }
    message
}

const fn stop(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::Tool => "tool_use",
        Stop::Limit => "max_tokens",
        Stop::Turn => "end_turn",
        Stop::Sequence => "stop_sequence",
    }
}

/// The four counters that every usage has.
fn usage(answer: &Answer, output: u64) -> Value {
    json!({
        "input_tokens": answer.usage.plain.unwrap_or(0),
        "cache_creation_input_tokens": answer.usage.written().unwrap_or(0),
        "cache_read_input_tokens": answer.usage.read.unwrap_or(0),
        "output_tokens": output,
    })
}

/// With the split by lifetime, which the last event of a stream does not repeat, and what
/// Anthropic's own service says and Bedrock does not (recorded traffic, 2026-08).
fn usage_in_full(answer: &Answer, output: u64, wrap: Wrap) -> Value {
    let mut usage = usage(answer, output);
    if let Some(fields) = usage.as_object_mut() {
        let split = json!({
            "ephemeral_5m_input_tokens": answer.usage.write_5m.unwrap_or(0),
            "ephemeral_1h_input_tokens": answer.usage.write_1h.unwrap_or(0),
        });
        fields.insert("cache_creation".into(), split);
        if wrap == Wrap::None {
            fields.insert("service_tier".into(), "standard".into());
            fields.insert("inference_geo".into(), "global".into());
        }
    }
    usage
}
