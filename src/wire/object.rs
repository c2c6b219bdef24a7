//! Objects read member by member, for dialects that nest what they say.

use super::earlier::Member;
use super::prints::join;
use super::scan::{Scanner, name, span, unescape};
use crate::model::{Fingerprint, Keyring, Skip, Span};

/// Reads the value of a member, of which it must leave nothing.
pub(super) type Each<'f, 'a> = &'f mut dyn FnMut(&mut Scanner<'a>, &str) -> Result<(), Skip>;

/// An object's place and its members in the order of the body.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    pub(super) span: Span,
    pub(super) members: Vec<Member>,
}

impl Object {
    /// Reads the object at the scanner; each key may stand once.
    pub(super) fn read<'a>(
        scan: &mut Scanner<'a>,
        body: &'a [u8],
        each: Each<'_, 'a>,
    ) -> Result<Self, Skip> {
        if scan.peek() != Some(b'{') {
            scan.value()?;
            return Err(Skip::NotARequest);
        }
        let start = scan.position();
        let mut object = Self::default();
        scan.open(b'{')?;
        while let Some(key) = scan.next_key()? {
            let found = name(key.of(body));
            let mut before = object.members.iter();
            if before.any(|member| name(member.key.of(body)) == found) {
                return Err(Skip::DuplicateKey);
            }
            let from = scan.position();
            each(scan, &found)?;
            let value = span(from, scan.position());
            object.members.push(Member { key, value });
        }
        object.span = span(start, scan.position());
        Ok(object)
    }

    /// The members of a value that was read before; `None` when it is no object.
    pub(super) fn at(body: &[u8], value: Span) -> Option<Self> {
        let mut scan = Scanner::after(body, value.start as usize, 0);
        Self::read(&mut scan, body, &mut |scan, _| scan.value().map(drop)).ok()
    }

    /// Where the value of a member stands; `None` when it is absent or null.
    pub(super) fn find(&self, body: &[u8], wanted: &str) -> Option<Span> {
        let mut members = self.members.iter();
        let member = members.find(|member| name(member.key.of(body)) == wanted)?;
        Some(member.value).filter(|value| value.of(body) != b"null")
    }

    /// The value of a member as it is spelled.
    pub(super) fn value<'b>(&self, body: &'b [u8], wanted: &str) -> Option<&'b [u8]> {
        self.find(body, wanted).map(|value| value.of(body))
    }

    /// A member that is a string, without escapes.
    pub(super) fn text(&self, body: &[u8], wanted: &str) -> Option<String> {
        let text = unescape(self.value(body, wanted)?)?;
        Some(text.into_owned())
    }

    /// The members of a member that is an object.
    pub(super) fn inside(&self, body: &[u8], wanted: &str) -> Option<Self> {
        Self::at(body, self.find(body, wanted)?)
    }

    /// A member that is a plain non-negative integer.
    pub(super) fn number(&self, body: &[u8], wanted: &str) -> Option<u64> {
        let digits = std::str::from_utf8(self.value(body, wanted)?).ok()?;
        digits.parse().ok()
    }

    /// One fingerprint for the named members in this order; an absent one counts too.
    pub(super) fn salt(&self, body: &[u8], keyring: &Keyring, names: &[&str]) -> Fingerprint {
        names.iter().fold(Fingerprint::default(), |salt, name| {
            let value = self.value(body, name);
            let value = value.map(|value| keyring.fingerprint(value));
            join(keyring, salt, value.unwrap_or_default())
        })
    }
}

/// A scanner at the one object that a body must be, all of which is known to be text.
pub(super) fn begin(body: &[u8]) -> Result<Scanner<'_>, Skip> {
    if u32::try_from(body.len()).is_err() {
        return Err(Skip::TooLarge);
    }
    let mut scan = Scanner::new(body);
    scan.check_text(body.len())?;
    if scan.peek() == Some(b'{') {
        return Ok(scan);
    }
    scan.value()?;
    scan.finish()?;
    Err(Skip::NotARequest)
}

/// Calls `each` at every element of the array at the scanner.
pub(super) fn elements<'a>(
    scan: &mut Scanner<'a>,
    each: &mut dyn FnMut(&mut Scanner<'a>) -> Result<(), Skip>,
) -> Result<(), Skip> {
    if scan.peek() != Some(b'[') {
        return Err(Skip::NotARequest);
    }
    scan.open(b'[')?;
    while scan.next_element()? {
        each(scan)?;
    }
    Ok(())
}

/// The elements of an array that was read before; none when it is no array.
pub(super) fn elements_at(body: &[u8], array: Span) -> Vec<Span> {
    let mut scan = Scanner::after(body, array.start as usize, 0);
    let mut found = Vec::new();
    let read = elements(&mut scan, &mut |scan| {
        found.push(scan.value()?);
        Ok(())
    });
    read.map(|()| found).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_what_their_names_mean() {
        let body = br#" { "a" : 1 , "\u0062":"x\ny", "n":null, "o":{"c":[1, {} ,"s"]} }"#;
        let mut scan = begin(body).unwrap();
        let object = Object::read(&mut scan, body, &mut |scan, _| scan.value().map(drop)).unwrap();
        scan.finish().unwrap();
        assert_eq!(object.span.of(body).first(), Some(&b'{'));
        assert_eq!(object.number(body, "a"), Some(1));
        assert_eq!(object.text(body, "b").as_deref(), Some("x\ny"));
        assert_eq!(object.find(body, "n"), None);
        let inside = object.inside(body, "o").unwrap();
        let elements = elements_at(body, inside.find(body, "c").unwrap());
        let elements: Vec<_> = elements.iter().map(|span| span.of(body)).collect();
        assert_eq!(elements, [&b"1"[..], b"{}", b"\"s\""]);
    }

    #[test]
    fn a_body_is_one_object_without_doubles() {
        let read = |body: &str| {
            let mut scan = begin(body.as_bytes())?;
            Object::read(&mut scan, body.as_bytes(), &mut |scan, _| {
                scan.value().map(drop)
            })?;
            scan.finish()
        };
        assert_eq!(read(" {\"a\":{\"b\":1,\"b\":2}} "), Ok(()));
        for (body, why) in [
            ("", Skip::NotJson),
            ("{}x", Skip::NotJson),
            ("[1", Skip::NotJson),
            ("[]", Skip::NotARequest),
            ("{\"a\":null,\"\\u0061\":1}", Skip::DuplicateKey),
        ] {
            assert_eq!(read(body), Err(why), "{body}");
        }
    }
}
