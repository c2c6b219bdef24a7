//! What a request's head alone decides: whether its body is read, and for whom.

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};

use super::handle::Attempted;
use crate::engine::{Framing, Meta};
use crate::model::Skip;
use crate::provider::Storage;

/// Names the tenant of a request by a header, removed before the request is sent.
pub(crate) const TENANT: HeaderName = HeaderName::from_static("x-cachewright-tenant");

/// Names the route of a request by a header, removed before the request is sent.
pub(crate) const ROUTE: HeaderName = HeaderName::from_static("x-cachewright-route");

/// Names the session of a request by a header, removed before the request is sent.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("x-cachewright-session");

/// Has the proxy only write what calls like this one share; removed before the request is sent.
#[cfg(feature = "proxy")]
pub(crate) const PREWARM: HeaderName = HeaderName::from_static("x-cachewright-prewarm");

/// The parts of a request's head that decide.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a Method,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    /// The provider row it is for, where somebody says so; otherwise the host tells.
    pub(crate) behind: Option<&'a str>,
    /// Names the account where the headers do not.
    pub(crate) account: Option<&'a str>,
}

/// What is done with a request, as far as its head tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// Not a prompt at all: sent on, and no exchange of ours.
    Forward,
    /// Sent on as it is, and accounted for.
    Skip(Skip),
    /// The body may be read.
    Read,
}

/// Everything outside the body that separates caches.
#[derive(Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(crate) struct Caller {
    pub(crate) provider: Box<str>,
    pub(crate) account: Box<str>,
    pub(crate) tenant: Box<str>,
    pub(crate) route: Box<str>,
    /// The session, by the name its caller gave it; empty where nobody did.
    pub(crate) session: Box<str>,
    pub(crate) betas: Box<str>,
    pub(crate) host: Box<str>,
    pub(crate) dialect: &'static str,
    pub(crate) model: Box<str>,
    pub(crate) place: Box<str>,
    pub(crate) regional: bool,
    pub(crate) steered: bool,
    /// Where its prefix could be kept for rent, if that is wanted.
    pub(crate) storage: Option<Storage>,
    /// Which attempt of a routed call it is.
    pub(crate) attempted: Option<Attempted>,
    /// Whether only what others will share is to be written.
    pub(crate) prewarm: bool,
}

impl Caller {
    pub(crate) fn meta(&self) -> Meta<'_> {
        let mut meta = Meta::of(&self.provider);
        meta.account = &self.account;
        meta.tenant = &self.tenant;
        meta.route = &self.route;
        meta.session = &self.session;
        meta.betas = &self.betas;
        meta.dialect = self.dialect;
        meta.model = &self.model;
        meta.place = &self.place;
        meta.regional = self.regional;
        meta.steered = self.steered;
        meta.stored_as = self.storage.as_ref().map_or("", |storage| &storage.model);
        meta.prewarm = self.prewarm;
        meta
    }
}

impl Head<'_> {
    /// How a request passes to an endpoint that a row names, or to an unknown one.
    pub(crate) fn passage(&self, provider: Option<&str>) -> Passage {
        if self.method != Method::POST || self.path.ends_with(COUNTING) {
            Passage::Forward
        } else if provider.is_none() {
            // What is not even JSON is not a prompt; what is JSON may be one to a provider that
            // nobody described, and the report says so.
            if self.declares_json() {
                Passage::Skip(Skip::UnknownEndpoint)
            } else {
                Passage::Forward
            }
        } else if self.is_signed() {
            Passage::Skip(Skip::Signed)
        } else if !self.may_be_json() || self.headers.contains_key(CONTENT_ENCODING) {
            Passage::Skip(Skip::Encoded)
        } else {
            Passage::Read
        }
    }

    /// What names the account: the secret that the head carries, in a header or in the query, or a
    /// name.
    pub(crate) fn credential(&self) -> Option<&[u8]> {
        const KEYS: [&str; 4] = ["x-api-key", "api-key", "x-goog-api-key", "authorization"];
        let mut keys = KEYS.iter().filter_map(|name| self.headers.get(*name));
        let key = keys.next().map(HeaderValue::as_bytes);
        key.or_else(|| credentials(self.query).next().map(str::as_bytes))
            .or_else(|| self.account.map(str::as_bytes))
    }

    /// The session, where a header names it: ours, the one that `OpenRouter` documents, or that of
    /// Claude Code from 2.1.86 on (code.claude.com/docs/en/llm-gateway-protocol, 2026-09).
    pub(crate) fn session(&self) -> Box<str> {
        let named = self.headers.get(SESSION);
        let named = named.or_else(|| self.headers.get("x-session-id"));
        let named = named.or_else(|| self.headers.get("x-claude-code-session-id"));
        let name = named.and_then(|name| name.to_str().ok());
        name.unwrap_or_default().into()
    }

    /// The beta headers as one sorted list: order and spacing do not separate caches.
    pub(crate) fn betas(&self) -> Box<str> {
        let values = self.headers.get_all("anthropic-beta");
        let mut betas: Vec<&str> = values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|beta| !beta.is_empty())
            .collect();
        betas.sort_unstable();
        betas.dedup();
        betas.join(",").into()
    }

    /// Whether the caller signed these very bytes, so that any change would break the signature.
    fn is_signed(&self) -> bool {
        let by_aws = self
            .headers
            .get(AUTHORIZATION)
            .is_some_and(|value| value.as_bytes().starts_with(b"AWS4-"));
        by_aws
            || self.headers.keys().any(|name| {
                SIGNATURES.contains(&name.as_str()) || name.as_str().starts_with("signature")
            })
    }

    fn declares_json(&self) -> bool {
        essence(self.headers)
            .is_some_and(|kind| kind == "application/json" || kind.ends_with("+json"))
    }

    /// Whether the body is JSON as far as the head tells, at an endpoint that takes nothing else:
    /// boto3's `invoke_model` says nothing about its body unless it is told to.
    fn may_be_json(&self) -> bool {
        self.declares_json() || !self.headers.contains_key(CONTENT_TYPE)
    }
}

/// The pairs of a query that carry a credential, as Google's APIs take it.
pub(crate) fn credentials(query: Option<&str>) -> impl Iterator<Item = &str> {
    let pairs = query.unwrap_or_default().split('&');
    pairs.filter(|pair| pair.starts_with("key=") || pair.starts_with("access_token="))
}

/// Token counting neither reads nor writes the cache (platform.claude.com token-counting, 2026-08).
const COUNTING: &str = "/count_tokens";

/// Headers that bind the body's exact bytes; `signature*` comes on top (RFC 9421, RFC 9530).
const SIGNATURES: [&str; 5] = [
    "content-digest",
    "content-md5",
    "digest",
    "repr-digest",
    "x-amz-content-sha256",
];

/// How a response with these headers is read.
pub(crate) fn framing(headers: &HeaderMap) -> Framing {
    let encoded = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|value| value.as_bytes() != b"identity");
    match essence(headers).as_deref() {
        Some("text/event-stream") if !encoded => Framing::Sse,
        Some("application/vnd.amazon.eventstream") if !encoded => Framing::EventStream,
        Some("application/json") if !encoded => Framing::Json,
        Some(_) | None => Framing::Opaque,
    }
}

/// The media type without its parameters, in lower case.
fn essence(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = value.split(';').next().unwrap_or(value);
    Some(kind.trim().to_ascii_lowercase())
}

/// Takes a label out of the headers, so that it never reaches the provider.
pub(crate) fn take_label(headers: &mut HeaderMap, name: &HeaderName) -> Option<Box<str>> {
    let value = headers.remove(name)?;
    value.to_str().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(method: &Method, path: &str, headers: &[(&'static str, &str)]) -> Passage {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let head = Head {
            method,
            host: "localhost",
            path,
            query: None,
            headers: &headers,
            behind: None,
            account: None,
        };
        head.passage(Some("anthropic"))
    }

    #[test]
    fn only_plain_json_posts_are_read() {
        let json = ("content-type", "Application/JSON; charset=utf-8");
        let post =
            |headers: &[(&'static str, &str)]| passage(&Method::POST, "/v1/messages", headers);
        assert_eq!(post(&[json]), Passage::Read);
        assert_eq!(post(&[]), Passage::Read);
        assert_eq!(
            post(&[("content-type", "multipart/form-data")]),
            Passage::Skip(Skip::Encoded)
        );
        assert_eq!(
            post(&[json, ("content-encoding", "gzip")]),
            Passage::Skip(Skip::Encoded)
        );
        assert_eq!(
            passage(&Method::GET, "/v1/messages", &[json]),
            Passage::Forward
        );
        assert_eq!(
            passage(&Method::POST, "/v1/messages/count_tokens", &[json]),
            Passage::Forward
        );
    }

    #[test]
    fn every_kind_of_signature_is_seen() {
        let json = ("content-type", "application/json");
        for signature in [
            ("authorization", "AWS4-HMAC-SHA256 Credential=x"),
            ("x-amz-content-sha256", "00"),
            ("digest", "sha-256=x"),
            ("content-digest", "sha-256=:x:"),
            ("content-md5", "x"),
            ("signature", "sig1=:x:"),
            ("signature-input", "sig1=()"),
        ] {
            assert_eq!(
                passage(&Method::POST, "/v1/messages", &[json, signature]),
                Passage::Skip(Skip::Signed),
                "{signature:?}"
            );
        }
        let bearer = ("authorization", "Bearer AWS4-x");
        assert_eq!(
            passage(&Method::POST, "/v1/messages", &[json, bearer]),
            Passage::Read
        );
    }

    #[test]
    fn betas_are_a_set() {
        let mut headers = HeaderMap::new();
        headers.append("anthropic-beta", "b-2, a-1".parse().unwrap());
        headers.append("anthropic-beta", "a-1,c-3".parse().unwrap());
        let head = Head {
            method: &Method::POST,
            host: "",
            path: "",
            query: Some("alt=sse&key=k-1"),
            headers: &headers,
            behind: None,
            account: None,
        };
        assert_eq!(&*head.betas(), "a-1,b-2,c-3");
        assert_eq!(head.credential(), Some(&b"key=k-1"[..]));
    }

    #[test]
    fn a_session_is_named_by_our_header_before_those_of_others() {
        let names = [
            "x-claude-code-session-id",
            "x-session-id",
            "x-cachewright-session",
        ];
        let mut headers = HeaderMap::new();
        for name in names {
            headers.insert(name, name.parse().unwrap());
            let head = Head {
                method: &Method::POST,
                host: "",
                path: "",
                query: None,
                headers: &headers,
                behind: None,
                account: None,
            };
            assert_eq!(&*head.session(), name);
        }
    }

    #[test]
    fn an_encoded_response_is_opaque() {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            "text/event-stream; charset=utf-8".parse().unwrap(),
        );
        assert_eq!(framing(&headers), Framing::Sse);
        headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        assert_eq!(framing(&headers), Framing::Opaque);
    }
}
