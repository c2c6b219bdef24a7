//! Where a provider keeps prefixes under names of their own, as far as a request's path tells.

use super::{Endpoint, paths};

/// Where prefixes are kept beside an endpoint, and what its model is called there.
///
/// Google names resources by paths: what stands behind the version in the path of a call is the name
/// of its model, and a cache's own name stands in the same place
/// (ai.google.dev/api/caching and docs.cloud.google.com/vertex-ai, 2026-10).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Storage {
    /// The path that creates one, such as `/v1beta/cachedContents`.
    pub collection: Box<str>,
    /// The model's full name, such as `models/gemini-2.5-flash`.
    pub model: Box<str>,
    /// What stands before every name, such as `/v1beta/`.
    root: Box<str>,
}

impl Endpoint {
    /// Where the prefix of a call to `path` can be kept for rent, if it can. A prefix that a gateway
    /// puts before the path stands before the result as well.
    #[must_use]
    pub fn storage(&self, path: &str) -> Option<Storage> {
        let path = path.split('?').next().unwrap_or_default();
        let mut starts = path.match_indices('/');
        starts.find_map(|(at, _)| {
            let mut patterns = self.storage.iter();
            patterns.find_map(|pattern| Storage::beside(pattern, path, at))
        })
    }
}

impl Storage {
    /// Reads the path from `at` on as one of a call that has the collection `pattern` beside it.
    fn beside(pattern: &str, path: &str, at: usize) -> Option<Self> {
        let (parent, name) = pattern.rsplit_once('/')?;
        let own = path.get(at..)?;
        let (end, _) = own.match_indices('/').nth(parent.matches('/').count())?;
        let (own, _) = own.split_at_checked(end)?;
        paths::captures(parent, own)?;
        let version = own.split('/').nth(1)?;
        let (root, resource) = path.split_at_checked(at + version.len() + 2)?;
        let (model, _) = resource.rsplit_once(':')?;
        let before = path.get(..at)?;
        is_plain(model).then(|| Self {
            collection: format!("{before}{own}/{name}").into(),
            model: model.into(),
            root: root.into(),
        })
    }

    /// The path of what is kept as `name`.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        format!("{}{name}", self.root)
    }
}

/// Whether a name can stand in paths and in JSON as it is.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.@".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use crate::provider::Catalog;

    fn storage(provider: &str, path: &str) -> Option<[String; 3]> {
        let rows = Catalog::builtin();
        let found = rows.provider(provider)?.behind(path)?;
        let storage = found.endpoint.storage(path)?;
        let one = storage.path("some/name");
        Some([storage.collection.into(), storage.model.into(), one])
    }

    #[test]
    fn a_collection_stands_beside_the_models() {
        let expect = |provider, path, expected: [&str; 3]| {
            assert_eq!(storage(provider, path), Some(expected.map(Into::into)));
        };
        expect(
            "gemini",
            "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse&key=a/b",
            [
                "/v1beta/cachedContents",
                "models/gemini-2.5-flash",
                "/v1beta/some/name",
            ],
        );
        expect(
            "gemini",
            "/team/v1/v1beta/models/gemini-2.5-flash:generateContent",
            [
                "/team/v1/v1beta/cachedContents",
                "models/gemini-2.5-flash",
                "/team/v1/v1beta/some/name",
            ],
        );
        expect(
            "vertex",
            "/v1/projects/p-1/locations/eu/publishers/google/models/gemini-2.5-pro:generateContent",
            [
                "/v1/projects/p-1/locations/eu/cachedContents",
                "projects/p-1/locations/eu/publishers/google/models/gemini-2.5-pro",
                "/v1/some/name",
            ],
        );
    }

    #[test]
    fn where_nothing_is_kept_there_is_no_collection() {
        for (provider, path) in [
            ("gemini", "/v1/models/gemini-2.5-flash:generateContent"),
            ("gemini", "/v1beta/openai/chat/completions"),
            ("gemini", "/v1beta/models/a%22b:generateContent"),
            ("anthropic", "/v1/messages"),
        ] {
            assert_eq!(storage(provider, path), None, "{path}");
        }
    }
}
