//! Where requests are sent on to, and which ones.

use std::fmt;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::uri::Authority;
use http::{HeaderMap, Uri};

use crate::adapter::base::{Base, is_below};
use crate::adapter::sign::{Place, Sign};
use crate::error::Error;

#[cfg(feature = "bedrock-sdk")]
use crate::adapter::sign::{chain, given};
#[cfg(feature = "bedrock-sdk")]
use aws_credential_types::provider::ProvideCredentials;

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
    base: Base,
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
        let base = Base::parse(base_url)?;
        Ok(Self {
            name: name.into(),
            base,
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
        match is_below(rest, &self.base.path) {
            true => self.base.at(rest),
            false => self.base.at(&format!("{}{rest}", self.base.path)),
        }
    }

    /// Host and port.
    pub(super) const fn authority(&self) -> &Authority {
        &self.base.authority
    }

    /// Where it stands in a configuration, and its host.
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            table: "upstreams",
            name: &self.name,
            host: self.authority().host(),
        }
    }

    /// Has requests signed with AWS's chain of credentials, in place of what the client showed. The
    /// region is that of the host, or else the one of the environment.
    #[cfg(feature = "bedrock-sdk")]
    #[must_use]
    pub fn sign_with_aws(mut self) -> Self {
        self.signer = chain(&self.place(), None, None).ok();
        self
    }

    /// Has requests signed with the credentials of this provider, for this region.
    #[cfg(feature = "bedrock-sdk")]
    #[must_use]
    pub fn sign_with(
        mut self,
        credentials: impl ProvideCredentials + 'static,
        region: &str,
    ) -> Self {
        self.signer = Some(given(&self.place(), region, credentials));
        self
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
        let name = &self.name;
        write!(f, "{name:<12} {}  from /{name}/", self.base)?;
        let mut more = self.prefix.iter().chain(&self.paths);
        more.try_for_each(|path| write!(f, " {path}"))
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Configured headers carry keys.
        f.debug_struct("Upstream")
            .field("name", &self.name)
            .field("authority", self.authority())
            .finish_non_exhaustive()
    }
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
