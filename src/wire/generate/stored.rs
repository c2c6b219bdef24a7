//! What is said of a prefix that is kept under a name (`CachedContent`, ai.google.dev, 2026-10).

use serde::Deserialize;

/// A prefix that is kept: the members that matter here. Its end is not among them: it is asked for in
/// seconds, and the provider's clock need not be ours.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Stored {
    /// Its name, such as `cachedContents/0a1b`.
    pub name: Box<str>,
    #[serde(default)]
    usage_metadata: Counts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Counts {
    total_token_count: Option<u64>,
}

impl Stored {
    /// Reads the answer to its creation or extension.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// Its tokens, if that is said.
    #[must_use]
    pub const fn tokens(&self) -> Option<u64> {
        self.usage_metadata.total_token_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_needed_and_tokens_are_not() {
        let read = |body: &str| {
            let stored = Stored::read(body.as_bytes())?;
            Some((stored.name.to_string(), stored.tokens()))
        };
        let whole = r#"{"name":"cachedContents/1","model":"models/m","expireTime":"2026-01-01T00:00:00Z","usageMetadata":{"totalTokenCount":9}}"#;
        assert_eq!(read(whole), Some(("cachedContents/1".into(), Some(9))));
        assert_eq!(read(r#"{"name":"n"}"#), Some(("n".into(), None)));
        assert_eq!(read("{}"), None);
        assert_eq!(read("<html>"), None);
    }
}
