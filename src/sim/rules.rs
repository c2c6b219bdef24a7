//! Rules that no page tells, or tells otherwise: what a provider may do and its rows do not say.
//!
//! Without any, the simulator does what is documented, and where nothing is, what saves less.

use std::collections::BTreeMap;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use crate::model::{Limits, Timestamp, Ttl};

/// How one cache really behaves. [`Rules::default`] is as documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent rules, each of its own"
)]
pub struct Rules {
    /// How long entries of each class live, where it is not what the class is called.
    pub life_5m: Option<Duration>,
    /// The same of half an hour.
    pub life_30m: Option<Duration>,
    /// The same of an hour.
    pub life_1h: Option<Duration>,
    /// Whether a read starts the life of the entry anew.
    pub renews: bool,
    /// Whether reading a deep entry renews shallower ones that the request does not mark (H2 of
    /// `economics.md`, section 11).
    pub renews_below: bool,
    /// How long after the first byte of the answer an entry can be read.
    pub delay: Duration,
    /// Positions searched back, where they are not the row's.
    pub lookback: Option<usize>,
    /// The shortest prefix that is cached, where it is not the row's.
    pub min_tokens: Option<u64>,
    /// Whether who asks for an hour gets it; otherwise five minutes are written, and billed.
    pub grants_hour: bool,
    /// What is lost before its time.
    pub loses: Option<Loss>,
    /// Whether an entry outlives the shallower ones that it was built on (H1). Otherwise no entry
    /// lives longer than the shortest class below it.
    pub revives: bool,
    /// What happens to `max_tokens: 0` (H7).
    pub warming: Warming,
    /// Whether the class is part of what is matched (H4).
    pub matches_class: bool,
    /// Whether a marker below what is read creates an entry there for nothing (H3).
    pub writes_below: bool,
    /// Where only exact places are found: whether a place must be marked again to be found (H8).
    pub resends: bool,
}

/// What happens to requests with `max_tokens: 0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth way")]
pub enum Warming {
    /// They are served like any other.
    #[default]
    Served,
    /// They are served, and what they read is not renewed.
    ReadOnly,
    /// They are refused.
    Refused,
}

/// Entries that are lost before their time: which, by a hash, so that equal traffic has equal
/// results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// How many of a thousand.
    pub per_mille: u32,
    /// Of prefixes of at least this many tokens.
    pub min_tokens: u64,
    /// Once they were not used for this long.
    pub idle: Duration,
}

impl Loss {
    /// `per_mille` of the prefixes of at least `min_tokens`, once unused for `idle`.
    #[must_use]
    pub const fn new(per_mille: u32, min_tokens: u64, idle: Duration) -> Self {
        Self {
            per_mille,
            min_tokens,
            idle,
        }
    }

    /// Whether it hits an entry of this many tokens that was last used at `used`.
    pub(super) fn takes(
        &self,
        (scope, prefix): (u128, u128),
        tokens: u64,
        (used, now): (Timestamp, Timestamp),
    ) -> bool {
        if tokens < self.min_tokens || now.since(used) < self.idle {
            return false;
        }
        let lot = (scope ^ prefix.rotate_left(17)) ^ u128::from(used.as_micros().unsigned_abs());
        xxh3_64(&lot.to_le_bytes()) % 1000 < u64::from(self.per_mille)
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            life_5m: None,
            life_30m: None,
            life_1h: None,
            renews: true,
            renews_below: false,
            delay: Duration::ZERO,
            lookback: None,
            min_tokens: None,
            grants_hour: true,
            loses: None,
            revives: false,
            warming: Warming::Served,
            matches_class: false,
            writes_below: false,
            resends: true,
        }
    }
}

impl Rules {
    /// How long an entry of this class lives.
    pub(super) fn life(&self, class: Ttl) -> Duration {
        let own = match class {
            Ttl::FiveMinutes => self.life_5m,
            Ttl::HalfHour => self.life_30m,
            Ttl::OneHour => self.life_1h,
        };
        own.unwrap_or_else(|| class.duration())
    }

    /// The class that who asks for this one gets.
    pub(super) const fn granted(&self, asked: Ttl) -> Ttl {
        match asked {
            Ttl::OneHour if !self.grants_hour => Ttl::FiveMinutes,
            Ttl::FiveMinutes | Ttl::HalfHour | Ttl::OneHour => asked,
        }
    }

    /// The row's limits with these in their place.
    pub(super) fn put_into(&self, limits: &mut Limits) {
        limits.lookback = self.lookback.unwrap_or(limits.lookback);
        limits.min_tokens = self.min_tokens.unwrap_or(limits.min_tokens);
    }

    /// What separates entries of this class from others.
    pub(super) const fn class_key(&self, class: Ttl) -> u128 {
        match (self.matches_class, class) {
            (false, _) => 0,
            (true, Ttl::FiveMinutes) => 1 << 64,
            (true, Ttl::HalfHour) => 2 << 64,
            (true, Ttl::OneHour) => 3 << 64,
        }
    }
}

/// The rules of one provider: some for all models, and some for one.
#[derive(Clone, Debug, Default)]
pub(super) struct Rulebook {
    all: Rules,
    models: BTreeMap<Box<str>, Rules>,
}

impl Rulebook {
    /// Puts rules in the place of those for this row's name, or of those for all.
    pub(super) fn set(&mut self, row: Option<Box<str>>, rules: Rules) {
        match row {
            Some(row) => drop(self.models.insert(row, rules)),
            None => self.all = rules,
        }
    }

    pub(super) fn of(&self, row: &str) -> &Rules {
        self.models.get(row).unwrap_or(&self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_the_same_every_time_and_as_frequent_as_said() {
        let loss = Loss::new(300, 1000, Duration::from_secs(60));
        let used = Timestamp::from_micros(7);
        let late = used.plus(Duration::from_secs(61));
        let taken = |key: u128, now| loss.takes((1, key), 1000, (used, now));
        let count = (0..1000).filter(|key| taken(*key, late)).count();
        assert!((250..350).contains(&count), "{count}");
        assert!((0..1000).all(|key| taken(key, late) == taken(key, late)));
        assert!((0..1000).all(|key| !taken(key, used)));
        assert!((0..1000).all(|key| !loss.takes((1, key), 999, (used, late))));
    }

    #[test]
    fn a_model_s_own_rules_stand_before_those_for_all() {
        let mut book = Rulebook::default();
        let rules = Rules {
            lookback: Some(7),
            ..Rules::default()
        };
        book.set(Some("a".into()), rules);
        assert_eq!(book.of("a").lookback, Some(7));
        assert_eq!(book.of("b"), &Rules::default());
    }
}
