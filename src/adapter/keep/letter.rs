//! One ping, ready to be sent: the request it repeats, in buffers that are overwritten.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{Extensions, Method, Request, Uri, Version};

use super::fund::{Fund, Grant};
use super::secret::Secret;
use crate::adapter::caller::Caller;
use crate::adapter::handle::Attempted;
use crate::model::Vigil;
use crate::wire;

/// Headers that say something of one request, of its body or of its answer, and nothing of the next:
/// under the same idempotency key a provider would repeat its old answer.
const OF_ONE: [&str; 14] = [
    "accept",
    "accept-encoding",
    "baggage",
    "content-length",
    "cookie",
    "expect",
    "idempotency-key",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "x-client-request-id",
    "x-idempotency-key",
    "x-request-id",
    "x-stainless-retry-count",
];

/// A ping, as it is sent each time it is due.
pub(super) struct Letter {
    /// Who called; names the account by a digest.
    pub(super) caller: Caller,
    uri: Secret,
    version: Version,
    headers: Vec<(HeaderName, Secret)>,
    /// What those below the layer are told.
    extensions: Extensions,
    body: Secret,
}

impl Letter {
    /// The ping that repeats this request; `None` where there is none.
    pub(super) fn new(caller: Caller, mut parts: Parts, body: &[u8]) -> Option<Self> {
        let least = parts.extensions.remove::<Least>()?;
        let body = wire::ping(caller.dialect, body, least.0)?;
        // What belongs to the attempt that was made is settled with it.
        parts.extensions.remove::<Attempted>();
        let kept = parts.headers.iter();
        let kept = kept.filter(|(name, _)| !OF_ONE.contains(&name.as_str()));
        let headers = kept.map(|(name, value)| (name.clone(), Secret::copy(value.as_bytes())));
        Some(Self {
            uri: Secret::new(address(&parts.uri)),
            version: parts.version,
            headers: headers.collect(),
            extensions: parts.extensions,
            body: Secret::new(body),
            caller: Caller {
                attempted: None,
                ..caller
            },
        })
    }

    /// The request: to the same place, under the same credentials.
    pub(super) fn request(&self) -> Option<Request<Bytes>> {
        let mut request = Request::new(self.body.bytes());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_maybe_shared(self.uri.bytes()).ok()?;
        *request.version_mut() = self.version;
        *request.extensions_mut() = self.extensions.clone();
        for (name, value) in &self.headers {
            let mut value = HeaderValue::from_maybe_shared(value.bytes()).ok()?;
            value.set_sensitive(true);
            request.headers_mut().append(name.clone(), value);
        }
        Some(request)
    }

    /// Takes room for the ping of this vigil wherever its cost is counted.
    pub(super) fn fund(&self, vigil: &Vigil) -> Result<Option<Grant>, Refused> {
        match self.extensions.get::<Fund>() {
            Some(fund) => fund.take(vigil).map(Some).ok_or(Refused),
            None => Ok(None),
        }
    }

    /// What is held, in bytes.
    pub(super) fn len(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.as_str().len() + value.len());
        headers.sum::<usize>() + self.uri.len() + self.body.len()
    }
}

/// There is no room for a ping.
pub(super) struct Refused;

/// An address in a buffer that did not grow: it may hold a key.
fn address(uri: &Uri) -> Vec<u8> {
    let (scheme, colon) = uri.scheme_str().map_or(("", ""), |scheme| (scheme, "://"));
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    [scheme, colon, authority, path].concat().into_bytes()
}

/// The least output that a ping may ask for.
#[derive(Clone, Copy)]
pub(super) struct Least(pub(super) u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_repeats_the_head_but_for_what_was_said_of_one_request() {
        let (mut parts, ()) = Request::post("https://h/v1/messages?key=k-1")
            .header("x-api-key", "sk-1")
            .header("anthropic-version", "2023-06-01")
            .header("idempotency-key", "once")
            .header("content-length", "99")
            .header("accept-encoding", "gzip")
            .body(())
            .unwrap()
            .into_parts();
        parts.extensions.insert(Least(0));
        parts.extensions.insert(7_u8);
        let caller = Caller {
            dialect: "messages",
            ..Caller::default()
        };
        let body = br#"{"max_tokens":9,"messages":[]}"#;
        let letter = Letter::new(caller, parts, body).unwrap();
        let once = letter.request().unwrap();
        let again = letter.request().unwrap();
        assert_eq!(once.uri(), "https://h/v1/messages?key=k-1");
        let mut names: Vec<_> = once.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["anthropic-version", "x-api-key"]);
        assert!(once.headers()["x-api-key"].is_sensitive());
        assert_eq!(once.extensions().get::<u8>(), Some(&7));
        assert_eq!(once.body(), r#"{"max_tokens":0,"messages":[]}"#);
        assert_eq!(once.body(), again.body());
        assert!(letter.len() > once.body().len() + "x-api-keysk-1".len());
    }
}
