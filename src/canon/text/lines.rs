//! Lines and sentences of a JSON string's content, escapes unresolved.

use std::ops::Range;

/// A sentence or line of more bytes than this is not moved: it holds more than what changes.
const MOST: usize = 512;

/// The lines of a text, each with the escape that ends it.
pub(super) fn lines(text: &[u8]) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(byte) = text.get(at) {
        at += match (byte, text.get(at + 1)) {
            (b'\\', Some(b'u')) => 6,
            (b'\\', _) => 2,
            _ => 1,
        };
        if *byte == b'\\' && text.get(at - 2..at) == Some(br"\n") {
            out.push(start..at);
            start = at;
        }
    }
    if start < text.len() {
        out.push(start..text.len());
    }
    out
}

/// A line or sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its text.
    pub(super) text: Range<usize>,
    /// What goes when it goes: with the break or the spaces that set it off.
    pub(super) whole: Range<usize>,
}

impl Unit {
    /// Whether so little stands around what changes that it can be moved with it.
    pub(super) fn is_short(&self) -> bool {
        self.text.len() <= MOST
    }
}

/// The sentence around `span`, or the line where the line is one.
pub(super) fn unit(text: &[u8], lines: &[Range<usize>], span: Range<usize>) -> Unit {
    let first = lines.partition_point(|line| line.end <= span.start);
    let last = lines.partition_point(|line| line.end < span.end).max(first);
    let whole = |at: usize| lines.get(at).cloned().unwrap_or(0..text.len());
    let (opening, closing) = (whole(first), whole(last));
    let content = closing.start..closing.start + content(text.get(closing.clone()));
    let head = text.get(opening.start..span.start).unwrap_or_default();
    let start = opening.start + last_sentence(head);
    let from = span.end.min(content.end);
    let tail = text.get(from..content.end).unwrap_or_default();
    let end = from + first_end(tail);
    if start > opening.start || end < content.end {
        let after = text.get(end..content.end).unwrap_or_default();
        let spaces = after.iter().take_while(|byte| **byte == b' ').count();
        return Unit {
            text: start..end,
            whole: start..end + spaces,
        };
    }
    // The last line has no break of its own; the one before it goes instead.
    let above = first
        .checked_sub(1)
        .map(whole)
        .filter(|_| content.end == closing.end);
    let from = above.map_or(opening.start, |above| {
        let start = above.start;
        start + self::content(text.get(above))
    });
    Unit {
        text: opening.start..content.end,
        whole: from..closing.end,
    }
}

/// The length of a line without its break.
fn content(line: Option<&[u8]>) -> usize {
    let line = line.unwrap_or_default();
    let bare = line.strip_suffix(br"\n").unwrap_or(line);
    bare.strip_suffix(br"\r").unwrap_or(bare).len()
}

/// Where the last sentence of a line's head begins.
fn last_sentence(head: &[u8]) -> usize {
    (0..head.len())
        .rev()
        .find(|at| ends_here(head, *at))
        .map_or(0, |at| {
            let rest = head.get(at + 1..).unwrap_or_default();
            at + 1 + rest.iter().take_while(|byte| **byte == b' ').count()
        })
}

/// The length of what is left of a sentence, its full stop included.
fn first_end(tail: &[u8]) -> usize {
    (0..tail.len())
        .find(|at| ends_here(tail, *at))
        .map_or(tail.len(), |at| at + 1)
}

/// Whether a sentence ends at this byte: a stop, a space, and no word that goes on.
fn ends_here(text: &[u8], at: usize) -> bool {
    let stop = matches!(text.get(at), Some(b'.' | b'!' | b'?'));
    let rest = text.get(at + 1..).unwrap_or_default();
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let goes_on = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    stop && spaces > 0 && !rest.get(spaces).is_some_and(goes_on)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, wanted: &str) -> (String, String) {
        let start = text.find(wanted).unwrap();
        let bytes = text.as_bytes();
        let unit = unit(bytes, &lines(bytes), start..start + wanted.len());
        let mut rest = text.to_owned();
        rest.replace_range(unit.whole.clone(), "");
        (text[unit.text].to_owned(), rest)
    }

    #[test]
    fn a_line_goes_with_its_break() {
        let text = r"You are.\nNow: 12:30\nBe kind.";
        assert_eq!(
            found(text, "12:30"),
            ("Now: 12:30".into(), r"You are.\nBe kind.".into())
        );
        let last = r"You are.\r\nNow: 12:30";
        assert_eq!(
            found(last, "12:30"),
            ("Now: 12:30".into(), "You are.".into())
        );
        let only = "Now: 12:30";
        assert_eq!(found(only, "12:30"), (only.into(), String::new()));
    }

    #[test]
    fn a_sentence_goes_without_its_neighbours() {
        let text = r"You are v1.2. It is 12:30, i.e. noon. Be kind.\nMore.";
        let expected = (
            "It is 12:30, i.e. noon.".into(),
            r"You are v1.2. Be kind.\nMore.".into(),
        );
        assert_eq!(found(text, "12:30"), expected);
    }

    #[test]
    fn an_escaped_backslash_before_an_n_ends_no_line() {
        let text = br"C:\\new\nline";
        assert_eq!(lines(text), [0..9, 9..13]);
    }
}
