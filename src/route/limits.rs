//! What providers say of their rate limits.

use std::time::Duration;

use crate::model::Timestamp;
use crate::provider::LimitHeaders;

/// What one backend said of its rate limits, brought forward to now.
#[derive(Clone, Debug, Default)]
pub struct Allowance {}

impl Allowance {
    /// Takes in the headers of a response: names in small letters, with their values.
    pub fn hear(
        &mut self,
        now: Timestamp,
        style: LimitHeaders,
        headers: &mut dyn Iterator<Item = (&str, &str)>,
    ) {
        let _ = (now, style, headers);
    }

    /// A call was refused for a rate limit; there is no room before `retry_after` has passed.
    pub fn refused(&mut self, now: Timestamp, retry_after: Option<Duration>) {
        let _ = (now, retry_after);
    }

    /// A call that counts so many tokens was sent.
    pub fn spend(&mut self, now: Timestamp, tokens: u64) {
        let _ = (now, tokens);
    }

    /// Until when there is no room for a call that counts so many tokens; `None` where there is.
    #[must_use]
    pub fn full_until(&self, now: Timestamp, tokens: u64) -> Option<Timestamp> {
        let _ = (now, tokens);
        None
    }
}

/// How long the headers of a response ask to wait, whichever way they say it: `retry-after-ms`,
/// `retry-after` in seconds or as a date. Names in small letters, with their values.
#[must_use]
pub fn retry_after(
    now: Timestamp,
    headers: &mut dyn Iterator<Item = (&str, &str)>,
) -> Option<Duration> {
    let _ = (now, headers);
    None
}
