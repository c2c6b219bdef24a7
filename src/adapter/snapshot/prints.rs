//! How the table of prefixes that were sent is spelled in a file.

use serde::{Deserialize, Serialize};

use crate::ledger::history::{Prints, Stored};

/// One prefix: its place, its tag, who sent it first, blocks of that request, those of them that had
/// been sent before, its turns, when it was seen last, and whether it came back. A list, since there
/// may be half a million of them.
type Row = (usize, u64, u32, u16, u16, u16, u16, bool);

/// The table, since version 3: as many rows as it has room for at most.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct KnownPrints {
    /// Places of the table.
    places: usize,
    rows: Vec<Row>,
}

impl From<&Prints> for KnownPrints {
    fn from(prints: &Prints) -> Self {
        let (places, stored) = prints.parts();
        let row = |one: Stored| -> Row {
            let Stored {
                place,
                tag,
                maker,
                end,
                start,
                turns,
                seen,
                kept,
            } = one;
            (place, tag, maker, end, start, turns, seen, kept)
        };
        Self {
            places,
            rows: stored.into_iter().map(row).collect(),
        }
    }
}

impl KnownPrints {
    /// The table, which holds about so many prefixes at most.
    pub(super) fn into_prints(self, most: usize) -> Prints {
        let stored = |(place, tag, maker, end, start, turns, seen, kept): Row| Stored {
            place,
            tag,
            maker,
            end,
            start,
            turns,
            seen,
            kept,
        };
        let rows: Vec<Stored> = self.rows.into_iter().map(stored).collect();
        Prints::from_parts(most, self.places, &rows)
    }
}
