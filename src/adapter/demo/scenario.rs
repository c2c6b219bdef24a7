//! What is sent when: a coding agent, a service with one prompt, and a fan-out.

use std::time::Duration;

use serde_json::{Value, json};

use super::agent;
use super::prose::Prose;
use crate::model::Timestamp;

/// One kind of traffic.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) rounds: Vec<Round>,
}

impl Scenario {
    pub(super) fn calls(&self) -> u64 {
        self.rounds
            .iter()
            .map(|round| round.calls.len() as u64)
            .sum()
    }
}

/// Calls that are sent at one moment.
pub(super) struct Round {
    pub(super) at: Timestamp,
    /// From then until the answers have been read.
    pub(super) answered: Duration,
    pub(super) calls: Vec<Call>,
}

/// One request, before anybody has placed markers.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) tools: Vec<Value>,
    pub(super) system: String,
    pub(super) messages: Vec<Value>,
}

impl Call {
    /// The body without any marker.
    pub(super) fn body(&self) -> String {
        self.spelled(
            &json!({"type": "text", "text": self.system}),
            &self.messages,
        )
    }

    /// The body with the markers that the provider documents as the default.
    pub(super) fn body_by_default(&self) -> String {
        let mut system = json!({"type": "text", "text": self.system});
        let mut messages = self.messages.clone();
        mark(&mut system);
        let last = messages.last_mut().and_then(|last| last.get_mut("content"));
        if let Some(block) = last.and_then(|content| content.as_array_mut()?.last_mut()) {
            mark(block);
        }
        self.spelled(&system, &messages)
    }

    fn spelled(&self, system: &Value, messages: &[Value]) -> String {
        let mut body = json!({
            "model": "claude-sonnet-4-5",
            "max_tokens": 1024,
            "system": [system],
            "messages": messages,
        });
        if let (false, Some(body)) = (self.tools.is_empty(), body.as_object_mut()) {
            body.insert("tools".into(), self.tools.clone().into());
        }
        body.to_string()
    }
}

fn mark(block: &mut Value) {
    if let Some(block) = block.as_object_mut() {
        block.insert("cache_control".into(), json!({"type": "ephemeral"}));
    }
}

/// A block of text.
pub(super) fn text(text: impl Into<String>) -> Value {
    json!({"type": "text", "text": text.into()})
}

/// A message of these blocks.
pub(super) fn message(role: &str, content: &[Value]) -> Value {
    json!({"role": role, "content": content})
}

pub(super) fn all() -> Vec<Scenario> {
    vec![agent::session(), service(), fan_out()]
}

/// Forty questions of one turn each over the same long system prompt.
fn service() -> Scenario {
    let mut prose = Prose::seeded(2);
    let system = prose.text(6_000);
    let mut at = Timestamp::default();
    let mut rounds = Vec::new();
    for _ in 0..40 {
        at = at.plus(Duration::from_secs(15 + prose.below(60)));
        let tokens = 100 + prose.below(500);
        let question = message("user", &[text(prose.text(tokens))]);
        let call = Call {
            tools: Vec::new(),
            system: system.clone(),
            messages: vec![question],
        };
        rounds.push(Round {
            at,
            answered: Duration::from_secs(3),
            calls: vec![call],
        });
    }
    Scenario {
        name: "one-turn service, shared prompt",
        rounds,
    }
}

/// A planner reads the material, then twelve sub-agents work on it side by side, each in two turns.
fn fan_out() -> Scenario {
    let mut prose = Prose::seeded(3);
    let base = Call {
        tools: agent::tools(&mut prose),
        system: prose.text(2_000),
        messages: Vec::new(),
    };
    let material = text(prose.text(8_000));
    let asked = |task: String| message("user", &[material.clone(), text(task)]);
    let mut planner = base.clone();
    planner
        .messages
        .push(asked("Split the work into twelve tasks.".into()));
    let mut agents: Vec<Call> = (1..=12)
        .map(|number| {
            let mut call = base.clone();
            let task = format!("Task {number}: {}", prose.text(150));
            call.messages.push(asked(task));
            call
        })
        .collect();
    let mut rounds = vec![round(0, vec![planner]), round(20, agents.clone())];
    for call in &mut agents {
        let answer = message("assistant", &[text(prose.text(200))]);
        let more = message("user", &[text(prose.text(600))]);
        call.messages.extend([answer, more]);
    }
    rounds.push(round(60, agents));
    Scenario {
        name: "fan-out of 12 sub-agents",
        rounds,
    }
}

fn round(seconds: u64, calls: Vec<Call>) -> Round {
    Round {
        at: Timestamp::default().plus(Duration::from_secs(seconds)),
        answered: Duration::from_secs(10),
        calls,
    }
}
