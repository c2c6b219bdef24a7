//! Where requests are sent on to, and which ones.

use std::fmt;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Uri};

use super::sign::Sign;
use crate::error::Error;

/// A provider or gateway behind the proxy.
///
/// ```
/// use cachewright::adapter::proxy::Upstream;
///
/// let upstream = Upstream::new("gateway", "https://llm.example.com/api")?.provider("anthropic");
/// assert_eq!(upstream.name(), "gateway");
/// assert!(Upstream::new("gateway", "llm.example.com").is_err());
/// # Ok::<(), cachewright::error::Error>(())
/// ```
#[derive(Clone)]
pub struct Upstream {
    pub(super) name: Box<str>,
    scheme: Scheme,
    pub(super) authority: Authority,
    /// The path of the base URL, without a slash at its end.
    base: Box<str>,
    pub(super) provider: Option<Box<str>>,
    /// Requests below this path come here, and it is removed.
    pub(super) prefix: Option<Box<str>>,
    /// Requests to and below these paths come here.
    pub(super) paths: Vec<Box<str>>,
    /// Requests with this header come here.
    pub(super) header: Option<HeaderName>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) tenant: Option<Box<str>>,
    pub(super) route: Option<Box<str>>,
    /// Signs the requests, in place of what the client showed.
    pub(super) signer: Option<Arc<dyn Sign>>,
}

impl Upstream {
    /// An upstream at this base URL, `http` or `https`.
    ///
    /// # Errors
    /// When the name or the URL cannot be used; says what would do instead.
    pub fn new(name: &str, base_url: &str) -> Result<Self, Error> {
        let plain = |ch: char| ch.is_ascii_lowercase() || ch.is_ascii_digit() || "-_.".contains(ch);
        if name.is_empty() || !name.chars().all(plain) || name == "healthz" {
            return Err(Error::config(format!(
                "an upstream cannot be named {name:?}: its name is the first part of a path, so \
                 use small letters, digits, dashes and dots"
            )));
        }
        let unusable = |_| not_a_base(base_url);
        let uri: Uri = base_url.parse().map_err(unusable)?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(not_a_base(base_url));
        };
        let path = parts
            .path_and_query
            .unwrap_or(PathAndQuery::from_static("/"));
        let known = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        if !known || path.query().is_some() || authority.as_str().contains('@') {
            return Err(not_a_base(base_url));
        }
        Ok(Self {
            name: name.into(),
            scheme,
            authority,
            base: path.path().trim_end_matches('/').into(),
            provider: None,
            prefix: None,
            paths: Vec::new(),
            header: None,
            headers: Vec::new(),
            tenant: None,
            route: None,
            signer: None,
        })
    }

    /// The provider row it follows, whatever its host.
    #[must_use]
    pub fn provider(mut self, name: impl Into<Box<str>>) -> Self {
        self.provider = Some(name.into());
        self
    }

    /// Requests to and below this path come here.
    #[must_use]
    pub fn path(mut self, path: impl Into<Box<str>>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where requests go for `rest`, a path with its query. A base path that the caller has spelled
    /// already is not put before it a second time: base URLs with and without `/v1` both work.
    pub(super) fn uri(&self, rest: &str) -> Option<Uri> {
        let path = if is_below(rest, &self.base) {
            PathAndQuery::try_from(rest)
        } else {
            PathAndQuery::try_from(format!("{}{rest}", self.base))
        };
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path.ok()?);
        uri.build().ok()
    }

    /// Puts the configured headers in the place of the caller's of the same name.
    pub(super) fn set_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
    }
}

/// One line for people: name, base URL, and which requests come here.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            scheme,
            authority,
            base,
            ..
        } = self;
        write!(f, "{name:<12} {scheme}://{authority}{base}  from /{name}/")?;
        let mut more = self.prefix.iter().chain(&self.paths);
        more.try_for_each(|path| write!(f, " {path}"))
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Configured headers carry keys.
        f.debug_struct("Upstream")
            .field("name", &self.name)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
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

fn not_a_base(base_url: &str) -> Error {
    // A URL can hold a password.
    let shown = if base_url.contains('@') {
        "…@…"
    } else {
        base_url
    };
    Error::config(format!(
        "{shown:?} is no base URL; write one like \"https://api.anthropic.com\", without a query \
         or a password"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(base: &str, rest: &str) -> String {
        let upstream = Upstream::new("x", base).unwrap();
        upstream.uri(rest).unwrap().to_string()
    }

    #[test]
    fn a_base_path_is_put_before_once() {
        assert_eq!(
            uri("https://api.openai.com", "/v1/models?a=%20b"),
            "https://api.openai.com/v1/models?a=%20b"
        );
        for rest in ["/v1/models", "/models"] {
            assert_eq!(uri("http://h:1/v1/", rest), "http://h:1/v1/models");
        }
        assert_eq!(uri("http://h/v1", "/v10/x"), "http://h/v1/v10/x");
    }

    #[test]
    fn unusable_bases_are_refused_without_their_passwords() {
        for base in ["", "api.openai.com", "ftp://x", "https://x/?a", "/v1"] {
            assert!(Upstream::new("x", base).is_err(), "{base}");
        }
        let error = Upstream::new("x", "https://u:hidden@h").unwrap_err();
        assert!(!error.to_string().contains("hidden"));
        for name in ["", "A", "a/b", "healthz"] {
            assert!(Upstream::new(name, "https://x").is_err(), "{name}");
        }
    }
}
