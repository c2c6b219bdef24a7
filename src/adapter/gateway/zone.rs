//! Days and months of a time zone, from the system's own database of time zones.

use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp as Moment, ToSpan as _};

use crate::error::Error;
use crate::model::Timestamp;
use crate::route::{Calendar, Period, Utc};

/// The calendar of a time zone, such as `Europe/Berlin`. Its days have 23 or 25 hours where clocks
/// are changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: Box<str>,
    zone: TimeZone,
}

impl Default for Zone {
    fn default() -> Self {
        Self {
            name: "UTC".into(),
            zone: TimeZone::UTC,
        }
    }
}

impl Zone {
    /// The zone of this name; `UTC` is known everywhere.
    ///
    /// # Errors
    /// When the system's database does not have it, or there is none.
    pub fn named(name: &str) -> Result<Self, Error> {
        Self::among(jiff::tz::db(), name)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn among(zones: &TimeZoneDatabase, name: &str) -> Result<Self, Error> {
        if name == "UTC" {
            return Ok(Self::default());
        }
        let zone = zones.get(name).map_err(|error| {
            let fix = if zones.is_definitively_empty() || zones.available().next().is_none() {
                "this machine has no database of time zones: install the package `tzdata`, point \
                 TZDIR at a copy of /usr/share/zoneinfo, or leave the zone out to count in UTC"
            } else {
                "write it as \"Europe/Berlin\" or \"America/New_York\" (the names of the IANA \
                 database), or leave it out to count in UTC"
            };
            Error::config(format!("no time zone `{name}`: {fix}")).caused_by(error)
        })?;
        Ok(Self {
            name: name.into(),
            zone,
        })
    }

    /// The period of days around this moment; `None` at the ends of time.
    fn span(&self, per: Period, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let at = Moment::from_microsecond(at.as_micros()).ok()?;
        let today = self.zone.to_datetime(at).date();
        let (first, next) = match per {
            Period::Minute => return None,
            Period::Day => (today, today.tomorrow().ok()?),
            Period::Month => {
                let first = today.first_of_month();
                (first, first.checked_add(1.month()).ok()?)
            }
        };
        Some((self.beginning(first)?, self.beginning(next)?))
    }

    /// The first moment of a day: later than midnight where clocks are set forward over it.
    fn beginning(&self, date: Date) -> Option<Timestamp> {
        let midnight = date.to_datetime(Time::midnight());
        let first = self.zone.to_timestamp(midnight).ok()?;
        Some(Timestamp::from_micros(first.as_microsecond()))
    }
}

impl Calendar for Zone {
    fn around(&self, per: Period, at: Timestamp) -> (Timestamp, Timestamp) {
        // Zones differ from each other by whole minutes.
        self.span(per, at).unwrap_or_else(|| Utc.around(per, at))
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_database_it_is_said_what_to_do() {
        let none = TimeZoneDatabase::none();
        let error = Zone::among(&none, "Europe/Berlin").unwrap_err();
        assert!(error.is_config());
        let error = error.to_string();
        assert!(
            error.starts_with("no time zone `Europe/Berlin`: "),
            "{error}"
        );
        assert!(error.contains("tzdata"), "{error}");
        assert_eq!(Zone::among(&none, "UTC").unwrap(), Zone::default());
    }

    #[test]
    fn utc_is_the_calendar_of_the_core() {
        let at = Timestamp::from_micros(1_795_600_000_000_000);
        for per in Period::ALL {
            assert_eq!(Zone::default().around(per, at), Utc.around(per, at));
        }
    }

    #[test]
    fn the_ends_of_time_have_periods() {
        for micros in [i64::MIN, i64::MIN / 2, i64::MAX / 2, i64::MAX - 1] {
            let at = Timestamp::from_micros(micros);
            let (from, until) = Zone::default().around(Period::Month, at);
            assert!(from <= at && at < until);
        }
    }
}
