//! Times and money as they are written.

use std::time::Duration;

use crate::model::Money;

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

/// Such as `0.01 USD` or `$0.01`.
pub(super) fn money(text: &str) -> Option<Money> {
    let text = text.trim();
    let amount = match text.strip_prefix('$') {
        Some(amount) => amount,
        None => text.strip_suffix("USD")?.trim_end(),
    };
    // A price per million tokens is a millionth of the dollars per token.
    let per_token = Money::per_mtok(amount)?;
    (per_token >= Money::ZERO).then(|| per_token.times(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_money_are_read_as_written() {
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
        assert_eq!(money("$0.01"), Some(cent));
        for text in ["0.01", "$", "$-1", "$1 USD", "USD", "-1 USD", "1 EUR"] {
            assert_eq!(money(text), None, "{text}");
        }
    }
}
