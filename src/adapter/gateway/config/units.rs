//! Times, money and caps as they are written.

use std::time::Duration;

use crate::model::Money;
use crate::route::{Amount, Hardness, Period};

/// Such as `500ms`, `30s`, `2m`, `1h` or `1d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|ch: char| !ch.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(digits)?;
    let count: u64 = count.parse().ok()?;
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.checked_mul(millis).map(Duration::from_millis)
}

/// Such as `0.01 USD`.
pub(super) fn money(text: &str) -> Option<Money> {
    let amount = text.trim().strip_suffix("USD")?.trim_end();
    // A price per million tokens is a millionth of the dollars per token.
    let per_token = Money::per_mtok(amount)?;
    (per_token >= Money::ZERO).then(|| per_token.times(1_000_000))
}

/// Such as `200 USD/day`, `soft 150 USD/day` or `2M tokens/minute`.
pub(super) fn cap(text: &str) -> Option<(Amount, Period, Hardness)> {
    let text = text.trim();
    let (hardness, text) = match text.strip_prefix("soft ") {
        Some(rest) => (Hardness::Soft, rest),
        None => (Hardness::Hard, text.strip_prefix("hard ").unwrap_or(text)),
    };
    let (amount, period) = text.split_once('/')?;
    let period = match period.trim() {
        "minute" => Period::Minute,
        "day" => Period::Day,
        "month" => Period::Month,
        _ => return None,
    };
    let amount = match money(amount) {
        Some(money) => Amount::Money(money),
        None => Amount::Tokens(tokens(amount)?),
    };
    Some((amount, period, hardness))
}

/// Such as `2M tokens`.
fn tokens(text: &str) -> Option<u64> {
    let count = text.trim().strip_suffix("tokens")?.trim_end();
    let (count, times) = match count.chars().next_back()? {
        'k' => (count.strip_suffix('k')?, 1000),
        'M' => (count.strip_suffix('M')?, 1_000_000),
        _ => (count, 1),
    };
    let count: u64 = count.trim_end().replace('_', "").parse().ok()?;
    count.checked_mul(times)
}

/// A cap as it is written.
pub(super) fn written((amount, period, hardness): (Amount, Period, Hardness)) -> String {
    let soft = match hardness {
        Hardness::Soft => "soft ",
        Hardness::Hard => "",
    };
    let amount = match amount {
        Amount::Money(money) => format!("{:.2} USD", money.as_usd()),
        Amount::Tokens(tokens) => format!("{tokens} tokens"),
    };
    let period = match period {
        Period::Minute => "minute",
        Period::Day => "day",
        Period::Month => "month",
    };
    format!("{soft}{amount}/{period}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_money_and_caps_are_read_as_written() {
        for (text, millis) in [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("30", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
        let cent = Money::from_pico(10_000_000_000);
        assert_eq!(money("0.01 USD"), Some(cent));
        assert_eq!(money("0.01USD"), Some(cent));
        for text in ["0.01", "$0.01", "USD", "-1 USD", "1 EUR"] {
            assert_eq!(money(text), None, "{text}");
        }
        let day = |dollars: i128| Amount::Money(Money::from_pico(dollars * 1_000_000_000_000));
        assert_eq!(
            cap("200 USD/day"),
            Some((day(200), Period::Day, Hardness::Hard))
        );
        assert_eq!(
            cap("soft 150 USD / month"),
            Some((day(150), Period::Month, Hardness::Soft))
        );
        for text in [
            "2M tokens/minute",
            "2_000k tokens/minute",
            "2000000 tokens/minute",
        ] {
            let expected = (Amount::Tokens(2_000_000), Period::Minute, Hardness::Hard);
            assert_eq!(cap(text), Some(expected), "{text}");
        }
        for text in ["200/day", "200 USD", "200 USD/week", "x tokens/day", ""] {
            assert_eq!(cap(text), None, "{text}");
        }
        let all = cap("soft 2.5 USD/day").unwrap();
        assert_eq!(written(all), "soft 2.50 USD/day");
    }
}
