//! Dates and times of day, in the spellings that programs print.

use crate::model::Pattern;

/// A date, a time of day or both, found at the start of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Its length in bytes.
    pub(super) len: usize,
    /// A timestamp, a date or a time.
    pub(super) pattern: Pattern,
}

const MONTHS: [&[u8]; 12] = [
    b"january",
    b"february",
    b"march",
    b"april",
    b"may",
    b"june",
    b"july",
    b"august",
    b"september",
    b"october",
    b"november",
    b"december",
];

const DAYS: [&[u8]; 7] = [
    b"monday",
    b"tuesday",
    b"wednesday",
    b"thursday",
    b"friday",
    b"saturday",
    b"sunday",
];

const ZONES: [&[u8]; 14] = [
    b"UTC", b"GMT", b"EST", b"EDT", b"CST", b"CDT", b"MST", b"MDT", b"PST", b"PDT", b"CET",
    b"CEST", b"IST", b"JST",
];

/// Reads the moment that `text` begins with.
pub(super) fn moment(text: &[u8]) -> Option<Moment> {
    let mut reader = Reader { rest: text };
    let pattern = reader.moment()?;
    let followed = matches!(
        reader.rest,
        [b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_', ..]
            | [b'-' | b'.' | b':' | b'/', b'0'..=b'9', ..]
    );
    (!followed).then_some(Moment {
        len: text.len() - reader.rest.len(),
        pattern,
    })
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn moment(&mut self) -> Option<Pattern> {
        if self.all(Self::unix).is_some() {
            return Some(Pattern::Timestamp);
        }
        if self.all(Self::date).is_some() {
            let clock = self.all(|reader| reader.joint().and_then(|()| reader.behind()));
            return Some(clock.map_or(Pattern::Date, |()| Pattern::Timestamp));
        }
        self.all(Self::clock)?;
        let date = self.all(|reader| reader.joint().and_then(|()| reader.date()));
        Some(date.map_or(Pattern::Time, |()| Pattern::Timestamp))
    }

    /// Reads all of it or nothing.
    fn all<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut ahead = *self;
        let found = read(&mut ahead)?;
        *self = ahead;
        Some(found)
    }

    /// As `date` prints it: `Wed Nov 25 13:19:43 UTC 2026`.
    fn unix(&mut self) -> Option<()> {
        self.name(&DAYS)?;
        self.spaces()?;
        self.name(&MONTHS)?;
        self.spaces()?;
        self.number(1, 2, 1, 31)?;
        self.spaces()?;
        self.clock()?;
        self.spaces()?;
        self.year()
    }

    fn date(&mut self) -> Option<()> {
        self.all(Self::year_first)
            .or_else(|| self.all(Self::compact))
            .or_else(|| self.all(Self::year_last))
            .or_else(|| self.all(Self::month_named))
            .or_else(|| self.all(Self::day_named))
    }

    /// `2026-11-25`, `2026/11/25`, `2026.11.25`.
    fn year_first(&mut self) -> Option<()> {
        self.year()?;
        let sign = self.any(b"-/.")?;
        self.number(1, 2, 1, 12)?;
        self.byte(sign)?;
        self.number(1, 2, 1, 31).map(drop)
    }

    /// `20261125`.
    fn compact(&mut self) -> Option<()> {
        self.year()?;
        self.number(2, 2, 1, 12)?;
        self.number(2, 2, 1, 31).map(drop)
    }

    /// `11/25/2026`, `25.11.2026`, `25-11-2026`.
    fn year_last(&mut self) -> Option<()> {
        let one = self.number(1, 2, 1, 31)?;
        let sign = self.any(b"-/.")?;
        let other = self.number(1, 2, 1, 31)?;
        self.byte(sign)?;
        self.year()?;
        (one <= 12 || other <= 12).then_some(())
    }

    /// `Nov 25, 2026`, `Wednesday, November 25th 2026`.
    fn month_named(&mut self) -> Option<()> {
        self.weekday();
        self.name(&MONTHS)?;
        self.spaces()?;
        self.number(1, 2, 1, 31)?;
        self.ordinal();
        self.optional(b',');
        self.spaces()?;
        self.year()
    }

    /// `25 Nov 2026`, `Wed, 25 November 2026`, `25-Nov-2026`.
    fn day_named(&mut self) -> Option<()> {
        self.weekday();
        self.number(1, 2, 1, 31)?;
        self.ordinal();
        self.any(b" -/")?;
        self.name(&MONTHS)?;
        self.optional(b',');
        self.any(b" -/")?;
        self.year()
    }

    fn weekday(&mut self) {
        self.all(|reader| {
            reader.name(&DAYS)?;
            reader.optional(b',');
            reader.spaces()
        });
    }

    fn ordinal(&mut self) {
        if let [b's' | b'n' | b'r' | b't', b't' | b'd' | b'h', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// A time of day behind a date.
    fn behind(&mut self) -> Option<()> {
        if self.all(Self::clock).is_none() {
            self.plain()?;
            self.zone();
        }
        Some(())
    }

    fn clock(&mut self) -> Option<()> {
        if self.all(Self::colons).is_none() {
            self.number(1, 2, 1, 12)?;
            self.half()?;
        }
        self.zone();
        Some(())
    }

    /// `13:19`, `13:19:43.25`, `1:19 PM`.
    fn colons(&mut self) -> Option<()> {
        self.number(1, 2, 0, 24)?;
        self.byte(b':')?;
        self.number(2, 2, 0, 59)?;
        self.all(|reader| {
            reader.byte(b':')?;
            reader.number(2, 2, 0, 60)
        });
        self.fraction();
        self.all(Self::half);
        Some(())
    }

    /// `131943` or `13-19-43`.
    fn plain(&mut self) -> Option<()> {
        self.number(2, 2, 0, 23)?;
        let sign = self.all(|reader| reader.any(b"-_"));
        self.number(2, 2, 0, 59)?;
        if let Some(sign) = sign {
            self.byte(sign)?;
        }
        self.number(2, 2, 0, 60)?;
        self.fraction();
        Some(())
    }

    fn fraction(&mut self) {
        self.all(|reader| {
            reader.any(b".,")?;
            reader.number(1, 9, 0, u64::MAX)
        });
    }

    fn half(&mut self) -> Option<()> {
        self.optional(b' ');
        match self.rest {
            [b'a' | b'A' | b'p' | b'P', b'm' | b'M', rest @ ..] => {
                self.rest = rest;
                Some(())
            }
            [
                b'a' | b'A' | b'p' | b'P',
                b'.',
                b'm' | b'M',
                b'.',
                rest @ ..,
            ] => {
                self.rest = rest;
                Some(())
            }
            _ => None,
        }
    }

    fn zone(&mut self) {
        if let [b'Z' | b'z', rest @ ..] = self.rest {
            self.rest = rest;
            return;
        }
        self.all(|reader| {
            reader.optional(b' ');
            let named = ZONES.iter().any(|zone| reader.literal(zone).is_some());
            let offset = reader.all(|reader| {
                reader.any(b"+-")?;
                reader.number(2, 2, 0, 14)?;
                reader.optional(b':');
                reader.number(2, 2, 0, 59)
            });
            (named || offset.is_some()).then_some(())
        });
        self.all(|reader| {
            reader.literal(b" (")?;
            let inside = reader.rest.get(..40).unwrap_or(reader.rest);
            let end = memchr::memchr(b')', inside)?;
            let (name, _) = inside.split_at(end);
            let is_name = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b' ';
            reader.rest = reader.rest.get(end + 1..)?;
            name.iter().all(is_name).then_some(())
        });
    }

    /// What stands between a date and a time: a `T`, spaces, a comma, `at`.
    fn joint(&mut self) -> Option<()> {
        if let [b'T' | b't' | b'_', rest @ ..] = self.rest {
            self.rest = rest;
            return Some(());
        }
        self.optional(b',');
        self.all(|reader| reader.literal(b" at "))
            .or_else(|| self.all(|reader| reader.literal(b" - ")))
            .or_else(|| self.spaces())
    }

    fn year(&mut self) -> Option<()> {
        self.number(4, 4, 1970, 2099).map(drop)
    }

    fn number(&mut self, least: usize, most: usize, from: u64, to: u64) -> Option<u64> {
        let digits = self.rest.iter().take(most);
        let count = digits.take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at_checked(count)?;
        let value = digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        self.rest = rest;
        (count >= least && (from..=to).contains(&value)).then_some(value)
    }

    /// One of these names in full or by its first three letters, with or without a dot.
    fn name(&mut self, names: &[&[u8]]) -> Option<()> {
        let letters = self.rest.iter().take(10);
        let count = letters
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let (word, rest) = self.rest.split_at_checked(count)?;
        let fits = |name: &&[u8]| {
            let short = name.get(..count).unwrap_or_default();
            word.eq_ignore_ascii_case(name)
                || (3..=5).contains(&count) && word.eq_ignore_ascii_case(short)
        };
        names.iter().find(|name| fits(name))?;
        self.rest = rest;
        self.optional(b'.');
        Some(())
    }

    fn spaces(&mut self) -> Option<()> {
        let count = self.rest.iter().take_while(|byte| **byte == b' ').count();
        self.rest = self.rest.get(count..)?;
        (1..=2).contains(&count).then_some(())
    }

    fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        self.any(&[wanted]).map(drop)
    }

    fn any(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        wanted.contains(first).then(|| {
            self.rest = rest;
            *first
        })
    }

    fn optional(&mut self, wanted: u8) {
        self.any(&[wanted]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_to_their_end() {
        for text in [
            "2026-11-25T13:19:43Z",
            "2026-11-25T13:19:43.123456+01:00",
            "2026-11-25 13:19:43 UTC",
            "2026-11-25 13:19",
            "2026/11/25 1:19 PM",
            "20261125T131943Z",
            "2026-11-25_13-19-43",
            "Wed, 25 Nov 2026 13:19:43 +0000",
            "Sat Nov 22 2026 10:00:00",
            "Wed Nov 25 2026 13:19:43 GMT+0000 (Coordinated Universal Time)",
            "Wed Nov 25 13:19:43 UTC 2026",
            "Wednesday, November 25, 2026 at 1:19 PM",
            "November 25th, 2026, 13:19",
            "11/25/2026, 1:19:43 PM",
            "25.11.2026 13:19",
            "13:19:43 on".trim_end_matches(" on"),
        ] {
            let found = moment(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(found.len, text.len(), "{text}");
            assert_ne!(found.pattern, Pattern::Date, "{text}");
        }
    }

    #[test]
    fn dates_alone_have_no_clock() {
        for text in [
            "2026-11-25",
            "20261125",
            "25 November 2026",
            "Nov. 25, 2026",
            "Wednesday, November 25, 2026",
            "11/25/2026",
            "25-Nov-2026",
        ] {
            let found = moment(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            let expected = (text.len(), Pattern::Date);
            assert_eq!((found.len, found.pattern), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "1.2.3",
            "2026-13-01",
            "2026-11-25-rc1".get(..4).unwrap_or(""),
            "25:10",
            "12/13",
            "10:61",
            "2026.11.25.1",
            "192.168.1.1",
            "Monday",
            "May 2026",
            "123456",
            "1:2:3",
        ] {
            assert_eq!(moment(text.as_bytes()), None, "{text}");
        }
    }
}
