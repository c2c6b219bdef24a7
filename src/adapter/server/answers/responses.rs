//! OpenAI's Responses.

use serde_json::{Value, json};

use super::super::wish::Tool;
use super::{Answer, Block, Event, Stop};

pub(super) fn document(answer: &Answer) -> Value {
    let items = answer.blocks.iter();
    let items: Value = items
        .map(|block| item(answer, block, "completed"))
        .collect();
    response(answer, status(answer), &items)
}

pub(super) fn events(answer: &Answer) -> Vec<Event> {
    let mut stream = Stream::default();
    let begun = response(answer, "in_progress", &json!([]));
    stream.push("response.created", json!({"response": begun}));
    stream.push("response.in_progress", json!({"response": begun}));
    for (index, block) in answer.blocks.iter().enumerate() {
        let at = |status| json!({"output_index": index, "item": item(answer, block, status)});
        stream.item = index;
        stream.push("response.output_item.added", at("in_progress"));
        let id = item_id(answer, block);
        match block {
            Block::Thinking(words) => thinking(words, &id, &mut stream),
            Block::Text(words) => text(words, &id, &mut stream),
            Block::Call(tool, _) => call(tool, &id, &mut stream),
        }
        stream.push("response.output_item.done", at("completed"));
    }
    let name = match answer.stop {
        Stop::Limit => "response.incomplete",
        Stop::Tool | Stop::Turn | Stop::Sequence => "response.completed",
    };
    stream.push(name, json!({"response": document(answer)}));
    stream.events
}

/// Events, numbered.
#[derive(Debug, Default)]
struct Stream {
    events: Vec<Event>,
    /// Place of the item that is being told.
    item: usize,
}

impl Stream {
    fn push(&mut self, name: &'static str, mut data: Value) {
        if let Some(fields) = data.as_object_mut() {
            fields.insert("type".into(), name.into());
            fields.insert("sequence_number".into(), self.events.len().into());
        }
        self.events.push((name, data));
    }

    /// An event inside an item.
    fn inside(&mut self, name: &'static str, id: &str, mut data: Value) {
        if let Some(fields) = data.as_object_mut() {
            fields.insert("item_id".into(), id.into());
            fields.insert("output_index".into(), self.item.into());
        }
        self.push(name, data);
    }
}

fn thinking(words: &[&'static str], id: &str, stream: &mut Stream) {
    let at = json!({"summary_index": 0, "part": summary("")});
    stream.inside("response.reasoning_summary_part.added", id, at);
    for text in Answer::pieces(words) {
        let delta = json!({"summary_index": 0, "delta": text});
        stream.inside("response.reasoning_summary_text.delta", id, delta);
    }
    let said = words.join(" ");
    let whole = json!({"summary_index": 0, "text": said});
    stream.inside("response.reasoning_summary_text.done", id, whole);
    let at = json!({"summary_index": 0, "part": summary(&said)});
    stream.inside("response.reasoning_summary_part.done", id, at);
}

fn text(words: &[&'static str], id: &str, stream: &mut Stream) {
    let at = json!({"content_index": 0, "part": part("")});
    stream.inside("response.content_part.added", id, at);
    for text in Answer::pieces(words) {
        let delta = json!({"content_index": 0, "delta": text, "logprobs": []});
        stream.inside("response.output_text.delta", id, delta);
    }
    let said = words.join(" ");
    let whole = json!({"content_index": 0, "text": said, "logprobs": []});
    stream.inside("response.output_text.done", id, whole);
    let at = json!({"content_index": 0, "part": part(&said)});
    stream.inside("response.content_part.done", id, at);
}

fn call(tool: &Tool, id: &str, stream: &mut Stream) {
    for text in Answer::arguments(tool) {
        let delta = json!({"delta": text});
        stream.inside("response.function_call_arguments.delta", id, delta);
    }
    let whole = json!({"arguments": tool.input.to_string(), "name": tool.name});
    stream.inside("response.function_call_arguments.done", id, whole);
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

/// An item of the answer, with what it says or still without.
fn item(answer: &Answer, block: &Block, status: &str) -> Value {
    let whole = status == "completed";
    let only = |content: Value| if whole { json!([content]) } else { json!([]) };
    let id = item_id(answer, block);
    match block {
        Block::Thinking(words) => {
            json!({"id": id, "type": "reasoning", "summary": only(summary(&words.join(" ")))})
        }
        Block::Text(words) => {
            json!({"id": id, "type": "message", "status": status, "role": "assistant",
                   "content": only(part(&words.join(" ")))})
        }
        Block::Call(tool, number) => {
            let arguments = if whole {
                tool.input.to_string()
            } else {
                String::new()
            };
            json!({"id": id, "type": "function_call", "status": status,
                   "call_id": answer.part_id("call", *number), "name": tool.name,
                   "arguments": arguments})
        }
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn summary(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

fn item_id(answer: &Answer, block: &Block) -> String {
    match block {
        Block::Thinking(_) => answer.part_id("rs", 0),
        Block::Text(_) => answer.part_id("msg", 0),
        Block::Call(_, number) => answer.part_id("fc", *number),
    }
}

const fn status(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::Limit => "incomplete",
        Stop::Tool | Stop::Turn | Stop::Sequence => "completed",
    }
}
