//! What the simulated model says, as one document or as events.

use axum::body::Bytes;
use serde_json::{Value, json};

use crate::model::Usage;
use crate::sim::Request;

/// Answers are this long unless the request allows less or asks for another length.
const USUAL_TOKENS: u64 = 64;

/// The longest answer that a header may ask for.
const MOST_TOKENS: u64 = 100_000;

/// Words of one event.
const WORDS_PER_EVENT: usize = 8;

const WORDS: [&str; 16] = [
    "the", "cache", "keeps", "what", "every", "request", "repeats", "and", "reads", "it", "back",
    "for", "less", "until", "time", "passes",
];

/// One answer to one request.
#[derive(Debug)]
pub(super) struct Answer {
    id: String,
    model: String,
    words: Vec<&'static str>,
    stop: &'static str,
    usage: Usage,
}

impl Answer {
    /// The answer with this id; its length is `asked`, or the usual one, within `max_tokens`.
    pub(super) fn new(id: String, request: &Request, mut usage: Usage, asked: Option<u64>) -> Self {
        let allowed = request.max_tokens().unwrap_or(0);
        let tokens = asked.unwrap_or(USUAL_TOKENS).min(allowed).min(MOST_TOKENS);
        usage.output = Some(tokens);
        // The same prompt is always answered alike.
        let seed = request.prefixes().last().unwrap_or(0);
        let start = usize::from(seed.to_le_bytes()[0]) % WORDS.len();
        let words = WORDS.iter().cycle().skip(start).copied();
        Self {
            id,
            model: request.model().into(),
            words: words
                .take(usize::try_from(tokens).unwrap_or(usize::MAX))
                .collect(),
            stop: if tokens == allowed {
                "max_tokens"
            } else {
                "end_turn"
            },
            usage,
        }
    }

    /// The whole answer as one document.
    pub(super) fn document(&self) -> Bytes {
        let content = match self.words.as_slice() {
            [] => json!([]),
            words => json!([{"type": "text", "text": words.join(" ")}]),
        };
        let message = self.message(
            &content,
            Some(self.stop),
            &self.usage_in_full(self.output()),
        );
        Bytes::from(message.to_string())
    }

    /// The answer as server-sent events, one chunk each.
    pub(super) fn events(&self) -> Vec<Bytes> {
        // The first event counts the token that is already there.
        let usage = self.usage_in_full(self.output().min(1));
        let message = self.message(&json!([]), None, &usage);
        let mut events = vec![event(
            "message_start",
            &json!({"type": "message_start", "message": message}),
        )];
        if !self.words.is_empty() {
            self.text_events(&mut events);
        }
        events.push(event(
            "message_delta",
            &json!({
                "type": "message_delta",
                "delta": {"stop_reason": self.stop, "stop_sequence": null},
                "usage": self.usage(self.output()),
            }),
        ));
        events.push(event("message_stop", &json!({"type": "message_stop"})));
        events
    }

    fn text_events(&self, events: &mut Vec<Bytes>) {
        events.push(event(
            "content_block_start",
            &json!({"type": "content_block_start", "index": 0,
                    "content_block": {"type": "text", "text": ""}}),
        ));
        events.push(event("ping", &json!({"type": "ping"})));
        for (index, words) in self.words.chunks(WORDS_PER_EVENT).enumerate() {
            let space = if index == 0 { "" } else { " " };
            let text = format!("{space}{}", words.join(" "));
            events.push(event(
                "content_block_delta",
                &json!({"type": "content_block_delta", "index": 0,
                        "delta": {"type": "text_delta", "text": text}}),
            ));
        }
        events.push(event(
            "content_block_stop",
            &json!({"type": "content_block_stop", "index": 0}),
        ));
    }

    fn message(&self, content: &Value, stop: Option<&str>, usage: &Value) -> Value {
        json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model,
            "content": content, "stop_reason": stop, "stop_sequence": null, "usage": usage,
        })
    }

    fn output(&self) -> u64 {
        self.usage.output.unwrap_or(0)
    }

    /// The four counters that every usage has.
    fn usage(&self, output: u64) -> Value {
        json!({
            "input_tokens": self.usage.plain,
            "cache_creation_input_tokens": self.usage.written(),
            "cache_read_input_tokens": self.usage.read,
            "output_tokens": output,
        })
    }

    /// With the split by lifetime, which the last event of a stream does not repeat (recorded
    /// traffic, 2026-08).
    fn usage_in_full(&self, output: u64) -> Value {
        let mut usage = self.usage(output);
        if let Some(fields) = usage.as_object_mut() {
            let split = json!({
                "ephemeral_5m_input_tokens": self.usage.write_5m,
                "ephemeral_1h_input_tokens": self.usage.write_1h,
            });
            fields.insert("cache_creation".into(), split);
            fields.insert("service_tier".into(), "standard".into());
            fields.insert("inference_geo".into(), "global".into());
        }
        usage
    }
}

fn event(name: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
