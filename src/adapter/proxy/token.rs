//! Who may use the proxy: a token of its own, which never goes further.

use std::fmt;

use http::HeaderMap;
use http::header::HeaderName;

use crate::adapter::sign::KEYS;

/// The proxy's own header.
const OWN: HeaderName = HeaderName::from_static("x-cachewright-token");

/// A token that clients must show.
#[derive(Clone)]
pub(in crate::adapter) struct Token(blake3::Hash);

impl Token {
    pub(in crate::adapter) fn new(token: &str) -> Self {
        Self(blake3::hash(token.as_bytes()))
    }

    /// Digests compare in constant time, whatever the length of what was shown.
    pub(in crate::adapter) fn is(&self, shown: &[u8]) -> bool {
        self.0 == blake3::hash(shown)
    }
}

/// Whether a request with these headers may pass; the token may stand in the place of a key. Takes the
/// token out of them.
pub(in crate::adapter) fn admit(token: Option<&Token>, headers: &mut HeaderMap) -> bool {
    let own = headers.remove(OWN);
    let Some(token) = token else {
        return true;
    };
    let mut admitted = own.is_some_and(|shown| token.is(shown.as_bytes()));
    for name in &KEYS {
        let shown = headers.get(name).is_some_and(|value| {
            let value = value.as_bytes();
            token.is(bearer(value).unwrap_or(value))
        });
        if shown {
            headers.remove(name);
            admitted = true;
        }
    }
    admitted
}

/// What follows `Bearer`, whose case does not matter (RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| rest.trim_ascii())
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(pairs: &[(&'static str, &'static str)]) -> (bool, Vec<String>) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let passes = admit(Some(&Token::new("t-1")), &mut headers);
        (passes, headers.keys().map(ToString::to_string).collect())
    }

    #[test]
    fn the_token_is_asked_for_and_never_passed_on() {
        let key = ("x-api-key", "sk-1");
        let kept = || vec!["x-api-key".to_owned()];
        assert_eq!(admitted(&[key]), (false, kept()));
        assert_eq!(
            admitted(&[("x-cachewright-token", "t-2"), key]),
            (false, kept())
        );
        assert_eq!(
            admitted(&[("x-cachewright-token", "t-1"), key]),
            (true, kept())
        );
        assert_eq!(
            admitted(&[("authorization", "bearer t-1"), key]),
            (true, kept())
        );
        assert_eq!(admitted(&[("x-api-key", "t-1")]), (true, vec![]));
        assert!(!admitted(&[("authorization", "Bearer t-1 x"), key]).0);
    }

    #[test]
    fn without_a_token_everybody_passes_and_the_header_goes_all_the_same() {
        let mut headers = HeaderMap::new();
        headers.insert(OWN, "x".parse().unwrap());
        assert!(admit(None, &mut headers));
        assert!(headers.is_empty());
    }
}
