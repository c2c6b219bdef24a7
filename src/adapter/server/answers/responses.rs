//! OpenAI's Responses.

use serde_json::{Value, json};

use super::super::wish::Tool;
use super::{Answer, Event, Stop};

pub(super) fn document(answer: &Answer) -> Value {
    response(answer, status(answer), &json!([item(answer, "completed")]))
}

pub(super) fn events(answer: &Answer) -> Vec<Event> {
    let mut stream = Stream::default();
    let begun = response(answer, "in_progress", &json!([]));
    stream.push("response.created", json!({"response": begun}));
    stream.push("response.in_progress", json!({"response": begun}));
    let item_begun = item(answer, "in_progress");
    stream.push(
        "response.output_item.added",
        json!({"output_index": 0, "item": item_begun}),
    );
    match &answer.tool {
        None => text(answer, &mut stream),
        Some(tool) => call(answer, tool, &mut stream),
    }
    stream.push(
        "response.output_item.done",
        json!({"output_index": 0, "item": item(answer, "completed")}),
    );
    let name = match answer.stop {
        Stop::Limit => "response.incomplete",
        Stop::Tool | Stop::Turn => "response.completed",
    };
    stream.push(name, json!({"response": document(answer)}));
    stream.events
}

/// Events, numbered.
#[derive(Debug, Default)]
struct Stream {
    events: Vec<Event>,
}

impl Stream {
    fn push(&mut self, name: &'static str, mut data: Value) {
        if let Some(fields) = data.as_object_mut() {
            fields.insert("type".into(), name.into());
            fields.insert("sequence_number".into(), self.events.len().into());
        }
        self.events.push((name, data));
    }

    /// An event inside the one item.
    fn inside(&mut self, name: &'static str, id: &str, mut data: Value) {
        if let Some(fields) = data.as_object_mut() {
            fields.insert("item_id".into(), id.into());
            fields.insert("output_index".into(), 0.into());
        }
        self.push(name, data);
    }
}

fn text(answer: &Answer, stream: &mut Stream) {
    let id = item_id(answer);
    let at = json!({"content_index": 0, "part": part("")});
    stream.inside("response.content_part.added", &id, at);
    for text in answer.pieces() {
        let delta = json!({"content_index": 0, "delta": text, "logprobs": []});
        stream.inside("response.output_text.delta", &id, delta);
    }
    let whole = json!({"content_index": 0, "text": answer.text(), "logprobs": []});
    stream.inside("response.output_text.done", &id, whole);
    let at = json!({"content_index": 0, "part": part(&answer.text())});
    stream.inside("response.content_part.done", &id, at);
}

fn call(answer: &Answer, tool: &Tool, stream: &mut Stream) {
    let id = item_id(answer);
    for text in Answer::arguments(tool) {
        let delta = json!({"delta": text});
        stream.inside("response.function_call_arguments.delta", &id, delta);
    }
    let whole = json!({"arguments": tool.input.to_string(), "name": tool.name});
    stream.inside("response.function_call_arguments.done", &id, whole);
}

fn response(answer: &Answer, status: &str, output: &Value) -> Value {
    let ended = status != "in_progress";
    let usage = ended.then(|| answer.inclusive_usage(["input", "output"]));
    let reason = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
    let mut response = json!({
        "id": format!("resp_sim_{}", answer.id), "object": "response",
        "created_at": answer.created, "status": status, "background": false, "error": null,
        "incomplete_details": reason, "instructions": null, "max_output_tokens": null,
        "metadata": {}, "model": answer.model, "output": output, "parallel_tool_calls": true,
        "previous_response_id": null, "reasoning": {"effort": null, "summary": null},
        "service_tier": "default", "store": false, "temperature": 1.0,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "truncation": "disabled", "usage": usage, "user": null,
    });
    if let (true, Some(said), Some(fields)) = (ended, &answer.diagnostics, response.as_object_mut())
    {
        fields.insert("prompt_cache_diagnostics".into(), said.clone());
    }
    response
}

/// The one item of the answer, with what it says or still without.
fn item(answer: &Answer, status: &str) -> Value {
    let whole = status == "completed";
    match &answer.tool {
        None => {
            let content = if whole {
                json!([part(&answer.text())])
            } else {
                json!([])
            };
            json!({"id": item_id(answer), "type": "message", "status": status,
                   "role": "assistant", "content": content})
        }
        Some(tool) => {
            let arguments = if whole {
                tool.input.to_string()
            } else {
                String::new()
            };
            json!({"id": item_id(answer), "type": "function_call", "status": status,
                   "call_id": format!("call_sim_{}", answer.id), "name": tool.name,
                   "arguments": arguments})
        }
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn item_id(answer: &Answer) -> String {
    let prefix = if answer.tool.is_some() { "fc" } else { "msg" };
    format!("{prefix}_sim_{}", answer.id)
}

const fn status(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::Limit => "incomplete",
        Stop::Tool | Stop::Turn => "completed",
    }
}
