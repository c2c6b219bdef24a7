//! Figures as text.

use maud::{Markup, html};

use crate::model::{Money, Timestamp};

/// The longest label that is shown whole.
const LABEL: usize = 72;

/// What stands where nothing was reported.
pub(super) const NOTHING: &str = "–";

/// With a comma between groups of three digits.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count that may not have been reported.
pub(super) fn reported(number: Option<u64>) -> String {
    number.map_or_else(|| NOTHING.into(), count)
}

/// A count and its noun.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Three digits and a unit, for axes and places without room.
#[expect(clippy::float_arithmetic, reason = "rendering")]
pub(super) fn short(number: f64) -> String {
    let units = [(1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k")];
    let size = number.abs();
    let (value, unit) = units
        .into_iter()
        .find(|(scale, _)| size >= *scale)
        .map_or((number, ""), |(scale, unit)| (number / scale, unit));
    if value.abs() >= 1e6 {
        return format!("{value:.0e}{unit}");
    }
    let decimals = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{unit}")
}

#[expect(clippy::cast_precision_loss, reason = "rendering")]
pub(super) fn short_count(number: u64) -> String {
    short(number as f64)
}

/// Dollars on an axis.
pub(super) fn dollars(amount: f64) -> String {
    let text = short(amount);
    text.strip_prefix('-')
        .map_or_else(|| format!("${text}"), |size| format!("-${size}"))
}

#[expect(clippy::float_arithmetic, reason = "rendering")]
pub(super) fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(
        || NOTHING.into(),
        |rate| format!("{:.1}\u{a0}%", rate * 100.0),
    )
}

/// `None` of nothing.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "rendering"
)]
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[expect(clippy::float_arithmetic, reason = "rendering")]
pub(super) fn money_ratio(part: Money, whole: Money) -> Option<f64> {
    (whole > Money::ZERO).then(|| part.as_usd() / whole.as_usd())
}

/// In UTC, by a pattern of `strftime`.
pub(super) fn date(at: Timestamp, pattern: &str) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros())
        .map_or_else(|_| NOTHING.into(), |at| at.strftime(pattern).to_string())
}

pub(super) fn moment(at: Timestamp) -> String {
    date(at, "%Y-%m-%d %H:%M")
}

/// A user's string: cut in the middle, so that those that begin alike can still be told apart.
pub(super) fn clip(text: &str) -> String {
    clip_to(text, LABEL)
}

pub(super) fn clip_to(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let tail = most / 3;
    let head: String = text.chars().take(most - tail - 1).collect();
    let length = text.chars().count();
    let tail: String = text.chars().skip(length - tail).collect();
    format!("{head}…{tail}")
}

/// A label of the user's, kept from changing the direction of what surrounds it.
pub(super) fn label(text: &str, none: &str) -> Markup {
    html! {
        @if text.is_empty() { span.none { (none) } } @else { bdi { (clip(text)) } }
    }
}

/// Text with names between backticks.
pub(super) fn prose(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A table that scrolls in its own box, where it is wider than the page.
pub(super) fn scroll(name: &str, table: &Markup) -> Markup {
    html! {
        div.scroll role="region" aria-label=(name) tabindex="0" { (table) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_where_room_is() {
        let cases = [
            (0.0, "0"),
            (0.0005, "0.0005"),
            (7.5, "7.5"),
            (99.96, "100"),
            (1_500.0, "1.5 k"),
            (123_456_789.0, "123 M"),
            (-2_000_000_000.0, "-2 B"),
        ];
        for (number, text) in cases {
            assert_eq!(short(number), text, "{number}");
        }
        assert_eq!(dollars(-1_500.0), "-$1.5 k");
        assert_eq!(count(1_234_567), "1,234,567");
        assert!(short(1.8e30).len() < 12);
    }

    #[test]
    fn long_labels_keep_both_ends() {
        let text = format!("start{}end", "é".repeat(100));
        let cut = clip(&text);
        assert_eq!(cut.chars().count(), LABEL);
        assert!(cut.starts_with("start") && cut.ends_with("end"), "{cut}");
        assert_eq!(clip("short"), "short");
    }

    #[test]
    fn times_out_of_range_are_no_panic() {
        assert_eq!(moment(Timestamp::from_micros(i64::MAX)), NOTHING);
        assert_eq!(moment(Timestamp::from_micros(0)), "1970-01-01 00:00");
    }
}
