//! Signatures in the place of keys, made last, behind everything that changes a request.

#[cfg(not(feature = "bedrock-sdk"))]
mod absent;
#[cfg(feature = "bedrock-sdk")]
mod aws;

use std::fmt;
use std::pin::Pin;

use http::HeaderMap;
use http::header::HeaderName;
use http::request::Parts;

#[cfg(not(feature = "bedrock-sdk"))]
pub(super) use self::absent::chain;
#[cfg(feature = "bedrock-sdk")]
pub(super) use self::aws::{chain, given};

/// Where clients put the only key they know.
pub(super) const KEYS: [HeaderName; 4] = [
    http::header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// What a signature consists of beside the keys; a client's own is void once the body has changed.
const STALE: [HeaderName; 3] = [
    HeaderName::from_static("x-amz-content-sha256"),
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-security-token"),
];

/// Signs requests whose body is at hand; says what to do where it cannot.
pub(super) trait Sign: fmt::Debug + Send + Sync {
    fn sign<'a>(&'a self, parts: &'a mut Parts, body: &'a [u8]) -> Signed<'a>;
}

pub(super) type Signed<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Whose requests are signed: a table of the configuration, and the host that it names.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "bedrock-sdk"),
    expect(dead_code, reason = "builds without signers ask for none of it")
)]
pub(super) struct Place<'a> {
    pub(super) table: &'a str,
    pub(super) name: &'a str,
    pub(super) host: &'a str,
}

/// Takes out what the client showed to prove who it is: somebody else answers for it.
pub(super) fn strip(headers: &mut HeaderMap) {
    for name in KEYS.iter().chain(&STALE) {
        headers.remove(name);
    }
}
