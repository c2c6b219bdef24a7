//! Base URLs that a user gives, and the addresses of calls below them.

use std::fmt;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use crate::error::Error;

/// Where the paths of a provider begin.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// Without a slash at its end.
    pub(super) path: Box<str>,
}

impl Base {
    /// # Errors
    /// When it is no `http` or `https` URL, or carries a query or a password.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let refused = || not_a_base(url);
        let parts = url.parse::<Uri>().map_err(|_| refused())?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(refused());
        };
        let path = parts
            .path_and_query
            .unwrap_or(PathAndQuery::from_static("/"));
        let known = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        if !known || path.query().is_some() || authority.as_str().contains('@') {
            return Err(refused());
        }
        Ok(Self {
            scheme,
            authority,
            path: path.path().trim_end_matches('/').into(),
        })
    }

    /// The address of a path that a provider documents. Whatever end of the base path it begins with
    /// stands there once: `https://gateway/anthropic` and `https://gateway/anthropic/v1` both work.
    pub(super) fn door(&self, path: &str) -> Option<Uri> {
        let mut ends = self.path.match_indices('/').map(|(at, _)| at);
        let shared = ends.find(|at| {
            let end = self.path.get(*at..);
            end.is_some_and(|end| is_below(path, end))
        });
        let kept = self.path.get(..shared.unwrap_or(self.path.len()))?;
        self.at(&format!("{kept}{path}"))
    }

    /// The address of a path with its query, whatever the base path.
    pub(super) fn at(&self, path: &str) -> Option<Uri> {
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(PathAndQuery::try_from(path).ok()?);
        uri.build().ok()
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

/// Whether `path` is `above` itself or lies below it; `above` may end in a slash.
pub(super) fn is_below(path: &str, above: &str) -> bool {
    let Some(rest) = path.strip_prefix(above) else {
        return false;
    };
    !above.is_empty()
        && (above.ends_with('/') || rest.is_empty() || rest.starts_with(['/', '?', ':']))
}

fn not_a_base(url: &str) -> Error {
    // A URL can hold a password.
    let shown = if url.contains('@') { "…@…" } else { url };
    Error::config(format!(
        "{shown:?} is no base URL; write one like \"https://api.anthropic.com\", without a query \
         or a password"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_base_and_door_share_stands_there_once() {
        for (base, expected) in [
            ("https://h", "https://h/v1/messages"),
            ("https://h/", "https://h/v1/messages"),
            ("https://h/v1", "https://h/v1/messages"),
            ("https://h/api", "https://h/api/v1/messages"),
            ("https://h/api/v1/", "https://h/api/v1/messages"),
            ("https://h/v1/messages", "https://h/v1/messages"),
            ("https://h/v10", "https://h/v10/v1/messages"),
        ] {
            let uri = Base::parse(base).unwrap().door("/v1/messages").unwrap();
            assert_eq!(uri.to_string(), expected, "{base}");
        }
        let query = Base::parse("https://h/openai").unwrap();
        let uri = query.door("/openai/x?api-version=1").unwrap();
        assert_eq!(uri.to_string(), "https://h/openai/x?api-version=1");
    }
}
