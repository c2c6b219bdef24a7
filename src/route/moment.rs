//! Moments and stretches of time as headers write them: RFC 3339, HTTP's date, `6m0s`.
//!
//! Read by hand: the core must build without its optional clock library, and these forms are fixed.

use std::time::Duration;

use crate::model::Timestamp;

const SECOND: u64 = 1_000_000;

/// Units of stretches of time, as Go writes them, in microseconds.
const UNITS: &[(&str, u64)] = &[
    ("h", 3600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1000),
    ("us", 1),
    ("µs", 1),
];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment in RFC 3339, such as `2026-11-25T17:08:49.5Z`.
pub(super) fn rfc3339(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let day = day_of(digits(year, 4)?, digits(month, 2)?, digits(day, 2)?)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let end = rest
        .find(|ch: char| ch != '.' && !ch.is_ascii_digit())
        .unwrap_or(rest.len());
    let (fraction, zone) = rest.split_at_checked(end)?;
    let fraction = match fraction.strip_prefix('.') {
        Some(digits) if !digits.is_empty() => part_of(digits, SECOND)?,
        None if fraction.is_empty() => 0,
        Some(_) | None => return None,
    };
    let micros = moment(day, seconds_of(clock)?, fraction)?;
    micros
        .checked_sub(offset(zone)?)
        .map(Timestamp::from_micros)
}

/// A moment as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`. The two forms that RFC 9110 calls
/// obsolete are not read.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let mut words = text.split_ascii_whitespace();
    words.next()?.strip_suffix(',')?;
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = u64::try_from(month).ok()? + 1;
    let day = day_of(digits(year, 4)?, month, digits(day, 2)?)?;
    let seconds = seconds_of(words.next()?)?;
    let ends = words.next() == Some("GMT") && words.next().is_none();
    let micros = ends.then(|| moment(day, seconds, 0)).flatten()?;
    Some(Timestamp::from_micros(micros))
}

/// A stretch of time such as `17ms`, `8.64s` or `6m0s`; a bare number counts seconds.
pub(super) fn stretch(text: &str) -> Option<Duration> {
    if let Some(seconds) = decimal(text, SECOND) {
        return Some(Duration::from_micros(seconds));
    }
    let mut rest = text;
    let mut micros = 0_u64;
    while !rest.is_empty() {
        let end = rest.find(|ch: char| ch != '.' && !ch.is_ascii_digit())?;
        let (number, more) = rest.split_at_checked(end)?;
        let end = more
            .find(|ch: char| ch.is_ascii_digit())
            .unwrap_or(more.len());
        let (name, more) = more.split_at_checked(end)?;
        let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name)?;
        micros = micros.checked_add(decimal(number, *unit)?)?;
        rest = more;
    }
    (!text.is_empty()).then(|| Duration::from_micros(micros))
}

/// A plain decimal of milliseconds.
pub(super) fn milliseconds(text: &str) -> Option<Duration> {
    decimal(text, 1000).map(Duration::from_micros)
}

/// A plain decimal of a unit, in microseconds.
fn decimal(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole = digits(whole, whole.len())?.checked_mul(unit)?;
    whole.checked_add(part_of(fraction, unit)?)
}

/// The digits behind a point, as part of a unit; what is below a microsecond is dropped.
fn part_of(fraction: &str, unit: u64) -> Option<u64> {
    let kept = fraction.get(..fraction.len().min(9))?;
    let is_number = fraction.bytes().all(|byte| byte.is_ascii_digit());
    let value = digits(kept, kept.len()).filter(|_| is_number)?;
    let scale = 10_u64.checked_pow(u32::try_from(kept.len()).ok()?)?;
    Some(value.checked_mul(unit)? / scale)
}

/// Exactly so many digits, and at least one.
fn digits(text: &str, count: usize) -> Option<u64> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// `08:49:37` in seconds; a leap second counts as the one after it.
fn seconds_of(clock: &str) -> Option<u64> {
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let (hour, minute) = (digits(hour, 2)?, digits(minute, 2)?);
    let second = digits(second, 2)?;
    let is_time = hour < 24 && minute < 60 && second <= 60 && parts.next().is_none();
    is_time.then_some(hour * 3600 + minute * 60 + second)
}

/// How far a zone is ahead of UTC, in microseconds.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    let seconds = (hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)?;
    i64::try_from(seconds * SECOND)
        .ok()
        .map(|micros| sign * micros)
}

fn moment(day: i64, seconds: u64, fraction: u64) -> Option<i64> {
    let within = i64::try_from(seconds * SECOND + fraction).ok()?;
    day.checked_mul(86_400_000_000)?.checked_add(within)
}

/// Days since the epoch (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn day_of(year: u64, month: u64, day: u64) -> Option<i64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u64::from(is_leap),
        _ => return None,
    };
    if day == 0 || day > length || year == 0 {
        return None;
    }
    // Years begin in March, so that the day that is sometimes there comes last.
    let year = if month > 2 { year } else { year - 1 };
    let months = (month + 9) % 12;
    let of_year = (153 * months + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + of_year;
    i64::try_from(days).ok().map(|days| days - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(moment: Option<Timestamp>) -> Option<i64> {
        moment.map(Timestamp::as_micros)
    }

    #[test]
    fn moments_in_rfc_3339() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-25T17:08:49Z", 1_795_626_529_000_000),
            ("2026-11-25t17:08:49z", 1_795_626_529_000_000),
            ("2026-11-25 17:08:49.25Z", 1_795_626_529_250_000),
            ("2026-11-25T17:08:49.1234567Z", 1_795_626_529_123_456),
            ("2026-11-25T18:38:49+01:30", 1_795_626_529_000_000),
            ("2026-11-25T12:08:49-05:00", 1_795_626_529_000_000),
            ("2024-02-29T23:59:60Z", 1_709_251_200_000_000),
            ("1969-12-31T23:59:59Z", -1_000_000),
            ("2000-03-01T00:00:00Z", 951_868_800_000_000),
        ];
        for (text, expected) in cases {
            assert_eq!(micros(rfc3339(text)), Some(expected), "{text}");
        }
        for text in [
            "",
            "2026-11-25",
            "2026-11-25T17:08:49",
            "2026-11-25T17:08Z",
            "2026-11-25T17:08:49.Z",
            "2026-11-25T17:08:49.5.5Z",
            "2026-13-25T17:08:49Z",
            "2025-02-29T17:08:49Z",
            "2026-11-31T17:08:49Z",
            "2026-11-25T24:08:49Z",
            "2026-11-25T17:60:49Z",
            "2026-11-25T17:08:49+0100",
            "+026-11-25T17:08:49Z",
            "2026-11-25T17:08:49Z ",
            "é026-11-2T17:08:49Z",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn moments_as_http_writes_them() {
        let example = http_date("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(micros(example), Some(784_111_777_000_000));
        for text in [
            "",
            "06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37 GMT+1",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    #[test]
    fn stretches_of_time() {
        let cases = [
            ("17ms", 17_000),
            ("1s", 1_000_000),
            ("8.64s", 8_640_000),
            ("6m0s", 360_000_000),
            ("1h2m3.5s", 3_723_500_000),
            ("2m59.56s", 179_560_000),
            ("120us", 120),
            ("0s", 0),
            ("60", 60_000_000),
            ("0.25", 250_000),
        ];
        for (text, micros) in cases {
            let expected = Some(Duration::from_micros(micros));
            assert_eq!(stretch(text), expected, "{text}");
        }
        for text in [
            "",
            "s",
            "-1s",
            "-1",
            "1x",
            "1 s",
            "1.s",
            ".5s",
            "1m2",
            "1e3",
            "1s s",
            "١s",
            "99999999999999999999s",
            "99999999999999999h",
        ] {
            assert_eq!(stretch(text), None, "{text}");
        }
        assert_eq!(
            milliseconds("1234.5"),
            Some(Duration::from_micros(1_234_500))
        );
        assert_eq!(milliseconds("1s"), None);
    }
}
