//! What providers say of their rate limits.

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
