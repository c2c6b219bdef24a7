//! What may be spent: reserved at worst case before a call, settled by its usage after it.

mod book;
mod calendar;
mod call;
mod cap;
mod index;
mod level;
mod line;

use std::sync::Arc;

pub use self::calendar::{Calendar, Period, Utc};
pub use self::call::{Crossed, Full, Reservation, Spent, Urgency, Who, Worst};
pub use self::cap::{Amount, Cap, CapScope, Hardness};
use self::index::Index;
pub use self::level::{Figures, Holder, Level, Tally};
use self::line::{Line, Setting, shortened};
use crate::model::Timestamp;

/// All caps with what was spent of them.
///
/// A call is counted by every cap on everybody, on its route, its tenant and its backend. What it may
/// cost at most is reserved in all of them before it is sent ([`reserve`](Self::reserve)), and what it
/// did cost takes that place once it is known ([`settle`](Self::settle)), in the period in which it
/// was reserved. So what is spent and reserved of a hard cap never exceeds it, however many calls are
/// under way. A call that costs more than was reserved for it is booked in full all the same, and
/// leaves that much less for others.
///
/// Where the clock goes back into a period that is still known, its figures go on from where they
/// were.
///
/// A cap on each tenant tells [`TENANTS`](Self::TENANTS) of them apart in each period, by the first
/// 128 bytes of their names; those who come later share one more cap, so that making up names does
/// not buy more. Who spends nothing takes no place.
#[derive(Clone, Debug)]
pub struct Caps {
    lines: Vec<Line>,
    index: Index,
    calendar: Arc<dyn Calendar>,
    bound: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self::new(&[], Arc::new(Utc))
    }
}

impl Caps {
    /// How many tenants a cap on each of them tells apart in one period.
    pub const TENANTS: usize = 10_000;

    /// Of which nothing was spent.
    #[must_use]
    pub fn new(caps: &[Cap], calendar: Arc<dyn Calendar>) -> Self {
        let mut new = Self {
            lines: Vec::new(),
            index: Index::default(),
            calendar: Arc::clone(&calendar),
            bound: Self::TENANTS,
        };
        new.renew(caps, calendar);
        new
    }

    /// The same that tell so many tenants apart instead of [`TENANTS`](Self::TENANTS).
    #[must_use]
    pub const fn telling_apart(mut self, tenants: usize) -> Self {
        self.bound = tenants;
        self
    }

    /// Puts other caps in the place of these. What was spent stays with caps on the same thing, also
    /// where they allow more or less; what is reserved can still be settled. A period that has begun
    /// goes on to its end, also where the calendar is another.
    pub fn renew(&mut self, caps: &[Cap], calendar: Arc<dyn Calendar>) {
        self.calendar = calendar;
        self.index = Index::default();
        self.lines.iter_mut().for_each(Line::clear_limits);
        for cap in caps {
            let (measure, per) = (cap.most.measure(), cap.per);
            let mut lines = self.lines.iter_mut();
            if let Some(line) = lines.find(|line| line.counts(&cap.scope, measure, per)) {
                line.limit(cap);
            } else {
                let mut line = Line::of(cap);
                line.limit(cap);
                self.lines.push(line);
            }
        }
        // A line that no cap wants any more stays, since calls under way hold its place.
        for (place, line) in self.lines.iter().enumerate() {
            if line.is_wanted() {
                self.index.add(&line.scope, place);
            }
        }
    }

    /// Whether there is room, without taking it. Allocates nothing.
    ///
    /// # Errors
    /// The cap that has none; of several the one that has none for longest.
    #[expect(
        clippy::result_large_err,
        reason = "deciding asks about many backends, and must not allocate for each that is full"
    )]
    pub fn room(&self, now: Timestamp, who: &Who<'_>, worst: &Worst) -> Result<(), Full> {
        let setting = self.setting(now, who.tenant);
        let lines = self.index.counting(who);
        let full = lines
            .filter_map(|place| self.lines.get(place)?.full(&setting, worst))
            .max_by_key(|full| (full.is_hopeless(), full.resets));
        full.map_or(Ok(()), Err)
    }

    /// Whether there may be caps of this backend alone.
    pub(super) fn has_backend(&self, name: &str) -> bool {
        self.index.has_backend(name)
    }

    /// Takes room in every cap that counts this call, or in none.
    ///
    /// # Errors
    /// The cap that has no room; of several the one that has none for longest.
    #[expect(
        clippy::result_large_err,
        reason = "deciding asks about many backends, and must not allocate for each that is full"
    )]
    pub fn reserve(
        &mut self,
        now: Timestamp,
        who: &Who<'_>,
        worst: &Worst,
    ) -> Result<Reservation, Full> {
        self.room(now, who, worst)?;
        let setting = Setting {
            now,
            calendar: &*self.calendar,
            tenant: who.tenant,
            bound: self.bound,
        };
        let mut reservation = Reservation::of(shortened(who.tenant));
        for place in self.index.counting(who) {
            let line = self.lines.get_mut(place);
            let crossed = &mut reservation.crossed;
            if let Some((held, urgency)) = line.and_then(|line| line.take(&setting, worst, crossed))
            {
                reservation.held.push((place, held));
                reservation.urgency = reservation.urgency.max(urgency);
            }
        }
        Ok(reservation)
    }

    /// Puts what was spent in the place of what was reserved. What nobody reported stays spent as it
    /// was presumed, or else as it was reserved. Tells how soon that must be written where figures
    /// are kept over restarts.
    pub fn settle(&mut self, now: Timestamp, reservation: Reservation, spent: &Spent) -> Urgency {
        self.give_back(now, reservation, Some(spent))
    }

    /// Gives the room back: nothing was spent. Tells how soon that must be written where figures are
    /// kept over restarts.
    pub fn release(&mut self, now: Timestamp, reservation: Reservation) -> Urgency {
        self.give_back(now, reservation, None)
    }

    /// How full every cap is now, caps on the same thing together; of caps on each tenant, those of
    /// which something is taken.
    #[must_use]
    pub fn levels(&self, now: Timestamp) -> Vec<Level> {
        let mut levels = Vec::new();
        for line in &self.lines {
            line.levels(&self.setting(now, ""), &mut levels);
        }
        levels
    }

    /// How full caps were in periods that are over: the last one, and those in which calls are still
    /// under way.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Vec<Level> {
        let mut levels = Vec::new();
        for line in &self.lines {
            line.ended(now, &mut levels);
        }
        levels
    }

    /// What must be kept for the caps to hold over a restart. Once it is, say so
    /// ([`written`](Self::written)); then reserving and settling tell when it must be again.
    pub fn tallies(&mut self, now: Timestamp, figures: Figures) -> Vec<Tally> {
        let mut tallies = Vec::new();
        for line in &mut self.lines {
            line.tallies(now, figures, &mut tallies);
        }
        tallies
    }

    /// What the last tallies said is kept.
    pub fn written(&mut self) {
        self.lines.iter_mut().for_each(Line::written);
    }

    /// Adds what was spent before, in periods that are not over. Gives back what no cap counts any
    /// more.
    pub fn restore(&mut self, now: Timestamp, tallies: Vec<Tally>) -> Vec<Tally> {
        let bound = self.bound;
        let lines = &mut self.lines;
        let current = tallies.into_iter().filter(|tally| tally.until > now);
        current
            .filter(|tally| {
                let measure = tally.spent.measure();
                let mut lines = lines.iter_mut();
                let line = lines.find(|line| line.counts(&tally.scope, measure, tally.per));
                match line {
                    Some(line) => {
                        line.restore(tally, bound);
                        false
                    }
                    None => true,
                }
            })
            .collect()
    }

    fn give_back(
        &mut self,
        now: Timestamp,
        reservation: Reservation,
        spent: Option<&Spent>,
    ) -> Urgency {
        let Reservation { held, tenant, .. } = reservation;
        let setting = Setting {
            now,
            calendar: &*self.calendar,
            tenant: &tenant,
            bound: self.bound,
        };
        let mut urgency = Urgency::Not;
        for (place, held) in held {
            if let Some(line) = self.lines.get_mut(place) {
                urgency = urgency.max(line.give_back(&setting, &held, spent));
            }
        }
        urgency
    }

    fn setting<'a>(&'a self, now: Timestamp, tenant: &'a str) -> Setting<'a> {
        Setting {
            now,
            calendar: &*self.calendar,
            tenant,
            bound: self.bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{Money, Usage};

    const USD: i128 = 1_000_000_000_000;
    const MINUTE: i64 = 60_000_000;
    const DAY: i64 = 1440 * MINUTE;
    /// Midnight of 2026-11-25.
    const MIDNIGHT: i64 = 1_795_564_800_000_000;

    const WHO: Who<'_> = Who {
        route: "contracts",
        tenant: "acme",
        backend: "bedrock",
    };

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(MIDNIGHT + micros)
    }

    fn usd(dollars: i128) -> Amount {
        Amount::Money(Money::from_pico(dollars * USD))
    }

    fn route(text: &str) -> Cap {
        Cap::parse(text)
            .unwrap()
            .of(CapScope::Route("contracts".into()))
    }

    fn caps(caps: &[Cap]) -> Caps {
        Caps::new(caps, Arc::new(Utc))
    }

    fn worst(dollars: i128) -> Worst {
        Worst::new(Some(Money::from_pico(dollars * USD)), 0)
    }

    fn spent(dollars: i128) -> Spent {
        Spent {
            money: Some(Money::from_pico(dollars * USD)),
            ..Spent::default()
        }
    }

    /// Spent and reserved of the first cap.
    fn first(caps: &Caps, now: Timestamp) -> (Amount, Amount) {
        let levels = caps.levels(now);
        (levels[0].spent, levels[0].reserved)
    }

    #[test]
    fn what_is_reserved_makes_room_for_what_is_spent() {
        let mut caps = caps(&[route("10 USD/day")]);
        let one = caps.reserve(at(0), &WHO, &worst(6)).unwrap();
        let full = caps.reserve(at(1), &WHO, &worst(5)).unwrap_err();
        assert_eq!(&*full.cap, "routes.contracts");
        assert_eq!((full.most, full.taken), (usd(10), usd(6)));
        assert_eq!(full.resets, at(DAY));
        assert!(!full.is_hopeless());
        assert_eq!(
            full.to_string(),
            "routes.contracts allows $10.00 per day, of which $6.00 are spent or reserved; this \
             call may cost $5.00"
        );
        let two = caps.reserve(at(2), &WHO, &worst(4)).unwrap();
        caps.release(at(3), two);
        caps.settle(at(3), one, &spent(1));
        assert_eq!(first(&caps, at(4)), (usd(1), usd(0)));
        caps.room(at(4), &WHO, &worst(9)).unwrap();
        assert!(caps.room(at(4), &WHO, &worst(10)).is_err());
        // Nobody else is counted.
        let other = Who {
            route: "voice",
            ..WHO
        };
        caps.room(at(4), &other, &worst(1_000)).unwrap();
    }

    #[test]
    fn a_call_takes_room_everywhere_or_nowhere() {
        let all = [
            Cap::parse("100 USD/day").unwrap(),
            route("50 USD/month"),
            Cap::parse("1k tokens/minute")
                .unwrap()
                .of(CapScope::Tenant("acme".into())),
            Cap::parse("30 USD/day")
                .unwrap()
                .of(CapScope::Backend("bedrock".into())),
        ];
        let mut caps = caps(&all);
        let call = Worst::new(Some(Money::from_pico(20 * USD)), 600);
        let one = caps.reserve(at(0), &WHO, &call).unwrap();
        // Both the tenant's tokens and the backend's dollars are full; the later one is told.
        let full = caps.reserve(at(0), &WHO, &call).unwrap_err();
        assert_eq!(&*full.cap, "providers.bedrock");
        let taken = |caps: &Caps| -> Vec<Amount> {
            let levels = caps.levels(at(0));
            levels.iter().map(|level| level.reserved).collect()
        };
        assert_eq!(
            taken(&caps),
            [usd(20), usd(20), Amount::Tokens(600), usd(20)]
        );
        let usage = Usage::reported(100, 200, 30, 0, 4);
        let real = Spent {
            usage: Some(usage),
            ..spent(2)
        };
        caps.settle(at(1), one, &real);
        let levels = caps.levels(at(1));
        let spent: Vec<Amount> = levels.iter().map(|level| level.spent).collect();
        assert_eq!(spent, [usd(2), usd(2), Amount::Tokens(334), usd(2)]);
        assert_eq!(taken(&caps)[0], usd(0));
    }

    #[test]
    fn a_call_that_never_fits_is_hopeless() {
        let mut caps = caps(&[route("10 USD/day"), Cap::parse("5 USD/month").unwrap()]);
        let full = caps.reserve(at(0), &WHO, &worst(11)).unwrap_err();
        assert!(full.is_hopeless());
        let one = caps.reserve(at(0), &WHO, &worst(5)).unwrap();
        // One that will not fit tomorrow either is told before one that will in a month.
        let full = caps.room(at(0), &WHO, &worst(6)).unwrap_err();
        assert!(full.is_hopeless());
        let full = caps.room(at(0), &WHO, &worst(5)).unwrap_err();
        assert_eq!(&*full.cap, "caps.total");
        caps.release(at(0), one);
    }

    #[test]
    fn more_than_was_reserved_is_booked_and_lets_nobody_through() {
        let mut caps = caps(&[route("10 USD/day")]);
        let one = caps.reserve(at(0), &WHO, &worst(1)).unwrap();
        caps.settle(at(1), one, &spent(15));
        assert_eq!(first(&caps, at(1)), (usd(15), usd(0)));
        assert!(caps.room(at(1), &WHO, &worst(0)).is_err());
        caps.room(at(DAY), &WHO, &worst(10)).unwrap();
        // A provider's odd figure makes no room.
        let two = caps.reserve(at(DAY), &WHO, &worst(1)).unwrap();
        caps.settle(at(DAY), two, &spent(-5));
        assert_eq!(first(&caps, at(DAY)), (usd(0), usd(0)));
    }

    #[test]
    fn a_reservation_belongs_to_its_period() {
        let mut caps = caps(&[route("10 USD/day")]);
        let one = caps.reserve(at(DAY - 1), &WHO, &worst(8)).unwrap();
        assert_eq!(first(&caps, at(DAY)), (usd(0), usd(0)));
        let two = caps.reserve(at(DAY), &WHO, &worst(10)).unwrap();
        caps.settle(at(DAY + 1), one, &spent(7));
        assert_eq!(first(&caps, at(DAY + 1)), (usd(0), usd(10)));
        let ended = caps.ended(at(DAY + 1));
        assert_eq!((ended[0].spent, ended[0].reserved), (usd(7), usd(0)));
        assert_eq!((ended[0].from, ended[0].until), (at(0), at(DAY)));
        caps.settle(at(2 * DAY + 1), two, &spent(3));
        assert_eq!(first(&caps, at(2 * DAY + 1)), (usd(0), usd(0)));
        let ended = caps.ended(at(2 * DAY + 1));
        assert_eq!(ended.last().unwrap().spent, usd(3));
    }

    #[test]
    fn a_clock_set_back_finds_the_period_as_it_was() {
        let mut caps = caps(&[route("10 USD/day")]);
        for day in [0, DAY] {
            let one = caps.reserve(at(day), &WHO, &worst(10)).unwrap();
            caps.settle(at(day), one, &spent(10));
        }
        assert!(caps.reserve(at(5), &WHO, &worst(1)).is_err());
        assert!(caps.reserve(at(DAY + 5), &WHO, &worst(1)).is_err());
    }

    #[test]
    fn what_was_never_reported_stays_spent() {
        let mut caps = caps(&[route("100 USD/day"), route("1M tokens/day")]);
        let call = Worst::new(Some(Money::from_pico(10 * USD)), 5_000);
        let usage = |plain, output| {
            Some(Usage {
                plain,
                output,
                ..Usage::default()
            })
        };
        let presumed = Some(Worst::new(Some(Money::from_pico(2 * USD)), 700));
        for (told, money, tokens) in [
            (Spent::default(), 10, 5_000),
            (
                Spent {
                    presumed,
                    ..Spent::default()
                },
                2,
                700,
            ),
            // Half of a usage does not make the other half nothing.
            (
                Spent {
                    usage: usage(Some(900), None),
                    presumed,
                    ..spent(1)
                },
                1,
                900,
            ),
            (
                Spent {
                    usage: usage(None, Some(3)),
                    ..spent(1)
                },
                1,
                5_000,
            ),
            (
                Spent {
                    usage: usage(Some(900), Some(0)),
                    presumed,
                    money: None,
                },
                2,
                900,
            ),
        ] {
            let before = caps.levels(at(0));
            let one = caps.reserve(at(0), &WHO, &call).unwrap();
            caps.settle(at(0), one, &told);
            let after = caps.levels(at(0));
            let more = |place: usize| after[place].spent.units() - before[place].spent.units();
            assert_eq!(more(0), money * 1_000_000_000_000, "{told:?}");
            assert_eq!(more(1), tokens, "{told:?}");
            assert_eq!(after[0].reserved, usd(0));
        }
    }

    #[test]
    fn calls_without_a_price_pass_while_anything_is_left_and_are_counted() {
        let mut caps = caps(&[route("1 USD/day")]);
        let free = Worst::new(None, 1_000);
        let one = caps.reserve(at(0), &WHO, &free).unwrap();
        let two = caps.reserve(at(0), &WHO, &free).unwrap();
        let three = caps.reserve(at(0), &WHO, &free).unwrap();
        assert_eq!(caps.levels(at(0))[0].unpriced, 3);
        caps.release(at(0), one);
        caps.settle(at(0), two, &Spent::default());
        assert_eq!(caps.levels(at(0))[0].unpriced, 2);
        // Its provider told the price in the end.
        caps.settle(at(0), three, &spent(1));
        assert_eq!(caps.levels(at(0))[0].unpriced, 1);
        let full = caps.reserve(at(0), &WHO, &free).unwrap_err();
        assert_eq!(full.asked, None);
        assert!(!full.is_hopeless());
        assert!(full.to_string().ends_with("is not known"));
    }

    #[test]
    fn a_soft_cap_refuses_nothing_and_is_told_once() {
        let mut caps = caps(&[
            route("soft 5 USD/day"),
            route("soft 2 USD/day"),
            route("20 USD/day"),
        ]);
        let mut told = |now: i64, dollars| {
            let one = caps.reserve(at(now), &WHO, &worst(dollars)).unwrap();
            let told: Vec<Amount> = one.crossed().iter().map(|crossed| crossed.most).collect();
            caps.settle(at(now), one, &spent(dollars));
            told
        };
        assert_eq!(told(0, 2), []);
        assert_eq!(told(1, 1), [usd(2)]);
        assert_eq!(told(2, 1), []);
        assert_eq!(told(3, 3), [usd(5)]);
        assert_eq!(told(4, 3), []);
        assert_eq!(told(DAY, 9), [usd(2), usd(5)]);
        let one = caps.reserve(at(2 * DAY), &WHO, &worst(3)).unwrap();
        assert_eq!(
            one.crossed()[0].to_string(),
            "routes.contracts is crossed: $3.00 of $2.00 per day are spent or reserved"
        );
        caps.release(at(2 * DAY), one);
    }

    #[test]
    fn each_tenant_has_its_own_and_named_ones_stand_apart() {
        let each = Cap::parse("10 USD/day").unwrap().of(CapScope::EachTenant);
        let named = Cap::parse("50 USD/day")
            .unwrap()
            .of(CapScope::Tenant("acme".into()));
        let mut caps = caps(&[each, named]);
        let mut full = |tenant, dollars| {
            let who = Who { tenant, ..WHO };
            let one = caps.reserve(at(0), &who, &worst(dollars));
            one.map(|one| caps.settle(at(0), one, &spent(dollars)))
                .map_err(|full| full.cap)
        };
        full("acme", 50).unwrap();
        assert_eq!(&*full("acme", 1).unwrap_err(), "caps.tenants.acme");
        full("b", 10).unwrap();
        assert_eq!(&*full("b", 1).unwrap_err(), "caps.tenant");
        full("c", 1).unwrap();
        // Nobody in particular is one tenant, or leaving the name out would buy more.
        full("", 10).unwrap();
        full("", 1).unwrap_err();
        let holders: Vec<Holder> = caps
            .levels(at(0))
            .into_iter()
            .map(|level| level.holder)
            .collect();
        let tenant = |name: &str| Holder::Tenant(name.into());
        assert_eq!(holders, [tenant(""), tenant("b"), tenant("c"), Holder::All]);
    }

    #[test]
    fn made_up_tenants_share_what_is_left() {
        let each = Cap::parse("10 USD/day").unwrap().of(CapScope::EachTenant);
        let mut caps = caps(&[each]).telling_apart(2);
        let reserve = |caps: &mut Caps, tenant: &str, dollars| {
            let who = Who { tenant, ..WHO };
            caps.reserve(at(0), &who, &worst(dollars)).map_err(Box::new)
        };
        let a = reserve(&mut caps, "a", 10).unwrap();
        let b = reserve(&mut caps, "b", 10).unwrap();
        let c = reserve(&mut caps, "c", 6).unwrap();
        assert_eq!(reserve(&mut caps, "d", 6).unwrap_err().taken, usd(6));
        // A place that is free again goes to nobody who could have spent in common before.
        caps.release(at(0), a);
        reserve(&mut caps, "c", 6).unwrap_err();
        caps.settle(at(0), b, &spent(10));
        caps.release(at(0), c);
        // With nothing spent in common they are told apart again.
        let c = reserve(&mut caps, "c", 10).unwrap();
        assert_eq!(caps.levels(at(0)).len(), 2);
        caps.release(at(0), c);
        // What nobody can read to its end is one name.
        let long = "x".repeat(200);
        let x = reserve(&mut caps, &long, 10).unwrap();
        reserve(&mut caps, &format!("{long}y"), 1).unwrap_err();
        caps.release(at(0), x);
    }

    #[test]
    fn memory_is_bounded_however_many_tenants_and_periods_there_are() {
        let each = Cap::parse("1k tokens/minute")
            .unwrap()
            .of(CapScope::EachTenant);
        let mut caps = caps(&[each]).telling_apart(50);
        let mut forgotten = Vec::new();
        for minute in 0..200 {
            for tenant in 0..100 {
                let name = format!("{minute} {tenant}");
                let who = Who {
                    tenant: &name,
                    ..WHO
                };
                let now = at(minute * MINUTE);
                if let Ok(one) = caps.reserve(now, &who, &Worst::new(None, 600)) {
                    if tenant == 0 {
                        forgotten.push(one);
                    } else {
                        caps.settle(now, one, &Spent::default());
                    }
                }
            }
        }
        let now = at(199 * MINUTE);
        assert_eq!(caps.levels(now).len(), 51);
        // The last whole, of the others only what is still reserved.
        assert!(caps.ended(now).len() <= 51 + 2 * 64);
        for one in forgotten {
            caps.settle(now, one, &Spent::default());
        }
        assert!(
            caps.levels(now)
                .iter()
                .all(|level| level.reserved.units() == 0)
        );
    }

    #[test]
    fn other_caps_go_on_from_what_was_spent() {
        let mut caps = caps(&[route("10 USD/day")]);
        let settled = caps.reserve(at(0), &WHO, &worst(4)).unwrap();
        caps.settle(at(0), settled, &spent(4));
        let open = caps.reserve(at(0), &WHO, &worst(5)).unwrap();
        caps.renew(&[], Arc::new(Utc));
        assert_eq!(caps.levels(at(1)), []);
        caps.room(at(1), &WHO, &worst(1_000)).unwrap();
        let new = [
            Cap::parse("1 USD/month").unwrap(),
            route("20 USD/day"),
            route("soft 3 USD/day"),
        ];
        caps.renew(&new, Arc::new(Utc));
        caps.settle(at(1), open, &spent(2));
        let mut levels = caps.levels(at(1));
        let total = levels.pop().unwrap();
        assert_eq!((&*total.cap, total.spent), ("caps.total", usd(0)));
        for level in levels {
            assert_eq!((level.spent, level.reserved), (usd(6), usd(0)));
        }
    }

    #[test]
    fn tallies_run_ahead_and_bring_everything_back() {
        let each = Cap::parse("100 USD/day").unwrap().of(CapScope::EachTenant);
        let all = [route("200 USD/day"), each, route("9 tokens/minute")];
        let mut before = caps(&all);
        let one = before.reserve(at(0), &WHO, &worst(3)).unwrap();
        assert_eq!(one.urgency(), Urgency::Now);
        let two = before.reserve(at(0), &WHO, &worst(1)).unwrap();
        let exact: Vec<Amount> = before
            .tallies(at(0), Figures::Exact)
            .into_iter()
            .map(|tally| tally.spent)
            .collect();
        assert_eq!(exact, [usd(4), usd(4)]);
        let ahead = before.tallies(at(0), Figures::Ahead);
        assert_eq!(ahead[0].spent, usd(7));
        before.written();
        assert_eq!(before.release(at(0), two), Urgency::Not);
        let two = before.reserve(at(0), &WHO, &worst(2)).unwrap();
        assert_eq!(two.urgency(), Urgency::Not);
        let three = before.reserve(at(0), &WHO, &worst(1)).unwrap();
        assert_eq!(three.urgency(), Urgency::Soon);
        let four = before.reserve(at(0), &WHO, &worst(2)).unwrap();
        assert_eq!(four.urgency(), Urgency::Now);
        before.tallies(at(0), Figures::Ahead);
        before.written();
        before.release(at(0), one);
        before.release(at(0), two);
        assert_eq!(before.release(at(0), four), Urgency::Leisure);
        // What a period took is of no interest once it is over.
        assert_eq!(before.release(at(DAY), three), Urgency::Not);

        let mut after = caps(&all[..1]);
        let unknown = after.restore(at(1), ahead.clone());
        assert_eq!(unknown, &ahead[1..]);
        assert_eq!(first(&after, at(1)), (usd(7), usd(0)));
        assert_eq!(caps(&all).restore(at(DAY), ahead), []);
    }

    #[test]
    fn what_is_written_ahead_never_refuses_more_than_the_cap() {
        let mut caps = caps(&[route("10 USD/day")]);
        let one = caps.reserve(at(0), &WHO, &worst(9)).unwrap();
        assert_eq!(caps.tallies(at(0), Figures::Ahead)[0].spent, usd(10));
        caps.written();
        // Nothing more can be written, and nobody waits for it.
        let two = caps.reserve(at(0), &WHO, &worst(1)).unwrap();
        assert_eq!(two.urgency(), Urgency::Not);
        caps.settle(at(0), two, &spent(1));
        assert_eq!(caps.settle(at(0), one, &spent(12)), Urgency::Now);
        assert_eq!(caps.tallies(at(0), Figures::Ahead)[0].spent, usd(13));
    }

    /// What is done with one call.
    #[derive(Clone, Debug)]
    struct Step {
        at: i64,
        names: [usize; 3],
        worst: u32,
        real: u32,
        end: u8,
        waits: usize,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = (
            0..3 * DAY,
            [0..3_usize, 0..5_usize, 0..2_usize],
            0..60_u32,
            0..60_u32,
            0..3_u8,
            0..9_usize,
        );
        let step = step.prop_map(|(at, names, worst, real, end, waits)| Step {
            at,
            names,
            worst,
            real,
            end,
            waits,
        });
        proptest::collection::vec(step, 1..120)
    }

    const ROUTES: [&str; 3] = ["contracts", "voice", "other"];
    const TENANTS: [&str; 5] = ["", "acme", "b", "c", "d"];
    const BACKENDS: [&str; 2] = ["bedrock", "direct"];

    fn many() -> Vec<Cap> {
        let cap = |text: &str, scope| Cap::parse(text).unwrap().of(scope);
        vec![
            cap("400 tokens/day", CapScope::Total),
            cap("soft 90 tokens/day", CapScope::Total),
            cap("900 tokens/month", CapScope::Total),
            cap("150 tokens/day", CapScope::Route("contracts".into())),
            cap("70 tokens/minute", CapScope::Route("voice".into())),
            cap("100 tokens/day", CapScope::Tenant("acme".into())),
            cap("80 tokens/day", CapScope::EachTenant),
            cap("300 tokens/day", CapScope::Backend("bedrock".into())),
        ]
    }

    fn who(step: &Step) -> Who<'static> {
        Who {
            route: ROUTES[step.names[0]],
            tenant: TENANTS[step.names[1]],
            backend: BACKENDS[step.names[2]],
        }
    }

    fn real(step: &Step) -> Spent {
        let reported = Usage::reported(u64::from(step.real), 0, 0, 0, 0);
        Spent {
            usage: (step.end != 2).then_some(reported),
            ..Spent::default()
        }
    }

    proptest! {
        /// Against a model that adds up every call by hand.
        #[test]
        fn caps_are_kept_and_sums_are_sums(steps in steps(), honest: bool) {
            let mut steps = steps;
            steps.sort_by_key(|step| step.at);
            let mut caps = caps(&many()).telling_apart(2);
            let mut open: Vec<(usize, Step, Reservation)> = Vec::new();
            let mut booked: BTreeMap<i64, u128> = BTreeMap::new();
            let finish = |caps: &mut Caps, booked: &mut BTreeMap<i64, u128>, now, (step, one): (Step, Reservation)| {
                if step.end == 0 {
                    caps.release(now, one);
                } else {
                    let spent = if step.end == 2 { step.worst } else { step.real };
                    *booked.entry(step.at.div_euclid(DAY)).or_default() += u128::from(spent);
                    caps.settle(now, one, &real(&step));
                }
            };
            for (count, mut step) in steps.into_iter().enumerate() {
                if honest {
                    step.real = step.real.min(step.worst);
                }
                let now = at(step.at);
                let (ready, waiting): (Vec<_>, Vec<_>) =
                    open.into_iter().partition(|(until, ..)| *until <= count);
                open = waiting;
                for (_, step, one) in ready {
                    finish(&mut caps, &mut booked, now, (step, one));
                }
                let worst = Worst::new(None, u64::from(step.worst));
                let before = caps.levels(now);
                let room = caps.room(now, &who(&step), &worst);
                match caps.reserve(now, &who(&step), &worst) {
                    Ok(one) => {
                        prop_assert_eq!(room, Ok(()));
                        open.push((count + step.waits, step, one));
                    }
                    Err(full) => {
                        prop_assert_eq!(caps.levels(now), before);
                        prop_assert!(full.resets > now);
                        prop_assert_eq!(room, Err(full));
                    }
                }
                for level in caps.levels(now) {
                    let taken = level.spent.units() + level.reserved.units();
                    if level.hardness == Hardness::Hard && honest {
                        prop_assert!(taken <= level.most.units(), "{level:?}");
                    }
                }
            }
            let last = at(3 * DAY - 1);
            for (_, step, one) in open {
                finish(&mut caps, &mut booked, last, (step, one));
            }
            let mut days: BTreeMap<i64, u128> = BTreeMap::new();
            let levels = caps.levels(last).into_iter().chain(caps.ended(last));
            for level in levels {
                prop_assert_eq!(level.reserved.units(), 0);
                if &*level.cap == "caps.total" && level.hardness == Hardness::Hard && level.per == Period::Day {
                    let day = (level.from.as_micros() - MIDNIGHT) / DAY;
                    prop_assert!(days.insert(day, level.spent.units()).is_none());
                }
            }
            for (day, sum) in days {
                prop_assert_eq!(sum, booked.get(&day).copied().unwrap_or(0));
            }
        }

        #[test]
        fn releasing_restores_exactly(steps in steps()) {
            let mut caps = caps(&many());
            for step in steps {
                let now = at(step.at);
                let before = caps.levels(now);
                let worst = Worst::new(None, u64::from(step.worst));
                if let Ok(one) = caps.reserve(now, &who(&step), &worst) {
                    caps.release(now, one);
                }
                prop_assert_eq!(caps.levels(now), before);
            }
        }

        #[test]
        fn the_order_of_settling_does_not_matter(steps in steps(), keys in proptest::collection::vec(0..1_000_u32, 120)) {
            let settled = |shuffled: bool| {
                let mut caps = caps(&many());
                let mut open = Vec::new();
                for (step, key) in steps.iter().zip(&keys) {
                    let worst = Worst::new(None, u64::from(step.worst));
                    if let Ok(one) = caps.reserve(at(5), &who(step), &worst) {
                        open.push((*key, step, one));
                    }
                }
                if shuffled {
                    open.sort_by_key(|(key, ..)| *key);
                }
                for (_, step, one) in open {
                    caps.settle(at(6), one, &real(step));
                }
                caps.levels(at(7))
            };
            prop_assert_eq!(settled(false), settled(true));
        }

        /// Whatever happens between two writes, what is written covers what was admitted, and not
        /// by more than two steps once it was brought up to date at leisure.
        #[test]
        fn what_is_written_always_covers(steps in steps()) {
            let mut caps = caps(&[Cap::parse("2000 tokens/day").unwrap()]);
            let mut open = Vec::new();
            let (mut mark, mut widest) = (0, 10);
            for step in steps {
                let worst = Worst::new(None, u64::from(step.worst));
                let urgency = if step.waits > 4 && !open.is_empty() {
                    let (step, one): (Step, Reservation) = open.swap_remove(step.waits % open.len());
                    caps.settle(at(1), one, &real(&step))
                } else if let Ok(one) = caps.reserve(at(0), &who(&step), &worst) {
                    let urgency = one.urgency();
                    widest = widest.max(u128::from(step.worst));
                    open.push((step, one));
                    urgency
                } else {
                    Urgency::Not
                };
                if urgency >= Urgency::Leisure {
                    mark = caps.tallies(at(0), Figures::Ahead)[0].spent.units();
                    caps.written();
                }
                let (spent, reserved) = first(&caps, at(0));
                let taken = spent.units() + reserved.units();
                prop_assert!(mark >= taken);
                prop_assert!(mark - taken <= 2 * widest, "{mark} {taken} {widest}");
            }
        }
    }
}
