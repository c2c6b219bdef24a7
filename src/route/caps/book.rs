//! What was spent in one period, of everybody or of each tenant.

use std::collections::BTreeMap;

use crate::model::Timestamp;

/// What was spent, and what was reserved and is still open, in picodollars or tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub(super) spent: u128,
    pub(super) reserved: u128,
    /// The highest soft cap whose crossing was told; lower ones were told before it.
    pub(super) told: Option<u128>,
    /// Calls that had no price.
    pub(super) unpriced: u64,
    /// What counts as spent when the process ends here without a word.
    pub(super) mark: u128,
    /// What will, once it is written.
    pub(super) pending: u128,
}

impl Cell {
    pub(super) const fn taken(&self) -> u128 {
        self.spent.saturating_add(self.reserved)
    }

    pub(super) const fn is_untouched(&self) -> bool {
        self.taken() == 0 && self.unpriced == 0
    }
}

/// Which cell of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// The one of everybody, or of the tenants without one of their own.
    Common,
    /// The tenant's own.
    Own,
}

/// One period.
#[derive(Clone, Debug)]
pub(super) struct Book {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) common: Cell,
    pub(super) own: BTreeMap<Box<str>, Cell>,
    /// Reservations that are neither settled nor released.
    pub(super) open: u64,
    /// The largest reservation so far.
    pub(super) widest: u128,
}

/// Whose cell is meant: a tenant's, in bounded memory, or everybody's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    /// `None` for everybody.
    pub(super) tenant: Option<&'a str>,
    /// How many tenants have a cell of their own.
    pub(super) bound: usize,
}

impl Book {
    pub(super) const fn new(from: Timestamp, until: Timestamp) -> Self {
        Self {
            from,
            until,
            common: Cell {
                spent: 0,
                reserved: 0,
                told: None,
                unpriced: 0,
                mark: 0,
                pending: 0,
            },
            own: BTreeMap::new(),
            open: 0,
            widest: 0,
        }
    }

    pub(super) fn is_around(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// Where a tenant sits: by itself while there are cells left. Once others have spent from the
    /// common cell nobody new gets one, or whoever spent there could begin again.
    pub(super) fn seat(&self, claim: Claim<'_>) -> Seat {
        match claim.tenant {
            Some(tenant) if self.own.contains_key(tenant) => Seat::Own,
            Some(_) if self.own.len() < claim.bound && self.common.is_untouched() => Seat::Own,
            _ => Seat::Common,
        }
    }

    /// What whoever claims room has taken.
    pub(super) fn taken(&self, claim: Claim<'_>) -> u128 {
        match (self.seat(claim), claim.tenant) {
            (Seat::Own, Some(tenant)) => self.own.get(tenant).map_or(0, Cell::taken),
            _ => self.common.taken(),
        }
    }

    /// The cell, which is made where there is none. A name is copied only then.
    pub(super) fn cell(&mut self, seat: Seat, tenant: &str) -> &mut Cell {
        if seat == Seat::Own && !self.own.contains_key(tenant) {
            self.own.insert(tenant.into(), Cell::default());
        }
        let own = match seat {
            Seat::Own => self.own.get_mut(tenant),
            Seat::Common => None,
        };
        own.unwrap_or(&mut self.common)
    }

    /// Gives the cell of a tenant that spent nothing to others.
    pub(super) fn vacate(&mut self, seat: Seat, tenant: &str) {
        if seat == Seat::Own && self.own.get(tenant).is_some_and(Cell::is_untouched) {
            self.own.remove(tenant);
        }
    }

    /// Every cell with the tenant whose it is.
    pub(super) fn cells(&self) -> impl Iterator<Item = (Option<&str>, &Cell)> {
        let own = self
            .own
            .iter()
            .map(|(tenant, cell)| (Some(&**tenant), cell));
        std::iter::once((None, &self.common)).chain(own)
    }

    pub(super) fn cells_mut(&mut self) -> impl Iterator<Item = (Option<&str>, &mut Cell)> {
        let own = self.own.iter_mut();
        let own = own.map(|(tenant, cell)| (Some(&**tenant), cell));
        std::iter::once((None, &mut self.common)).chain(own)
    }
}
