//! Times rounded down to a step, spelled as long as before.

use std::time::Duration;

const DAY: u64 = 86_400;

/// The moment `text` rounded down to `step`; `None` where it is not understood or need not change.
pub(super) fn rounded(text: &[u8], step: Duration) -> Option<Vec<u8>> {
    let step = step.as_secs();
    if step == 0 || DAY.checked_rem(step) != Some(0) {
        return None;
    }
    let out = epoch(text, step)
        .or_else(|| spelled(text, step))
        .or_else(|| compact(text, step))?;
    (out != text).then_some(out)
}

/// Seconds or milliseconds since 1970.
fn epoch(text: &[u8], step: u64) -> Option<Vec<u8>> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let per_second = match digits {
        10 => 1,
        13 => 1000,
        _ => return None,
    };
    let (whole, rest) = text.split_at_checked(digits)?;
    let is_fraction =
        matches!(rest, [] | [b'.', ..]) && rest.iter().skip(1).all(u8::is_ascii_digit);
    if !is_fraction {
        return None;
    }
    let moment = number(whole)?;
    let down = moment - moment % (step * per_second);
    let mut out = format!("{down:0digits$}").into_bytes();
    out.extend(rest.iter().map(|byte| zero(*byte)));
    Some(out)
}

/// A time of day with colons, wherever it stands in the text.
fn spelled(text: &[u8], step: u64) -> Option<Vec<u8>> {
    let time = Time::find(text)?;
    let half = half(text.get(time.end..)?);
    let hour = match half {
        Some(Half::Morning) => time.hour % 12,
        Some(Half::Afternoon) => time.hour % 12 + 12,
        None => time.hour,
    };
    let [hours, minutes, seconds] = down(hour, time.minute, time.second, step)?;
    if half == Some(Half::Afternoon) && hours < 12 {
        // Where it is now morning, it would have to say so.
        return None;
    }
    let hours = match half {
        Some(_) if hours % 12 == 0 => 12,
        Some(_) => hours % 12,
        None => hours,
    };
    let width = time.width;
    let mut out = text.get(..time.start)?.to_vec();
    out.extend_from_slice(format!("{hours:0width$}:{minutes:02}").as_bytes());
    if time.second.is_some() {
        out.extend_from_slice(format!(":{seconds:02}").as_bytes());
    }
    let fraction = text.get(time.fraction..time.end)?;
    out.extend(fraction.iter().map(|byte| zero(*byte)));
    out.extend_from_slice(text.get(time.end..)?);
    Some(out)
}

/// A time of day as it is spelled.
struct Time {
    start: usize,
    /// Digits of the hour.
    width: usize,
    hour: u64,
    minute: u64,
    second: Option<u64>,
    /// Where the fraction of a second begins, its sign included, and where it ends.
    fraction: usize,
    end: usize,
}

impl Time {
    fn find(text: &[u8]) -> Option<Self> {
        let before = text.windows(3).position(
            |three| matches!(three, [a, b':', b] if a.is_ascii_digit() && b.is_ascii_digit()),
        )?;
        let colon = before + 1;
        let hour = text.get(..colon)?.iter().rev();
        let width = hour.take_while(|byte| byte.is_ascii_digit()).count();
        let start = colon - width;
        let mut fraction = colon + 3;
        let second = match text.get(fraction..fraction + 3) {
            Some([b':', digits @ ..]) => Some(number(digits)?),
            Some(_) | None => None,
        };
        let mut end = fraction;
        if second.is_some() {
            fraction += 3;
            end = fraction;
            if let Some([b'.' | b',', rest @ ..]) = text.get(fraction..) {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                end += if digits > 0 { digits + 1 } else { 0 };
            }
        }
        Some(Self {
            start,
            width,
            hour: number(text.get(start..colon)?)?,
            minute: number(text.get(colon + 1..colon + 3)?)?,
            second,
            fraction,
            end,
        })
    }
}

/// `T131943` and `T1319` behind a date.
fn compact(text: &[u8], step: u64) -> Option<Vec<u8>> {
    let at = text.iter().position(|byte| matches!(byte, b'T' | b't'))? + 1;
    let rest = text.get(at..)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let second = match digits {
        4 => None,
        6 => Some(number(rest.get(4..6)?)?),
        _ => return None,
    };
    let day = down(
        number(rest.get(..2)?)?,
        number(rest.get(2..4)?)?,
        second,
        step,
    )?;
    let [hours, minutes, seconds] = day;
    let mut out = text.get(..at)?.to_vec();
    out.extend_from_slice(format!("{hours:02}{minutes:02}").as_bytes());
    if second.is_some() {
        out.extend_from_slice(format!("{seconds:02}").as_bytes());
    }
    out.extend_from_slice(rest.get(digits..)?);
    Some(out)
}

/// Hour, minute and second of the step before; `None` for what is no time of day.
fn down(hour: u64, minute: u64, second: Option<u64>, step: u64) -> Option<[u64; 3]> {
    let second = second.unwrap_or(0);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let moment = hour * 3600 + minute * 60 + second.min(59);
    let down = moment - moment % step;
    Some([down / 3600, down / 60 % 60, down % 60])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Morning,
    Afternoon,
}

fn half(rest: &[u8]) -> Option<Half> {
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    match rest {
        [b'a' | b'A', b'm' | b'M', ..] => Some(Half::Morning),
        [b'p' | b'P', b'm' | b'M', ..] => Some(Half::Afternoon),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| all)?
        .parse()
        .ok()
}

const fn zero(byte: u8) -> u8 {
    if byte.is_ascii_digit() { b'0' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(step: u64, text: &str) -> Option<String> {
        let out = rounded(text.as_bytes(), Duration::from_secs(step))?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_spelling_is_rounded_in_its_own() {
        for (text, hour) in [
            ("2026-11-25T13:19:43.123456Z", "2026-11-25T13:00:00.000000Z"),
            (
                "2026-11-25 13:19:43,9 +05:30",
                "2026-11-25 13:00:00,0 +05:30",
            ),
            ("2026-11-25T13:19+01:00", "2026-11-25T13:00+01:00"),
            (
                "Wed Nov 25 13:19:43 UTC 2026",
                "Wed Nov 25 13:00:00 UTC 2026",
            ),
            (
                "Wed, 25 Nov 2026 09:07:01 GMT",
                "Wed, 25 Nov 2026 09:00:00 GMT",
            ),
            ("11/25/2026, 1:19:43 PM", "11/25/2026, 1:00:00 PM"),
            ("12:59 am", "12:00 am"),
            ("9:07", "9:00"),
            ("20261125T131943Z", "20261125T130000Z"),
            ("1764076783", "1764075600"),
            ("1764076783.25", "1764075600.00"),
            ("1764076783123", "1764075600000"),
        ] {
            assert_eq!(to(3600, text).as_deref(), Some(hour), "{text}");
            assert_eq!(to(3600, hour), None, "twice is once: {hour}");
        }
    }

    #[test]
    fn the_step_decides() {
        let text = "2026-11-25T13:19:43Z";
        assert_eq!(to(60, text).as_deref(), Some("2026-11-25T13:19:00Z"));
        assert_eq!(to(900, text).as_deref(), Some("2026-11-25T13:15:00Z"));
        assert_eq!(to(86_400, text).as_deref(), Some("2026-11-25T00:00:00Z"));
        assert_eq!(to(7 * 3600, text), None);
        assert_eq!(to(0, text), None);
    }

    #[test]
    fn what_is_no_time_of_day_is_left_alone() {
        for text in [
            "2026-11-25",
            "25:61",
            "12345",
            "17640767831",
            "a:b",
            "",
            "1:2",
        ] {
            assert_eq!(to(3600, text), None, "{text}");
        }
        // At noon's far side a day's step would have to turn PM into AM.
        assert_eq!(to(86_400, "1:19 PM"), None);
    }
}
