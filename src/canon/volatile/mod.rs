//! Text that differs from call to call: clocks, ids, counters, paths, lines of git's.
//!
//! What looks like it is not always it: a date in a manual stays, a version is no counter, an
//! example is no clock. So a date needs a word that means the present, a number a word that counts,
//! and nothing counts behind `e.g.`. Where two texts can be compared, the change itself is the
//! evidence, and [`differing`] asks for no such words.

mod cue;
mod differ;
mod label;
mod line;
mod moment;
mod token;

use crate::model::{Pattern, Span};

pub use differ::{Parted, differing, same_but_for_volatile};

use cue::Cue;

/// A stretch of text that differs from call to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Volatile {
    /// Its bytes within the text.
    pub span: Span,
    /// What it is.
    pub pattern: Pattern,
}

/// Finds text that differs from call to call, in order and without overlaps.
///
/// `text` is JSON as it stands in a body: a string's content or a whole block, escapes unresolved.
/// It must not begin in the middle of an escape. Takes time linear in its length.
#[must_use]
pub fn volatile(text: &[u8]) -> Vec<Volatile> {
    let mut shapes = Scan::new(text).run();
    drop_enumerations(&mut shapes);
    shapes
        .into_iter()
        .filter(|shape| shape.telling)
        .map(|shape| Volatile {
            span: span(shape.from, shape.to),
            pattern: shape.pattern,
        })
        .collect()
}

/// Something with the looks of volatile text.
#[derive(Clone, Debug)]
struct Shape {
    from: usize,
    to: usize,
    /// How much of it, from its start, is what differs; the rest may be anything.
    own: usize,
    pattern: Pattern,
    /// Whether its looks and the words around it are enough without a comparison.
    telling: bool,
    /// What a counter counts.
    label: Vec<u8>,
}

/// Numbers under one label that differ within one text number its parts.
fn drop_enumerations(shapes: &mut [Shape]) {
    let mut counted = std::collections::BTreeMap::<&[u8], usize>::new();
    for shape in shapes.iter().filter(|shape| !shape.label.is_empty()) {
        *counted.entry(&shape.label).or_default() += 1;
    }
    let many: Vec<Vec<u8>> = counted
        .into_iter()
        .filter(|(_, times)| *times > 1)
        .map(|(label, _)| label.to_vec())
        .collect();
    for shape in shapes.iter_mut() {
        shape.telling &= !many.contains(&shape.label);
    }
}

fn span(from: usize, to: usize) -> Span {
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span::new(offset(from), offset(to))
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the line before this one, and this one, began.
    lines: [usize; 2],
    /// The run of token characters up to here was looked at already.
    tried: usize,
    found: Vec<Shape>,
}

impl<'a> Scan<'a> {
    const fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            lines: [0, 0],
            tried: 0,
            found: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<Shape> {
        while let Some(rest) = self.text.get(self.at..) {
            let Some(first) = rest.first().copied() else {
                break;
            };
            if self.at == self.lines[1] && self.git(rest) {
                continue;
            }
            match first {
                b'\\' => self.escape(rest),
                b'\n' | b'"' => self.begin_line(self.at + 1),
                _ if self.shape(rest, first) => {}
                _ if token::is_word(first) => {
                    let word = rest.iter().take_while(|byte| token::is_word(**byte));
                    self.at += word.count();
                }
                _ => self.at += 1,
            }
        }
        self.found
    }

    fn begin_line(&mut self, at: usize) {
        let [above, line] = &mut self.lines;
        // A quote right behind another one begins no line of its own.
        if at > *line + 2 {
            *above = *line;
        }
        *line = at;
        self.at = at;
    }

    fn escape(&mut self, rest: &[u8]) {
        match rest {
            [b'\\', b'n' | b'r', ..] => self.begin_line(self.at + 2),
            [b'\\', b'u', ..] => self.at += 6,
            _ => self.at += 2,
        }
        self.at = self.at.min(self.text.len());
    }

    fn git(&mut self, rest: &[u8]) -> bool {
        match line::git(rest) {
            Some(len) if len > 0 => {
                let mut shape = self.take(len, Pattern::GitLine);
                shape.telling = true;
                self.found.push(shape);
                true
            }
            _ => false,
        }
    }

    /// Takes in what begins here, if anything does.
    fn shape(&mut self, rest: &[u8], first: u8) -> bool {
        match first {
            b'0'..=b'9' => self.token(rest) || self.moment(rest) || self.epoch(rest),
            b'a'..=b'z' | b'A'..=b'Z' => {
                self.path(rest) || self.label(rest) || self.token(rest) || self.moment(rest)
            }
            b'/' => self.path(rest),
            _ => false,
        }
    }

    /// Takes in the next `len` bytes.
    fn take(&mut self, len: usize, pattern: Pattern) -> Shape {
        let from = self.at;
        self.at += len;
        Shape {
            from,
            to: self.at,
            own: len,
            pattern,
            telling: false,
            label: Vec::new(),
        }
    }

    fn cue(&self) -> Cue {
        Cue::before(self.text, self.lines, self.at)
    }

    fn previous(&self) -> u8 {
        let before = self.at.checked_sub(1).and_then(|at| self.text.get(at));
        before.copied().unwrap_or(b' ')
    }

    fn token(&mut self, rest: &[u8]) -> bool {
        if self.at < self.tried {
            return false;
        }
        let run = token::run(rest);
        self.tried = self.at + run.len();
        let pattern = if token::uuid(run).is_some() || token::is_ulid(run) {
            Pattern::Uuid
        } else if token::is_nonce(run) {
            Pattern::Nonce
        } else {
            return false;
        };
        let telling = self.previous() != b'#' && !self.cue().is_example();
        let mut shape = self.take(run.len(), pattern);
        shape.telling = telling;
        self.found.push(shape);
        true
    }

    fn moment(&mut self, rest: &[u8]) -> bool {
        if b"-./_#$:+".contains(&self.previous()) {
            return false;
        }
        let Some(found) = moment::moment(rest) else {
            return false;
        };
        let cue = self.cue();
        let telling = if found.pattern == Pattern::Timestamp {
            !cue.is_example()
        } else {
            cue.is_now()
        };
        let mut shape = self.take(found.len, found.pattern);
        shape.telling = telling;
        self.found.push(shape);
        true
    }

    /// Seconds since 1970, or a thousand times as many.
    fn epoch(&mut self, rest: &[u8]) -> bool {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let fits = matches!(digits, 10 | 13 | 16 | 19)
            && matches!(rest, [b'1', b'4'..=b'9', ..] | [b'2', b'0'..=b'1', ..])
            && !rest.get(digits).copied().is_some_and(token::is_word)
            && !b"-./_#$".contains(&self.previous());
        if fits {
            let telling = self.cue().is_epoch();
            let mut shape = self.take(digits, Pattern::Timestamp);
            shape.telling = telling;
            self.found.push(shape);
        }
        fits
    }

    fn label(&mut self, rest: &[u8]) -> bool {
        if token::is_word(self.previous()) && self.at > self.lines[1] {
            return false;
        }
        let Some(found) = label::labelled(rest) else {
            return false;
        };
        let telling = !self.cue().is_example();
        let name = rest.iter().take_while(|byte| byte.is_ascii_alphabetic());
        let label: Vec<u8> = name.map(u8::to_ascii_lowercase).collect();
        self.at += found.from;
        let mut shape = self.take(found.to - found.from, found.pattern);
        shape.telling = telling;
        if found.pattern == Pattern::Counter {
            shape.label = label;
        }
        self.found.push(shape);
        true
    }

    fn path(&mut self, rest: &[u8]) -> bool {
        let previous = self.previous();
        if self.at > self.lines[1] && (token::is_word(previous) || b"/.~:-$}>".contains(&previous))
        {
            return false;
        }
        let Some(found) = line::path(rest) else {
            return false;
        };
        let cue = self.cue();
        let named = cue.is_directory();
        let telling = found.telling && !cue.is_example();
        let mut shape = self.take(found.len, Pattern::Path);
        shape.telling = telling || named;
        if !named {
            shape.own = found.own;
        }
        self.found.push(shape);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Vec<(&str, Pattern)> {
        let all = volatile(text.as_bytes()).into_iter();
        all.map(|one| {
            (
                &text[one.span.start as usize..one.span.end as usize],
                one.pattern,
            )
        })
        .collect()
    }

    const POSITIVE: [(&str, &str, Pattern); 44] = [
        (
            "It is 2026-11-25T13:19:43Z.",
            "2026-11-25T13:19:43Z",
            Pattern::Timestamp,
        ),
        (
            r"a\n2026-11-25 13:19:43 UTC\nb",
            "2026-11-25 13:19:43 UTC",
            Pattern::Timestamp,
        ),
        (
            "Sat Nov 22 2026 10:00:00",
            "Sat Nov 22 2026 10:00:00",
            Pattern::Timestamp,
        ),
        (
            "Sent: Wed, 25 Nov 2026 13:19:43 +0000",
            "Wed, 25 Nov 2026 13:19:43 +0000",
            Pattern::Timestamp,
        ),
        (
            "now: Wed Nov 25 13:19:43 UTC 2026",
            "Wed Nov 25 13:19:43 UTC 2026",
            Pattern::Timestamp,
        ),
        (
            "The current time is 1:19 PM, November 25, 2026",
            "1:19 PM, November 25, 2026",
            Pattern::Timestamp,
        ),
        (r#"{\"now\": 1795612783}"#, "1795612783", Pattern::Timestamp),
        (
            "timestamp=1795612783123",
            "1795612783123",
            Pattern::Timestamp,
        ),
        ("Today's date: 2026-11-25", "2026-11-25", Pattern::Date),
        (
            "Today is Wednesday, November 25, 2026.",
            "Wednesday, November 25, 2026",
            Pattern::Date,
        ),
        (
            r"<env>\nDate: 11/25/2026\n</env>",
            "11/25/2026",
            Pattern::Date,
        ),
        (
            "<current_date>2026-11-25</current_date>",
            "2026-11-25",
            Pattern::Date,
        ),
        (r"Today's date:\n2026-11-25", "2026-11-25", Pattern::Date),
        ("The current time is 13:19", "13:19", Pattern::Time),
        (
            "Current time: 01:19:43 PM CET",
            "01:19:43 PM CET",
            Pattern::Time,
        ),
        (
            "id 3f2504e0-4f89-41d3-9a0c-0305e82c3301;",
            "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            Pattern::Uuid,
        ),
        (
            r#"\"3F2504E0-4F89-41D3-9A0C-0305E82C3301\""#,
            "3F2504E0-4F89-41D3-9A0C-0305E82C3301",
            Pattern::Uuid,
        ),
        (
            "ulid 01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            Pattern::Uuid,
        ),
        (
            "session_id: 3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            Pattern::Uuid,
        ),
        ("This is request #123.", "123", Pattern::Counter),
        ("You are at turn 7", "7", Pattern::Counter),
        ("Turn 7 of 20", "7", Pattern::Counter),
        ("Attempt: 2", "2", Pattern::Counter),
        (r#"\"message_count\": 31"#, "31", Pattern::Counter),
        ("Request number 14", "14", Pattern::Counter),
        (
            "see req_011CSHoEeqs5C35K2UUqR7Fy",
            "req_011CSHoEeqs5C35K2UUqR7Fy",
            Pattern::Nonce,
        ),
        (
            "msg_01XFDUDYJgAACzvnptvVoYEL",
            "msg_01XFDUDYJgAACzvnptvVoYEL",
            Pattern::Nonce,
        ),
        (
            "toolu_01PU4UVwSzn4N9oF7G8Kk7t8",
            "toolu_01PU4UVwSzn4N9oF7G8Kk7t8",
            Pattern::Nonce,
        ),
        (
            "trace 4bf92f3577b34da6a3ce929d0e0e4736",
            "4bf92f3577b34da6a3ce929d0e0e4736",
            Pattern::Nonce,
        ),
        ("Session ID: 7f3a9c", "7f3a9c", Pattern::Nonce),
        ("nonce=x9Kd82hQ", "x9Kd82hQ", Pattern::Nonce),
        (
            "x-anthropic-billing-header: cc_entrypoint=cli; cch=1a2b3;",
            "1a2b3",
            Pattern::Nonce,
        ),
        (
            "x-anthropic-billing-header: cc_version=2.1.37.3a3; x",
            "3a3",
            Pattern::Nonce,
        ),
        (
            "Working directory: /srv/checkout/app",
            "/srv/checkout/app",
            Pattern::Path,
        ),
        (
            "in /home/alice/code/app.",
            "/home/alice/code/app",
            Pattern::Path,
        ),
        ("/Users/bob/x", "/Users/bob/x", Pattern::Path),
        (
            "scratch: /tmp/build-8f3k2a/out",
            "/tmp/build-8f3k2a/out",
            Pattern::Path,
        ),
        (
            r"C:\\Users\\carol\\code",
            r"C:\\Users\\carol\\code",
            Pattern::Path,
        ),
        (
            r"\nCurrent branch: feature/x\nMore",
            "Current branch: feature/x",
            Pattern::GitLine,
        ),
        (
            r"Status:\n M src/lib.rs\n\nDone",
            " M src/lib.rs",
            Pattern::GitLine,
        ),
        (r"\n?? notes.txt\n", "?? notes.txt", Pattern::GitLine),
        (
            r"Recent commits:\n9f86d08 Fix the parser\n",
            "9f86d08 Fix the parser",
            Pattern::GitLine,
        ),
        (
            "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            Pattern::GitLine,
        ),
        ("On branch main", "On branch main", Pattern::GitLine),
    ];

    #[test]
    fn volatile_text_is_found_where_it_stands() {
        for (text, span, pattern) in POSITIVE {
            assert_eq!(found(text), [(span, pattern)], "{text}");
        }
    }

    #[test]
    fn what_only_looks_volatile_is_left_alone() {
        for text in [
            // Versions, models, releases.
            "version 1.2.3",
            "claude-sonnet-4-5-20250929",
            "text_editor_20250124",
            "anthropic-version: 2023-06-01",
            "bedrock-2023-05-31",
            "node v20.11.1, released 2024-01-09",
            "Knowledge cutoff date: 2025-01-31",
            // Dates and times in prose, manuals and examples.
            "The act of 1996-02-08 was amended.",
            "Refunds since May 5, 2024 are final.",
            "Effective date: 2024-05-01",
            "Date of birth: 1990-01-01",
            "open from 09:00 to 17:00",
            "Business hours: 9:00",
            r#"{\"type\":\"string\",\"format\":\"date-time\",\"example\":\"2024-01-15T10:30:00Z\"}"#,
            "a start time, e.g. 2024-01-15T10:30:00Z",
            "an id such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "like req_011CSHoEeqs5C35K2UUqR7Fy",
            // Numbers that count nothing.
            r"Step 1: read\nStep 2: write",
            r"Turn 1: hello\nTurn 2: bye",
            "call 3 tools",
            "request 2 items",
            "HTTP 404",
            "order 1234567890",
            "max_attempts: 3",
            "ratio 3:1, chapter 12",
            // Colours, hashes that are names, ordinary words.
            "#ff00aa and #deadbeefdeadbeef",
            "getHTTPResponseV2FromServer1",
            "feedface cafe decade",
            "a0eebc99-9c0b",
            // Paths that are everybody's.
            "/usr/bin/env",
            "/home/user/project",
            "write to /tmp/output.txt",
            "https://example.com/home/alice/x",
            "e.g. /home/alice/x",
            // Prose that begins like git's lines.
            r"M is a letter\nA  dog",
            "commit your work often",
            "deadbee is no subject",
            "branch out",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn spans_are_in_order_and_within_the_text(
            parts in prop::collection::vec(
                prop_oneof![
                    "[ -~\\\\\"]{0,12}",
                    prop::sample::select(POSITIVE.map(|(text, ..)| text.to_owned()).to_vec()),
                    Just("\\n".to_owned()),
                    "\\PC{0,4}",
                ],
                0..12,
            ),
        ) {
            let text = parts.concat();
            let mut last = 0;
            for one in volatile(text.as_bytes()) {
                prop_assert!(last <= one.span.start && one.span.start < one.span.end);
                prop_assert!(one.span.end as usize <= text.len());
                last = one.span.end;
            }
        }

        #[test]
        fn any_two_texts_can_be_compared(
            head in "[ -~]{0,40}", one in "[ -~\\\\é]{0,40}", other in "[ -~\\\\é]{0,40}",
        ) {
            let (before, after) = (format!("{head}{one}"), format!("{head}{other}"));
            let (before, after) = (before.as_bytes(), after.as_bytes());
            let at = before.iter().zip(after).take_while(|(a, b)| a == b).count();
            if let Some(parted) = differing(before, after, at) {
                prop_assert!(parted.before.end as usize <= before.len());
                prop_assert!(parted.after.end as usize <= after.len());
                prop_assert!(parted.before.start as usize <= at && parted.after.start as usize <= at);
            }
            prop_assert!(same_but_for_volatile(before, before));
            let _ = same_but_for_volatile(before, after);
        }
    }
}
