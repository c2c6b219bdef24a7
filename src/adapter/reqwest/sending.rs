//! Tells a second layer of this crate that the request it sees was seen before.

use std::cell::Cell;

use ::reqwest::{Body, Request};

thread_local! {
    /// The request that a layer of this crate is passing on right now, on this thread.
    static CURRENT: Cell<Option<Sending>> = const { Cell::new(None) };
}

/// Names the request being passed on, so that a second layer below leaves it alone.
///
/// A `reqwest::Request` keeps its extensions to itself and a header would reach the provider, so
/// the request is known by the address of its body, and only while the outer layer calls or polls
/// the inner service. Two layers with a task boundary between them (`tower::buffer`) do not see
/// each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Buffered { address: usize, length: usize },
    Unbuffered,
}

impl Sending {
    pub(super) fn of(request: &Request) -> Self {
        match request.body().and_then(Body::as_bytes) {
            Some(body) => Self::Buffered {
                address: body.as_ptr().addr(),
                length: body.len(),
            },
            None => Self::Unbuffered,
        }
    }

    pub(super) fn is_repeated(self) -> bool {
        CURRENT.get() == Some(self)
    }

    pub(super) fn during<T>(self, pass_on: impl FnOnce() -> T) -> T {
        let _restored = Restored(CURRENT.replace(Some(self)));
        pass_on()
    }
}

/// Puts back what was current, also when the inner service panics.
struct Restored(Option<Sending>);

impl Drop for Restored {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
