//! The beginning of an answer: waited for until the caller can be shown something.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use http_body::Body;

use super::body::Passed;
use super::events::{Events, first_error};
use crate::adapter::tower::ResponseBody;

/// The longest error that is read, in bytes.
const LONGEST_ERROR: usize = 64 << 10;

/// The longest document that is waited for to its end, in bytes.
const LONGEST_DOCUMENT: usize = 8 << 20;

/// How an answer begins.
pub(super) enum First {
    Begun,
    /// A stream whose first event is an error.
    Error(Bytes),
    /// It is over before it began.
    Nothing,
    Broken,
}

/// Waits until the caller can be shown something. Of a stream that is its first event; signs of life
/// before it are kept, and passed on together with it. A document is waited for to its end: nothing
/// of it was there before it was complete, and one that breaks off can still be had elsewhere.
pub(super) async fn begin<R: Body<Data = Bytes>>(passed: &mut Passed<R>) -> First {
    let mut document = Vec::new();
    loop {
        let frame = poll_fn(|cx| passed.inner.as_mut().poll_frame(cx)).await;
        let data = match frame {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(_)) => return First::Broken,
            None => return passed.over(document),
        };
        let Some(events) = &mut passed.events else {
            document.push(data);
            if document.iter().map(Bytes::len).sum::<usize>() > LONGEST_DOCUMENT {
                passed.ahead.extend(document);
                return First::Begun;
            }
            continue;
        };
        let Some(whole) = events.feed(&data) else {
            continue;
        };
        let is_begun = events.is_begun();
        if let Some(error) = first_error(&whole).filter(|_| is_begun) {
            return First::Error(Bytes::copy_from_slice(error));
        }
        passed.ahead.push_back(whole);
        if is_begun {
            return First::Begun;
        }
    }
}

impl<R> Passed<R> {
    /// It has ended: a document is complete, and a stream had nothing to say, or one thing.
    fn over(&mut self, mut document: Vec<Bytes>) -> First {
        self.ended = true;
        if self.events.is_none() {
            document.retain(|data| !data.is_empty());
            let is_empty = document.is_empty();
            self.ahead.extend(document);
            return if is_empty {
                First::Nothing
            } else {
                First::Begun
            };
        }
        let rest = self.events.as_mut().and_then(Events::end);
        let is_begun = self.events.as_ref().is_some_and(Events::is_begun);
        let Some(rest) = rest.filter(|_| is_begun) else {
            return First::Nothing;
        };
        if let Some(error) = first_error(&rest) {
            return First::Error(Bytes::copy_from_slice(error));
        }
        self.ahead.push_back(rest);
        First::Begun
    }
}

/// The beginning of an error's body, as far as it comes.
pub(super) async fn beginning<R: Body<Data = Bytes>>(body: ResponseBody<R>) -> Bytes {
    let mut body = Box::pin(body);
    let mut taken = BytesMut::new();
    while let Some(Ok(frame)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Some(data) = frame.data_ref() {
            let room = LONGEST_ERROR - taken.len();
            taken.extend_from_slice(data.get(..room).unwrap_or(data));
            if taken.len() >= LONGEST_ERROR {
                break;
            }
        }
    }
    taken.freeze()
}
