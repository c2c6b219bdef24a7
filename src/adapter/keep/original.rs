//! A request as it was sent, until it is known whether it will be repeated.

use bytes::Bytes;
use http::request::Parts;

use super::letter::{Least, Letter};
use crate::adapter::caller::Caller;
use crate::adapter::errands::{Desk, Place};
use crate::adapter::handle::Cachewright;

/// A request as it was sent. Exists only where prefixes are kept alive.
pub(crate) struct Original {
    caller: Caller,
    parts: Parts,
    body: Bytes,
    /// Whose errands its pings are; nobody's where the user's own code sends them.
    pub(super) place: Option<Place>,
}

impl Original {
    /// What it takes to repeat a request, where pings are wanted, can be sent here and by somebody.
    pub(crate) fn wanted(
        cache: &Cachewright,
        desk: &Desk,
        caller: &Caller,
        request: impl FnOnce() -> Option<(Parts, Bytes)>,
    ) -> Option<Self> {
        let engine = cache.engine();
        engine.settings().on(&caller.route).keep_alive?;
        let provider = engine.catalog().provider(&caller.provider)?;
        let least = provider.endpoint(caller.dialect)?.ping?;
        let place = match cache.keep().is_told() {
            true => None,
            false => Some(desk.place()?),
        };
        let (mut parts, body) = request()?;
        parts.extensions.insert(Least(least));
        Some(Self {
            caller: caller.clone(),
            parts,
            body,
            place,
        })
    }

    pub(super) fn letter(self) -> Option<(Letter, Option<Place>)> {
        let letter = Letter::new(self.caller, self.parts, &self.body)?;
        Some((letter, self.place))
    }
}
