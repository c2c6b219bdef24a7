//! Bedrock's Converse, and Nova's form of it inside InvokeModel.

use serde_json::{Value, json};

use super::super::form::Wrap;
use super::{Answer, Event, Stop};

pub(super) fn document(answer: &Answer, wrap: Wrap) -> Value {
    let content = match &answer.tool {
        Some(tool) => json!([{"toolUse": {"toolUseId": id(answer), "name": tool.name,
                                          "input": tool.input}}]),
        None if answer.words.is_empty() => json!([]),
        None => json!([{"text": answer.text()}]),
    };
    let mut document = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop(answer),
        "usage": usage(answer, wrap),
    });
    if let (Wrap::Converse, Some(fields)) = (wrap, document.as_object_mut()) {
        fields.insert("metrics".into(), json!({"latencyMs": 1}));
    }
    document
}

pub(super) fn events(answer: &Answer, wrap: Wrap) -> Vec<Event> {
    let at = |mut data: Value| {
        if let Some(fields) = data.as_object_mut() {
            fields.insert("contentBlockIndex".into(), 0.into());
        }
        data
    };
    let mut events = vec![("messageStart", json!({"role": "assistant"}))];
    let mut deltas: Vec<Value> = match &answer.tool {
        None => answer.pieces().map(|text| json!({"text": text})).collect(),
        Some(tool) => {
            let start = json!({"toolUse": {"toolUseId": id(answer), "name": tool.name}});
            events.push(("contentBlockStart", at(json!({"start": start}))));
            let pieces = Answer::arguments(tool).into_iter();
            pieces
                .map(|text| json!({"toolUse": {"input": text}}))
                .collect()
        }
    };
    if !deltas.is_empty() {
        let deltas = deltas.drain(..);
        events.extend(deltas.map(|delta| ("contentBlockDelta", at(json!({"delta": delta})))));
        events.push(("contentBlockStop", at(json!({}))));
    }
    events.push(("messageStop", json!({"stopReason": stop(answer)})));
    let metrics = json!({"usage": usage(answer, wrap), "metrics": {"latencyMs": 1}});
    events.push(("metadata", metrics));
    match wrap {
        // Inside InvokeModel nothing but the data tells which event it is.
        Wrap::Invoke => events
            .into_iter()
            .map(|(name, data)| (name, json!({name: data})))
            .collect(),
        Wrap::None | Wrap::Converse => events,
    }
}

fn id(answer: &Answer) -> String {
    format!("tooluse_sim_{}", answer.id)
}

const fn stop(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::Tool => "tool_use",
        Stop::Limit => "max_tokens",
        Stop::Turn => "end_turn",
    }
}

/// The total counts what the cache did (recorded traffic, 2026-08). `cacheDetails` is there only
/// when something was written, the longer lifetime first; Nova inside InvokeModel has none of it.
fn usage(answer: &Answer, wrap: Wrap) -> Value {
    let usage = &answer.usage;
    let mut value = json!({
        "inputTokens": usage.plain.unwrap_or(0),
        "outputTokens": answer.output(),
        "totalTokens": answer.input().saturating_add(answer.output()),
    });
    let Some(fields) = value.as_object_mut() else {
        return value;
    };
    for (name, count) in [
        ("cacheReadInputTokenCount", usage.read),
        ("cacheWriteInputTokenCount", usage.written()),
    ] {
        if let Some(count) = count {
            fields.insert(name.into(), count.into());
        }
    }
    if wrap == Wrap::Invoke {
        return value;
    }
    for (name, count) in [
        ("cacheReadInputTokens", usage.read),
        ("cacheWriteInputTokens", usage.written()),
    ] {
        if let Some(count) = count {
            fields.insert(name.into(), count.into());
        }
    }
    fields.insert("serverToolUsage".into(), json!({}));
    let classes = [("1h", usage.write_1h), ("5m", usage.write_5m)].into_iter();
    let details: Vec<Value> = classes
        .filter_map(|(ttl, count)| Some((ttl, count.filter(|count| *count > 0)?)))
        .map(|(ttl, count)| json!({"ttl": ttl, "inputTokens": count}))
        .collect();
    if !details.is_empty() {
        fields.insert("cacheDetails".into(), details.into());
    }
    value
}
