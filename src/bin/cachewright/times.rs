//! Times on the command line and on the screen.

use std::time::Duration;

use cachewright::adapter::clock::{Clock as _, SystemClock};
use cachewright::adapter::store::span;
use cachewright::model::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// A moment as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So long ago.
    Ago(Duration),
    /// This very moment.
    At(Timestamp),
}

impl Moment {
    /// Reads `7d`, `12h`, `2026-11-01`, `2026-11-01T08:30`, or a time with its zone.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(ago) = span(text) {
            return Ok(Self::Ago(ago));
        }
        let here = TimeZone::system();
        let at = text.parse::<jiff::Timestamp>().ok();
        let at = at.or_else(|| {
            let date = text
                .parse::<Date>()
                .ok()
                .filter(|_| !text.contains(['T', ' ']));
            Some(date?.to_zoned_datetime(here.clone()).ok()?.timestamp())
        });
        let at = at.or_else(|| {
            let time = text.parse::<DateTime>().ok();
            Some(time?.to_zoned_datetime(here).ok()?.timestamp())
        });
        at.map(|at| Self::At(Timestamp::from_micros(at.as_microsecond())))
            .ok_or_else(|| "write 7d, 12h, 2026-11-01 or 2026-11-01T08:30".into())
    }

    /// The moment, seen from now.
    pub(crate) fn at(self) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => {
                let ago = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
                let now = SystemClock.now().as_micros();
                Timestamp::from_micros(now.saturating_sub(ago))
            }
        }
    }
}

/// The moment in the local time, to the minute.
pub(crate) fn local(at: Timestamp) -> String {
    spelled(at, TimeZone::system(), "%Y-%m-%d %H:%M")
}

/// The moment in the local time, to the second and with the zone.
pub(crate) fn exact(at: Timestamp) -> String {
    spelled(at, TimeZone::system(), "%Y-%m-%d %H:%M:%S %Z")
}

/// The moment as RFC 3339 has it, in UTC.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    spelled(at, TimeZone::UTC, "%Y-%m-%dT%H:%M:%S%.6fZ")
}

fn spelled(at: Timestamp, zone: TimeZone, form: &str) -> String {
    match jiff::Timestamp::from_microsecond(at.as_micros()) {
        Ok(at) => at.to_zoned_datetime(zone).strftime(form).to_string(),
        // Beyond the years that a calendar has.
        Err(_) => at.as_micros().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_each_spelling() {
        let week = Duration::from_secs(7 * 86_400);
        assert_eq!(Moment::parse("7d"), Ok(Moment::Ago(week)));
        let at = |secs: i64| Ok(Moment::At(Timestamp::from_micros(secs * 1_000_000)));
        assert_eq!(Moment::parse("1970-01-02T00:00:00Z"), at(86_400));
        assert_eq!(Moment::parse("1970-01-02T00:00:00+01:00"), at(82_800));
        assert!(Moment::parse("2026-11-01").is_ok() && Moment::parse("2026-11-01T08:30").is_ok());
        assert!(Moment::parse("yesterday").is_err());
        let Ok(Moment::At(at)) = Moment::parse("2026-11-01T08:30:00Z") else {
            panic!("a moment");
        };
        assert_eq!(rfc3339(at), "2026-11-01T08:30:00.000000Z");
    }
}
