//! The control arm: a share of conversations that nothing is done to, so that savings are measured.

use std::fmt;

/// Which arm of a holdout a conversation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a comparison has two arms")]
pub enum Arm {
    /// It is treated as the settings say.
    Treated,
    /// It passes untouched and is accounted for.
    Control,
}

impl Arm {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Treated, Self::Control];

    /// The name in the ledger and in exports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Treated => "treated",
            Self::Control => "control",
        }
    }

    /// The arm of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arm| arm.as_str() == name)
    }
}

/// A share of conversations, in hundredths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// Nobody.
    pub const NONE: Self = Self(0);

    /// This many hundredths of a percent; everybody from ten thousand on.
    #[must_use]
    pub const fn hundredths(number: u16) -> Self {
        Self(if number > WHOLE { WHOLE } else { number })
    }

    /// Reads a percentage with at most two decimals, such as `5%` or `0.25%`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.trim().strip_suffix('%')?.trim_end();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 2 || !digits(whole) || !digits(fraction) {
            return None;
        }
        let hundredths: u16 = format!("{whole}{fraction:0<2}").parse().ok()?;
        (hundredths <= WHOLE).then_some(Self(hundredths))
    }

    /// In hundredths of a percent.
    #[must_use]
    pub const fn as_hundredths(self) -> u16 {
        self.0
    }

    /// Whether a conversation of this evenly spread number belongs to the share. A larger share holds
    /// everybody that a smaller one holds.
    #[must_use]
    pub const fn holds(self, number: u64) -> bool {
        number % (WHOLE as u64) < self.0 as u64
    }
}

/// Everybody.
const WHOLE: u16 = 10_000;

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        match rest {
            0 => write!(f, "{whole}%"),
            rest if rest % 10 == 0 => write!(f, "{whole}.{}%", rest / 10),
            rest => write!(f, "{whole}.{rest:02}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_they_are_written() {
        for (text, hundredths) in [
            ("5%", 500),
            ("0.25%", 25),
            ("0.5%", 50),
            ("1.05%", 105),
            ("100%", 10_000),
            ("0%", 0),
        ] {
            let share = Share::parse(text).unwrap();
            assert_eq!(share.as_hundredths(), hundredths, "{text}");
            assert_eq!(share.to_string(), text);
        }
        for text in ["5", "", "%", "-1%", "101%", "1.234%", "1e1%", "5 percent"] {
            assert_eq!(Share::parse(text), None, "{text}");
        }
    }

    #[test]
    fn arms_are_read_as_they_are_written() {
        for arm in Arm::ALL {
            assert_eq!(Arm::parse(arm.as_str()), Some(arm));
        }
        assert_eq!(Arm::parse("Control"), None);
    }

    #[test]
    fn a_larger_share_holds_everybody_of_a_smaller_one() {
        let [few, many] = [Share::hundredths(500), Share::hundredths(2000)];
        let numbers = (0..20_000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let held = |share: Share| numbers.clone().filter(move |number| share.holds(*number));
        assert!(held(few).all(|number| many.holds(number)));
        assert!((900..1100).contains(&held(few).count()));
        assert_eq!(held(Share::NONE).count(), 0);
        assert_eq!(held(Share::hundredths(u16::MAX)).count(), 20_000);
    }
}
