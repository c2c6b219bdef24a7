//! What was spent of one scope in one measure, period by period, with the caps on it.

use std::sync::Arc;

use super::book::{Book, Cell, Claim, Seat};
use super::cap::Measure;
use super::{
    Calendar, Cap, CapScope, Crossed, Figures, Full, Hardness, Holder, Level, Period, Spent, Tally,
    Urgency, Utc, Worst,
};
use crate::model::Timestamp;

/// All caps on the same thing: they count together and differ in how much they allow.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) scope: CapScope,
    pub(super) measure: Measure,
    pub(super) per: Period,
    /// Ascending by what they allow; empty where a cap is no longer wanted.
    limits: Vec<Limit>,
    /// In the order in which they were begun.
    books: Vec<Book>,
}

#[derive(Clone, Debug)]
struct Limit {
    name: Arc<str>,
    most: u128,
    hardness: Hardness,
}

/// The time of a call, and what does not change between calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    pub(super) now: Timestamp,
    pub(super) calendar: &'a dyn Calendar,
    pub(super) tenant: &'a str,
    /// How many tenants are told apart.
    pub(super) bound: usize,
}

/// What one call holds of one line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    seat: Seat,
    /// The beginning of the period in which it was taken.
    from: Timestamp,
    /// `None` where the call had no price.
    units: Option<u128>,
}

/// Periods kept because something is still reserved in them. Whoever forgets to settle would
/// otherwise fill the memory.
const PERIODS: usize = 64;

/// How far ahead is written, as a part of what a cap allows.
const STEPS: u128 = 200;

impl Line {
    pub(super) fn of(cap: &Cap) -> Self {
        Self {
            scope: cap.scope.clone(),
            measure: cap.most.measure(),
            per: cap.per,
            limits: Vec::new(),
            books: Vec::new(),
        }
    }

    pub(super) fn counts(&self, scope: &CapScope, measure: Measure, per: Period) -> bool {
        self.measure == measure && self.per == per && self.scope == *scope
    }

    pub(super) fn clear_limits(&mut self) {
        self.limits.clear();
    }

    pub(super) fn limit(&mut self, cap: &Cap) {
        let most = cap.most.units();
        let at = self.limits.partition_point(|limit| limit.most <= most);
        let limit = Limit {
            name: (*cap.name).into(),
            most,
            hardness: cap.hardness,
        };
        self.limits.insert(at, limit);
    }

    pub(super) fn is_wanted(&self) -> bool {
        !self.limits.is_empty()
    }

    /// The cap that has no room, if one has none.
    pub(super) fn full(&self, setting: &Setting<'_>, worst: &Worst) -> Option<Full> {
        let limit = self.hard()?;
        let asked = worst.units(self.measure);
        let book = self.book(setting.now);
        let taken = book.map_or(0, |book| book.taken(self.claim(setting)));
        let fits = match asked {
            Some(asked) => taken.saturating_add(asked) <= limit.most,
            None => taken < limit.most,
        };
        (!fits).then(|| Full {
            cap: Arc::clone(&limit.name),
            most: self.measure.amount(limit.most),
            per: self.per,
            taken: self.measure.amount(taken),
            asked: asked.map(|asked| self.measure.amount(asked)),
            resets: book.map_or_else(|| self.around(setting).1, |book| book.until),
        })
    }

    /// Takes room, whether there is any or not.
    pub(super) fn take(
        &mut self,
        setting: &Setting<'_>,
        worst: &Worst,
        crossed: &mut Vec<Crossed>,
    ) -> Option<(Held, Urgency)> {
        let units = worst.units(self.measure);
        let claim = self.claim(setting);
        let tenant = claim.tenant.unwrap_or_default();
        let at = self.begin(setting);
        let (least, most) = (self.least(), self.most());
        let book = self.books.get_mut(at)?;
        let seat = book.seat(claim);
        let (from, resets) = (book.from, book.until);
        book.open += 1;
        book.widest = book.widest.max(units.unwrap_or(0));
        let step = step(least, book.widest);
        let cell = book.cell(seat, tenant);
        cell.reserved = cell.reserved.saturating_add(units.unwrap_or(0));
        cell.unpriced += u64::from(units.is_none());
        let taken = cell.taken();
        for limit in &self.limits {
            let is_news = cell.told.is_none_or(|told| limit.most > told);
            if limit.hardness == Hardness::Soft && taken > limit.most && is_news {
                cell.told = Some(limit.most);
                crossed.push(Crossed {
                    cap: Arc::clone(&limit.name),
                    most: self.measure.amount(limit.most),
                    per: self.per,
                    taken: self.measure.amount(taken),
                    resets,
                });
            }
        }
        let held = Held { seat, from, units };
        Some((held, urgency(cell, step, most)))
    }

    /// Puts what was spent in the place of what was reserved, or gives it back where nothing was.
    pub(super) fn give_back(
        &mut self,
        setting: &Setting<'_>,
        held: &Held,
        spent: Option<&Spent>,
    ) -> Urgency {
        let claim = self.claim(setting);
        let tenant = claim.tenant.unwrap_or_default();
        let (least, most) = (self.least(), self.most());
        let mut books = self.books.iter_mut();
        let Some(book) = books.rfind(|book| book.from == held.from) else {
            // Forgotten, after too many periods.
            return Urgency::Not;
        };
        book.open = book.open.saturating_sub(1);
        let step = step(least, book.widest);
        let is_over = book.until <= setting.now;
        let cell = book.cell(held.seat, tenant);
        cell.reserved = cell.reserved.saturating_sub(held.units.unwrap_or(0));
        let spent = spent.map_or(Some(0), |spent| spent.units(self.measure, held.units));
        cell.spent = cell.spent.saturating_add(spent.unwrap_or(0));
        if held.units.is_none() && spent.is_some() {
            cell.unpriced = cell.unpriced.saturating_sub(1);
        }
        let urgency = urgency(cell, step, most);
        book.vacate(held.seat, tenant);
        if is_over { Urgency::Not } else { urgency }
    }

    /// Takes over what was spent earlier.
    pub(super) fn restore(&mut self, tally: &Tally, bound: usize) {
        let span = (tally.from, tally.until);
        let at = self.book_from(span);
        let Some(book) = self.books.get_mut(at) else {
            return;
        };
        let tenant = match &tally.holder {
            Holder::Tenant(tenant) => Some(shortened(tenant)),
            Holder::All | Holder::OtherTenants => None,
        };
        let seat = match tenant {
            Some(tenant) if book.own.contains_key(tenant) || book.own.len() < bound => Seat::Own,
            Some(_) | None => Seat::Common,
        };
        let cell = book.cell(seat, tenant.unwrap_or_default());
        cell.spent = cell.spent.saturating_add(tally.spent.units());
    }

    /// What counts as spent in the periods that are not over.
    pub(super) fn tallies(&mut self, now: Timestamp, figures: Figures, into: &mut Vec<Tally>) {
        let (least, most) = (self.least(), self.most());
        let each = self.scope == CapScope::EachTenant;
        for book in self.books.iter_mut().filter(|book| book.until > now) {
            let (from, until) = (book.from, book.until);
            let step = step(least, book.widest);
            for (tenant, cell) in book.cells_mut() {
                let spent = match figures {
                    Figures::Exact => cell.taken(),
                    Figures::Ahead if each && tenant.is_none() && cell.taken() == 0 => 0,
                    Figures::Ahead => ahead(cell.taken(), step, most),
                };
                cell.pending = spent;
                if spent > 0 {
                    into.push(Tally {
                        scope: self.scope.clone(),
                        holder: holder(&self.scope, tenant),
                        per: self.per,
                        from,
                        until,
                        spent: self.measure.amount(spent),
                    });
                }
            }
        }
    }

    /// What the last tallies said is written.
    pub(super) fn written(&mut self) {
        let cells = self.books.iter_mut().flat_map(Book::cells_mut);
        cells.for_each(|(_, cell)| cell.mark = cell.pending);
    }

    /// How full the caps are now.
    pub(super) fn levels(&self, setting: &Setting<'_>, into: &mut Vec<Level>) {
        if let Some(book) = self.book(setting.now) {
            self.levels_in(book, into);
        } else {
            let (from, until) = self.around(setting);
            self.levels_in(&Book::new(from, until), into);
        }
    }

    /// How full the caps were in periods that are over.
    pub(super) fn ended(&self, now: Timestamp, into: &mut Vec<Level>) {
        let over = self.books.iter().filter(|book| book.until <= now);
        over.for_each(|book| self.levels_in(book, into));
    }

    fn levels_in(&self, book: &Book, into: &mut Vec<Level>) {
        let each = self.scope == CapScope::EachTenant;
        for limit in &self.limits {
            let cells = book.cells();
            let cells =
                cells.filter(|(tenant, cell)| !each || tenant.is_some() || !cell.is_untouched());
            into.extend(cells.map(|(tenant, cell)| Level {
                cap: Arc::clone(&limit.name),
                holder: holder(&self.scope, tenant),
                hardness: limit.hardness,
                most: self.measure.amount(limit.most),
                spent: self.measure.amount(cell.spent),
                reserved: self.measure.amount(cell.reserved),
                unpriced: cell.unpriced,
                per: self.per,
                from: book.from,
                until: book.until,
            }));
        }
    }

    /// The book of now, begun where there is none; its place.
    fn begin(&mut self, setting: &Setting<'_>) -> usize {
        let found = self
            .books
            .iter()
            .rposition(|book| book.is_around(setting.now));
        found.unwrap_or_else(|| {
            let span = self.around(setting);
            self.forget(setting.now);
            self.book_from(span)
        })
    }

    /// The book of this period; its place.
    fn book_from(&mut self, span: (Timestamp, Timestamp)) -> usize {
        let found = self.books.iter().rposition(|book| book.from == span.0);
        if let Some(book) = found.and_then(|at| self.books.get_mut(at)) {
            // Another calendar may have it end elsewhere.
            book.until = span.1;
        }
        found.unwrap_or_else(|| {
            self.books.push(Book::new(span.0, span.1));
            self.books.len() - 1
        })
    }

    /// Forgets periods that are over: all but the last, and those in which something is reserved.
    fn forget(&mut self, now: Timestamp) {
        let over = self.books.iter().filter(|book| book.until <= now);
        let last = over.map(|book| book.from).max();
        self.books
            .retain(|book| book.until > now || book.open > 0 || Some(book.from) == last);
        let older = |book: &&mut Book| book.until <= now && Some(book.from) != last;
        for book in self.books.iter_mut().filter(older) {
            book.own.retain(|_, cell| cell.reserved > 0);
        }
        if self.books.len() >= PERIODS {
            self.books.remove(0);
        }
    }

    fn book(&self, now: Timestamp) -> Option<&Book> {
        self.books.iter().rfind(|book| book.is_around(now))
    }

    fn around(&self, setting: &Setting<'_>) -> (Timestamp, Timestamp) {
        let Setting { now, calendar, .. } = *setting;
        let (from, until) = calendar.around(self.per, now);
        // A calendar that errs must not open a new period with every call.
        if from <= now && now < until {
            (from, until)
        } else {
            Utc.around(self.per, now)
        }
    }

    fn claim<'a>(&self, setting: &Setting<'a>) -> Claim<'a> {
        let each = self.scope == CapScope::EachTenant;
        Claim {
            tenant: each.then(|| shortened(setting.tenant)),
            bound: setting.bound,
        }
    }

    /// The hard cap that allows least.
    fn hard(&self) -> Option<&Limit> {
        let mut limits = self.limits.iter();
        limits.find(|limit| limit.hardness == Hardness::Hard)
    }

    /// The most that hard caps allow.
    fn most(&self) -> Option<u128> {
        self.hard().map(|limit| limit.most)
    }

    /// What the lowest cap allows, hard or soft.
    fn least(&self) -> u128 {
        self.limits.first().map_or(0, |limit| limit.most)
    }
}

/// How far ahead of what is taken is written.
fn step(least: u128, widest: u128) -> u128 {
    (least / STEPS).max(widest)
}

/// What is written where so much is taken: more, but no more than can be taken.
fn ahead(taken: u128, by: u128, most: Option<u128>) -> u128 {
    let ahead = taken.saturating_add(by);
    most.map_or(ahead, |most| ahead.min(most.max(taken)))
}

fn urgency(cell: &Cell, step: u128, most: Option<u128>) -> Urgency {
    let taken = cell.taken();
    if taken > cell.mark {
        Urgency::Now
    } else if ahead(taken, step / 2, most) > cell.mark {
        Urgency::Soon
    } else if cell.mark - taken > step.saturating_mul(2) {
        Urgency::Leisure
    } else {
        Urgency::Not
    }
}

fn holder(scope: &CapScope, tenant: Option<&str>) -> Holder {
    match tenant {
        Some(tenant) => Holder::Tenant(tenant.into()),
        None if *scope == CapScope::EachTenant => Holder::OtherTenants,
        None => Holder::All,
    }
}

/// What tells tenants apart: names that differ only after this many bytes are one.
const NAME: usize = 128;

pub(super) fn shortened(tenant: &str) -> &str {
    tenant
        .get(..tenant.floor_char_boundary(NAME))
        .unwrap_or(tenant)
}
