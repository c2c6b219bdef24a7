//! What may be spent: reserved at worst case before a call, settled by its usage after it.

use crate::model::{Money, Timestamp, Usage};

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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CapScope {
    /// Everybody's.
    Total,
    /// Those of one route.
    Route(Box<str>),
    /// Those of one tenant, on any route.
    Tenant(Box<str>),
    /// Those of each tenant by itself, those named otherwise apart.
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

/// A period of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a calendar must know them all")]
pub enum Period {
    /// A minute.
    Minute,
    /// A day.
    Day,
    /// A month.
    Month,
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

/// Says when periods begin and end, in some time zone.
pub trait Calendar: std::fmt::Debug + Send + Sync {
    /// The beginning of the period around `at`, and of the one after it.
    fn around(&self, per: Period, at: Timestamp) -> (Timestamp, Timestamp);
}

/// The calendar of UTC.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Utc;

impl Calendar for Utc {
    fn around(&self, per: Period, at: Timestamp) -> (Timestamp, Timestamp) {
        let _ = per;
        (at, at)
    }
}

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
    /// Dollars; `None` where the model has no price.
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
}

/// A cap that has no room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Full {
    /// The cap's name.
    pub cap: Box<str>,
    /// When it is empty again.
    pub resets: Timestamp,
}

/// Room that was taken for one attempt; given back by settling or releasing it.
#[derive(Debug)]
#[must_use = "what is reserved must be settled or released"]
pub struct Reservation {}

/// All caps with what was spent of them.
#[derive(Debug, Default)]
pub struct Caps {}

impl Caps {
    /// Whether there is room, without taking it.
    ///
    /// # Errors
    /// The cap that has none.
    pub fn room(&self, now: Timestamp, who: &Who<'_>, worst: &Worst) -> Result<(), Full> {
        let _ = (now, who, worst);
        Ok(())
    }

    /// Takes room in every cap that counts this call, or in none.
    ///
    /// # Errors
    /// The cap that has no room.
    pub fn reserve(
        &mut self,
        now: Timestamp,
        who: &Who<'_>,
        worst: &Worst,
    ) -> Result<Reservation, Full> {
        let _ = (now, who, worst);
        Ok(Reservation {})
    }

    /// Puts what was spent in the place of what was reserved.
    pub fn settle(&mut self, now: Timestamp, reservation: Reservation, spent: &Spent) {
        let _ = (now, reservation, spent);
    }

    /// Gives the room back: nothing was spent.
    pub fn release(&mut self, now: Timestamp, reservation: Reservation) {
        let _ = (now, reservation);
    }
}
