//! One errand with all it takes to run it.

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderName,
    HeaderValue, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};

use crate::adapter::caller::{Caller, credentials};
use crate::engine::{Errand, ErrandKind, Held};

/// Headers of a call that say something of its body or of its answer; all others, credentials and
/// projects among them, hold for its errand too.
const ABOUT_BODIES: [HeaderName; 7] = [
    ACCEPT,
    ACCEPT_ENCODING,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    TRANSFER_ENCODING,
];

/// One errand with the head of the call that caused it.
#[derive(Clone)]
pub(crate) struct Job {
    pub(super) errand: Errand,
    pub(super) caller: Caller,
    parts: Parts,
}

impl Job {
    pub(crate) const fn new(errand: Errand, caller: Caller, parts: Parts) -> Self {
        Self {
            errand,
            caller,
            parts,
        }
    }

    /// The job of deleting what this one has brought about.
    pub(super) fn undone(&self, (held, tokens): (&Held, Option<u64>)) -> Self {
        Self {
            errand: self.errand.undone(held, tokens),
            ..self.clone()
        }
    }

    /// The request that does it: to the same place, under the same credentials.
    pub(super) fn request(&self) -> Option<Request<Bytes>> {
        let storage = self.caller.storage.as_ref()?;
        let (method, path, mask) = match &self.errand.kind {
            ErrandKind::Create => (Method::POST, storage.collection.to_string(), None),
            ErrandKind::Extend(name) => (Method::PATCH, storage.path(name), Some("updateMask=ttl")),
            ErrandKind::Delete(name) => (Method::DELETE, storage.path(name), None),
        };
        let query: Vec<&str> = credentials(self.parts.uri.query()).chain(mask).collect();
        let path = match query.is_empty() {
            true => path,
            false => format!("{path}?{}", query.join("&")),
        };
        let mut parts = self.parts.clone();
        let mut uri = parts.uri.into_parts();
        uri.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
        parts.uri = Uri::from_parts(uri).ok()?;
        parts.method = method;
        for name in &ABOUT_BODIES {
            parts.headers.remove(name);
        }
        let body = self.errand.body.clone();
        if !body.is_empty() {
            let json = HeaderValue::from_static("application/json");
            parts.headers.insert(CONTENT_TYPE, json);
        }
        Some(Request::from_parts(parts, body))
    }
}
