//! OpenAI's Chat Completions, with what its many speakers add to the usage.

use serde_json::{Value, json};

use super::super::manners::Manner;
use super::super::wish::Tool;
use super::{Answer, Event, Stop};

/// How Chat Completions names input and output.
const KINDS: [&str; 2] = ["prompt", "completion"];

pub(super) fn document(answer: &Answer) -> Value {
    let message = match &answer.tool {
        None => json!({"role": "assistant", "content": answer.text(), "refusal": null}),
        Some(tool) => {
            let call = call(answer, tool, &tool.input.to_string());
            json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": [call]})
        }
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
    let first = match &answer.tool {
        None => json!({"role": "assistant", "content": "", "refusal": null}),
        Some(tool) => {
            let mut call = call(answer, tool, "");
            index(&mut call);
            json!({"role": "assistant", "content": null, "tool_calls": [call]})
        }
    };
    let more: Vec<Value> = match &answer.tool {
        None => answer
            .pieces()
            .map(|text| json!({"content": text}))
            .collect(),
        Some(tool) => Answer::arguments(tool)
            .into_iter()
            .map(|text| json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]}))
            .collect(),
    };
    let mut events: Vec<Event> = std::iter::once(first)
        .chain(more)
        .map(|delta| chunk(answer, &json!([choice(&delta, None)])))
        .collect();
    let mut end = chunk(answer, &json!([choice(&json!({}), Some(finish(answer)))]));
    let told = answer.usage_asked || answer.has(Manner::UsageUnasked);
    let usage = answer.inclusive_usage(KINDS);
    if told && answer.has(Manner::UsageAtEnd) {
        set(&mut end.1, usage);
        events.push(end);
    } else if told {
        let mut last = chunk(answer, &json!([]));
        set(&mut last.1, usage);
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
        set(&mut data, Value::Null);
    }
    ("", data)
}

fn set(data: &mut Value, usage: Value) {
    if let Some(fields) = data.as_object_mut() {
        fields.insert("usage".into(), usage);
    }
}

fn choice(delta: &Value, finish: Option<&str>) -> Value {
    json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish})
}

fn call(answer: &Answer, tool: &Tool, arguments: &str) -> Value {
    json!({"id": format!("call_sim_{}", answer.id), "type": "function",
           "function": {"name": tool.name, "arguments": arguments}})
}

/// Calls in a stream are numbered.
fn index(call: &mut Value) {
    if let Some(fields) = call.as_object_mut() {
        fields.insert("index".into(), 0.into());
    }
}

fn id(answer: &Answer) -> String {
    format!("chatcmpl-sim-{}", answer.id)
}

const fn finish(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::Tool => "tool_calls",
        Stop::Limit => "length",
        Stop::Turn => "stop",
    }
}
