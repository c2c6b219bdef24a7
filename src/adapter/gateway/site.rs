//! How one backend is reached.

use std::fmt;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Uri};

use super::auth::{Command, Credential, Manner};
use crate::adapter::base::Base;
use crate::adapter::sign::{self, Place, Sign};
use crate::error::Error;
use crate::model::Timestamp;
use crate::provider::{Door, Provider};

/// How one backend is reached: where, and under which credential.
///
/// ```
/// use cachewright::adapter::gateway::Site;
/// use cachewright::provider::Catalog;
///
/// let rows = Catalog::builtin();
/// let row = rows.provider("anthropic").ok_or("a row")?;
/// let site = Site::new("direct", row, "https://llm.example.com/api")?.key("sk-1")?;
/// assert_eq!(site.name(), "direct");
/// assert!(!format!("{site:?}").contains("sk-1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Site {
    name: Box<str>,
    provider: Box<str>,
    base: Base,
    doors: Vec<Door>,
    /// Those of the row, then those of the configuration, which win.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// How the row's provider is shown a key.
    manner: Manner,
    credential: Credential,
}

/// Why a request cannot be sent to a backend, and what to do about it. Names no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a text and nothing else")]
pub struct Unauthorized(pub String);

impl Site {
    /// A backend of this name that follows a provider's row, at this base URL. It shows no
    /// credential.
    ///
    /// # Errors
    /// When the URL cannot be used; says what would do instead.
    pub fn new(name: &str, row: &Provider, base_url: &str) -> Result<Self, Error> {
        let headers = row.access.headers.iter().filter_map(|(name, value)| {
            let name = HeaderName::try_from(&**name).ok()?;
            Some((name, HeaderValue::try_from(&**value).ok()?))
        });
        Ok(Self {
            name: name.into(),
            provider: row.name.clone(),
            base: Base::parse(base_url)?,
            doors: row.access.doors.clone(),
            headers: headers.collect(),
            manner: manners(row).next().unwrap_or_else(bearer),
            credential: Credential::None,
        })
    }

    /// The same with a key, shown as the provider wants it.
    ///
    /// # Errors
    /// When no header can carry it.
    pub fn key(self, key: &str) -> Result<Self, Error> {
        let manner = self.manner.clone();
        self.key_in(&manner, key)
    }

    pub(crate) fn key_in(mut self, manner: &Manner, key: &str) -> Result<Self, Error> {
        let shown = manner.show(key).ok_or_else(|| {
            Error::config("a key is one line of plain letters, as the provider gave it")
        })?;
        self.credential = Credential::Key(shown);
        Ok(self)
    }

    /// The same with one more header, in the place of the caller's of that name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.push((name, value));
        self
    }

    /// The same with a word such as `region` put into the paths that ask for it.
    #[must_use]
    pub fn fill(mut self, word: &str, value: &str) -> Self {
        let word = format!("{{{word}}}");
        for door in &mut self.doors {
            door.path = door.path.replace(&word, value).into();
            door.stream = door.stream.replace(&word, value).into();
        }
        self
    }

    pub(super) fn command(mut self, command: Command) -> Self {
        self.credential = Credential::Command(Arc::new(command));
        self
    }

    pub(super) fn signed(mut self, signer: Arc<dyn Sign>) -> Self {
        self.credential = Credential::Signed(signer);
        self
    }

    /// The same, with requests signed for this region with the credentials of this provider.
    #[cfg(feature = "bedrock-sdk")]
    #[must_use]
    pub fn sign_with(
        self,
        credentials: impl aws_credential_types::provider::ProvideCredentials + 'static,
        region: &str,
    ) -> Self {
        let signer = sign::given(&self.place(), region, credentials);
        self.signed(signer)
    }

    /// The backend's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Host and port that calls go to.
    #[must_use]
    pub fn host(&self) -> &str {
        self.base.authority.as_str()
    }

    /// The base URL of its calls.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.base.to_string()
    }

    /// What it shows to prove who calls, in a few words.
    pub(super) const fn shows(&self) -> &'static str {
        match self.credential {
            Credential::None => "without a key",
            Credential::Key(_) => "with a key",
            Credential::Command(_) => "with a key from a command",
            Credential::Signed(_) => "signed",
        }
    }

    /// Where it stands in a configuration, and its host.
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            table: "providers",
            name: &self.name,
            host: self.base.authority.host(),
        }
    }

    /// The provider row it follows.
    pub(super) fn provider(&self) -> &str {
        &self.provider
    }

    /// Where calls of this dialect go, and how they are wrapped; `None` where it is not served.
    pub(crate) fn door(&self, dialect: &str) -> Option<&Door> {
        self.doors.iter().find(|door| *door.dialect == *dialect)
    }

    pub(super) fn doors(&self) -> &[Door] {
        &self.doors
    }

    /// The address of a call to the model of this id.
    pub(crate) fn uri(&self, door: &Door, id: &str, delivery: Delivery) -> Option<Uri> {
        let path = match delivery {
            Delivery::Stream if !door.stream.is_empty() => &door.stream,
            Delivery::Stream | Delivery::Whole => &door.path,
        };
        let path = path.replace("{model}", &segment(id));
        // A word that nobody filled in is no part of an address.
        if path.contains('{') {
            return None;
        }
        self.base.door(&path)
    }

    /// Puts in the headers that the backend needs beside the credential, in the place of the
    /// caller's own, and takes out whatever the caller showed to prove who it is.
    pub(crate) fn dress(&self, headers: &mut HeaderMap) {
        sign::strip(headers);
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// Shows the credential, or signs; the last thing before the request leaves.
    pub(crate) async fn authorize(
        &self,
        parts: &mut http::request::Parts,
        body: &[u8],
    ) -> Result<(), Unauthorized> {
        match &self.credential {
            Credential::None => {}
            Credential::Key(shown) => shown.put_into(&mut parts.headers),
            Credential::Command(command) => command.shown().await?.put_into(&mut parts.headers),
            Credential::Signed(signer) => {
                signer.sign(parts, body).await.map_err(Unauthorized)?;
            }
        }
        Ok(())
    }

    /// A request that left at `sent` was answered with 401: a credential that was fetched before is
    /// fetched anew.
    pub(super) async fn refused(&self, sent: Timestamp) {
        if let Credential::Command(command) = &self.credential {
            command.refused(sent).await;
        }
    }
}

/// How an answer is to travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Stream,
}

/// How a provider is shown a credential, the usual way first.
pub(crate) fn manners(row: &Provider) -> impl Iterator<Item = Manner> {
    row.access.auth.iter().filter_map(|auth| {
        Some(Manner {
            header: HeaderName::try_from(&*auth.header).ok()?,
            prefix: auth.prefix.clone(),
        })
    })
}

/// What most servers take.
pub(super) fn bearer() -> Manner {
    Manner {
        header: http::header::AUTHORIZATION,
        prefix: "Bearer ".into(),
    }
}

/// A model's id as one segment of a path, spelled as AWS's own clients do.
fn segment(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'@' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Credentials stay out, and so do headers, which may carry some.
        f.debug_struct("Site")
            .field("name", &self.name)
            .field("provider", &self.provider)
            .field("host", &self.host())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Catalog;
    use crate::wire::Envelope;

    fn row() -> Provider {
        let rows = Catalog::builtin();
        let mut row = rows.provider("vertex").unwrap().clone();
        row.access.doors = vec![Door {
            dialect: "messages".into(),
            path: "/v1/projects/{project}/models/{model}:rawPredict".into(),
            stream: "/v1/projects/{project}/models/{model}:streamRawPredict".into(),
            envelope: Envelope::RawPredict,
        }];
        row.access.headers = vec![("x-row".into(), "1".into())];
        row
    }

    #[test]
    fn an_address_holds_the_id_as_one_segment() {
        let site = Site::new("there", &row(), "http://h:1/v1").unwrap();
        let door = site.door("messages").unwrap();
        assert!(site.door("chat").is_none());
        assert!(site.uri(door, "m", Delivery::Whole).is_none());
        let site = site.fill("project", "p");
        let door = site.door("messages").unwrap();
        let uri = |id, delivery| site.uri(door, id, delivery).unwrap().to_string();
        assert_eq!(
            uri("claude@2026", Delivery::Whole),
            "http://h:1/v1/projects/p/models/claude@2026:rawPredict"
        );
        assert_eq!(
            uri("arn:x/y", Delivery::Stream),
            "http://h:1/v1/projects/p/models/arn%3Ax%2Fy:streamRawPredict"
        );
    }

    #[tokio::test]
    async fn nothing_of_the_callers_proof_is_left() {
        let secret = HeaderValue::from_static("sk-hidden");
        let site = Site::new("there", &row(), "http://h")
            .unwrap()
            .header(HeaderName::from_static("x-team"), secret)
            .key("sk-mine")
            .unwrap();
        let request = http::Request::get("/")
            .header("x-api-key", "sk-theirs")
            .header("authorization", "Bearer sk-theirs")
            .header("x-amz-date", "20261125")
            .header("x-team", "b");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        site.dress(&mut parts.headers);
        site.authorize(&mut parts, b"").await.unwrap();
        let left = format!("{:?}", parts.headers);
        assert!(
            !left.contains("theirs") && !left.contains("x-amz"),
            "{left}"
        );
        assert_eq!(parts.headers["authorization"], "Bearer sk-mine");
        assert_eq!(parts.headers["x-team"], "sk-hidden");
        assert_eq!(parts.headers["x-row"], "1");
        for shown in [format!("{site:?}"), left] {
            assert!(!shown.contains("sk-"), "{shown}");
        }
        assert!(
            Site::new("there", &row(), "http://h")
                .unwrap()
                .key("a\nb")
                .is_err()
        );
    }
}
