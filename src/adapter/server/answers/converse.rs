//! Bedrock's Converse, and Nova's form of it inside InvokeModel.

use serde_json::{Value, json};

use super::super::form::Wrap;
use super::{Answer, Block, Event, Stop};

pub(super) fn document(answer: &Answer, wrap: Wrap) -> Value {
    let content: Value = said(answer).map(|block| whole(answer, block)).collect();
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
    let mut events = vec![("messageStart", json!({"role": "assistant"}))];
    for (index, block) in said(answer).enumerate() {
        let at = |mut data: Value| {
            if let Some(fields) = data.as_object_mut() {
                fields.insert("contentBlockIndex".into(), index.into());
            }
            data
        };
        if let Block::Call(tool, number) = block {
            let id = answer.part_id("tooluse", *number);
            let start = json!({"toolUse": {"toolUseId": id, "name": tool.name}});
            events.push(("contentBlockStart", at(json!({"start": start}))));
        }
        let deltas = deltas(block).into_iter();
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

/// The blocks that there is something in.
fn said(answer: &Answer) -> impl Iterator<Item = &Block> {
    let is_empty = |block: &&Block| matches!(block, Block::Text(words) if words.is_empty());
    answer.blocks.iter().filter(move |block| !is_empty(block))
}

fn whole(answer: &Answer, block: &Block) -> Value {
    match block {
        Block::Thinking(words) => json!({"reasoningContent": {"reasoningText": {
            "text": words.join(" "), "signature": Answer::signature(words)}}}),
        Block::Text(words) => json!({"text": words.join(" ")}),
        Block::Call(tool, number) => json!({"toolUse": {
            "toolUseId": answer.part_id("tooluse", *number), "name": tool.name,
            "input": tool.input}}),
    }
}

fn deltas(block: &Block) -> Vec<Value> {
    match block {
        Block::Thinking(words) => {
            let signature = Answer::signature(words);
            Answer::pieces(words)
                .map(|text| json!({"reasoningContent": {"text": text}}))
                .chain([json!({"reasoningContent": {"signature": signature}})])
                .collect()
        }
        Block::Text(words) => Answer::pieces(words)
            .map(|text| json!({"text": text}))
            .collect(),
        Block::Call(tool, _) => Answer::arguments(tool)
            .into_iter()
            .map(|text| json!({"toolUse": {"input": text}}))
            .collect(),
    }
}

const fn stop(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::Tool => "tool_use",
        Stop::Limit => "max_tokens",
        Stop::Turn => "end_turn",
        Stop::Sequence => "stop_sequence",
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
