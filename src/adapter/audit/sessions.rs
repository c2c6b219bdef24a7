//! Session files: one session per line, each distinct message stored once, with billed usage.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Reader;
use super::book::Book;
use super::files::fault;
use super::spoken::{Spoken, look};
use super::turn::{History, Messages, Place, Turn};
use crate::model::{Timestamp, Usage};

#[derive(Deserialize)]
struct Line<'a> {
    v: u64,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    user: Option<Cow<'a, str>>,
    #[serde(borrow)]
    dialect: Cow<'a, str>,
    #[serde(borrow)]
    provider: Option<Cow<'a, str>>,
    #[serde(borrow)]
    msgs: Vec<&'a RawValue>,
    #[serde(borrow)]
    reqs: Vec<Req<'a>>,
}

#[derive(Deserialize)]
struct Req<'a> {
    t: Option<f64>,
    d: Option<f64>,
    #[serde(borrow)]
    m: Option<Cow<'a, str>>,
    keep: usize,
    add: Vec<usize>,
    u: Option<Vec<u64>>,
    #[serde(borrow)]
    agent: Option<Cow<'a, str>>,
}

/// Reads session files.
pub(super) struct Sessions;

impl Reader for Sessions {
    fn line(&mut self, book: &mut Book, line: &[u8]) -> Result<(), String> {
        let line: Line<'_> = serde_json::from_slice(line).map_err(|error| fault(&error))?;
        if line.v != 1 {
            return Err("a session of an unknown version".to_owned());
        }
        let (dialect, provider) = match &*line.dialect {
            "anthropic.messages" => ("messages", "anthropic"),
            "openai.chat" => ("chat", "openai"),
            "openai.responses" => ("responses", "openai"),
            _ => return Err("a session in an unknown dialect".to_owned()),
        };
        let provider = line.provider.as_deref().unwrap_or(provider);
        let known: Vec<Spoken> = line.msgs.iter().map(|one| look(one.get())).collect();
        let session = Session {
            id: Arc::from(&*line.id),
            user: Arc::from(line.user.as_deref().unwrap_or_default()),
            provider: Arc::from(provider),
            dialect,
            counted: dialect == "messages" || line.reqs.iter().any(Req::was_cached),
        };
        let mut lengths: BTreeMap<Option<&str>, usize> = BTreeMap::new();
        let mut outcome = Ok(());
        for (number, req) in line.reqs.iter().enumerate() {
            let before = lengths.entry(req.agent.as_deref()).or_default();
            let Some(messages) = messages(req, *before, &known) else {
                outcome = Err(format!(
                    "request {number} does not fit the session's messages"
                ));
                continue;
            };
            *before = messages.now;
            book.turn(&session.turn(req, messages));
        }
        book.close();
        outcome
    }
}

struct Session {
    id: Arc<str>,
    user: Arc<str>,
    provider: Arc<str>,
    dialect: &'static str,
    /// Whether what the cache did was recorded: a session in which nothing was ever read or written
    /// had all of its input put down as plain.
    counted: bool,
}

impl Req<'_> {
    fn was_cached(&self) -> bool {
        let cached = self.u.as_deref().and_then(|list| list.get(1..4));
        cached.is_some_and(|kinds| kinds.iter().any(|tokens| *tokens > 0))
    }
}

impl Session {
    fn turn(&self, req: &Req<'_>, messages: Messages) -> Turn {
        let at = Timestamp::from_secs_f64(req.t.unwrap_or(0.0));
        let took = std::time::Duration::try_from_secs_f64(req.d.unwrap_or(0.0));
        let first = at.plus(took.unwrap_or_default());
        let mut usage = req.u.as_deref().and_then(|list| usage(list, self.dialect));
        if let Some(usage) = usage.as_mut().filter(|_| !self.counted) {
            usage.read = None;
        }
        Turn {
            at,
            first_byte: req.d.map(|_| first),
            ended: first,
            place: Place {
                session: Arc::clone(&self.id),
                lane: Arc::from(req.agent.as_deref().unwrap_or_default()),
                route: Arc::from(""),
                tenant: Arc::clone(&self.user),
            },
            provider: Arc::clone(&self.provider),
            dialect: self.dialect,
            model: Arc::from(req.m.as_deref().unwrap_or_default()),
            regional: false,
            status: 200,
            ending: usage.is_some().into(),
            usage,
            history: History::Messages(messages),
            sent: None,
        }
    }
}

/// Plain, written for 5 minutes, written for 1 hour, read, output. Only one dialect reports writes.
fn usage(list: &[u64], dialect: &str) -> Option<Usage> {
    let [plain, write_5m, write_1h, read, output] = *list.first_chunk::<5>()?;
    let mut usage = Usage::reported(plain, read, write_5m, write_1h, output);
    if dialect != "messages" && write_5m + write_1h == 0 {
        usage.write_5m = None;
        usage.write_1h = None;
    }
    Some(usage)
}

fn messages(req: &Req<'_>, before: usize, known: &[Spoken]) -> Option<Messages> {
    if req.keep > before {
        return None;
    }
    let mut all = Spoken::default();
    for index in &req.add {
        all.append(*known.get(*index)?);
    }
    Some(Messages {
        before,
        kept: req.keep,
        now: req.keep + req.add.len(),
        positions: all.positions,
        speaks: all.speaks,
        bytes: all.bytes,
    })
}
