//! What the simulated model says, in the dialect in which it was asked.

mod chat;
mod converse;
mod generate;
mod messages;
mod responses;

use axum::body::Bytes;
use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::form::{Delivery, Form, Wrap};
use super::frames;
use super::manners::Manner;
use super::wish::{Tool, Wish};
use crate::model::Usage;

/// Answers are this long unless the request allows less or asks for another length.
const USUAL_TOKENS: u64 = 64;

/// So much is thought where thinking is asked for, or half of the answer.
const THOUGHT_TOKENS: u64 = 12;

/// The longest answer that a header may ask for.
const MOST_TOKENS: u64 = 100_000;

/// Words of one event.
const WORDS_PER_EVENT: usize = 8;

const WORDS: [&str; 16] = [
    "the", "cache", "keeps", "what", "every", "request", "repeats", "and", "reads", "it", "back",
    "for", "less", "until", "time", "passes",
];

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const FRAMES: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");

/// An event of a stream: its name, empty where the dialect names none, and its data.
type Event = (&'static str, Value);

/// One answer to one request.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Unique, without the prefix that each dialect puts before it.
    pub(super) id: String,
    pub(super) model: String,
    /// Seconds since 1970.
    pub(super) created: i64,
    /// What it is made of; never empty.
    blocks: Vec<Block>,
    stop: Stop,
    /// The text before which it ended, if one did that.
    stopped_by: Option<&'static str>,
    pub(super) usage: Usage,
    pub(super) manners: &'static [Manner],
    /// What is said of the cache, where the request asked.
    pub(super) diagnostics: Option<Value>,
    /// Tokens that were written and are to be reported as read too.
    pub(super) counted_twice: u64,
    /// Whether a stream of Chat Completions is to end with the usage.
    usage_asked: bool,
}

/// What an answer is made of.
#[derive(Clone, Debug)]
enum Block {
    /// What is thought before anything is said.
    Thinking(Vec<&'static str>),
    /// What is said.
    Text(Vec<&'static str>),
    /// The call of a tool, and its number among the calls.
    Call(Tool, usize),
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// All was said.
    Turn,
    /// It is as long as allowed.
    Limit,
    /// A tool is called.
    Tool,
    /// A text came at which it was to end.
    Sequence,
}

/// An answer as bytes.
#[derive(Clone, Debug)]
pub(super) struct Rendered {
    pub(super) kind: HeaderValue,
    /// One piece for a document, one for each event of a stream.
    pub(super) pieces: Vec<Bytes>,
}

impl Answer {
    /// The answer with this id; its length is `asked`, or the usual one, within the limit.
    pub(super) fn new(id: String, wish: Wish, asked: Option<u64>) -> Self {
        let limit = wish.limit.unwrap_or(MOST_TOKENS);
        let mut tokens = asked.unwrap_or(USUAL_TOKENS).min(limit).min(MOST_TOKENS);
        let words = |start: u8, tokens: u64| -> Vec<&'static str> {
            let words = WORDS.iter().cycle().skip(usize::from(start) % WORDS.len());
            let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
            words.copied().take(tokens).collect()
        };
        let mut blocks = Vec::new();
        let thought = if wish.thinks {
            THOUGHT_TOKENS.min(tokens / 2)
        } else {
            0
        };
        if thought > 0 {
            blocks.push(Block::Thinking(words(wish.seed.wrapping_add(1), thought)));
        }
        let mut stop = match wish.limit {
            // Nothing is said where nothing may be.
            Some(0) => Stop::Limit,
            _ if !wish.tools.is_empty() => Stop::Tool,
            Some(limit) if limit == tokens => Stop::Limit,
            _ => Stop::Turn,
        };
        let mut stopped_by = None;
        if stop != Stop::Tool {
            let mut text = words(wish.seed, tokens - thought);
            let is_stop = |word: &&str| wish.stops.iter().any(|stop| stop == word);
            if let Some(at) = text.iter().position(is_stop) {
                stopped_by = text.get(at).copied();
                text.truncate(at);
                stop = Stop::Sequence;
                tokens = thought + u64::try_from(at).unwrap_or(0);
            }
            blocks.push(Block::Text(text));
        }
        let calls = wish.tools.into_iter().enumerate();
        let calls = calls.filter(|_| stop == Stop::Tool);
        blocks.extend(calls.map(|(number, tool)| Block::Call(tool, number)));
        Self {
            id,
            model: wish.model.unwrap_or_default(),
            created: 0,
            blocks,
            stop,
            stopped_by,
            usage: Usage {
                output: Some(tokens),
                ..Usage::default()
            },
            manners: &[],
            diagnostics: None,
            counted_twice: 0,
            usage_asked: wish.usage,
        }
    }

    /// The answer as this form wants it.
    pub(super) fn render(&self, form: Form) -> Rendered {
        if form.delivery == Delivery::Document {
            let document = match form.dialect {
                "chat" => chat::document(self),
                "responses" => responses::document(self),
                "converse" => converse::document(self, form.wrap),
                "generate" => generate::document(self),
                _ => messages::document(self, form.wrap),
            };
            return Rendered {
                kind: JSON,
                pieces: vec![document.to_string().into()],
            };
        }
        let mut events = match form.dialect {
            "chat" => chat::events(self),
            "responses" => responses::events(self),
            "converse" => converse::events(self, form.wrap),
            "generate" => generate::events(self),
            _ => messages::events(self, form.wrap),
        };
        if form.wrap == Wrap::Invoke {
            self.measure(&mut events);
        }
        self.deliver(&events, form)
    }

    fn deliver(&self, events: &[Event], form: Form) -> Rendered {
        let (kind, pieces) = match form.delivery {
            Delivery::Frames => {
                let frame = |(name, data): &Event| match form.wrap {
                    Wrap::Invoke => chunk(data),
                    Wrap::None | Wrap::Converse => frames::event(name, data.to_string().as_bytes()),
                };
                (FRAMES, events.iter().map(frame).collect())
            }
            Delivery::Array => (JSON, array(events)),
            Delivery::Document | Delivery::Sse => {
                let mut pieces: Vec<Bytes> = events.iter().map(server_sent).collect();
                if form.dialect == "chat" {
                    pieces.push(Bytes::from_static(b"data: [DONE]\n\n"));
                }
                (EVENTS, pieces)
            }
        };
        Rendered { kind, pieces }
    }

    /// The last chunk of InvokeModel carries counts of the service itself.
    fn measure(&self, events: &mut [Event]) {
        let last = events.last_mut().and_then(|(_, data)| data.as_object_mut());
        if let Some(last) = last {
            let metrics = json!({
                "inputTokenCount": self.usage.plain, "outputTokenCount": self.output(),
                "invocationLatency": 1, "firstByteLatency": 1,
                "cacheReadInputTokenCount": self.usage.read.unwrap_or(0),
                "cacheWriteInputTokenCount": self.usage.written().unwrap_or(0),
            });
            last.insert("amazon-bedrock-invocationMetrics".into(), metrics);
        }
    }

    fn has(&self, manner: Manner) -> bool {
        self.manners.contains(&manner)
    }

    /// What is said, without what is thought.
    fn text(&self) -> String {
        let texts = self.blocks.iter().filter_map(|block| match block {
            Block::Text(words) => Some(words.join(" ")),
            Block::Thinking(_) | Block::Call(..) => None,
        });
        texts.collect()
    }

    /// The calls with their ids, which begin like this.
    fn calls<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a Tool, String)> {
        self.blocks.iter().filter_map(move |block| match block {
            Block::Call(tool, number) => Some((tool, self.part_id(prefix, *number))),
            Block::Thinking(_) | Block::Text(_) => None,
        })
    }

    /// The id of a part with this number, which begins like this.
    fn part_id(&self, prefix: &str, number: usize) -> String {
        match number {
            0 => format!("{prefix}_sim_{}", self.id),
            number => format!("{prefix}_sim_{}_{number}", self.id),
        }
    }

    /// Tokens that were thought.
    fn thought(&self) -> u64 {
        let words = self.blocks.iter().map(|block| match block {
            Block::Thinking(words) => words.len(),
            Block::Text(_) | Block::Call(..) => 0,
        });
        u64::try_from(words.sum::<usize>()).unwrap_or(0)
    }

    /// Words in the pieces in which they are streamed.
    fn pieces<'a>(words: &'a [&'static str]) -> impl Iterator<Item = String> + 'a {
        let pieces = words.chunks(WORDS_PER_EVENT).enumerate();
        pieces.map(|(index, words)| {
            let space = if index == 0 { "" } else { " " };
            format!("{space}{}", words.join(" "))
        })
    }

    /// What proves that something was thought; nobody checks it.
    fn signature(words: &[&str]) -> String {
        STANDARD.encode(format!("thought: {}", words.join(" ")))
    }

    /// The arguments of the call as JSON text, in the two pieces in which they are streamed.
    fn arguments(tool: &Tool) -> [String; 2] {
        let mut head = tool.input.to_string();
        let tail = head.split_off(1);
        [head, tail]
    }

    fn output(&self) -> u64 {
        self.usage.output.unwrap_or(0)
    }

    /// All input tokens.
    pub(super) fn input(&self) -> u64 {
        self.usage.input().unwrap_or(0)
    }

    /// Input and output in OpenAI's counts, where the input includes what the cache did, with the
    /// names of Chat Completions or of Responses.
    fn inclusive_usage(&self, [input, output]: [&str; 2]) -> Value {
        let mut usage = json!({
            format!("{input}_tokens"): self.input(),
            format!("{output}_tokens"): self.output(),
            "total_tokens": self.input().saturating_add(self.output()),
            format!("{output}_tokens_details"): {"reasoning_tokens": self.thought()},
        });
        let Some(fields) = usage.as_object_mut() else {
            return usage;
        };
        // Who does not count reads, or says nothing on a miss, has no details at all.
        if let Some(read) = self.usage.read {
            let read = read.saturating_add(self.counted_twice);
            let mut details = json!({"cached_tokens": read});
            if let (Some(written), Some(details)) = (self.usage.written(), details.as_object_mut())
            {
                details.insert("cache_write_tokens".into(), written.into());
            }
            fields.insert(format!("{input}_tokens_details"), details);
        }
        if self.has(Manner::HitAndMiss) && input == "prompt" {
            let read = self.usage.read.unwrap_or(0);
            fields.insert("prompt_cache_hit_tokens".into(), read.into());
            let miss = self.input().saturating_sub(read);
            fields.insert("prompt_cache_miss_tokens".into(), miss.into());
        }
        if let Some(cost) = self.usage.cost {
            if self.has(Manner::Ticks) {
                // A tick is a hundred picodollars.
                let ticks = i64::try_from(cost.as_pico() / 100).unwrap_or(i64::MAX);
                fields.insert("cost_in_usd_ticks".into(), ticks.into());
                fields.insert("num_sources_used".into(), 0.into());
            } else if self.has(Manner::Cost) {
                fields.insert("cost".into(), cost.as_usd().into());
                fields.insert("is_byok".into(), false.into());
                let upstream = json!({"upstream_inference_cost": cost.as_usd()});
                fields.insert("cost_details".into(), upstream);
            }
        }
        usage
    }
}

fn server_sent((name, data): &Event) -> Bytes {
    Bytes::from(match *name {
        "" => format!("data: {data}\n\n"),
        name => format!("event: {name}\ndata: {data}\n\n"),
    })
}

/// InvokeModel wraps each event in Base64.
fn chunk(data: &Value) -> Bytes {
    let bytes = STANDARD.encode(data.to_string());
    frames::event("chunk", json!({"bytes": bytes}).to_string().as_bytes())
}

/// One JSON array that arrives element by element.
fn array(events: &[Event]) -> Vec<Bytes> {
    let last = events.len().saturating_sub(1);
    let elements = events.iter().enumerate().map(|(index, (_, data))| {
        let before = if index == 0 { "[" } else { ",\r\n" };
        let after = if index == last { "]" } else { "" };
        Bytes::from(format!("{before}{data}{after}"))
    });
    elements.collect()
}
