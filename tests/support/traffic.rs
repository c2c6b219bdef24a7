//! Traffic that is made up: one-shot calls, interleaved agents, elided observations.
//!
//! Deterministic: the same shape and seed give the same requests.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "arrival times, and a test stops at the first surprise"
)]

use std::io::Write as _;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

const MODEL: &str = "claude-sonnet-4-5";

/// One request: seconds since the start, the session, and the body.
pub(crate) struct Sent {
    pub(crate) at: f64,
    session: String,
    pub(crate) body: Value,
}

/// Numbers that look random and are the same in every run.
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// Between 0 and 1, both excluded.
    fn share(&mut self) -> f64 {
        (self.next() as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    /// A waiting time with this mean, exponentially distributed.
    fn wait(&mut self, mean: f64) -> f64 {
        -mean * self.share().ln()
    }
}

/// So many words that no other seed gives.
pub(crate) fn words(seed: u64, count: u64) -> String {
    let mut dice = Dice::new(seed + 1);
    let word = |_| format!("w{:x} ", dice.below(1 << 20));
    (0..count).map(word).collect()
}

/// A service: the tools and the system prompt that its requests share.
#[derive(Clone)]
pub(crate) struct Service {
    tools: Value,
    system: Option<String>,
}

impl Service {
    pub(crate) fn bare() -> Self {
        Self {
            tools: Value::Null,
            system: None,
        }
    }

    /// Some 1,000 tokens of tools and 2,000 of a system prompt.
    pub(crate) fn agents(seed: u64) -> Self {
        let tool = |n: u64| json!({"name": format!("tool_{n}"), "description": words(seed * 100 + n, 60), "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}});
        Self {
            tools: (0..10).map(tool).collect(),
            system: Some(words(seed * 100 + 50, 900)),
        }
    }

    fn request(&self, at: f64, session: &str, messages: &[Value]) -> Sent {
        let mut body = json!({"model": MODEL, "max_tokens": 1000, "messages": messages});
        if !self.tools.is_null() {
            body["tools"] = self.tools.clone();
        }
        if let Some(system) = &self.system {
            body["system"] = system.as_str().into();
        }
        Sent {
            at,
            session: session.to_owned(),
            body,
        }
    }
}

/// Requests that have nothing in common beyond what `service` gives each of them.
pub(crate) fn one_shots(
    count: u64,
    every: f64,
    seed: u64,
    service: impl Fn(u64) -> Service,
) -> Vec<Sent> {
    let mut dice = Dice::new(seed);
    let mut at = 0.0;
    let mut ask = |n: u64| {
        at += dice.wait(every);
        let text = words(seed * 1_000_000 + n, 500 + dice.below(900));
        let question = [json!({"role": "user", "content": text})];
        service(n).request(at, &format!("shot {seed} {n}"), &question)
    };
    (0..count).map(&mut ask).collect()
}

/// An agent's session: tool calls and their results, a few at a time.
pub(crate) struct Agent {
    pub(crate) seed: u64,
    pub(crate) turns: u64,
    pub(crate) start: f64,
    /// How many turns of results are left standing; older ones are replaced by a stub.
    pub(crate) keeps: Option<usize>,
}

const STUB: &str = "[old output removed]";

impl Agent {
    pub(crate) fn run(&self, service: &Service) -> Vec<Sent> {
        let opening = json!({"role": "user", "content": words(self.seed * 1000 + 1, 100)});
        self.go_on(service, vec![opening])
    }

    /// The same from a conversation that began elsewhere.
    pub(crate) fn go_on(&self, service: &Service, mut messages: Vec<Value>) -> Vec<Sent> {
        let mut dice = Dice::new(self.seed);
        let mut at = self.start;
        let mut sent = Vec::new();
        for turn in 0..self.turns {
            let seen = elided(&messages, self.keeps);
            sent.push(service.request(at, &format!("agent {}", self.seed), &seen));
            at += 2.0 + dice.wait(9.0);
            let calls = 1 + dice.below(4).saturating_sub(1);
            let id = |call: u64| format!("toolu_{}_{turn}_{call}", self.seed);
            let seed = |call: u64| self.seed * 100_000 + turn * 10 + call;
            let mut said = vec![json!({"type": "text", "text": words(seed(9), 40)})];
            let mut results = Vec::new();
            for call in 0..calls {
                said.push(json!({"type": "tool_use", "id": id(call), "name": "tool_1", "input": {"a": words(seed(call) + 7, 10)}}));
                let length = 60 + dice.below(400);
                results.push(json!({"type": "tool_result", "tool_use_id": id(call), "content": words(seed(call), length)}));
            }
            messages.push(json!({"role": "assistant", "content": said}));
            messages.push(json!({"role": "user", "content": results}));
        }
        sent
    }
}

/// What a client sends that replaces results which are more than so many turns old.
fn elided(messages: &[Value], keeps: Option<usize>) -> Vec<Value> {
    let mut seen = messages.to_vec();
    let Some(keeps) = keeps else { return seen };
    let turns = seen.iter_mut().skip(2).step_by(2).rev().skip(keeps);
    for turn in turns {
        let results = turn.get_mut("content").and_then(Value::as_array_mut);
        for result in results.into_iter().flatten() {
            if let Some(content) = result.get_mut("content") {
                *content = STUB.into();
            }
        }
    }
    seen
}

/// Agents whose sessions each start sub-agents at the same moment, some with a task of their own and
/// some from a copy of the conversation; nothing but the prompts tells them apart.
pub(crate) fn interleaved(agents: u64) -> Vec<Sent> {
    let service = Service::agents(1);
    let mut sent = Vec::new();
    for n in 0..agents {
        let agent = |seed: u64, turns: u64, start: f64| Agent {
            seed,
            turns,
            start,
            keeps: None,
        };
        let main = agent(100 + n, 25, n as f64 * 200.0).run(&service);
        let at = |turn: usize| main.get(turn).map_or(0.0, |one| one.at);
        for lane in 0..3 {
            let start = at(8) + 0.2 + lane as f64 * 0.5;
            sent.extend(agent(1000 + n * 10 + lane, 12, start).run(&service));
        }
        let copied = main.get(10).and_then(|one| one.body.get("messages"));
        let copied = copied
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        for lane in 0..3 {
            let seed = 5000 + n * 10 + lane;
            let mut messages = copied.clone();
            let last = messages.last_mut().and_then(|last| last.get_mut("content"));
            if let Some(blocks) = last.and_then(Value::as_array_mut) {
                blocks.push(json!({"type": "text", "text": words(seed * 7, 60)}));
            }
            let start = at(10) + 2.0 + lane as f64 * 0.4;
            sent.extend(agent(seed, 8, start).go_on(&service, messages));
        }
        sent.extend(main);
    }
    for one in &mut sent {
        one.session.clear();
    }
    sent
}

/// Writes requests in the order of time, as `replay` reads them.
pub(crate) fn file(mut sent: Vec<Sent>) -> NamedTempFile {
    sent.sort_by(|one, other| one.at.total_cmp(&other.at));
    let mut file = tempfile::Builder::new()
        .suffix(".jsonl")
        .tempfile()
        .expect("a temporary file");
    for one in sent {
        let line = json!({"t": one.at, "first_byte": one.at + 0.9, "end": one.at + 1.2, "session": one.session, "provider": "anthropic", "request": one.body});
        writeln!(file, "{line}").expect("room for it");
    }
    file
}
