//! The columns of the table of exchanges, and values as they stand in them.

use std::slice;

use crate::model::{Digest, Money, Timestamp};

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Microseconds since the epoch.
    Time,
    /// An integer.
    Count,
    /// Zero or one.
    Flag,
    /// Picodollars.
    Pico,
    /// Text.
    Text,
    /// A digest of sixteen bytes.
    Digest,
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// Its name in the database and in exports.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Whether it may be without a value.
    pub optional: bool,
}

const fn needed(name: &'static str, kind: Kind) -> Column {
    let optional = false;
    Column {
        name,
        kind,
        optional,
    }
}

const fn optional(name: &'static str, kind: Kind) -> Column {
    let optional = true;
    Column {
        name,
        kind,
        optional,
    }
}

/// Every column of the table of exchanges, in the order of [`Row::cells`](super::Row::cells).
pub const COLUMNS: [Column; 68] = [
    needed("run", Kind::Count),
    needed("number", Kind::Count),
    needed("at", Kind::Time),
    optional("first_byte", Kind::Time),
    needed("ended", Kind::Time),
    needed("overhead_micros", Kind::Count),
    needed("kind", Kind::Text),
    needed("provider", Kind::Text),
    needed("dialect", Kind::Text),
    needed("model", Kind::Text),
    needed("model_known", Kind::Flag),
    needed("route", Kind::Text),
    needed("tenant", Kind::Text),
    needed("status", Kind::Count),
    needed("complete", Kind::Flag),
    needed("reported", Kind::Flag),
    optional("plain_tokens", Kind::Count),
    optional("read_tokens", Kind::Count),
    optional("write_5m_tokens", Kind::Count),
    optional("write_30m_tokens", Kind::Count),
    optional("write_1h_tokens", Kind::Count),
    optional("output_tokens", Kind::Count),
    optional("reported_cost_pico", Kind::Pico),
    optional("cost_pico", Kind::Pico),
    optional("cost_without_caching_pico", Kind::Pico),
    needed("premium_pico", Kind::Pico),
    needed("estimated_input_tokens", Kind::Count),
    needed("tools_tokens", Kind::Count),
    needed("system_tokens", Kind::Count),
    needed("messages_tokens", Kind::Count),
    optional("predicted_read_tokens", Kind::Count),
    optional("readable_tokens", Kind::Count),
    needed("breakpoints", Kind::Count),
    needed("breakpoints_placed", Kind::Count),
    optional("breakpoints_honoured", Kind::Count),
    optional("reshaped", Kind::Text),
    needed("resent", Kind::Flag),
    optional("skip", Kind::Text),
    needed("verdict", Kind::Text),
    optional("cause", Kind::Text),
    optional("missed_tokens", Kind::Count),
    optional("missed_cost_pico", Kind::Pico),
    optional("miss_section", Kind::Text),
    optional("miss_block", Kind::Count),
    optional("miss_byte", Kind::Count),
    optional("miss_pointer", Kind::Text),
    optional("pattern", Kind::Text),
    optional("provider_cause", Kind::Text),
    optional("excerpt_before", Kind::Text),
    optional("excerpt_after", Kind::Text),
    optional("scope", Kind::Digest),
    optional("lineage", Kind::Digest),
    optional("tools_end", Kind::Digest),
    optional("system_end", Kind::Digest),
    optional("request_end", Kind::Digest),
    optional("read_prefix", Kind::Digest),
    optional("written", Kind::Text),
    needed("backend", Kind::Text),
    optional("call", Kind::Count),
    optional("attempt", Kind::Count),
    optional("hop_pico", Kind::Pico),
    optional("decided", Kind::Text),
    optional("presumed_pico", Kind::Pico),
    needed("held_micros", Kind::Count),
    optional("errand_kind", Kind::Text),
    optional("arm", Kind::Text),
    optional("kept_saved_pico", Kind::Pico),
    optional("wasted_pico", Kind::Pico),
];

/// One value of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cell {
    /// No value.
    Absent,
    /// A number: a count, a time, a flag or an amount.
    Integer(i64),
    /// Text.
    Text(Box<str>),
    /// A digest.
    Digest(Digest),
}

impl Cell {
    /// A text, or nothing where there is none.
    pub(super) fn text(text: Option<&str>) -> Self {
        text.map_or(Self::Absent, |text| Self::Text(text.into()))
    }

    /// A count; what does not fit is the most that does.
    pub(super) fn count(number: impl Into<Option<u64>>) -> Self {
        number
            .into()
            .map_or(Self::Absent, |number| Self::Integer(integer(number)))
    }

    pub(super) fn flag(on: impl Into<u64>) -> Self {
        Self::count(on.into())
    }

    pub(super) fn time(at: impl Into<Option<Timestamp>>) -> Self {
        at.into()
            .map_or(Self::Absent, |at| Self::Integer(at.as_micros()))
    }

    pub(super) fn money(amount: impl Into<Option<Money>>) -> Self {
        amount
            .into()
            .map_or(Self::Absent, |amount| Self::Integer(pico(amount)))
    }

    pub(super) fn digest(digest: Option<Digest>) -> Self {
        digest.map_or(Self::Absent, Self::Digest)
    }
}

/// What fits into a database's integer.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn pico(amount: Money) -> i64 {
    let pico = amount.as_pico();
    i64::try_from(pico).unwrap_or(if pico < 0 { i64::MIN } else { i64::MAX })
}

/// Reads cells in their order; what is missing or of another kind reads as nothing.
pub(super) struct Cells<'a>(slice::Iter<'a, Cell>);

impl<'a> Cells<'a> {
    pub(super) fn new(cells: &'a [Cell]) -> Self {
        Self(cells.iter())
    }

    pub(super) fn integer(&mut self) -> Option<i64> {
        match self.0.next() {
            Some(Cell::Integer(number)) => Some(*number),
            Some(Cell::Absent | Cell::Text(_) | Cell::Digest(_)) | None => None,
        }
    }

    pub(super) fn maybe(&mut self) -> Option<u64> {
        self.integer()
            .map(|number| u64::try_from(number).unwrap_or(0))
    }

    pub(super) fn count(&mut self) -> u64 {
        self.maybe().unwrap_or(0)
    }

    pub(super) fn small(&mut self) -> u32 {
        u32::try_from(self.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn flag(&mut self) -> bool {
        self.count() != 0
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        self.integer().map(Timestamp::from_micros)
    }

    pub(super) fn money(&mut self) -> Option<Money> {
        self.integer()
            .map(|pico| Money::from_pico(i128::from(pico)))
    }

    /// An amount in two columns: whole microdollars and the rest.
    pub(super) fn split(&mut self) -> Money {
        let micro = i128::from(self.integer().unwrap_or(0));
        let rest = i128::from(self.integer().unwrap_or(0));
        Money::from_pico(micro * MICRO + rest)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        match self.0.next() {
            Some(Cell::Text(text)) => Some(text),
            Some(Cell::Absent | Cell::Integer(_) | Cell::Digest(_)) | None => None,
        }
    }

    /// The text, empty where there is none.
    pub(super) fn name(&mut self) -> Box<str> {
        self.text().unwrap_or_default().into()
    }

    pub(super) fn digest(&mut self) -> Option<Digest> {
        match self.0.next() {
            Some(Cell::Digest(digest)) => Some(*digest),
            Some(Cell::Absent | Cell::Integer(_) | Cell::Text(_)) | None => None,
        }
    }
}

/// Picodollars in a microdollar.
const MICRO: i128 = 1_000_000;

/// An amount as two integers that can be summed for long: whole microdollars and the rest.
pub(super) fn split(amount: Money) -> [Cell; 2] {
    let pico = amount.as_pico();
    let part = |part: i128| Cell::Integer(i64::try_from(part).unwrap_or(i64::MAX));
    [part(pico / MICRO), part(pico % MICRO)]
}
