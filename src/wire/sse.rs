//! Server-sent events from chunks with arbitrary borders, holding back at most one event.
//!
//! Lines end with LF or CRLF. A lone CR, which the format allows and no provider sends, is part of
//! its line.

use memchr::memchr;

/// An event longer than this is given up, not buffered.
const MAX_EVENT: usize = 1 << 20;

/// Splits a stream into the data of its events.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    /// The data of the event so far, its lines joined by line feeds.
    data: Vec<u8>,
    state: State,
    /// Lines seen, up to one: only the first can carry a byte order mark.
    first_line: FirstLine,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No data line of the event was seen.
    #[default]
    Empty,
    /// The event's data is collected.
    Wanted,
    /// The event is of no interest or too long: its lines are dropped until it ends.
    Dropped,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FirstLine {
    #[default]
    Ahead,
    Seen,
}

/// Decides by the first line of an event's data whether the event is worth collecting.
pub(super) type Wanted<'a> = &'a dyn Fn(&[u8]) -> bool;

impl Events {
    /// Takes in a chunk; `on_event` sees the data of each wanted event that it completes.
    pub(super) fn feed(
        &mut self,
        chunk: &[u8],
        wanted: Wanted<'_>,
        on_event: &mut dyn FnMut(&[u8]),
    ) {
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = after.get(1..).unwrap_or_default();
            if self.partial.is_empty() {
                self.line(line, wanted, on_event);
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                self.keep(&mut whole, line);
                self.line(&whole, wanted, on_event);
                whole.clear();
                self.partial = whole;
            }
        }
        let mut partial = std::mem::take(&mut self.partial);
        self.keep(&mut partial, rest);
        self.partial = partial;
    }

    /// Takes in the end of the stream. An event that its blank line never followed still counts.
    pub(super) fn finish(&mut self, wanted: Wanted<'_>, on_event: &mut dyn FnMut(&[u8])) {
        let line = std::mem::take(&mut self.partial);
        self.line(&line, wanted, on_event);
        self.line(b"", wanted, on_event);
    }

    fn keep(&mut self, line: &mut Vec<u8>, more: &[u8]) {
        if line.len() + more.len() > MAX_EVENT {
            // Longer than any event: what is kept of it still tells which kind of line it is.
            self.state = State::Dropped;
            line.truncate(64);
        } else {
            line.extend_from_slice(more);
        }
    }

    fn line(&mut self, line: &[u8], wanted: Wanted<'_>, on_event: &mut dyn FnMut(&[u8])) {
        let mut line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.first_line == FirstLine::Ahead {
            self.first_line = FirstLine::Seen;
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            if self.state == State::Wanted {
                on_event(&self.data);
            }
            self.data.clear();
            self.state = State::Empty;
            return;
        }
        // Comments, names, ids and retry times: the data says again what kind of event it is.
        let Some(value) = line.strip_prefix(b"data:") else {
            return;
        };
        self.data_line(value.strip_prefix(b" ").unwrap_or(value), wanted);
    }

    fn data_line(&mut self, value: &[u8], wanted: Wanted<'_>) {
        match self.state {
            State::Dropped => return,
            State::Empty if !wanted(value) => {
                self.state = State::Dropped;
                return;
            }
            State::Empty => self.state = State::Wanted,
            State::Wanted => self.data.push(b'\n'),
        }
        if self.data.len() + value.len() > MAX_EVENT {
            self.state = State::Dropped;
            self.data = Vec::new();
        } else {
            self.data.extend_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &[u8], step: usize) -> Vec<String> {
        let mut seen = Vec::new();
        let mut events = Events::default();
        let wanted: Wanted<'_> = &|data: &[u8]| !data.starts_with(b"no");
        let mut on_event = |data: &[u8]| seen.push(String::from_utf8(data.to_vec()).unwrap());
        for chunk in stream.chunks(step) {
            events.feed(chunk, wanted, &mut on_event);
        }
        events.finish(wanted, &mut on_event);
        seen
    }

    #[test]
    fn every_border_gives_the_same_events() {
        let stream = "\u{feff}data: one\n\n: comment\r\ndata:two\r\ndata: more\r\nevent: x\r\n\r\nevent: only\n\n\
                      data:  spaced\nid: 3\n\ndata: no\ndata: matter\n\n\n\ndata\n\ndatas: x\n\ndata: last";
        for step in 1..=stream.len() {
            let expected = ["one", "two\nmore", " spaced", "last"];
            assert_eq!(events(stream.as_bytes(), step), expected, "{step}");
        }
    }

    #[test]
    fn an_endless_event_is_given_up_and_the_next_one_seen() {
        let long = "x".repeat(MAX_EVENT);
        let stream = format!("data: {long}y\n\ndata: a\ndata: {long}\n\ndata: b\n\n");
        for step in [1000, 70_000, stream.len()] {
            assert_eq!(events(stream.as_bytes(), step), ["b"], "{step}");
        }
        let mut endless = Events::default();
        for _ in 0..5000 {
            endless.feed(&[b'x'; 1000], &|_| true, &mut |_| panic!("no event ended"));
        }
        assert!(endless.partial.capacity() <= 2 * MAX_EVENT);
    }
}
