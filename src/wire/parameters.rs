//! Top-level members that are not blocks: parameters and the automatic marker.

use memchr::memmem;

use super::earlier::Member;
use super::prints::join;
use super::scan::name;
use super::spelled;
use crate::model::{Fingerprint, Keyring, Marker, Thinking};

/// The members of a body's object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters<'a> {
    pub(super) body: &'a [u8],
    pub(super) keyring: &'a Keyring,
    pub(super) members: &'a [Member],
}

impl<'a> Parameters<'a> {
    /// The value of a member.
    pub(super) fn value(&self, wanted: &str) -> Option<&'a [u8]> {
        let mut members = self.members.iter();
        let member = members.find(|member| name(member.key.of(self.body)) == wanted)?;
        Some(member.value.of(self.body))
    }

    /// The value of a member that is a plain non-negative integer.
    pub(super) fn count(&self, wanted: &str) -> Option<u64> {
        let digits = std::str::from_utf8(self.value(wanted)?).ok()?;
        digits.parse().ok()
    }

    /// Whether the response will be streamed.
    pub(super) fn stream(&self) -> bool {
        self.value("stream") == Some(b"true")
    }

    /// One fingerprint for parameters in a fixed order. An absent one differs from null.
    pub(super) fn salt(&self, names: &[&str]) -> Fingerprint {
        names.iter().fold(Fingerprint::default(), |salt, name| {
            let value = self.value(name);
            let value = value.map(|value| self.keyring.fingerprint(value));
            join(self.keyring, salt, value.unwrap_or_default())
        })
    }

    /// The caller's top-level marker.
    pub(super) fn auto_marker(&self) -> Option<Marker> {
        let mut before = None;
        for member in self.members {
            let value = member.value.of(self.body);
            if name(member.key.of(self.body)) == "cache_control" && value.starts_with(b"{") {
                let cut = spelled::cut(self.body, member.key, member.value, before);
                return Some(Marker::new(cut, spelled::ttl(value)));
            }
            before = Some(member.value.end);
        }
        None
    }

    /// Whether the request asks for thinking.
    pub(super) fn thinking(&self) -> Thinking {
        let disabled =
            |asked: &[u8]| asked == b"null" || memmem::find(asked, b"disabled").is_some();
        match self.value("thinking") {
            Some(asked) if !disabled(asked) => Thinking::Asked,
            Some(_) | None => Thinking::Off,
        }
    }
}
