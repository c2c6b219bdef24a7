//! What a ledger holds: rows, size, gaps.

use super::columns::{Cells, Kind};
use super::keep;
use super::query::{Query, dropped};
use super::sql::Statement;
use super::target::Connection;
use crate::model::Timestamp;

/// How much a ledger holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Rows that are there.
    pub rows: u64,
    /// Exchanges and errands that were summed, also where their rows are deleted.
    pub summed: u64,
    /// The oldest row.
    pub from: Option<Timestamp>,
    /// The newest row.
    pub until: Option<Timestamp>,
    /// Bytes that it takes, without what is free for new rows.
    pub bytes: u64,
    /// Rows that were dropped, oldest first; the last [`Info::GAPS`] times.
    pub gaps: Vec<Gap>,
    /// All rows that were dropped.
    pub dropped: u64,
}

impl Info {
    /// Gaps told one by one at most.
    pub const GAPS: usize = 100;
}

/// A time in which rows were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// When the first of them was sent.
    pub from: Timestamp,
    /// When the last of them was sent.
    pub until: Timestamp,
    /// How many.
    pub dropped: u64,
}

pub(super) async fn info(connection: &mut Connection) -> Result<Info, sqlx::Error> {
    let bytes = keep::used(connection, u64::MAX).await?;
    let db = &mut connection.db;
    let select = "SELECT CAST(COUNT(*) AS BIGINT), MIN(at), MAX(at) FROM exchanges";
    let [count, from, until] = Statement::new(select).integers(db).await?;
    let select = "SELECT CAST(SUM(exchanges + errands) AS BIGINT) FROM hours";
    let [summed] = Statement::new(select).integers(db).await?;
    let mut select =
        Statement::new("SELECT started, ended, dropped FROM gaps ORDER BY started DESC");
    select
        .push(" LIMIT ")
        .integer(i64::try_from(Info::GAPS).unwrap_or(0))?;
    let kinds = [Kind::Time, Kind::Time, Kind::Count];
    let mut gaps: Vec<Gap> = Vec::new();
    for cells in select.all(db, &kinds).await? {
        let mut cells = Cells::new(&cells);
        gaps.push(Gap {
            from: cells.time().unwrap_or_default(),
            until: cells.time().unwrap_or_default(),
            dropped: cells.count(),
        });
    }
    gaps.reverse();
    let number = |number: Option<i64>| u64::try_from(number.unwrap_or(0)).unwrap_or(0);
    Ok(Info {
        rows: number(count),
        summed: number(summed),
        from: from.map(Timestamp::from_micros),
        until: until.map(Timestamp::from_micros),
        bytes,
        gaps,
        dropped: dropped(db, &Query::default()).await?,
    })
}
