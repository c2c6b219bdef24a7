//! The events of a streamed answer: taken out of their envelope, passed on whole, and ended by one
//! clear error where the stream breaks off.
//!
//! Bytes are not changed; only what stands behind the last complete event waits for the rest of it,
//! so that a stream can break off between two events and never within one.

use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;

use super::refuse;
use crate::wire::Opened;

/// A piece longer than this without the end of an event is no stream of events: it passes as it is.
const LONGEST: usize = 8 << 20;

/// The events of one streamed answer.
pub(super) struct Events {
    dialect: Box<str>,
    opened: Option<Opened>,
    /// The beginning of an event whose end has not arrived.
    tail: Vec<u8>,
    stage: Stage,
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Comments and signs of life at most.
    Ahead,
    /// The answer has begun.
    Begun,
    /// Nothing is missing: it has said its last word.
    Over,
    /// It has said its error.
    Failed,
}

/// What one event is.
#[derive(Debug, PartialEq, Eq)]
enum Sort {
    Life,
    Part,
    Last,
    Error,
}

/// The beginning of an event's data, as far as its kind is told there.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<std::borrow::Cow<'a, str>>,
    error: Option<serde::de::IgnoredAny>,
}

impl Events {
    pub(super) fn new(dialect: &str, opened: Option<Opened>) -> Self {
        Self {
            dialect: dialect.into(),
            opened,
            tail: Vec::new(),
            stage: Stage::Ahead,
        }
    }

    /// Whether the answer itself has begun.
    pub(super) fn is_begun(&self) -> bool {
        self.stage >= Stage::Begun
    }

    /// Whether nothing is missing.
    pub(super) fn is_over(&self) -> bool {
        self.stage >= Stage::Over
    }

    /// Whether it has ended by an error of the backend's own.
    pub(super) fn is_failed(&self) -> bool {
        self.stage == Stage::Failed
    }

    /// Takes in a chunk; returns the events that it completes, as they came.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Option<Bytes> {
        // A border may stand across two chunks.
        let seen = self.tail.len().saturating_sub(2);
        match &mut self.opened {
            Some(opened) => opened.feed(chunk, &mut self.tail),
            None => self.tail.extend_from_slice(chunk),
        }
        let new = self.tail.get(seen..).unwrap_or_default();
        let end = match last_end(new) {
            Some(end) => seen + end,
            None if self.tail.len() > LONGEST => self.tail.len(),
            None => return None,
        };
        let rest = self.tail.split_off(end);
        let whole = std::mem::replace(&mut self.tail, rest);
        for event in each(&whole) {
            self.see(event);
        }
        Some(whole.into())
    }

    /// Takes in the end of the stream; returns what stood behind the last complete event. Some
    /// servers leave out the blank line behind their last one.
    pub(super) fn end(&mut self) -> Option<Bytes> {
        if let Some(opened) = &mut self.opened {
            opened.finish(&mut self.tail);
        }
        let rest = std::mem::take(&mut self.tail);
        self.see(&rest);
        Some(rest.into()).filter(|rest: &Bytes| !rest.is_empty())
    }

    fn see(&mut self, event: &[u8]) {
        let stage = match sort(event) {
            Sort::Life => return,
            Sort::Part => Stage::Begun,
            Sort::Last => Stage::Over,
            Sort::Error => Stage::Failed,
        };
        self.stage = self.stage.max(stage);
    }

    /// The event by which the caller learns that the stream broke off.
    pub(super) fn cut(&mut self, what: &str) -> Option<Bytes> {
        self.stage = Stage::Over;
        let message = format!("the answer {what} before its end");
        let error = refuse::told(&self.dialect, 0, &refuse::fault("api_error", &message));
        let error = String::from_utf8_lossy(&error);
        // Chat has no names of events: its clients look into the data.
        let name = match &*self.dialect {
            "chat" => "",
            _ => "event: error\n",
        };
        Some(format!("{name}data: {error}\n\n").into())
    }
}

/// The error that a stream consists of, if it has said one before anything else.
pub(super) fn first_error(events: &[u8]) -> Option<&[u8]> {
    let first = each(events).find(|event| sort(event) != Sort::Life)?;
    (sort(first) == Sort::Error).then(|| data(first)).flatten()
}

/// Where the last complete event ends.
fn last_end(bytes: &[u8]) -> Option<usize> {
    let lf = memmem::rfind(bytes, b"\n\n").map(|at| at + 2);
    let crlf = memmem::rfind(bytes, b"\n\r\n").map(|at| at + 3);
    lf.max(crlf)
}

/// One event after the other.
fn each(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let lf = memmem::find(bytes, b"\n\n").map(|at| at + 2);
        let crlf = memmem::find(bytes, b"\n\r\n").map(|at| at + 3);
        let end = lf.into_iter().chain(crlf).min().unwrap_or(bytes.len());
        let (event, rest) = bytes.split_at_checked(end)?;
        bytes = rest;
        Some(event)
    })
}

/// The value of an event's first line of this field.
fn field<'a>(event: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut lines = event.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let value = line.strip_prefix(name)?;
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        Some(value.strip_prefix(b" ").unwrap_or(value))
    })
}

fn data(event: &[u8]) -> Option<&[u8]> {
    field(event, b"data:")
}

/// What an event is, by its name where it has one and by its data where it has none.
fn sort(event: &[u8]) -> Sort {
    let Some(data) = data(event) else {
        return Sort::Life;
    };
    if data == b"[DONE]" {
        return Sort::Last;
    }
    if let Some(name) = field(event, b"event:") {
        return named(name);
    }
    // A chat's chunks say in themselves that they are the last.
    if is_finished(data) {
        return Sort::Last;
    }
    if memmem::find(data, b"\"error\"").is_none() && memmem::find(data, b"\"type\"").is_none() {
        return Sort::Part;
    }
    match serde_json::from_slice(data) {
        Ok(Shape { error: Some(_), .. }) => Sort::Error,
        Ok(Shape {
            kind: Some(kind), ..
        }) => named(kind.as_bytes()),
        Ok(Shape { .. }) | Err(_) => Sort::Part,
    }
}

/// What the events of this name are, in Messages and in Responses.
fn named(name: &[u8]) -> Sort {
    match name {
        b"ping" => Sort::Life,
        b"error" => Sort::Error,
        b"message_stop" | b"response.completed" | b"response.incomplete" | b"response.failed" => {
            Sort::Last
        }
        _ => Sort::Part,
    }
}

/// Whether a chunk names the reason for its end. Quotes within a text are escaped, so that none is
/// taken for it.
fn is_finished(data: &[u8]) -> bool {
    memmem::find_iter(data, b"\"finish_reason\":").any(|at| {
        let value = data.get(at + b"\"finish_reason\":".len()..);
        value.is_some_and(|value| value.trim_ascii_start().starts_with(b"\""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = "event: message_start\ndata: {\"type\":\"message_start\"}\n\n\
        event: ping\ndata: {}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    const CHAT: &str = ": WAITING\n\ndata: {\"choices\":[{\"delta\":{\"content\":\
        \"\\\"finish_reason\\\":\\\"\"},\"finish_reason\":null}]}\n\n\
        data: {\"choices\":[{\"finish_reason\": \"stop\"}]}\n\ndata: [DONE]\n\n";

    #[test]
    fn whole_events_pass_as_they_came_whatever_the_borders() {
        for (dialect, text) in [("messages", MESSAGES), ("chat", CHAT)] {
            for size in 1..text.len() {
                let mut events = Events::new(dialect, None);
                let mut out = Vec::new();
                for chunk in text.as_bytes().chunks(size) {
                    if let Some(whole) = events.feed(chunk) {
                        assert!(whole.ends_with(b"\n\n"));
                        out.extend_from_slice(&whole);
                    }
                }
                assert_eq!(String::from_utf8(out).unwrap(), text);
                assert!(events.is_over() && events.end().is_none());
            }
        }
    }

    #[test]
    fn what_is_missing_is_seen() {
        for (dialect, text) in [("messages", MESSAGES), ("chat", CHAT)] {
            let last = text.rfind("event: message_stop");
            let last = last
                .or_else(|| text.find("data: {\"choices\":[{\"finish_reason\": "))
                .unwrap();
            let mut events = Events::new(dialect, None);
            let passed = events.feed(&text.as_bytes()[..last + 9]).unwrap();
            assert_eq!(passed.len(), last, "the tail is held back");
            assert!(events.is_begun() && !events.is_over());
            let told = events.cut("broke off").unwrap();
            assert!(told.ends_with(b"\n\n"));
            assert_eq!(told.starts_with(b"event: error\n"), dialect == "messages");
            assert_eq!(sort(&told), Sort::Error);
        }
    }

    #[test]
    fn an_error_is_one_only_before_anything_else() {
        let error = "data: {\"error\":{\"message\":\"busy\"}}\n\n";
        let named = "event: ping\ndata: {}\n\nevent: error\ndata: {\"type\":\"error\"}\n\n";
        assert!(first_error(error.as_bytes()).is_some());
        assert_eq!(
            first_error(named.as_bytes()),
            Some(&b"{\"type\":\"error\"}"[..])
        );
        assert_eq!(first_error(MESSAGES.as_bytes()), None);
        assert_eq!(first_error(CHAT.as_bytes()), None);
        assert_eq!(first_error(b": c\n\n"), None);
    }

    #[test]
    fn lines_may_end_with_a_carriage_return() {
        let mut events = Events::new("chat", None);
        let text = "data: {\"choices\":[]}\r\n\r\ndata: [DONE]\r\n\r\n";
        assert_eq!(events.feed(text.as_bytes()).unwrap(), text);
        assert!(events.is_over());
        let mut events = Events::new("chat", None);
        events.feed(b"data: {\"choices\":[]}\n\ndata: [DONE]");
        assert_eq!(events.end().unwrap(), "data: [DONE]");
        assert!(events.is_over());
    }
}
