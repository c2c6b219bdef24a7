//! A small tree over raw JSON: members can be reordered, while every scalar keeps its bytes.
//!
//! Not `serde_json::Value`: its map changes order when any crate of the user's build enables
//! `preserve_order`, and its numbers do not survive (`1.0`, `1e400`).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

/// Values nested deeper than this are not spelled anew; the wire's reader has the same limit.
const MAX_DEPTH: u32 = 128;

/// A value whose scalars borrow their bytes from the body.
#[derive(Debug)]
pub(super) enum Node<'a> {
    /// A string, number or literal as it stands in the body.
    Scalar(&'a [u8]),
    /// An array.
    Array(Vec<Self>),
    /// An object, in the order in which it was sent or sorted.
    Object(Vec<Member<'a>>),
}

/// One member of an object.
#[derive(Debug)]
pub(super) struct Member<'a> {
    /// The key as it stands in the body, quotes included.
    raw: &'a [u8],
    /// The key without quotes and escapes, by which it is compared.
    pub(super) key: Cow<'a, [u8]>,
    /// Its value.
    pub(super) value: Node<'a>,
}

impl<'a> Node<'a> {
    /// Reads one value with nothing but whitespace around it.
    ///
    /// `None` when it is not JSON, when it is nested too deep, or when a key stands twice in one
    /// object: readers disagree about which of the two counts, so their order must not change.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let node = reader.value(0)?;
        reader.peek().is_none().then_some(node)
    }

    /// The members, if it is an object.
    pub(super) fn members(&self) -> Option<&[Member<'a>]> {
        match self {
            Self::Object(members) => Some(members),
            Self::Scalar(_) | Self::Array(_) => None,
        }
    }

    /// The value under `key`, if it is an object that has one.
    pub(super) fn member(&self, key: &[u8]) -> Option<&Self> {
        let mut members = self.members()?.iter();
        members
            .find(|member| *member.key == *key)
            .map(|member| &member.value)
    }

    /// The text of a string, without quotes and escapes.
    pub(super) fn text(&self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Scalar(raw) => inside(raw).map(unescape),
            Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Sorts the keys of every object in it; says whether that moved anything.
    pub(super) fn sort(&mut self) -> bool {
        self.sort_by(&|left, right| left.cmp(right))
    }

    /// Sorts the keys of this object by `order` and those of every object below by their bytes.
    pub(super) fn sort_by(&mut self, order: &dyn Fn(&[u8], &[u8]) -> Ordering) -> bool {
        let mut moved = false;
        match self {
            Self::Scalar(_) => {}
            Self::Array(items) => {
                for item in items {
                    moved |= item.sort();
                }
            }
            Self::Object(members) => {
                for member in members.iter_mut() {
                    moved |= member.value.sort();
                }
                moved |= !members
                    .is_sorted_by(|left, right| order(&left.key, &right.key) != Ordering::Greater);
                members.sort_by(|left, right| order(&left.key, &right.key));
            }
        }
        moved
    }

    /// Writes it without insignificant whitespace.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Scalar(raw) => out.extend_from_slice(raw),
            Self::Array(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    separate(at, out);
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (at, member) in members.iter().enumerate() {
                    separate(at, out);
                    out.extend_from_slice(member.raw);
                    out.push(b':');
                    member.value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Where the value of `key` stands in the text of an object; `None` unless it stands there once.
pub(super) fn member_range(text: &[u8], key: &[u8]) -> Option<Range<usize>> {
    let mut reader = Reader { rest: text };
    let mut found = None;
    reader.take(b'{')?;
    while reader.peek()? == b'"' {
        let name = unescape(inside(reader.string()?)?);
        reader.take(b':')?;
        reader.peek()?;
        let start = text.len() - reader.rest.len();
        reader.skip()?;
        let range = start..text.len() - reader.rest.len();
        if *name == *key && found.replace(range).is_some() {
            return None;
        }
        if reader.take(b',').is_none() {
            break;
        }
    }
    reader.take(b'}')?;
    found
}

fn inside(string: &[u8]) -> Option<&[u8]> {
    string.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

fn separate(at: usize, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b',');
    }
}

/// Whether JSON does not count this byte between tokens.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Reads what the wire's reader has already found to be valid JSON, and so checks structure only;
/// on anything else it gives up.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: u32) -> Option<Node<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Node::Scalar),
            _ => self.bare().map(Node::Scalar),
        }
    }

    fn object(&mut self, depth: u32) -> Option<Node<'a>> {
        self.take(b'{')?;
        let mut members = Vec::new();
        if self.take(b'}').is_none() {
            loop {
                members.push(self.entry(depth)?);
                if self.take(b',').is_none() {
                    self.take(b'}')?;
                    break;
                }
            }
        }
        are_distinct(&members).then_some(Node::Object(members))
    }

    fn entry(&mut self, depth: u32) -> Option<Member<'a>> {
        self.peek()?;
        let raw = self.string()?;
        let key = unescape(inside(raw)?);
        self.take(b':')?;
        let value = self.value(depth + 1)?;
        Some(Member { raw, key, value })
    }

    fn array(&mut self, depth: u32) -> Option<Node<'a>> {
        self.take(b'[')?;
        let mut items = Vec::new();
        if self.take(b']').is_none() {
            loop {
                items.push(self.value(depth + 1)?);
                if self.take(b',').is_none() {
                    self.take(b']')?;
                    break;
                }
            }
        }
        Some(Node::Array(items))
    }

    /// Passes over one value without looking at more than where it ends.
    fn skip(&mut self) -> Option<()> {
        let mut open = 0_u32;
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                byte @ (b'{' | b'[' | b'}' | b']' | b',' | b':') => {
                    self.take(byte)?;
                    open = match byte {
                        b'{' | b'[' => open + 1,
                        b'}' | b']' => open.checked_sub(1)?,
                        _ => open,
                    };
                }
                _ => drop(self.bare()?),
            }
            if open == 0 {
                return Some(());
            }
        }
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let mut inside = self.rest.strip_prefix(b"\"")?;
        loop {
            let stop = memchr::memchr2(b'"', b'\\', inside)?;
            let (_, from) = inside.split_at(stop);
            inside = match from {
                [b'"', after @ ..] => return Some(self.advance(after)),
                [b'\\', _, after @ ..] => after,
                _ => return None,
            };
        }
    }

    /// A number or literal: everything up to the next delimiter.
    fn bare(&mut self) -> Option<&'a [u8]> {
        let ends =
            |byte: &u8| is_space(*byte) || matches!(byte, b',' | b':' | b']' | b'}' | b'[' | b'{');
        let length = self.rest.iter().position(ends).unwrap_or(self.rest.len());
        let (_, after) = self.rest.split_at(length);
        let token = self.advance(after);
        (!token.is_empty()).then_some(token)
    }

    /// Moves on to `after`, a tail of what is left, and returns what lies before it.
    fn advance(&mut self, after: &'a [u8]) -> &'a [u8] {
        let (token, rest) = self.rest.split_at(self.rest.len() - after.len());
        self.rest = rest;
        token
    }

    /// The next byte that counts.
    fn peek(&mut self) -> Option<u8> {
        let spaces = self.rest.iter().take_while(|byte| is_space(**byte)).count();
        self.rest = self.rest.split_at(spaces).1;
        self.rest.first().copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.rest = self.rest.split_first()?.1;
        Some(())
    }
}

fn are_distinct(members: &[Member<'_>]) -> bool {
    let mut keys: Vec<&[u8]> = members.iter().map(|member| &*member.key).collect();
    keys.sort_unstable();
    keys.windows(2).all(|pair| pair.first() != pair.last())
}

/// The text of a string's inside. Halves of surrogate pairs that stand alone become the three bytes
/// they would have in UTF-8 if it allowed them: only equality and order matter here.
pub(super) fn unescape(inside: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', inside).is_none() {
        return Cow::Borrowed(inside);
    }
    let mut out = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((byte, after)) = rest.split_first() {
        rest = if *byte == b'\\' {
            escape(after, &mut out)
        } else {
            out.push(*byte);
            after
        };
    }
    Cow::Owned(out)
}

/// Decodes the escape behind a backslash and returns what follows it.
fn escape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some((letter, after)) = text.split_first() else {
        return text;
    };
    let plain = match letter {
        b'u' => return unicode(after, out),
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        other => *other,
    };
    out.push(plain);
    after
}

fn unicode<'a>(digits: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some((unit, after)) = hex(digits) else {
        return digits;
    };
    let low = after.strip_prefix(b"\\u").and_then(hex);
    let (code, after) = match (unit, low) {
        (0xD800..=0xDBFF, Some((low @ 0xDC00..=0xDFFF, after))) => {
            (0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), after)
        }
        _ => (unit, after),
    };
    match char::from_u32(code) {
        Some(ch) => out.extend_from_slice(ch.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend([0xE0 | (code >> 12), bits(code >> 6), bits(code)].map(low_byte)),
    }
    after
}

const fn bits(code: u32) -> u32 {
    0x80 | (code & 0x3F)
}

const fn low_byte(value: u32) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low
}

fn hex(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, after) = text.split_first_chunk::<4>()?;
    let unit = digits.iter().try_fold(0, |unit, digit| {
        Some((unit << 4) | char::from(*digit).to_digit(16)?)
    })?;
    Some((unit, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        let mut node = Node::parse(text.as_bytes())?;
        node.sort();
        let mut out = Vec::new();
        node.write(&mut out);
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn keys_are_sorted_and_scalars_keep_their_bytes() {
        let text = r#" { "b" : [ 3 , {"z":1.0,"a":1e400} ] , "a" : "\u00e9\/ \"x" , "B": null } "#;
        let expected = r#"{"B":null,"a":"\u00e9\/ \"x","b":[3,{"a":1e400,"z":1.0}]}"#;
        assert_eq!(canonical(text).as_deref(), Some(expected));
        assert_eq!(canonical("{ }").as_deref(), Some("{}"));
        assert_eq!(canonical("[ ]").as_deref(), Some("[]"));
        assert_eq!(canonical(" -0.0 ").as_deref(), Some("-0.0"));
    }

    #[test]
    fn keys_are_compared_decoded() {
        // U+FF61 sorts after U+1F600 in UTF-16 but before it as code points.
        let text = "{\"\\ud83d\\ude00\":1,\"\u{ff61}\":2,\"\\u0061\":3,\"b\":4}";
        let expected = "{\"\\u0061\":3,\"b\":4,\"\u{ff61}\":2,\"\\ud83d\\ude00\":1}";
        assert_eq!(canonical(text).as_deref(), Some(expected));
    }

    #[test]
    fn a_key_that_stands_twice_stops_it() {
        assert_eq!(canonical(r#"{"x":{"a":1,"a":2}}"#), None);
        assert_eq!(canonical(r#"{"a":1,"\u0061":2}"#), None);
        assert_eq!(
            canonical(r#"{"\ud800":1,"\udc00":2}"#).as_deref(),
            Some(r#"{"\ud800":1,"\udc00":2}"#)
        );
    }

    #[test]
    fn members_are_found_where_they_stand() {
        let find =
            |text: &'static str| member_range(text.as_bytes(), b"input").map(|range| &text[range]);
        let call = r#"{"x":{"input":[1]} , "\u0069nput" : {"a":"}"} ,"y":2}"#;
        assert_eq!(find(call), Some(r#"{"a":"}"}"#));
        assert_eq!(find(r#"{"input":1,"input":2}"#), None);
        assert_eq!(find(r#"{"input":{"a":1,"a":2}}"#), Some(r#"{"a":1,"a":2}"#));
        assert_eq!(find(r#"{"x":1}"#), None);
        assert_eq!(find(r#"{"input":1"#), None);
        assert_eq!(find("[1]"), None);
    }

    #[test]
    fn what_is_not_json_is_not_read() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for text in [
            "", "{", "[1,", "{\"a\"}", "\"a", "\"a\\", "[1] 2", "{1:2}", "[,]",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
        assert!(canonical(&nested(129)).is_some());
        assert_eq!(canonical(&nested(130)), None);
    }
}
