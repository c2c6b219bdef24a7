//! Anthropic's Messages, also inside InvokeModel and `rawPredict`.

use serde_json::{Value, json};

use super::super::form::Wrap;
use super::{Answer, Event, Stop};

pub(super) fn document(answer: &Answer, wrap: Wrap) -> Value {
    let content = match &answer.tool {
        Some(_) => json!([block(answer)]),
        None if answer.words.is_empty() => json!([]),
        None => json!([{"type": "text", "text": answer.text()}]),
    };
    let usage = usage_in_full(answer, answer.output(), wrap);
    message(answer, &content, Some(stop(answer)), &usage)
}

pub(super) fn events(answer: &Answer, wrap: Wrap) -> Vec<Event> {
    // The first event counts the token that is already there.
    let first = usage_in_full(answer, answer.output().min(1), wrap);
    let message = message(answer, &json!([]), None, &first);
    let mut events = vec![typed("message_start", json!({"message": message}))];
    let deltas: Vec<Value> = match &answer.tool {
        Some(tool) => Answer::arguments(tool)
            .into_iter()
            .map(|json| json!({"type": "input_json_delta", "partial_json": json}))
            .collect(),
        None => answer
            .pieces()
            .map(|text| json!({"type": "text_delta", "text": text}))
            .collect(),
    };
    if !deltas.is_empty() {
        let mut block = block(answer);
        if let Some(input) = block.get_mut("input") {
            *input = json!({});
        }
        events.push(typed(
            "content_block_start",
            json!({"index": 0, "content_block": block}),
        ));
        events.push(typed("ping", json!({})));
        events.extend(
            deltas
                .into_iter()
                .map(|delta| typed("content_block_delta", json!({"index": 0, "delta": delta}))),
        );
        events.push(typed("content_block_stop", json!({"index": 0})));
    }
    events.push(typed(
        "message_delta",
        json!({
            "delta": {"stop_reason": stop(answer), "stop_sequence": null},
            "usage": usage(answer, answer.output()),
        }),
    ));
    events.push(typed("message_stop", json!({})));
    events
}

/// An event says its name in its data, too.
fn typed(name: &'static str, mut data: Value) -> Event {
    if let Some(fields) = data.as_object_mut() {
        fields.insert("type".into(), name.into());
    }
    (name, data)
}

/// The one block of the answer, its text still to come.
fn block(answer: &Answer) -> Value {
    match &answer.tool {
        None => json!({"type": "text", "text": ""}),
        Some(tool) => json!({"type": "tool_use", "id": format!("toolu_sim_{}", answer.id),
                             "name": tool.name, "input": tool.input}),
    }
}

fn message(answer: &Answer, content: &Value, stop: Option<&str>, usage: &Value) -> Value {
    let mut message = json!({
        "id": format!("msg_sim_{}", answer.id), "type": "message", "role": "assistant",
        "model": answer.model, "content": content, "stop_reason": stop, "stop_sequence": null,
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
