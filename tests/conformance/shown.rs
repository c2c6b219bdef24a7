//! What an application sees of an answer, without what must differ from provider to provider.
//!
//! Exactly this is made alike, and nothing else:
//!
//! * ids of messages, items and calls: numbered in the order in which they come, so that a reference
//!   to one must still be right; that of the request, which errors of some providers carry, is left
//!   out;
//! * times of creation, and the spelling of the model, also where it ends the words of an error;
//! * how input was billed: its kinds are added up as the dialect counts them (beside each other in
//!   Messages, within the prompt elsewhere), and the sum must be the same; whatever a provider adds
//!   to the usage beside the dialect's own members (a price, a tier, counts of its own) is left out;
//! * in Chat Completions, where a stream's usage stands: in a chunk of its own, or in the last one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// An answer as the application sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    /// Whether it came as events.
    pub(crate) streamed: bool,
    /// The document, or the events with their names.
    pub(crate) content: Vec<Value>,
    /// All input tokens and the output.
    pub(crate) usage: Option<(u64, u64)>,
}

/// Reads an answer of this dialect.
pub(crate) fn shown(dialect: &str, (status, kind, body): (u16, &str, &[u8])) -> Shown {
    let text = std::str::from_utf8(body).unwrap();
    let streamed = kind.starts_with("text/event-stream");
    let mut content = if streamed {
        events(text)
    } else {
        vec![serde_json::from_str(text).unwrap_or_else(|_| json!({"no JSON": text}))]
    };
    let mut usage = None;
    let mut names = BTreeMap::new();
    for value in &mut content {
        strip(dialect, value, &mut usage);
        number(value, &mut names);
    }
    if dialect == "chat" {
        // A chunk that carried nothing but the usage.
        content.retain(|event| event["data"]["choices"] != json!([]));
    }
    Shown {
        status,
        streamed,
        content,
        usage,
    }
}

/// The events of a stream: name and data.
fn events(text: &str) -> Vec<Value> {
    assert!(text.ends_with("\n\n"), "it ends within an event: {text:?}");
    let blocks = text.split("\n\n").filter(|block| !block.is_empty());
    blocks
        .map(|block| {
            let (mut name, mut data) = ("", String::new());
            for line in block.lines() {
                if let Some(value) = line.strip_prefix("event:") {
                    name = value.trim();
                } else if let Some(value) = line.strip_prefix("data:") {
                    data += value.trim_start();
                } else {
                    assert!(line.starts_with(':'), "no line of an event: {line:?}");
                }
            }
            let data = serde_json::from_str(&data).unwrap_or(Value::String(data));
            json!({"event": name, "data": data})
        })
        .collect()
}

/// Takes times, models and usages out of a value, and notes the last usage.
fn strip(dialect: &str, value: &mut Value, usage: &mut Option<(u64, u64)>) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| strip(dialect, one, usage)),
        Value::Object(fields) => {
            for name in ["created", "created_at", "model", "request_id"] {
                fields.remove(name);
            }
            if let Some(Value::String(words)) = fields.get_mut("message")
                && let Some(at) = words.find(" tokens for ")
            {
                words.truncate(at);
            }
            if let Some(counts) = fields.remove("usage")
                && let Some(counts) = counts.as_object()
            {
                note(dialect, counts, usage);
            }
            fields
                .values_mut()
                .for_each(|one| strip(dialect, one, usage));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn note(dialect: &str, counts: &Map<String, Value>, usage: &mut Option<(u64, u64)>) {
    let count = |name: &str| counts.get(name).and_then(Value::as_u64);
    let within = |input: &str, details: &str| {
        let whole = count(input).unwrap_or_else(|| panic!("no {input} in {counts:?}"));
        let read = counts
            .get(details)
            .and_then(|more| more.get("cached_tokens"));
        let read = read.and_then(Value::as_u64).unwrap_or(0);
        assert!(read <= whole, "more was read than there is: {counts:?}");
        whole
    };
    let (input, output) = match dialect {
        "messages" => {
            let kinds = [
                "input_tokens",
                "cache_creation_input_tokens",
                "cache_read_input_tokens",
            ];
            let kinds = kinds.map(|name| count(name).unwrap_or_else(|| panic!("no {name}")));
            (kinds.iter().sum(), count("output_tokens"))
        }
        "chat" => (
            within("prompt_tokens", "prompt_tokens_details"),
            count("completion_tokens"),
        ),
        _ => (
            within("input_tokens", "input_tokens_details"),
            count("output_tokens"),
        ),
    };
    let output = output.unwrap_or_else(|| panic!("no output in {counts:?}"));
    if let Some(total) = count("total_tokens") {
        assert_eq!(total, input + output, "{counts:?}");
    }
    *usage = Some((input, output));
}

/// Names every id by when it first came.
fn number(value: &mut Value, names: &mut BTreeMap<String, usize>) {
    const IDS: [&str; 6] = [
        "id",
        "item_id",
        "call_id",
        "tool_call_id",
        "tool_use_id",
        "response_id",
    ];
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| number(one, names)),
        Value::Object(fields) => {
            for name in IDS {
                if let Some(Value::String(id)) = fields.get_mut(name) {
                    let next = names.len();
                    let number = names.entry(id.clone()).or_insert(next);
                    *id = format!("#{number}");
                }
            }
            fields.values_mut().for_each(|one| number(one, names));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
