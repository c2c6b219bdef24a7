//! What pings have kept beyond its natural end, when a conversation goes on.

use super::prepare::Draft;
use crate::economy::Stream;
use crate::model::{Digest, Limits, Timestamp, Tokens, Ttl};

/// A prefix that is there because it was pinged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Estimated tokens at its beginning that would be there all the same.
    pub(super) anyway: Tokens,
    /// The class that it would have to be written with again.
    pub(super) ttl: Ttl,
}

impl Draft<'_> {
    /// What pings have kept of this conversation until now; to be asked before the request is noted.
    pub(super) fn kept(&self, conversation: &Digest) -> Option<Kept> {
        let stream = self.engine.memory.stream(conversation)?;
        kept(&stream, self.now, &self.model.limits)
    }
}

/// `None` where nothing was pinged, where it has expired all the same, or where all of it would be there
/// without pings.
fn kept(stream: &Stream, now: Timestamp, limits: &Limits) -> Option<Kept> {
    if stream.pings == 0 || !stream.lives(now) {
        return None;
    }
    let is_over = |ttl| stream.last().plus(limits.lives.of(ttl)) <= now;
    let hour = stream.hour.min(stream.held);
    let anyway = if is_over(Ttl::OneHour) { 0 } else { hour };
    if stream.held > hour {
        let ttl = limits.ttl;
        return is_over(ttl).then_some(Kept { anyway, ttl });
    }
    let ttl = Ttl::OneHour;
    (hour > 0 && is_over(ttl)).then_some(Kept { anyway, ttl })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::economy::Asked;
    use crate::engine::keep::ends;

    fn at(secs: u32) -> Timestamp {
        Timestamp::from_secs_f64(f64::from(secs))
    }

    /// A conversation of a thousand tokens, `hour` of them kept for an hour, that was asked at zero and
    /// pinged last at `pinged`.
    fn stream(hour: Tokens, pings: u32, pinged: u32) -> Stream {
        let mut stream = Stream::default();
        let asked = Asked {
            at: at(0),
            ..Asked::default()
        };
        stream.request(&asked);
        (stream.held, stream.hour, stream.pings) = (1_000, hour, pings);
        stream.ends = ends(at(pinged), &Limits::CONSERVATIVE);
        stream
    }

    #[test]
    fn only_what_would_have_expired_was_kept() {
        let kept = |stream: &Stream, now| kept(stream, at(now), &Limits::CONSERVATIVE);
        let five = |anyway| {
            let ttl = Ttl::FiveMinutes;
            Some(Kept { anyway, ttl })
        };
        assert_eq!(kept(&stream(0, 0, 280), 400), None, "without a ping");
        assert_eq!(kept(&stream(0, 1, 280), 290), None, "before its end");
        assert_eq!(kept(&stream(0, 1, 280), 400), five(0));
        assert_eq!(kept(&stream(0, 1, 280), 600), None, "after the pinged end");
        // What is kept for an hour is there without pings, for that hour.
        assert_eq!(kept(&stream(400, 1, 280), 400), five(400));
        assert_eq!(kept(&stream(400, 13, 3_600), 3_700), five(0));
        assert_eq!(kept(&stream(1_000, 1, 3_480), 3_500), None);
        let hour = Kept {
            anyway: 0,
            ttl: Ttl::OneHour,
        };
        assert_eq!(kept(&stream(1_000, 1, 3_480), 3_700), Some(hour));
    }
}
