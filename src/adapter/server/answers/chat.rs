//! OpenAI's Chat Completions, with what its many speakers add to the usage.

use serde_json::{Value, json};

use super::super::manners::Manner;
use super::super::wish::Tool;
use super::{Answer, Block, Event, Stop};

/// How Chat Completions names input and output.
const KINDS: [&str; 2] = ["prompt", "completion"];

/// What is thought is only counted, as OpenAI does it.
pub(super) fn document(answer: &Answer) -> Value {
    let calls: Vec<Value> = answer
        .calls("call")
        .map(|(tool, id)| call(tool, &id, &tool.input.to_string()))
        .collect();
    let message = if calls.is_empty() {
        json!({"role": "assistant", "content": answer.text(), "refusal": null})
    } else {
        json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": calls})
    };
    json!({
        "id": id(answer), "object": "chat.completion", "created": answer.created,
        "model": answer.model, "service_tier": "default", "system_fingerprint": null,
        "choices": [{"index": 0, "message": message, "logprobs": null,
                     "finish_reason": finish(answer)}],
        "usage": answer.inclusive_usage(KINDS),
    })
}

pub(super) fn events(answer: &Answer) -> Vec<Event> {
    let mut more = Vec::new();
    for block in &answer.blocks {
        if let Block::Text(words) = block {
            more.extend(Answer::pieces(words).map(|text| json!({"content": text})));
        }
    }
    for (index, (tool, id)) in answer.calls("call").enumerate() {
        let mut begun = call(tool, &id, "");
        // Calls in a stream are numbered.
        set(&mut begun, "index", index.into());
        more.push(json!({"tool_calls": [begun]}));
        let pieces = Answer::arguments(tool).into_iter();
        more.extend(pieces.map(
            |text| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]}),
        ));
    }
    let mut first = json!({"role": "assistant", "content": "", "refusal": null});
    if answer.stop == Stop::Tool && !more.is_empty() {
        // The first call comes with the role.
        first = more.remove(0);
        set(&mut first, "role", "assistant".into());
        set(&mut first, "content", Value::Null);
    }
    let mut events: Vec<Event> = std::iter::once(first)
        .chain(more)
        .map(|delta| chunk(answer, &json!([choice(&delta, None)])))
        .collect();
    let mut end = chunk(answer, &json!([choice(&json!({}), Some(finish(answer)))]));
    let told = answer.usage_asked || answer.has(Manner::UsageUnasked);
    let usage = answer.inclusive_usage(KINDS);
    if told && answer.has(Manner::UsageAtEnd) {
        set(&mut end.1, "usage", usage);
        events.push(end);
    } else if told {
        let mut last = chunk(answer, &json!([]));
        set(&mut last.1, "usage", usage);
        events.extend([end, last]);
    } else {
        events.push(end);
    }
    events
}

fn chunk(answer: &Answer, choices: &Value) -> Event {
    let mut data = json!({
        "id": id(answer), "object": "chat.completion.chunk", "created": answer.created,
        "model": answer.model, "service_tier": "default", "system_fingerprint": null,
        "choices": choices,
    });
    if answer.usage_asked {
        set(&mut data, "usage", Value::Null);
    }
    ("", data)
}

fn set(data: &mut Value, name: &str, value: Value) {
    if let Some(fields) = data.as_object_mut() {
        fields.insert(name.into(), value);
    }
}

fn choice(delta: &Value, finish: Option<&str>) -> Value {
    json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish})
}

fn call(tool: &Tool, id: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function",
           "function": {"name": tool.name, "arguments": arguments}})
}

fn id(answer: &Answer) -> String {
    format!("chatcmpl-sim-{}", answer.id)
}

const fn finish(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::Tool => "tool_calls",
        Stop::Limit => "length",
        Stop::Turn | Stop::Sequence => "stop",
    }
}
