//! What one exchange leaves in a provider's cache, and for how long it is held.

use super::Lesson;
use crate::model::{Limits, Regime, Timestamp, Ttl};

/// What one offer holds: a prefix of one class, and within it one of the one-hour class.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hold {
    /// Names the offer; zero for none.
    pub(super) place: u16,
    /// Where the offer stood in its route.
    pub(super) offer: u16,
    class: Ttl,
    tokens: u32,
    long: u32,
    at: Timestamp,
}

/// What a request left in a provider's cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    at: Timestamp,
    tokens: u64,
    class: Ttl,
    /// Tokens of a prefix that was written with the one-hour class.
    long: u64,
    read: u64,
}

/// Which turn of its conversation a request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    First,
    Later,
}

impl Left {
    pub(super) fn of(lesson: &Lesson<'_>, limits: &Limits) -> Self {
        let usage = &lesson.usage;
        let read = usage.read.unwrap_or(0);
        let automatic = usage.input().filter(|_| limits.regime == Regime::Automatic);
        let cached = |input: &u64| *input >= limits.min_tokens && !limits.is_beyond(*input);
        let told = read.saturating_add(usage.written().unwrap_or(0));
        let hours = usage.write_1h.filter(|tokens| *tokens > 0);
        Self {
            at: lesson.at,
            tokens: automatic.filter(cached).unwrap_or(0).max(told),
            class: match usage.write_30m {
                Some(1..) => Ttl::HalfHour,
                _ => limits.ttl,
            },
            long: hours.map_or(0, |written| read.saturating_add(written)),
            read,
        }
    }

    /// The part that other conversations can read: `was` is what was expected of it before.
    pub(super) fn shared(&self, lesson: &Lesson<'_>, was: Option<u64>, turn: Turn) -> Self {
        let most = lesson.shared.min(self.tokens);
        let tokens = match was {
            // What first turns do read is better than what they should: conversations of one route
            // need not have the same tools and system prompt.
            Some(was) if turn == Turn::First => {
                let seen = match lesson.ask.conversation {
                    Some(_) => self.read.min(lesson.shared),
                    None => self.read,
                };
                was.saturating_mul(3).saturating_add(seen) / 4
            }
            Some(was) => was,
            None => most,
        };
        Self {
            tokens,
            long: self.long.min(tokens),
            read: self.read.min(tokens),
            ..*self
        }
    }
}

impl Hold {
    /// The last moment at which anything of it is held.
    fn ends(&self) -> Timestamp {
        let class = if self.long > 0 {
            self.class.max(Ttl::OneHour)
        } else {
            self.class
        };
        self.at.plus(class.duration())
    }

    /// Tokens that can be read, and until when.
    pub(super) fn live(&self, now: Timestamp) -> Option<(u64, Timestamp)> {
        if self.place == 0 {
            return None;
        }
        let whole = if self.long < self.tokens {
            self.at.plus(self.class.duration())
        } else {
            self.ends()
        };
        let (tokens, until) = if now < whole {
            (self.tokens, whole)
        } else {
            (self.long, self.ends())
        };
        (tokens > 0 && now < until).then_some((u64::from(tokens), until))
    }

    /// What was expected of it, as long as anything is held.
    pub(super) fn expected(&self, place: u16, now: Timestamp) -> Option<u64> {
        let is_live = self.place == place && now < self.ends();
        is_live.then_some(u64::from(self.tokens))
    }

    /// Takes in what a request to the offer of this name left there.
    pub(super) fn take(&mut self, left: &Left, (place, offer): (u16, u16)) {
        let is_same = self.place == place;
        // A request that was sent before another may end after it.
        if is_same && left.at < self.at {
            return;
        }
        let before = if is_same && left.at < self.ends() {
            u64::from(self.long)
        } else {
            0
        };
        // Reading an entry of the one-hour class keeps it for an hour more.
        let long = left.long.max(before.min(left.read)).min(left.tokens);
        *self = Self {
            place,
            offer,
            class: left.class,
            tokens: u32::try_from(left.tokens).unwrap_or(u32::MAX),
            long: u32::try_from(long).unwrap_or(u32::MAX),
            at: left.at,
        };
    }
}

/// The hold of this name; otherwise the one that ends first, to be written over.
pub(super) fn hold(holds: &mut [Hold], place: u16) -> Option<&mut Hold> {
    let holds = holds.iter_mut();
    holds.min_by_key(|hold| (hold.place != place, hold.place != 0, hold.ends()))
}
