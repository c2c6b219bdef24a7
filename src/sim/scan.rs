//! Splits JSON into its parts without copying and without looking into strings.
//!
//! The scanner trusts what lies between the borders that it looks for. What it hands out is
//! validated once, when it is first seen; known parts are recognised by their hash.

use std::borrow::Cow;

/// A place in JSON text.
#[derive(Clone, Copy)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The members of an object in their order: raw key without its quotes, raw value.
pub(super) fn members(object: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut members = Vec::new();
    let read = each_member(object, |key, scanner| {
        members.push((key, scanner.value().ok_or(())?));
        Ok::<_, ()>(())
    });
    matches!(read, Some(Ok(()))).then_some(members)
}

/// Calls `read` on each member of an object; it must step over the value. `None` where the text
/// between the members is not that of an object.
pub(super) fn each_member<'a, E>(
    object: &'a [u8],
    mut read: impl FnMut(&'a [u8], &mut Scanner<'a>) -> Result<(), E>,
) -> Option<Result<(), E>> {
    let mut scanner = Scanner::over(object);
    scanner.expect(b'{')?;
    if scanner.take(b'}') {
        return scanner.end().then_some(Ok(()));
    }
    loop {
        let key = scanner.value()?;
        let key = key.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        scanner.expect(b':')?;
        if let Err(error) = read(key, &mut scanner) {
            return Some(Err(error));
        }
        if !scanner.take(b',') {
            scanner.expect(b'}')?;
            return scanner.end().then_some(Ok(()));
        }
    }
}

/// The raw items of an array in their order.
pub(super) fn items(array: &[u8]) -> Option<Vec<&[u8]>> {
    let mut scanner = Scanner::over(array);
    let mut items = Vec::new();
    scanner.expect(b'[')?;
    if scanner.take(b']') {
        return scanner.end().then_some(items);
    }
    loop {
        items.push(scanner.value()?);
        if !scanner.take(b',') {
            scanner.expect(b']')?;
            return scanner.end().then_some(items);
        }
    }
}

/// The value without whitespace between its tokens.
pub(super) fn compact(value: &[u8]) -> Cow<'_, [u8]> {
    let mut scanner = Scanner::over(value);
    let mut copied: Option<Vec<u8>> = None;
    let mut from = 0;
    while let Some(byte) = scanner.peek() {
        match byte {
            b'"' => {
                if scanner.string().is_none() {
                    break;
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {
                let part = value.get(from..scanner.at).unwrap_or_default();
                copied.get_or_insert_default().extend_from_slice(part);
                scanner.blank();
                from = scanner.at;
            }
            _ => scanner.at += 1,
        }
    }
    match copied {
        None => Cow::Borrowed(value),
        Some(mut copied) => {
            copied.extend_from_slice(value.get(from..).unwrap_or_default());
            Cow::Owned(copied)
        }
    }
}

impl<'a> Scanner<'a> {
    pub(super) const fn over(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes before this place.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn jump(&mut self, to: usize) {
        self.at = to;
    }

    /// What is still to come.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// What lies between `start` and this place.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over `byte` if it comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.blank();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    /// Whether only whitespace is left.
    pub(super) fn end(&mut self) -> bool {
        self.blank();
        self.peek().is_none()
    }

    /// Steps over one value and returns its bytes.
    pub(super) fn value(&mut self) -> Option<&'a [u8]> {
        self.blank();
        let start = self.at;
        match self.peek()? {
            b'"' => self.string()?,
            b'{' | b'[' => self.nested()?,
            b',' | b':' | b'}' | b']' => return None,
            _ => self.literal(),
        }
        self.bytes.get(start..self.at)
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..)?;
            let found = memchr::memchr2(b'"', b'\\', rest)?;
            let escaped = rest.get(found) == Some(&b'\\');
            self.at += found + 1 + usize::from(escaped);
            if !escaped {
                return Some(());
            }
        }
    }

    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn literal(&mut self) {
        while let Some(byte) = self.peek() {
            if matches!(
                byte,
                b',' | b'}' | b']' | b':' | b' ' | b'\t' | b'\r' | b'\n'
            ) {
                return;
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_split_at_its_own_commas() {
        let text = br#" { "a" : [1, {"b": ",}"}] ,"c\"":"\\", "d":-1.5e3 } "#;
        let members = members(text).expect("an object");
        let show: Vec<_> = members
            .iter()
            .map(|(key, value)| (String::from_utf8_lossy(key), String::from_utf8_lossy(value)))
            .collect();
        assert_eq!(show[0], ("a".into(), r#"[1, {"b": ",}"}]"#.into()));
        assert_eq!(show[1], (r#"c\""#.into(), r#""\\""#.into()));
        assert_eq!(show[2], ("d".into(), "-1.5e3".into()));
        assert_eq!(super::members(b"{}"), Some(Vec::new()));
    }

    #[test]
    fn broken_text_is_refused() {
        for text in [
            "",
            "{",
            "{\"a\"}",
            "{\"a\":1,}",
            "{\"a\":\"x}",
            "[]",
            "{} x",
            "{a:1}",
        ] {
            assert_eq!(members(text.as_bytes()), None, "{text}");
        }
        for text in ["", "[", "[1,]", "[1", "{}", "[] []", "[,]"] {
            assert_eq!(items(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn only_whitespace_outside_strings_goes() {
        assert_eq!(&*compact(b" { \"a b\" :\n[1 , 2] } "), b"{\"a b\":[1,2]}");
        assert!(matches!(compact(b"{\"a b\":[1,2]}"), Cow::Borrowed(_)));
    }
}
