//! What is sent instead of the caller's request.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};

use super::Cachewright;
use crate::adapter::caller::Caller;
use crate::adapter::running::{Running, shielded};
use crate::engine::{Errand, Opened, Prepared};

impl Cachewright {
    /// What to send instead of the caller's request. Should our side fail, it goes through as it is
    /// and there is no exchange.
    pub(crate) fn prepare(&self, caller: &Caller, body: &Bytes) -> Rewrite {
        let (engine, began) = (&self.shared.engine, self.stopwatch());
        let prepared = shielded(|| engine.prepare(self.now(), &caller.meta(), body));
        self.rewrite(caller, (body, began), prepared)
    }

    /// The same for a request that was read already.
    pub(crate) fn prepare_opened(&self, caller: &Caller, body: &Bytes, opened: Opened) -> Rewrite {
        let (engine, began) = (&self.shared.engine, self.stopwatch());
        let planned = || engine.prepare_opened(self.now(), &caller.meta(), opened);
        self.rewrite(caller, (body, began), shielded(planned))
    }

    fn rewrite(
        &self,
        caller: &Caller,
        (body, began): (&Bytes, Duration),
        prepared: Option<Prepared>,
    ) -> Rewrite {
        prepared.map_or_else(Rewrite::default, |prepared| Rewrite {
            body: prepared.body,
            headers: prepared.headers,
            errand: prepared.errand,
            running: Some(
                self.running(caller, prepared.exchange, began)
                    .keeping(self.kept(caller, body)),
            ),
        })
    }
}

/// What is sent instead of the caller's request.
#[derive(Default)]
pub(crate) struct Rewrite {
    /// The body, if it changed.
    pub(crate) body: Option<Bytes>,
    /// Headers to add.
    pub(crate) headers: Vec<(Box<str>, Box<str>)>,
    /// What is to be asked of the provider beside it.
    pub(crate) errand: Option<Errand>,
    /// The exchange.
    pub(crate) running: Option<Running>,
}

impl Rewrite {
    /// Puts the headers where the caller has none of their names, and the body's length where the
    /// caller gave one: a stale length is silent corruption, since HTTP/1 would cut the body and
    /// the server answer 200.
    pub(crate) fn fix(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(&**name);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(&**value)) {
                headers.entry(name).or_insert(value);
            }
        }
        if let Some(body) = &self.body
            && headers.contains_key(CONTENT_LENGTH)
        {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
    }
}
