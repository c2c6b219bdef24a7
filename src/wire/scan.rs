//! A validating JSON scanner over bytes: it finds where values begin and end, and builds nothing.
//!
//! The grammar is RFC 8259 in full. Escapes of lone surrogates, numbers of any size and duplicate
//! keys are accepted, because their bytes are never rewritten. Nesting ends at [`MAX_DEPTH`].

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::model::{Skip, Span};

/// The deepest nesting of arrays and objects that is read; real requests stay far below it.
pub(super) const MAX_DEPTH: u32 = 128;

/// A position in a body, with the brackets that are open there.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    /// Whether the innermost bracket was opened just now, so that no comma is due.
    fresh: bool,
    controls: Controls,
}

/// Whether strings have to be searched for control bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controls {
    /// Each string has to be.
    Possible,
    /// There is none ahead, in strings or between them.
    Absent,
    /// Strings are passed over, whatever they hold.
    Ignored,
}

impl<'a> Scanner<'a> {
    /// A scanner at the first byte of a body.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            depth: 0,
            fresh: false,
            controls: Controls::Possible,
        }
    }

    /// A scanner that passes over strings by their quotes alone, which is faster: of a body that is
    /// no JSON it may find values all the same.
    pub(super) fn passing(bytes: &'a [u8]) -> Self {
        Self {
            controls: Controls::Ignored,
            ..Self::new(bytes)
        }
    }

    /// A scanner in the middle of a body, right after a value inside `depth` open brackets.
    pub(super) fn after(bytes: &'a [u8], at: usize, depth: u32) -> Self {
        Self {
            at,
            depth,
            ..Self::new(bytes)
        }
    }

    /// A scanner right after the bracket that was opened last.
    pub(super) fn inside(bytes: &'a [u8], at: usize, depth: u32) -> Self {
        Self {
            fresh: true,
            ..Self::after(bytes, at, depth)
        }
    }

    /// Checks that everything from here up to `end` is UTF-8. The bytes from `end` on must be
    /// known to be, and `end` must stand on a character's border.
    ///
    /// Bodies without any control byte (all compact ones) are noticed here, once, and their
    /// strings need no check of their own.
    pub(super) fn check_text(&mut self, end: usize) -> Result<(), Skip> {
        let ahead = self.bytes.get(self.at..end).unwrap_or_default();
        std::str::from_utf8(ahead).map_err(|_| Skip::NotJson)?;
        if !has_control(self.bytes.get(self.at..).unwrap_or_default()) {
            self.controls = Controls::Absent;
        }
        Ok(())
    }

    /// Where the next byte is read.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// Goes on after a value that ends at `at` and was read before.
    pub(super) const fn jump(&mut self, at: usize) {
        self.at = at;
        self.fresh = false;
    }

    /// The first byte of the next token, whitespace skipped.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                next => return next.copied(),
            }
        }
    }

    /// Steps into an array or object; `bracket` must be what comes next.
    pub(super) fn open(&mut self, bracket: u8) -> Result<(), Skip> {
        if self.peek() != Some(bracket) {
            return Err(Skip::NotJson);
        }
        if self.depth >= MAX_DEPTH {
            return Err(Skip::TooDeep);
        }
        self.depth += 1;
        self.at += 1;
        self.fresh = true;
        Ok(())
    }

    /// The next member's key with its quotes, the scanner standing at its value; `None` once the
    /// object is closed.
    pub(super) fn next_key(&mut self) -> Result<Option<Span>, Skip> {
        if !self.next_item(b'}')? {
            return Ok(None);
        }
        self.key().map(Some)
    }

    /// Whether the array has another element, the scanner standing at it; it is closed if not.
    pub(super) fn next_element(&mut self) -> Result<bool, Skip> {
        self.next_item(b']')
    }

    /// Skips one value and returns where it stands.
    pub(super) fn value(&mut self) -> Result<Span, Skip> {
        let first = self.peek();
        let start = self.at;
        match first {
            Some(b'"') => self.string()?,
            Some(b'{' | b'[') => self.nested()?,
            _ => self.scalar()?,
        }
        self.fresh = false;
        Ok(span(start, self.at))
    }

    /// Checks that nothing but whitespace is left.
    pub(super) fn finish(&mut self) -> Result<(), Skip> {
        match self.peek() {
            None if self.depth == 0 => Ok(()),
            _ => Err(Skip::NotJson),
        }
    }

    fn next_item(&mut self, close: u8) -> Result<bool, Skip> {
        let fresh = std::mem::replace(&mut self.fresh, false);
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth = self.depth.saturating_sub(1);
                Ok(false)
            }
            Some(b',') if !fresh => {
                self.at += 1;
                self.peek();
                Ok(true)
            }
            Some(_) if fresh => Ok(true),
            _ => Err(Skip::NotJson),
        }
    }

    /// A key, its colon and the whitespace after it.
    fn key(&mut self) -> Result<Span, Skip> {
        if self.peek() != Some(b'"') {
            return Err(Skip::NotJson);
        }
        let start = self.at;
        self.string()?;
        let end = self.at;
        if self.peek() != Some(b':') {
            return Err(Skip::NotJson);
        }
        self.at += 1;
        self.peek();
        Ok(span(start, end))
    }

    /// Skips an array or object without recursion: one bit per open bracket says which it is.
    fn nested(&mut self) -> Result<(), Skip> {
        let mut objects = 0_u128;
        let base = self.depth;
        loop {
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    self.open(bracket)?;
                    objects = (objects << 1) | u128::from(bracket == b'{');
                }
                Some(b'"') => self.string()?,
                _ => self.scalar()?,
            }
            // What follows a value: the brackets that close here, then the next value if any.
            loop {
                if self.depth == base {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                let close = if in_object { b'}' } else { b']' };
                if self.next_item(close)? {
                    if in_object {
                        self.key()?;
                    }
                    break;
                }
                objects >>= 1;
            }
        }
    }

    /// Skips a string, the scanner standing at its opening quote.
    fn string(&mut self) -> Result<(), Skip> {
        let start = self.at + 1;
        let mut at = start;
        if self.controls == Controls::Ignored {
            return self.pass(start);
        }
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            at += find_special(rest).ok_or(Skip::NotJson)?;
            if self.bytes.get(at) == Some(&b'"') {
                break;
            }
            at += escape_len(self.bytes.get(at..).unwrap_or_default())?;
        }
        let inner = self.bytes.get(start..at).unwrap_or_default();
        if self.controls == Controls::Possible && has_control(inner) {
            return Err(Skip::NotJson);
        }
        self.at = at + 1;
        Ok(())
    }

    /// A string ends at the first quote behind an even number of backslashes.
    fn pass(&mut self, start: usize) -> Result<(), Skip> {
        let mut at = start;
        loop {
            at += find_quote(self.bytes.get(at..).unwrap_or_default()).ok_or(Skip::NotJson)?;
            let before = self.bytes.get(start..at).unwrap_or_default();
            let escapes = before.iter().rev().take_while(|byte| **byte == b'\\');
            at += 1;
            if escapes.count() % 2 == 0 {
                self.at = at;
                return Ok(());
            }
        }
    }

    fn scalar(&mut self) -> Result<(), Skip> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = match rest.first() {
            Some(b't') if rest.starts_with(b"true") => 4,
            Some(b'f') if rest.starts_with(b"false") => 5,
            Some(b'n') if rest.starts_with(b"null") => 4,
            _ => number_len(rest).ok_or(Skip::NotJson)?,
        };
        self.at += length;
        Ok(())
    }
}

/// The text of a string literal given with its quotes; `None` when it is no string, or holds an
/// escape that stands for no character.
pub(super) fn unescape(literal: &[u8]) -> Option<Cow<'_, str>> {
    let inner = literal.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        return serde_json::from_slice(literal).ok().map(Cow::Owned);
    }
    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

/// A key, given with its quotes, as the provider reads it; one that cannot be decoded stands for
/// itself.
pub(super) fn name(literal: &[u8]) -> Cow<'_, str> {
    unescape(literal).unwrap_or_else(|| String::from_utf8_lossy(literal))
}

/// A span of two offsets that were checked to fit 32 bits when the body was accepted.
pub(super) fn span(start: usize, end: usize) -> Span {
    Span::new(offset(start), offset(end))
}

/// An offset as spans hold it.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The first quote or backslash.
///
/// Most strings are short and escapes come in clusters, so the first bytes are looked at in steps
/// that become vector code, without the call that the search in long strings costs.
fn find_special(bytes: &[u8]) -> Option<usize> {
    let (steps, _) = bytes.as_chunks::<32>();
    let mut seen = 0;
    for step in steps.iter().take(16) {
        let is_special = |byte: u8| u8::from(byte == b'"') | u8::from(byte == b'\\');
        if step.iter().fold(0, |found, byte| found | is_special(*byte)) != 0 {
            return special_in(step).map(|found| seen + found);
        }
        seen += 32;
    }
    memchr2(b'"', b'\\', bytes.get(seen..)?).map(|found| seen + found)
}

/// The first quote; keys and names end within the first words.
fn find_quote(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let mut seen = 0;
    for word in words.iter().take(4) {
        let hits = zero_bytes(u64::from_le_bytes(*word) ^ repeat(b'"'));
        if hits != 0 {
            return Some(seen + hits.trailing_zeros() as usize / 8);
        }
        seen += 8;
    }
    memchr(b'"', bytes.get(seen..)?).map(|found| seen + found)
}

/// The first quote or backslash of one step, word by word.
fn special_in(bytes: &[u8; 32]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let mut seen = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let hits = zero_bytes(word ^ repeat(b'"')) | zero_bytes(word ^ repeat(b'\\'));
        if hits != 0 {
            return Some(seen + hits.trailing_zeros() as usize / 8);
        }
        seen += 8;
    }
    None
}

const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The high bit of each zero byte; bits above the lowest set one may be wrong.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(repeat(1)) & !word & repeat(0x80)
}

/// Whether a byte below 0x20 occurs. Pieces without early exit become vector code.
fn has_control(bytes: &[u8]) -> bool {
    bytes.chunks(1024).any(|piece| {
        piece
            .iter()
            .fold(0, |seen, byte| seen | u8::from(*byte < 0x20))
            != 0
    })
}

/// Length of the escape at the start of `bytes`.
fn escape_len(bytes: &[u8]) -> Result<usize, Skip> {
    match bytes.get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => match bytes.get(2..6) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(6),
            _ => Err(Skip::NotJson),
        },
        _ => Err(Skip::NotJson),
    }
}

/// Length of the number at the start of `bytes`; `None` when there is none.
fn number_len(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(from + count)
    };
    let start = usize::from(bytes.first() == Some(&b'-'));
    let mut at = match bytes.get(start)? {
        b'0' => start + 1,
        _ => digits(start)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = digits(at + 1 + usize::from(signed))?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    fn accepts(bytes: &[u8]) -> Result<(), Skip> {
        let mut scan = Scanner::new(bytes);
        scan.check_text(bytes.len())?;
        scan.value()?;
        scan.finish()
    }

    #[test]
    fn grammar_by_example() {
        let good = [
            "0",
            "-0",
            "1e400",
            "1.0E+5",
            "-12.50e-3",
            "\"\"",
            "\"\\ud800\"",
            " [ ] ",
            "{ }",
            "{\"a\":1,\"a\":2}",
            "[1,[2,{\"x\":[true,false,null]}]]\n",
            "\"\\/\\b\\f\\n\\r\\t\\u00e9\"",
        ];
        for text in good {
            assert_eq!(accepts(text.as_bytes()), Ok(()), "{text}");
        }
        let bad = [
            "",
            " ",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "[1,]",
            "[,1]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "[1]]",
            "[}",
            "{]",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"",
            "\"a\n\"",
            "tru",
            "truex",
            "nul",
            "[1]x",
            "{\"a\":1 \"b\":2}",
            "\u{feff}1",
            "[",
            "{\"a\":[}",
            "1 1",
        ];
        for text in bad {
            assert_eq!(accepts(text.as_bytes()), Err(Skip::NotJson), "{text}");
        }
        assert_eq!(accepts(b"\"\xff\""), Err(Skip::NotJson));
        assert_eq!(accepts(b"\"a\x01b\""), Err(Skip::NotJson));
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(accepts(nested(128).as_bytes()), Ok(()));
        assert_eq!(accepts(nested(129).as_bytes()), Err(Skip::TooDeep));
    }

    #[test]
    fn a_control_byte_is_found_at_every_place() {
        for length in [1, 7, 8, 31, 32, 33, 70, 1100] {
            for at in 0..length {
                let mut text = vec![b'x'; length + 2];
                (text[0], text[length + 1]) = (b'"', b'"');
                text[at + 1] = 0x1f;
                assert_eq!(accepts(&text), Err(Skip::NotJson), "{at} of {length}");
                text[at + 1] = 0x7f;
                assert_eq!(accepts(&text), Ok(()), "{at} of {length}");
                text[at + 1] = b'\\';
                let escaped = at + 1 < length;
                text[at + 2] = if escaped { b'n' } else { b'"' };
                assert_eq!(accepts(&text).is_ok(), escaped, "{at} of {length}");
            }
        }
    }

    #[test]
    fn members_and_elements_stand_where_they_stand() {
        let text = br#" { "a" : [ 1 , "x" ] , "b":{} } "#;
        let mut scan = Scanner::new(text);
        scan.open(b'{').unwrap();
        assert_eq!(scan.next_key().unwrap().unwrap().of(text), b"\"a\"");
        scan.open(b'[').unwrap();
        assert!(scan.next_element().unwrap());
        assert_eq!(scan.value().unwrap().of(text), b"1");
        assert!(scan.next_element().unwrap());
        assert_eq!(scan.value().unwrap().of(text), b"\"x\"");
        assert!(!scan.next_element().unwrap());
        assert_eq!(scan.next_key().unwrap().unwrap().of(text), b"\"b\"");
        assert_eq!(scan.value().unwrap().of(text), b"{}");
        assert_eq!(scan.next_key().unwrap(), None);
        scan.finish().unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Token soup hits every branch of the grammar; most of it is invalid, some is not.
        #[test]
        fn accepts_what_serde_json_accepts(tokens in prop::collection::vec(prop_oneof![
            4 => prop::sample::select(vec!["{", "}", "[", "]", ",", ":", "\"a\"", "1", " ", "\n"]),
            1 => prop::sample::select(vec![
                "\"\\u0041\"", "\"\\ud800\"", "\"\\", "-", "0", "1.5", "1e400", "e", "true", "null",
                "false", "\"\u{e9}\u{1f600}\"", "\u{1}", "\"", "\\", "{}", "[]", "\"a\":", "\t\r",
            ]),
        ], 0..24)) {
            let text = tokens.concat();
            let theirs = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            prop_assert_eq!(accepts(text.as_bytes()).is_ok(), theirs, "{}", text);
        }

        /// What is JSON is passed over to the same places.
        #[test]
        fn passing_ends_where_reading_ends(text in "(\\\\\\\\|\\\\\"|\\\\n|[a-z é]){0,80}", more in any::<bool>()) {
            let mut body = format!("{{\"key\":[\"{text}\",{{\"a\":\"{text}\"}}]");
            body.push_str(if more { ",\"b\":\"\"}" } else { "}" });
            let walk = |mut scan: Scanner<'_>| {
                let mut places = Vec::new();
                scan.open(b'{')?;
                while let Some(key) = scan.next_key()? {
                    places.push((key, scan.value()?));
                }
                scan.finish()?;
                Ok::<_, Skip>(places)
            };
            let read = walk(Scanner::new(body.as_bytes()));
            prop_assert!(read.is_ok(), "{}", body);
            prop_assert_eq!(walk(Scanner::passing(body.as_bytes())), read);
        }

        #[test]
        fn damaged_documents_are_judged_like_serde_json_does(
            at in 0_usize..400, byte in prop::sample::select(br#"{}[],:"\ 1ena."#.to_vec()), cut in 0_usize..400,
        ) {
            let text = br#"{"model":"m","n":[1,-2.5e3,{"k":"v\n\"q\" and a longer run of text \u00e9 here"},[],{}],"t":true,"z":null,
                "deep":[[[{"a":[{"b":"c"}]}]]],"long":"0123456789012345678901234567890123456789\\"}"#;
            let mut damaged = text.to_vec();
            if let Some(place) = damaged.get_mut(at) { *place = byte; }
            if cut % 3 == 0 { damaged.truncate(cut); }
            let theirs = serde_json::from_slice::<IgnoredAny>(&damaged).is_ok();
            prop_assert_eq!(accepts(&damaged).is_ok(), theirs, "{}", String::from_utf8_lossy(&damaged));
        }
    }
}
