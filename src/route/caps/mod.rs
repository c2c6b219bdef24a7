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
