//! What the providers that answer it say of why a prefix was not read.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::provider::Inquiry;
use crate::sim::{Moved, Request, Trace};

/// Requests that later ones can be compared with.
const KEPT: usize = 1000;

/// Whose request it was, and its answer's id.
type Name = (Box<str>, Box<str>, Box<str>);

/// Requests that were answered, by provider, workspace and the answer's id.
#[derive(Debug, Default)]
pub(super) struct Told {
    traces: BTreeMap<Name, Trace>,
    order: VecDeque<Name>,
}

/// What a body asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To be kept, and compared with nothing.
    Nothing,
    /// To be compared with the request of this answer.
    With(Box<str>),
}

/// Reads the member that asks; `None` where the body has none.
pub(super) fn asked(body: &Value, inquiry: &Inquiry) -> Option<Asked> {
    let member = body.get(&*inquiry.member)?.as_object()?;
    match member.get(&*inquiry.id) {
        Some(Value::String(id)) => Some(Asked::With(id.as_str().into())),
        Some(_) | None if inquiry.always => Some(Asked::Nothing),
        _ => None,
    }
}

impl Told {
    /// Keeps a request under its answer's name.
    pub(super) fn keep(&mut self, name: Name, request: &Request) {
        self.order.push_back(name.clone());
        self.traces.insert(name, request.trace());
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.traces.remove(&oldest);
        }
    }

    /// What is said of a request, as `diagnostics` of Messages or as OpenAI's member.
    pub(super) fn say(&self, dialect: &str, earlier: Option<&Name>, request: &Request) -> Value {
        let Some(earlier) = earlier else {
            return json!({"cache_miss_reason": null});
        };
        let known = self.traces.get(earlier);
        let moved = known.map(|trace| request.moved_since(trace));
        if dialect == "messages" {
            let reason = match moved {
                None => json!({"type": "previous_message_not_found"}),
                Some(None) => Value::Null,
                Some(Some((moved, missed))) => {
                    json!({"type": anthropic(moved), "cache_missed_input_tokens": missed})
                }
            };
            return json!({"cache_miss_reason": reason});
        }
        match moved {
            None => json!({"type": "comparison_response_not_found"}),
            Some(None) => json!({"type": "cache_hit"}),
            Some(Some((moved, missed))) => json!({
                "type": "cache_miss", "reason": openai(moved), "cache_missed_tokens": missed,
            }),
        }
    }
}

const fn anthropic(moved: Moved) -> &'static str {
    match moved {
        Moved::Model => "model_changed",
        Moved::Tools => "tools_changed",
        Moved::System => "system_changed",
        Moved::Messages => "messages_changed",
    }
}

const fn openai(moved: Moved) -> &'static str {
    match moved {
        Moved::Model => "model_changed",
        Moved::Tools => "tools_changed",
        Moved::System | Moved::Messages => "input_changed",
    }
}
