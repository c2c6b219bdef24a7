//! The tables of sums: their columns, and sums as rows of them.

use super::columns::{Cell, Cells, Kind, integer, split};
use super::rollup::{Counted, Spot};
use super::sql::{Sum, Table};
use crate::ledger::Totals;
use crate::model::Usage;

pub(super) static HOURS: Table = Table {
    name: "hours",
    keys: &[],
    sums: &[
        ("exchanges", Sum::Add),
        ("unreported", Sum::Add),
        ("unpriced", Sum::Add),
        ("skipped", Sum::Add),
        ("plain_tokens", Sum::Maybe),
        ("read_tokens", Sum::Maybe),
        ("write_5m_tokens", Sum::Maybe),
        ("write_30m_tokens", Sum::Maybe),
        ("write_1h_tokens", Sum::Maybe),
        ("output_tokens", Sum::Maybe),
        ("cost_micro", Sum::Add),
        ("cost_rest", Sum::Add),
        ("cost_without_caching_micro", Sum::Add),
        ("cost_without_caching_rest", Sum::Add),
        ("waste_micro", Sum::Add),
        ("waste_rest", Sum::Add),
        ("errands", Sum::Add),
        ("errands_cost_micro", Sum::Add),
        ("errands_cost_rest", Sum::Add),
        ("misestimated", Sum::Add),
        ("readable", Sum::Add),
        ("readable_read", Sum::Add),
        ("misses", Sum::Add),
        ("missed", Sum::Add),
        ("missed_cost_micro", Sum::Add),
        ("missed_cost_rest", Sum::Add),
        ("overhead_micros", Sum::Add),
        ("never_read", Sum::Add),
        ("attempts", Sum::Add),
        ("hops", Sum::Add),
        ("hops_cost_micro", Sum::Add),
        ("hops_cost_rest", Sum::Add),
        ("presumed", Sum::Add),
        ("presumed_cost_micro", Sum::Add),
        ("presumed_cost_rest", Sum::Add),
        ("pings", Sum::Add),
        ("pings_cost_micro", Sum::Add),
        ("pings_cost_rest", Sum::Add),
        ("pings_saved_micro", Sum::Add),
        ("pings_saved_rest", Sum::Add),
    ],
};

pub(super) fn counted_cells(counted: &Counted) -> Vec<Cell> {
    let totals = &counted.totals;
    let usage = &totals.usage;
    let mut cells = vec![
        Cell::count(totals.exchanges),
        Cell::count(totals.unreported),
        Cell::count(totals.unpriced),
        Cell::count(totals.skipped),
        Cell::count(usage.plain),
        Cell::count(usage.read),
        Cell::count(usage.write_5m),
        Cell::count(usage.write_30m),
        Cell::count(usage.write_1h),
        Cell::count(usage.output),
    ];
    let money = [totals.cost, totals.cost_without_caching, totals.waste];
    cells.extend(money.into_iter().flat_map(split));
    cells.push(Cell::count(totals.errands));
    cells.extend(split(totals.errands_cost));
    let counts = [
        totals.misestimated,
        totals.readable,
        totals.readable_read,
        totals.misses,
        totals.missed,
    ];
    cells.extend(counts.map(Cell::count));
    cells.extend(split(totals.missed_cost));
    cells.push(Cell::Integer(integer(totals.overhead_micros)));
    cells.push(Cell::count(counted.never_read));
    cells.extend([totals.attempts, totals.hops].map(Cell::count));
    cells.extend(split(totals.hops_cost));
    cells.push(Cell::count(totals.presumed));
    cells.extend(split(totals.presumed_cost));
    cells.push(Cell::count(totals.pings));
    cells.extend(split(totals.pings_cost));
    cells.extend(split(totals.pings_saved));
    cells
}

/// What [`counted_cells`] wrote.
pub(super) fn read_counted(cells: &mut Cells<'_>) -> Counted {
    let mut totals = Totals {
        exchanges: cells.count(),
        unreported: cells.count(),
        unpriced: cells.count(),
        skipped: cells.count(),
        usage: Usage {
            plain: cells.maybe(),
            read: cells.maybe(),
            write_5m: cells.maybe(),
            write_30m: cells.maybe(),
            write_1h: cells.maybe(),
            output: cells.maybe(),
            cost: None,
        },
        cost: cells.split(),
        cost_without_caching: cells.split(),
        waste: cells.split(),
        errands: cells.count(),
        errands_cost: cells.split(),
        ..Totals::default()
    };
    totals.misestimated = cells.count();
    totals.readable = cells.count();
    totals.readable_read = cells.count();
    totals.misses = cells.count();
    totals.missed = cells.count();
    totals.missed_cost = cells.split();
    totals.overhead_micros = cells.count();
    let never_read = cells.count();
    totals.attempts = cells.count();
    totals.hops = cells.count();
    totals.hops_cost = cells.split();
    totals.presumed = cells.count();
    totals.presumed_cost = cells.split();
    totals.pings = cells.count();
    totals.pings_cost = cells.split();
    totals.pings_saved = cells.split();
    Counted { totals, never_read }
}

pub(super) static CAUSES: Table = Table {
    name: "causes",
    keys: &["cause"],
    sums: &[
        ("misses", Sum::Add),
        ("tokens", Sum::Add),
        ("cost_micro", Sum::Add),
        ("cost_rest", Sum::Add),
    ],
};

pub(super) static VERDICTS: Table = Table {
    name: "verdicts",
    keys: &["verdict"],
    sums: &[("exchanges", Sum::Add)],
};

pub(super) static PLACES: Table = Table {
    name: "places",
    keys: &["cause", "pattern", "spot"],
    sums: &[
        ("misses", Sum::Add),
        ("tokens", Sum::Add),
        ("cost_micro", Sum::Add),
        ("cost_rest", Sum::Add),
        ("pointer", Sum::Last(Kind::Text)),
        ("byte", Sum::Last(Kind::Count)),
        ("run", Sum::Last(Kind::Count)),
        ("number", Sum::Last(Kind::Count)),
    ],
};

pub(super) fn spot_cells(spot: &Spot) -> Vec<Cell> {
    let mut cells = spot.missed.cells();
    cells.extend([
        Cell::text(Some(&spot.pointer)),
        Cell::count(u64::from(spot.byte)),
        Cell::count(spot.id.run),
        Cell::count(spot.id.number),
    ]);
    cells
}

pub(super) static PREFIXES: Table = Table {
    name: "prefixes",
    keys: &["tools", "system", "conversation"],
    sums: &[
        ("read_tokens", Sum::Add),
        ("write_tokens", Sum::Add),
        ("plain_tokens", Sum::Add),
    ],
};
