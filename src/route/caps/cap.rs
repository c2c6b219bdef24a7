//! A cap as the user wrote it: `200 USD/day`, `soft 2M tokens/minute`.

use std::fmt;

use super::Period;
use crate::error::Error;
use crate::model::Money;

/// One limit on what is spent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cap {
    /// How it is called in messages, such as `routes.contracts`.
    pub name: Box<str>,
    /// Whose calls count.
    pub scope: CapScope,
    /// How much.
    pub most: Amount,
    /// In which period.
    pub per: Period,
    /// Whether calls beyond it are refused, or only told of.
    pub hardness: Hardness,
}

/// Whose calls a cap counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CapScope {
    /// Everybody's.
    Total,
    /// Those of one route.
    Route(Box<str>),
    /// Those of one tenant, on any route.
    Tenant(Box<str>),
    /// Those of each tenant by itself; a tenant that has a cap of its own is not counted here.
    /// Calls without a tenant are those of one tenant without a name.
    EachTenant,
    /// Those of one backend.
    Backend(Box<str>),
}

/// How much may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third measure")]
pub enum Amount {
    /// Dollars.
    Money(Money),
    /// Tokens, input and output alike.
    Tokens(u64),
}

/// What happens beyond a cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Hardness {
    /// Calls are refused.
    #[default]
    Hard,
    /// Calls pass, and it is told.
    Soft,
}

impl Cap {
    /// A hard cap, named after its scope.
    #[must_use]
    pub fn new(scope: CapScope, most: Amount, per: Period) -> Self {
        Self {
            name: scope.name(),
            scope,
            most,
            per,
            hardness: Hardness::Hard,
        }
    }

    /// Reads `200 USD/day`, `soft 150 USD/day` or `2M tokens/minute` as a cap on everybody; see
    /// [`of`](Self::of) for other scopes.
    ///
    /// # Errors
    /// When it is none; the text says which form is expected.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let form = |what: &str| {
            Error::config(format!(
                "`{text}` is no cap: {what}; write it as \"200 USD/day\", \"soft 150 USD/day\" or \
                 \"2M tokens/minute\" (USD or tokens, per minute, day or month)"
            ))
        };
        let trimmed = text.trim();
        let (hardness, rest) = match trimmed.split_once(char::is_whitespace) {
            Some(("soft", rest)) => (Hardness::Soft, rest),
            Some(("hard", rest)) => (Hardness::Hard, rest),
            _ => (Hardness::Hard, trimmed),
        };
        let (most, per) = rest.split_once('/').ok_or_else(|| form("no period"))?;
        let per = Period::parse(per.trim()).ok_or_else(|| form("unknown period"))?;
        let most = Amount::parse(most.trim()).ok_or_else(|| form("no amount of USD or tokens"))?;
        let mut cap = Self::new(CapScope::Total, most, per);
        cap.hardness = hardness;
        Ok(cap)
    }

    /// The same cap on others' calls, named after them.
    #[must_use]
    pub fn of(mut self, scope: CapScope) -> Self {
        self.name = scope.name();
        self.scope = scope;
        self
    }
}

/// As [`Cap::parse`] reads it.
impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hardness == Hardness::Soft {
            f.write_str("soft ")?;
        }
        write!(f, "{}/{}", self.most, self.per)
    }
}

impl CapScope {
    /// Where a configuration gives such a cap, such as `routes.contracts`.
    fn name(&self) -> Box<str> {
        match self {
            Self::Total => "caps.total".into(),
            Self::Route(name) => format!("routes.{name}").into(),
            Self::Tenant(name) => format!("caps.tenants.{name}").into(),
            Self::EachTenant => "caps.tenant".into(),
            Self::Backend(name) => format!("providers.{name}").into(),
        }
    }
}

/// What an amount counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    Money,
    Tokens,
}

impl Measure {
    /// So much in this measure, saturating.
    pub(super) fn amount(self, units: u128) -> Amount {
        match self {
            Self::Money => Amount::Money(Money::from_pico(units.try_into().unwrap_or(i128::MAX))),
            Self::Tokens => Amount::Tokens(units.try_into().unwrap_or(u64::MAX)),
        }
    }
}

impl Amount {
    /// Reads `200 USD`, `0.5 USD` or `2M tokens`. `None` unless it is a whole number of picodollars
    /// or tokens.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|ch: char| !ch.is_ascii_digit() && ch != '.')?;
        let (number, rest) = text.split_at_checked(end)?;
        let (scale, unit) = match rest.strip_prefix(['k', 'M']) {
            Some(unit) if rest.starts_with('k') => (3, unit),
            Some(unit) => (6, unit),
            None => (0, rest),
        };
        match unit.trim_start() {
            "USD" => {
                let pico = scaled(number, scale + 12)?;
                Some(Self::Money(Money::from_pico(pico.try_into().ok()?)))
            }
            "tokens" | "token" => Some(Self::Tokens(scaled(number, scale)?.try_into().ok()?)),
            _ => None,
        }
    }

    pub(super) const fn measure(self) -> Measure {
        match self {
            Self::Money(_) => Measure::Money,
            Self::Tokens(_) => Measure::Tokens,
        }
    }

    /// In picodollars or tokens; less than nothing is nothing.
    pub(super) fn units(self) -> u128 {
        match self {
            Self::Money(money) => pico(money),
            Self::Tokens(tokens) => u128::from(tokens),
        }
    }
}

/// In picodollars; less than nothing is nothing, so that no figure of a provider makes room.
pub(super) fn pico(money: Money) -> u128 {
    u128::try_from(money.as_pico()).unwrap_or(0)
}

/// A plain decimal times a power of ten; `None` unless the result is whole.
fn scaled(decimal: &str, digits: usize) -> Option<u128> {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > digits {
        return None;
    }
    format!("{whole}{fraction:0<digits$}").parse().ok()
}

/// Exact, as [`Amount::parse`] reads it.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Money(money) => {
                const USD: u128 = 1_000_000_000_000;
                let pico = pico(*money);
                write!(f, "{}", pico / USD)?;
                if !pico.is_multiple_of(USD) {
                    let fraction = format!("{:012}", pico % USD);
                    write!(f, ".{}", fraction.trim_end_matches('0'))?;
                }
                f.write_str(" USD")
            }
            Self::Tokens(tokens) => write!(f, "{tokens} tokens"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USD: i128 = 1_000_000_000_000;

    fn read(text: &str) -> (Amount, Period, Hardness) {
        let cap = Cap::parse(text).unwrap();
        assert_eq!(cap.scope, CapScope::Total);
        (cap.most, cap.per, cap.hardness)
    }

    #[test]
    fn caps_are_read_as_written() {
        let usd = |pico| Amount::Money(Money::from_pico(pico));
        let (hard, soft) = (Hardness::Hard, Hardness::Soft);
        for (text, most, per, hardness) in [
            ("200 USD/day", usd(200 * USD), Period::Day, hard),
            ("hard 200 USD/day", usd(200 * USD), Period::Day, hard),
            (" soft  150 USD / day ", usd(150 * USD), Period::Day, soft),
            ("0.5USD/month", usd(USD / 2), Period::Month, hard),
            ("2k USD/month", usd(2000 * USD), Period::Month, hard),
            ("0.000000000001 USD/day", usd(1), Period::Day, hard),
            ("0 USD/day", usd(0), Period::Day, hard),
            (
                "2M tokens/minute",
                Amount::Tokens(2_000_000),
                Period::Minute,
                hard,
            ),
            (
                "soft 1.5k tokens/day",
                Amount::Tokens(1500),
                Period::Day,
                soft,
            ),
            ("1 token/month", Amount::Tokens(1), Period::Month, hard),
        ] {
            assert_eq!(read(text), (most, per, hardness), "{text}");
        }
    }

    #[test]
    fn what_is_no_cap_is_told_the_form() {
        for text in [
            "",
            "200",
            "200 USD",
            "200 USD/week",
            "200 EUR/day",
            "$200/day",
            "1,000 USD/day",
            "1.5 tokens/day",
            "1.2.3 USD/day",
            ".5 USD/day",
            "5. USD/day",
            "-5 USD/day",
            "1e3 USD/day",
            "0.0000000000001 USD/day",
            "18446744073709551616 tokens/day",
            "999999999999999999999999999999999999999 USD/day",
            "firm 5 USD/day",
            "soft/day",
            "200 USD/day/day",
        ] {
            let error = Cap::parse(text).unwrap_err();
            assert!(error.is_config());
            let error = error.to_string();
            assert!(error.starts_with(&format!("`{text}` is no cap: ")));
            assert!(error.contains("\"200 USD/day\""), "{error}");
        }
    }

    #[test]
    fn a_cap_is_named_after_its_scope() {
        let cap = Cap::parse("1 USD/day").unwrap();
        assert_eq!(&*cap.name, "caps.total");
        let of = |scope| cap.clone().of(scope).name;
        assert_eq!(&*of(CapScope::Route("a".into())), "routes.a");
        assert_eq!(&*of(CapScope::Tenant("a".into())), "caps.tenants.a");
        assert_eq!(&*of(CapScope::EachTenant), "caps.tenant");
        assert_eq!(&*of(CapScope::Backend("a".into())), "providers.a");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(pico in 0..i128::MAX, tokens: u64, soft: bool, per in 0..3_usize) {
            for most in [Amount::Money(Money::from_pico(pico)), Amount::Tokens(tokens)] {
                let mut cap = Cap::new(CapScope::Total, most, Period::ALL[per]);
                cap.hardness = if soft { Hardness::Soft } else { Hardness::Hard };
                prop_assert_eq!(Cap::parse(&cap.to_string()).unwrap(), cap);
            }
        }
    }
}
