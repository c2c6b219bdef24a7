//! How one backend is reached.

use std::fmt;

use http::{HeaderMap, Uri};

use crate::provider::Door;

/// How one backend is reached: where, and under which credential.
#[derive(Default)]
pub struct Site {
    name: Box<str>,
}

/// Why a request cannot be sent to a backend, and what to do about it. Names no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a text and nothing else")]
pub struct Unauthorized(pub String);

impl Site {
    /// The backend's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The provider row it follows.
    pub(super) fn provider(&self) -> &str {
        ""
    }

    /// Where calls of this dialect go, and how they are wrapped; `None` where it is not served.
    pub(super) fn door(&self, dialect: &str) -> Option<&Door> {
        let _ = dialect;
        None
    }

    /// The address of a call to the model of this id.
    pub(super) fn uri(&self, door: &Door, id: &str, delivery: Delivery) -> Option<Uri> {
        let _ = (door, id, delivery);
        None
    }

    /// Puts in the headers that the backend needs beside the credential, in the place of the
    /// caller's own.
    pub(super) fn dress(&self, headers: &mut HeaderMap) {
        let _ = headers;
    }

    /// Shows the credential, or signs; the last thing before the request leaves.
    pub(super) async fn authorize(
        &self,
        parts: &mut http::request::Parts,
        body: &[u8],
    ) -> Result<(), Unauthorized> {
        let _ = (parts, body);
        Ok(())
    }
}

/// How an answer is to travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    Stream,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Credentials stay out.
        f.debug_struct("Site")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
