//! What stands where two texts part. A number that grew and a token that was drawn anew are
//! recognised by the change itself.

use memchr::memmem;

use super::{Scan, Shape, span, token};
use crate::model::{Pattern, Span};

/// How far around the place is looked.
const REACH: usize = 256;
/// How far around a number words say that it runs out.
const NEAR: usize = 48;
const RUNNING_OUT: [&[u8]; 4] = [b"remaining", b"left", b"budget", b"countdown"];

/// The volatile text around the place where two texts part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parted {
    /// Its bytes within the text before.
    pub before: Span,
    /// Its bytes within the text after.
    pub after: Span,
    /// What it is.
    pub pattern: Pattern,
}

/// Recognises what stands around byte `at`, up to which both texts are the same.
///
/// `None` where the difference is not of a kind that differs from call to call. Looks at no more
/// than a few hundred bytes.
#[must_use]
pub fn differing(before: &[u8], after: &[u8], at: usize) -> Option<Parted> {
    parted([Spot { text: before, at }, Spot { text: after, at }])
}

/// Whether two texts are the same but for volatile text, wherever it stands in them.
#[must_use]
pub fn same_but_for_volatile(before: &[u8], after: &[u8]) -> bool {
    let mut spots = [before, after].map(|text| Spot { text, at: 0 });
    loop {
        let [left, right] = spots.map(|spot| spot.text.get(spot.at..).unwrap_or_default());
        let shared = left
            .iter()
            .zip(right)
            .take_while(|(one, other)| one == other)
            .count();
        if shared == left.len() && shared == right.len() {
            return true;
        }
        let here = spots.map(|spot| Spot {
            at: spot.at + shared,
            ..spot
        });
        let Some(found) = parted(here) else {
            return false;
        };
        let [one, other] = &here;
        let next = [found.before.end as usize, found.after.end as usize];
        if next[0] < one.at || next[1] < other.at || next == [one.at, other.at] {
            return false;
        }
        spots = [(before, next[0]), (after, next[1])].map(|(text, at)| Spot { text, at });
    }
}

/// A place in a text.
#[derive(Clone, Copy)]
struct Spot<'a> {
    text: &'a [u8],
    at: usize,
}

fn parted([one, other]: [Spot<'_>; 2]) -> Option<Parted> {
    let (before, after) = (around(one), around(other));
    let same = before.iter().find_map(|shape| {
        let also = after.iter().find(|also| also.pattern == shape.pattern)?;
        Some((shape, also))
    });
    if let Some((shape, also)) = same {
        return Some(Parted {
            before: span(shape.from, shape.to),
            after: span(also.from, also.to),
            pattern: shape.pattern,
        });
    }
    clocks(&before, &after)
        .or_else(|| git([one, other], &before, &after))
        .or_else(|| counted(one, other))
        .or_else(|| redrawn(one, other))
}

/// A clock on both sides, of which one is spelled with less, such as a date without a time.
fn clocks(before: &[Shape], after: &[Shape]) -> Option<Parted> {
    let clock = |shapes: &[Shape]| {
        let mut all = shapes.iter();
        let is = [Pattern::Timestamp, Pattern::Date, Pattern::Time];
        all.find(|shape| is.contains(&shape.pattern)).cloned()
    };
    let (one, other) = (clock(before)?, clock(after)?);
    Some(Parted {
        before: span(one.from, one.to),
        after: span(other.from, other.to),
        pattern: one.pattern.min(other.pattern),
    })
}

/// A line of git's on one side, whatever stands on the other.
fn git([one, other]: [Spot<'_>; 2], before: &[Shape], after: &[Shape]) -> Option<Parted> {
    let line = |shapes: &[Shape]| {
        let mut all = shapes.iter();
        let shape = all.find(|shape| shape.pattern == Pattern::GitLine)?;
        Some(span(shape.from, shape.to))
    };
    let rest = |spot: Spot<'_>| {
        let text = spot.text.get(spot.at..).unwrap_or_default();
        span(spot.at, spot.at + super::line::end(text))
    };
    let (left, right) = (line(before), line(after));
    left.or(right)?;
    Some(Parted {
        before: left.unwrap_or_else(|| rest(one)),
        after: right.unwrap_or_else(|| rest(other)),
        pattern: Pattern::GitLine,
    })
}

/// The shapes over `at`, whether or not the words around them tell.
fn around(Spot { text, at }: Spot<'_>) -> Vec<Shape> {
    let from = start(text, at.saturating_sub(REACH));
    let window = text
        .get(from..(at + REACH).min(text.len()))
        .unwrap_or_default();
    let mut shapes = Scan::new(window).run();
    for shape in &mut shapes {
        shape.from += from;
        shape.to += from;
    }
    shapes.retain(|shape| {
        shape.from <= at && at <= shape.to && at <= shape.from + shape.own
            // A number under a label counts only upwards, which is seen elsewhere.
            && shape.pattern != Pattern::Counter
    });
    shapes
}

/// The first place from `at` on that is not within a word or an escape.
fn start(text: &[u8], at: usize) -> usize {
    let Some(head) = at.checked_sub(1).and_then(|last| text.get(..=last)) else {
        return 0;
    };
    let backslashes = head.iter().rev().take_while(|byte| **byte == b'\\').count();
    let at = at + backslashes % 2;
    let rest = text.get(at..).unwrap_or_default();
    let word = rest.iter().take_while(|byte| token::is_word(**byte));
    at + word.count().min(REACH / 2)
}

/// The run of token characters over a place.
fn run(Spot { text, at }: Spot<'_>) -> Option<Span> {
    let inside = |byte: &&u8| token::is_word(**byte) || **byte == b'-';
    let (head, tail) = text.split_at_checked(at)?;
    let before = head.iter().rev().take(REACH).take_while(inside).count();
    // An escape such as `\n` ends with a letter that belongs to no word.
    let escaped = usize::from(
        before > 0
            && head
                .get(..head.len() - before)
                .is_some_and(|left| left.ends_with(b"\\")),
    );
    let after = tail.iter().take(REACH).take_while(inside).count();
    let found = span(at - before + escaped.min(before), at + after);
    (!found.is_empty()).then_some(found)
}

/// A number that grew, or shrank where the words say that it runs out.
fn counted(before: Spot<'_>, after: Spot<'_>) -> Option<Parted> {
    let one = number(before)?;
    let other = number(after)?;
    let value = |span: Span, spot: Spot<'_>| {
        let digits = std::str::from_utf8(span.of(spot.text)).ok()?;
        digits.parse::<u64>().ok()
    };
    let (was, is) = (value(one, before)?, value(other, after)?);
    let end = (after.at + NEAR).min(after.text.len());
    let window = after.text.get(after.at.saturating_sub(NEAR)..end)?;
    let window = window.to_ascii_lowercase();
    let runs_out = RUNNING_OUT
        .iter()
        .any(|word| memmem::find(&window, word).is_some());
    (is > was || is < was && runs_out).then_some(Parted {
        before: one,
        after: other,
        pattern: Pattern::Counter,
    })
}

/// The whole number over a place: no part of a version, of a name or of a decimal.
fn number(Spot { text, at }: Spot<'_>) -> Option<Span> {
    let (head, tail) = text.split_at_checked(at)?;
    let digits = |byte: &&u8| byte.is_ascii_digit();
    let before = head.iter().rev().take(18).take_while(digits).count();
    let after = tail.iter().take(18).take_while(digits).count();
    let (from, to) = (at - before, at + after);
    let left = from.checked_sub(1).and_then(|at| text.get(at));
    let escape = matches!(
        from.checked_sub(2).and_then(|at| text.get(at..from)),
        Some([b'\\', b'n' | b't' | b'r'])
    );
    let joined = left.is_some_and(|byte| token::is_word(*byte) || b".-".contains(byte));
    let right = text.get(to..).unwrap_or_default();
    let goes_on = matches!(right, [b'.' | b'-', b'0'..=b'9', ..] | [b'_', ..]);
    let unit = right.iter().take_while(|byte| byte.is_ascii_alphabetic());
    (to > from && to - from <= 18 && (!joined || escape) && !goes_on && unit.count() <= 2)
        .then(|| span(from, to))
}

/// A token of the same length and alphabet in the place of another.
fn redrawn(before: Spot<'_>, after: Spot<'_>) -> Option<Parted> {
    let (left, right) = (run(before)?, run(after)?);
    let (one, other) = (left.of(before.text), right.of(after.text));
    let fits = one.len() == other.len()
        && (6..=256).contains(&one.len())
        && token::is_hex(one) == token::is_hex(other);
    let differing = one.iter().zip(other).filter(|(a, b)| a != b).count();
    let drawn = |run: &[u8]| {
        let digits = token::count(run, u8::is_ascii_digit);
        let letters = token::count(run, u8::is_ascii_alphabetic);
        let hyphens = token::count(run, |byte| *byte == b'-');
        token::is_hex(run) || token::is_nonce(run) || digits >= 2 && letters >= 2 && hyphens == 0
    };
    (fits && differing * 2 >= one.len() && drawn(one) && drawn(other)).then_some(Parted {
        before: left,
        after: right,
        pattern: Pattern::Nonce,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part<'a>(before: &'a str, after: &'a str) -> Option<(&'a str, &'a str, Pattern)> {
        let at = before
            .bytes()
            .zip(after.bytes())
            .take_while(|(one, other)| one == other)
            .count();
        let found = differing(before.as_bytes(), after.as_bytes(), at)?;
        Some((
            &before[found.before.start as usize..found.before.end as usize],
            &after[found.after.start as usize..found.after.end as usize],
            found.pattern,
        ))
    }

    const CHANGED: [(&str, &str, &str, &str, Pattern); 13] = [
        (
            "at 2026-11-25T10:00:00Z x",
            "at 2026-11-25T10:05:00Z x",
            "2026-11-25T10:00:00Z",
            "2026-11-25T10:05:00Z",
            Pattern::Timestamp,
        ),
        (
            "log 1795612783 x",
            "log 1795612790 x",
            "1795612783",
            "1795612790",
            Pattern::Timestamp,
        ),
        (
            "on 2026-11-25",
            "on 2026-11-26",
            "2026-11-25",
            "2026-11-26",
            Pattern::Date,
        ),
        (
            "at 10:30 am",
            "at 10:45 am",
            "10:30 am",
            "10:45 am",
            Pattern::Time,
        ),
        (
            "x 3f2504e0-4f89-41d3-9a0c-0305e82c3301 y",
            "x 3f2504e0-4f89-41d3-9a0c-0305e82c33ff y",
            "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "3f2504e0-4f89-41d3-9a0c-0305e82c33ff",
            Pattern::Uuid,
        ),
        (
            "seen 41 times",
            "seen 42 times",
            "41",
            "42",
            Pattern::Counter,
        ),
        (r"a\n9 b", r"a\n10 b", "9", "10", Pattern::Counter),
        (
            "187655 tokens remaining",
            "180000 tokens remaining",
            "187655",
            "180000",
            Pattern::Counter,
        ),
        ("turn 7", "turn 8", "7", "8", Pattern::Counter),
        (
            "k x9Kd82hQ y",
            "k bB3l91xz y",
            "x9Kd82hQ",
            "bB3l91xz",
            Pattern::Nonce,
        ),
        ("cch=1a2b3;", "cch=9f0e1;", "1a2b3", "9f0e1", Pattern::Nonce),
        (
            "in /home/alice/app",
            "in /home/bob/app",
            "/home/alice/app",
            "/home/bob/app",
            Pattern::Path,
        ),
        (
            r"Current branch: main\nx",
            r"Current branch: dev\nx",
            "Current branch: main",
            "Current branch: dev",
            Pattern::GitLine,
        ),
    ];

    #[test]
    fn what_changed_is_recognised_without_words_around_it() {
        for (before, after, one, other, pattern) in CHANGED {
            assert_eq!(
                part(before, after),
                Some((one, other, pattern)),
                "{before} / {after}"
            );
        }
    }

    #[test]
    fn an_edit_is_no_volatile_text() {
        for (before, after) in [
            ("use version 1.2.3", "use version 1.2.4"),
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4-0-20250514"),
            ("You are helpful", "You are harmful"),
            ("at most 30 words", "at most 20 words"),
            ("gpt4turbo", "gpt5turbo"),
            ("read /home/alice/app/one.rs", "read /home/alice/app/two.rs"),
            ("password", "passport"),
            ("abc", "abcd"),
            ("one two", "three"),
        ] {
            assert_eq!(part(before, after), None, "{before} / {after}");
        }
    }

    #[test]
    fn texts_may_differ_in_several_volatile_places() {
        let same = |one: &str, other: &str| same_but_for_volatile(one.as_bytes(), other.as_bytes());
        assert!(same("10:00:01 turn 3 of x", "10:00:09 turn 4 of x"));
        assert!(!same("10:00:01 turn 3 of x", "10:00:09 turn 4 of y"));
        assert!(!same("10:00:01 and more", "10:00:09"));
    }
}
