//! When the periods of caps begin and end.

use std::fmt;

use crate::model::Timestamp;

/// A period of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "a calendar must know them all")]
pub enum Period {
    /// A minute.
    Minute,
    /// A day.
    Day,
    /// A month.
    Month,
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Day, Self::Month];

    /// Its name, such as `day`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The period of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.as_str() == name)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Says when periods begin and end, in some time zone.
pub trait Calendar: fmt::Debug + Send + Sync {
    /// The beginning of the period around `at`, and of the one after it.
    fn around(&self, per: Period, at: Timestamp) -> (Timestamp, Timestamp);
}

/// The calendar of UTC.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to configure")]
pub struct Utc;

impl Calendar for Utc {
    fn around(&self, per: Period, at: Timestamp) -> (Timestamp, Timestamp) {
        match per {
            Period::Minute => whole(MINUTE, at),
            Period::Day => whole(DAY, at),
            Period::Month => {
                let (year, month) = month_of(at.as_micros().div_euclid(DAY));
                let (next_year, next) = if month == 12 {
                    (year + 1, 1)
                } else {
                    (year, month + 1)
                };
                (midnight(year, month), midnight(next_year, next))
            }
        }
    }
}

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn whole(length: i64, at: Timestamp) -> (Timestamp, Timestamp) {
    let count = at.as_micros().div_euclid(length);
    let border = |count: i64| Timestamp::from_micros(count.saturating_mul(length));
    (border(count), border(count + 1))
}

/// The first moment of a month.
fn midnight(year: i64, month: i64) -> Timestamp {
    Timestamp::from_micros(first_day(year, month).saturating_mul(DAY))
}

/// Days from one March to a later one repeat every 400 years.
const ERA: i64 = 146_097;
/// From the first of March of the year zero to the epoch.
const EPOCH: i64 = 719_468;

/// The first day of a month, in days since the epoch. Years are counted from March, so that the leap
/// day is the last of its year.
fn first_day(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let in_era = year.rem_euclid(400);
    let since_march = (month + 9).rem_euclid(12);
    let in_year = (153 * since_march + 2) / 5;
    era * ERA + in_era * 365 + in_era / 4 - in_era / 100 + in_year - EPOCH
}

/// The year and the month of a day since the epoch.
fn month_of(day: i64) -> (i64, i64) {
    let day = day + EPOCH;
    let era = day.div_euclid(ERA);
    let in_era = day.rem_euclid(ERA);
    let leap_days = in_era / 1_460 - in_era / 36_524 + in_era / 146_096;
    let years = (in_era - leap_days) / 365;
    let in_year = in_era - (365 * years + years / 4 - years / 100);
    let since_march = (5 * in_year + 2) / 153;
    let month = (since_march + 2).rem_euclid(12) + 1;
    let year = years + era * 400 + i64::from(month <= 2);
    (year, month)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// Seconds since the epoch as `date -u -d ... +%s` gives them.
    #[test]
    fn months_of_known_dates() {
        for (at, from, until) in [
            // 2026-11-25, a month of thirty days.
            (1_795_564_800, 1_793_491_200, 1_796_083_200),
            // The leap day of 2024, the last second of it and the one after.
            (1_709_164_800, 1_706_745_600, 1_709_251_200),
            (1_709_251_199, 1_706_745_600, 1_709_251_200),
            (1_709_251_200, 1_709_251_200, 1_711_929_600),
            // 2000 was a leap year, 2100 will be none.
            (951_782_400, 949_363_200, 951_868_800),
            (4_107_456_000, 4_105_123_200, 4_107_542_400),
            // Around the turn of a year, and before the epoch.
            (1_767_225_599, 1_764_547_200, 1_767_225_600),
            (1_767_225_600, 1_767_225_600, 1_769_904_000),
            (0, 0, 2_678_400),
            (-1, -2_678_400, 0),
        ] {
            let found = Utc.around(Period::Month, seconds(at));
            assert_eq!(found, (seconds(from), seconds(until)), "{at}");
        }
    }

    #[test]
    fn days_and_minutes_are_whole() {
        let at = Timestamp::from_micros(1_795_564_800_000_000 + 12_345_678_901);
        assert_eq!(
            Utc.around(Period::Day, at),
            (seconds(1_795_564_800), seconds(1_795_651_200))
        );
        assert_eq!(
            Utc.around(Period::Minute, at),
            (
                seconds(1_795_564_800 + 12_300),
                seconds(1_795_564_800 + 12_360)
            )
        );
    }

    /// Every month from the year 0 to 2400, counted one by one.
    #[test]
    fn months_follow_each_other() {
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut day = first_day(0, 1);
        for year in 0..2400 {
            for (month, length) in (1..).zip(lengths) {
                let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
                let length = length + i64::from(month == 2 && leap);
                assert_eq!(first_day(year, month), day);
                assert_eq!(month_of(day), (year, month));
                assert_eq!(month_of(day + length - 1), (year, month));
                day += length;
            }
        }
        assert_eq!(first_day(1970, 1), 0);
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_its_period(micros: i64) {
            let at = Timestamp::from_micros(micros);
            for per in Period::ALL {
                let (from, until) = Utc.around(per, at);
                prop_assert!(from <= at, "{per}");
                prop_assert!(at < until || until.as_micros() == i64::MAX, "{per}");
                let sane = micros.unsigned_abs() < i64::MAX.unsigned_abs() / 2;
                if sane {
                    prop_assert_eq!(Utc.around(per, from), (from, until));
                    prop_assert_eq!(Utc.around(per, until).0, until);
                }
            }
        }
    }
}
