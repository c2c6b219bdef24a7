//! Numbers and tokens behind a word that says what they are: `turn 7`, `session_id: 7f3a9c`.

use super::token;
use crate::model::Pattern;

/// What is counted. A step, a section or an example is numbered and stays what it is.
const COUNTED: [&[u8]; 19] = [
    b"attempt",
    b"build",
    b"call",
    b"conversation",
    b"count",
    b"counter",
    b"invocation",
    b"iteration",
    b"message",
    b"query",
    b"request",
    b"round",
    b"run",
    b"seq",
    b"sequence",
    b"session",
    b"tick",
    b"turn",
    b"visit",
];
/// What is counted even where only a space stands before the number.
const BARE: [&[u8]; 5] = [b"attempt", b"iteration", b"request", b"round", b"turn"];

/// What has an id that is drawn anew.
const DRAWN: [&[u8]; 13] = [
    b"conversation",
    b"correlation",
    b"invocation",
    b"message",
    b"nonce",
    b"request",
    b"run",
    b"salt",
    b"session",
    b"span",
    b"thread",
    b"trace",
    b"transaction",
];

/// A labelled value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Labelled {
    /// Where it begins and ends, counted from the label's first byte.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) pattern: Pattern,
}

/// Reads a label and its value at the start of `text`.
pub(super) fn labelled(text: &[u8]) -> Option<Labelled> {
    if let Some(found) = billing(text) {
        return Some(found);
    }
    let letters = text.iter().take(13);
    let end = letters
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let word = text.get(..end)?.to_ascii_lowercase();
    let word = word.as_slice();
    let (counted, drawn) = (COUNTED.contains(&word), DRAWN.contains(&word));
    if !counted && !drawn {
        return None;
    }
    let mut cursor = Cursor { text, at: end };
    let numbered = cursor.kind();
    let marked = cursor.mark() || numbered;
    let from = cursor.at;
    let rest = text.get(from..)?;
    let run = token::run(rest);
    let digits = run.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let found = |pattern, len: usize| Labelled {
        from,
        to: from + len,
        pattern,
    };
    if drawn && marked && is_drawn(run) {
        let uuid = token::uuid(run).is_some();
        let pattern = if uuid { Pattern::Uuid } else { Pattern::Nonce };
        return Some(found(pattern, run.len()));
    }
    let alone = digits == run.len() && (1..=12).contains(&digits);
    let after = rest.get(digits..).unwrap_or_default();
    let fits = marked || BARE.contains(&word) && ends(after);
    let decimal = matches!(after, [b'.' | b':' | b',' | b'/', b'0'..=b'9', ..]);
    (counted && alone && fits && from > end && !decimal).then(|| found(Pattern::Counter, digits))
}

/// The billing header that Claude Code sends as its first system block: `cch=` differs from call to
/// call, the last part of `cc_version` from conversation to conversation.
fn billing(text: &[u8]) -> Option<Labelled> {
    let value = |name: &[u8]| {
        let rest = text.strip_prefix(name)?;
        let inside = |byte: &&u8| token::is_word(**byte) || **byte == b'.';
        let len = rest.iter().take_while(inside).count();
        rest.get(..len).filter(|value| !value.is_empty())
    };
    let found = |from: usize, to: usize| Labelled {
        from,
        to,
        pattern: Pattern::Nonce,
    };
    if let Some(hash) = value(b"cch=") {
        return Some(found(4, 4 + hash.len()));
    }
    let version = value(b"cc_version=")?;
    let parts = version.split(|byte| *byte == b'.').count();
    let last = version.rsplit(|byte| *byte == b'.').next()?;
    let end = 11 + version.len();
    (parts == 4 && !last.is_empty()).then(|| found(end - last.len(), end))
}

fn is_drawn(run: &[u8]) -> bool {
    let digits = token::count(run, u8::is_ascii_digit);
    (6..=128).contains(&run.len())
        && (token::is_mixed(run) || token::is_hex(run) || digits == run.len())
        || token::uuid(run).is_some()
}

/// Whether a number may end a statement here.
fn ends(after: &[u8]) -> bool {
    match after {
        []
        | [
            b'.' | b',' | b')' | b']' | b':' | b';' | b'"' | b'\\' | b'/' | b'<' | b'\n',
            ..,
        ] => true,
        [b' ', rest @ ..] => rest.starts_with(b"of ") || rest.starts_with(b"/ "),
        _ => false,
    }
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    /// `number`, `no.`, `count` or `id` behind the label; true unless it is absent.
    fn kind(&mut self) -> bool {
        let before = self.at;
        self.any(b" _-");
        let kinds: [&[u8]; 6] = [b"number", b"num", b"no", b"count", b"index", b"id"];
        let rest = self.text.get(self.at..).unwrap_or_default();
        let found = kinds.iter().find(|kind| {
            let head = rest.get(..kind.len()).unwrap_or_default();
            let next = rest.get(kind.len()).copied().unwrap_or(b' ');
            head.eq_ignore_ascii_case(kind) && !token::is_word(next)
        });
        match found {
            Some(kind) => {
                self.at += kind.len();
                self.any(b".");
                true
            }
            None => {
                self.at = before;
                false
            }
        }
    }

    /// The signs between a label and its value; whether one of them says that a value follows.
    fn mark(&mut self) -> bool {
        self.quote();
        self.any(b" ");
        let mut marked = self.any(b":=");
        self.any(b" ");
        self.quote();
        marked |= self.any(b"#");
        marked
    }

    fn quote(&mut self) {
        if let Some([b'\\', b'"', ..]) = self.text.get(self.at..) {
            self.at += 2;
        } else {
            self.any(b"\"`");
        }
    }

    fn any(&mut self, wanted: &[u8]) -> bool {
        let found = self
            .text
            .get(self.at)
            .is_some_and(|byte| wanted.contains(byte));
        self.at += usize::from(found);
        found
    }
}
