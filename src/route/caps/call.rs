//! One call as caps see it: who makes it, what it may cost, what it did cost.

use std::fmt;
use std::sync::Arc;

use super::cap::{Measure, pico};
use super::line::Held;
use super::{Amount, Period};
use crate::model::{Money, Timestamp, Usage};

/// Who spends.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "every part is needed")]
pub struct Who<'a> {
    /// The route.
    pub route: &'a str,
    /// The tenant.
    pub tenant: &'a str,
    /// The backend.
    pub backend: &'a str,
}

/// What a call can cost at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Worst {
    /// Dollars; `None` where the model has no price. Such a call passes a cap in dollars as long as
    /// anything is left of it, and is counted as one that had no price ([`Level::unpriced`]).
    ///
    /// [`Level::unpriced`]: super::Level::unpriced
    pub money: Option<Money>,
    /// Tokens.
    pub tokens: u64,
}

/// What a call did cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "every part is needed")]
pub struct Spent {
    /// What the provider reported; `None` where it did not.
    pub usage: Option<Usage>,
    /// Its price; `None` without usage or prices.
    pub money: Option<Money>,
    /// What is taken for the cost where none was reported although something may have been billed.
    /// `None` takes all that was reserved.
    pub presumed: Option<Worst>,
}

/// A cap that has no room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Full {
    /// The cap's name.
    pub cap: Arc<str>,
    /// How much it allows.
    pub most: Amount,
    /// In which period.
    pub per: Period,
    /// How much of it is spent or reserved.
    pub taken: Amount,
    /// How much the call may cost; `None` where it has no price.
    pub asked: Option<Amount>,
    /// When it is empty again. There may be room earlier, when calls cost less than was reserved
    /// for them.
    pub resets: Timestamp,
}

/// A soft cap that a call has crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Crossed {
    /// The cap's name.
    pub cap: Arc<str>,
    /// How much it allows.
    pub most: Amount,
    /// In which period.
    pub per: Period,
    /// How much is spent or reserved, this call included.
    pub taken: Amount,
    /// When it is empty again.
    pub resets: Timestamp,
}

/// Room that was taken for one attempt; given back by settling or releasing it. It belongs to the
/// period in which it was taken.
#[derive(Debug)]
#[must_use = "what is reserved must be settled or released"]
pub struct Reservation {
    /// With the places of the lines.
    pub(super) held: Vec<(usize, Held)>,
    pub(super) tenant: Box<str>,
    pub(super) crossed: Vec<Crossed>,
    pub(super) urgency: Urgency,
}

/// How soon whoever keeps the figures over restarts must write them; see [`Caps::tallies`].
///
/// [`Caps::tallies`]: super::Caps::tallies
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "whoever writes must know them all")]
pub enum Urgency {
    /// Not at all: what is written covers what is taken.
    #[default]
    Not,
    /// At leisure: much more is written than is taken.
    Leisure,
    /// Soon: what is written covers what is taken, but not much more.
    Soon,
    /// Before the call is sent: more is taken than is written.
    Now,
}

impl Worst {
    /// So many dollars, if the model has prices, and so many tokens.
    #[must_use]
    pub const fn new(money: Option<Money>, tokens: u64) -> Self {
        Self { money, tokens }
    }

    pub(super) fn units(&self, measure: Measure) -> Option<u128> {
        match measure {
            Measure::Money => self.money.map(pico),
            Measure::Tokens => Some(u128::from(self.tokens)),
        }
    }
}

impl Spent {
    /// What takes the place of `reserved`; `None` where neither has a price.
    pub(super) fn units(&self, measure: Measure, reserved: Option<u128>) -> Option<u128> {
        let presumed = || match self.presumed {
            Some(presumed) => presumed.units(measure).or(reserved),
            None => reserved,
        };
        match measure {
            Measure::Money => self.money.map(pico).or_else(presumed),
            Measure::Tokens => {
                let usage = self.usage.unwrap_or_default();
                match (usage.input(), usage.output) {
                    (Some(input), Some(output)) => Some(u128::from(input) + u128::from(output)),
                    // The other half is not known, and what is presumed is of both.
                    (Some(part), None) | (None, Some(part)) => presumed().max(Some(part.into())),
                    (None, None) => presumed(),
                }
            }
        }
    }
}

impl Full {
    /// Whether the call would not even fit into an empty cap, so that waiting does not help.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        self.asked
            .is_some_and(|asked| asked.units() > self.most.units())
    }
}

/// One sentence without the time, such as `routes.contracts allows $200.00 per day, of which $199.80
/// are spent or reserved; this call may cost $0.5000`.
impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cap, per) = (&self.cap, self.per);
        let (most, taken) = (Rounded(self.most), Rounded(self.taken));
        write!(
            f,
            "{cap} allows {most} per {per}, of which {taken} are spent or reserved"
        )?;
        match self.asked {
            Some(asked) => write!(f, "; this call may cost {}", Rounded(asked)),
            None => f.write_str("; what this call may cost is not known"),
        }
    }
}

/// One sentence without the time.
impl fmt::Display for Crossed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cap, per) = (&self.cap, self.per);
        let (most, taken) = (Rounded(self.most), Rounded(self.taken));
        write!(
            f,
            "{cap} is crossed: {taken} of {most} per {per} are spent or reserved"
        )
    }
}

/// An amount for people, who do not need picodollars.
struct Rounded(Amount);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Amount::Money(money) => money.fmt(f),
            Amount::Tokens(_) => self.0.fmt(f),
        }
    }
}

impl Reservation {
    pub(super) fn of(tenant: &str) -> Self {
        Self {
            held: Vec::new(),
            tenant: tenant.into(),
            crossed: Vec::new(),
            urgency: Urgency::Not,
        }
    }

    /// The soft caps that this call was the first to cross in their period.
    #[must_use]
    pub fn crossed(&self) -> &[Crossed] {
        &self.crossed
    }

    /// How soon the caps' figures must be written, where they are kept over restarts.
    #[must_use]
    pub const fn urgency(&self) -> Urgency {
        self.urgency
    }
}
