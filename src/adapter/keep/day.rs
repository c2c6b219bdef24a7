//! What the pings of one day cost, those under way included.

use crate::model::{Money, Timestamp};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// What the pings of one UTC day cost.
#[derive(Debug, Default)]
pub(super) struct Day {
    number: i64,
    spent: Money,
}

/// Money set aside for one ping.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reserved {
    day: i64,
    money: Money,
}

impl Day {
    /// Sets money aside, where no more than `most` is spent that day.
    pub(super) fn reserve(
        &mut self,
        now: Timestamp,
        price: Money,
        most: Money,
    ) -> Option<Reserved> {
        let day = now.as_micros().div_euclid(DAY);
        if day > self.number {
            *self = Self {
                number: day,
                spent: Money::ZERO,
            };
        }
        let spent = self.spent + price;
        (spent <= most).then(|| {
            self.spent = spent;
            Reserved {
                day: self.number,
                money: price,
            }
        })
    }

    /// Puts what a ping did cost in the place of what was set aside; unknown costs are what was
    /// expected.
    pub(super) fn settle(&mut self, reserved: Reserved, cost: Option<Money>) {
        if reserved.day == self.number {
            self.spent = self.spent - reserved.money + cost.unwrap_or(reserved.money);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_never_overspent_and_the_next_one_begins_with_nothing() {
        let cents = |cents| Money::from_pico(cents * 10_000_000_000);
        let (mut day, now) = (Day::default(), Timestamp::from_micros(5 * DAY + 3));
        let one = day.reserve(now, cents(4), cents(10)).unwrap();
        let two = day.reserve(now, cents(6), cents(10)).unwrap();
        assert!(day.reserve(now, cents(1), cents(10)).is_none());
        day.settle(one, Some(cents(1)));
        assert!(day.reserve(now, cents(3), cents(10)).is_some());
        day.settle(two, None);
        assert!(day.reserve(now, cents(1), cents(10)).is_none());
        let next = Timestamp::from_micros(6 * DAY);
        let three = day.reserve(next, cents(10), cents(10)).unwrap();
        // One that was begun the day before says nothing of this one.
        day.settle(two, Some(Money::ZERO));
        assert!(day.reserve(next, cents(1), cents(10)).is_none());
        day.settle(three, Some(Money::ZERO));
        assert!(day.reserve(next, cents(10), cents(10)).is_some());
    }
}
