//! Sessions as Codex leaves them on disk.
//!
//! One line per event, `{timestamp, type, payload}`. The usage of a request stands in the
//! `token_count` event that follows its items; the same counts come again when nothing was asked,
//! which the running total shows. Cached tokens are part of the input tokens.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Reader;
use super::book::Book;
use super::claude::{project, time};
use super::files::fault;
use super::spoken::{Spoken, look};
use super::turn::{Ending, History, Messages, Place, Turn};
use crate::model::{Timestamp, Usage};

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    cwd: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model_provider: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    info: Option<Info>,
}

#[derive(Deserialize)]
struct Info {
    total_token_usage: Option<Counts>,
    last_token_usage: Option<Counts>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
struct Counts {
    input_tokens: u64,
    cached_input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
}

impl Counts {
    /// What came since `before`; all of it where the counter began anew.
    fn since(self, before: Self) -> Self {
        if self.input_tokens < before.input_tokens {
            return self;
        }
        Self {
            input_tokens: self.input_tokens - before.input_tokens,
            cached_input_tokens: self
                .cached_input_tokens
                .saturating_sub(before.cached_input_tokens),
            output_tokens: self.output_tokens.saturating_sub(before.output_tokens),
            total_tokens: self.total_tokens.saturating_sub(before.total_tokens),
        }
    }

    /// Cached tokens are within the input, thinking is within the output.
    fn usage(self) -> Usage {
        Usage {
            plain: Some(self.input_tokens.saturating_sub(self.cached_input_tokens)),
            read: Some(self.cached_input_tokens.min(self.input_tokens)),
            output: Some(self.output_tokens),
            ..Usage::default()
        }
    }
}

/// Reads the files of one coding agent.
#[derive(Default)]
pub(super) struct Codex {
    place: Place,
    provider: Arc<str>,
    model: Arc<str>,
    total: Counts,
    /// Messages of the last request and those since.
    before: usize,
    now: usize,
    added: Spoken,
    rewritten: bool,
    asked: Option<Timestamp>,
    answered: Option<Timestamp>,
}

impl Reader for Codex {
    fn line(&mut self, book: &mut Book, text: &[u8]) -> Result<(), String> {
        let line: Line<'_> = serde_json::from_slice(text).map_err(|error| fault(&error))?;
        let stamp = line.timestamp.as_deref().unwrap_or_default();
        let at = if stamp.is_empty() {
            Timestamp::default()
        } else {
            time(stamp)?
        };
        let payload = line.payload.get();
        let meta: Meta<'_> = serde_json::from_str(payload).map_err(|error| fault(&error))?;
        match &*line.kind {
            "session_meta" => self.meta(&meta),
            "turn_context" => {
                if let Some(model) = meta.model.as_deref() {
                    self.model = Arc::from(model);
                }
                if let Some(cwd) = meta.cwd.as_deref() {
                    self.place.route = Arc::from(project(cwd));
                }
            }
            "response_item" => self.item(&meta, payload, at),
            "compacted" => self.rewrite(),
            "event_msg" => match meta.kind.as_deref() {
                Some("token_count") => self.count(book, meta.info, (stamp, at)),
                Some("context_compacted" | "thread_rolled_back") => self.rewrite(),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }
}

impl Codex {
    fn meta(&mut self, meta: &Meta<'_>) {
        // A fork repeats its parent's; the first is the file's own.
        if self.place.session.is_empty()
            && let Some(id) = meta.id.as_deref()
        {
            self.place.session = Arc::from(id);
            self.place.route = Arc::from(project(meta.cwd.as_deref().unwrap_or_default()));
            self.provider = Arc::from(meta.model_provider.as_deref().unwrap_or("openai"));
        }
    }

    /// The history before is not sent again.
    const fn rewrite(&mut self) {
        self.rewritten = true;
        self.now = 0;
    }

    fn item(&mut self, meta: &Meta<'_>, payload: &str, at: Timestamp) {
        self.now += 1;
        self.added.append(look(payload));
        let kind = meta.kind.as_deref().unwrap_or_default();
        let ours = match kind {
            "message" => meta.role.as_deref() != Some("assistant"),
            _ => kind.ends_with("_output"),
        };
        if ours {
            self.asked = Some(at);
            self.answered = None;
        } else {
            self.answered = self.answered.or(Some(at));
        }
    }

    fn count(&mut self, book: &mut Book, info: Option<Info>, (stamp, at): (&str, Timestamp)) {
        let Some(info) = info else { return };
        let total = info.total_token_usage;
        let counts = match (total, info.last_token_usage) {
            (Some(total), _) if total == self.total => return,
            (_, Some(last)) => last,
            (Some(total), None) => total.since(self.total),
            (None, None) => return,
        };
        let total = total.unwrap_or_default();
        self.total = total;
        if counts.input_tokens == 0 {
            return;
        }
        let numbers = [
            total.input_tokens,
            total.total_tokens,
            counts.input_tokens,
            counts.output_tokens,
        ]
        .map(|number| number.to_string());
        let names: Vec<&str> = numbers.iter().map(String::as_str).collect();
        let fresh = book.is_new(&[&[stamp], names.as_slice()].concat());
        if fresh {
            book.turn(&self.turn(counts, at));
        }
        self.before = self.now;
        self.added = Spoken::default();
        self.rewritten = false;
        self.asked = None;
        self.answered = None;
    }

    fn turn(&self, counts: Counts, at: Timestamp) -> Turn {
        let kept = if self.rewritten { 0 } else { self.before };
        let provider = if self.provider.is_empty() {
            Arc::from("openai")
        } else {
            Arc::clone(&self.provider)
        };
        Turn {
            at: self.asked.unwrap_or(at),
            first_byte: self.answered,
            ended: at,
            place: self.place.clone(),
            provider,
            dialect: "responses",
            model: Arc::clone(&self.model),
            regional: false,
            status: 200,
            ending: Ending::Whole,
            usage: Some(counts.usage()),
            history: History::Messages(Messages {
                before: self.before,
                kept,
                now: self.now,
                positions: self.added.positions,
                speaks: self.added.speaks,
                bytes: self.added.bytes,
            }),
            sent: None,
        }
    }
}
