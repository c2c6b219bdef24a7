//! Rows that are written together: one transaction, whole or not at all.

use sqlx::{AnyConnection, Connection as _};

use super::columns::{COLUMNS, Cell, Kind};
use super::form::cells;
use super::rollup::{Fold, Sums};
use super::sql::{CHUNK, Statement};
use super::target::Connection;
use crate::ledger::{Id, Record, Settled};
use crate::model::{Money, Timestamp};

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    rows: Vec<Vec<Cell>>,
    first: Option<Id>,
    sums: Sums,
    settled: Vec<(Id, Money)>,
    gap: Option<Gap>,
    /// Whether an attempt failed, so that nobody knows what became of it.
    uncertain: bool,
}

/// Rows that were dropped, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) dropped: u64,
    pub(super) writer: u64,
}

impl Batch {
    pub(super) fn row(&mut self, record: &Record, fold: &mut Fold) {
        self.first.get_or_insert(record.id);
        self.sums.add(record, fold);
        self.rows.push(cells(record));
    }

    pub(super) fn settle(&mut self, settled: &[Settled]) {
        self.settled
            .extend(settled.iter().map(|one| (one.id, one.lost)));
    }

    pub(super) fn gap(&mut self, gap: Option<Gap>) {
        self.gap = self.gap.or(gap);
    }

    /// How many rows and settlements it holds.
    pub(super) fn len(&self) -> usize {
        self.rows.len() + self.settled.len()
    }

    /// How many rows it holds.
    pub(super) fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0 && self.gap.is_none()
    }

    /// Nothing more is put in: what was tried once is tried again as it was.
    pub(super) const fn is_sealed(&self) -> bool {
        self.uncertain
    }

    /// Writes all of it, or nothing.
    pub(super) async fn write(
        &mut self,
        connection: &mut Connection,
        fold: &mut Fold,
    ) -> Result<(), sqlx::Error> {
        // Readers that become writers cannot wait for another writer; whoever begins as one can.
        let begin = if connection.sqlite {
            "BEGIN IMMEDIATE"
        } else {
            "BEGIN"
        };
        let again = std::mem::replace(&mut self.uncertain, true);
        let mut work = connection.db.begin_with(begin).await?;
        if !(again && self.is_there(&mut work).await?) {
            self.insert(&mut work).await?;
            for (table, rows) in self.sums.tables() {
                table.add(&mut work, rows).await?;
            }
            self.settled(&mut work, fold).await?;
            self.note(&mut work).await?;
        }
        work.commit().await
    }

    /// Whether an earlier attempt was committed, although its answer never came.
    async fn is_there(&self, db: &mut AnyConnection) -> Result<bool, sqlx::Error> {
        let Some(first) = self.first else {
            return Ok(false);
        };
        let mut select = Statement::new("SELECT at FROM exchanges WHERE run = ");
        select.value(Kind::Count, Cell::count(first.run))?;
        select.push(" AND number = ");
        select.value(Kind::Count, Cell::count(first.number))?;
        let [found] = select.integers(db).await?;
        Ok(found.is_some())
    }

    async fn insert(&self, db: &mut AnyConnection) -> Result<(), sqlx::Error> {
        let columns = COLUMNS.split_last().map_or(&[][..], |(_, others)| others);
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let head = format!("INSERT INTO exchanges ({}) VALUES ", names.join(","));
        let kinds = columns.iter().map(|column| column.kind);
        let (whole, rest) = self.rows.as_chunks::<CHUNK>();
        // Two texts, whatever the number of rows, so that statements stay prepared.
        let chunks = whole.iter().map(<[Vec<Cell>; CHUNK]>::as_slice);
        for chunk in chunks.chain(rest.chunks(1)) {
            let mut statement = Statement::new(head.as_str());
            statement.rows(&kinds, chunk.iter().cloned())?;
            statement.push(" ON CONFLICT (run, number) DO NOTHING");
            statement.run(db).await?;
        }
        Ok(())
    }

    /// Notes on their rows what became of writes, and adds it to the sums.
    async fn settled(&self, db: &mut AnyConnection, fold: &mut Fold) -> Result<(), sqlx::Error> {
        let mut sums = Sums::default();
        for chunk in self.settled.chunks(CHUNK) {
            let mut update = Statement::new("WITH v (run, number, lost) AS (VALUES ");
            let rows = chunk.iter().map(|(id, lost)| {
                vec![
                    Cell::count(id.run),
                    Cell::count(id.number),
                    Cell::money(*lost),
                ]
            });
            update.rows(&[Kind::Count, Kind::Count, Kind::Pico].into_iter(), rows)?;
            update.push(
                ") UPDATE exchanges SET wasted_pico = v.lost FROM v \
                 WHERE exchanges.run = v.run AND exchanges.number = v.number \
                 AND exchanges.wasted_pico IS NULL \
                 RETURNING at, wasted_pico, provider, model, route, tenant, backend",
            );
            let text = Kind::Text;
            let kinds = [Kind::Time, Kind::Pico, text, text, text, text, text];
            for cells in update.all(db, &kinds).await? {
                let mut cells = super::columns::Cells::new(&cells);
                let at = cells.time().unwrap_or_default();
                let lost = cells.money().unwrap_or_default();
                let labels = [(); 5].map(|()| cells.text().unwrap_or_default());
                let labels = fold.labels(super::rollup::hour(at), labels);
                sums.settle(at, labels, lost);
            }
        }
        for (table, rows) in sums.tables() {
            table.add(db, rows).await?;
        }
        Ok(())
    }

    /// Notes what was dropped.
    async fn note(&self, db: &mut AnyConnection) -> Result<(), sqlx::Error> {
        let Some(gap) = self.gap else { return Ok(()) };
        let mut insert =
            Statement::new("INSERT INTO gaps (started, writer, ended, dropped) VALUES (");
        insert.value(Kind::Time, Cell::time(gap.from))?.push(",");
        insert
            .value(Kind::Count, Cell::count(gap.writer))?
            .push(",");
        insert.value(Kind::Time, Cell::time(gap.until))?.push(",");
        insert.value(Kind::Count, Cell::count(gap.dropped))?;
        insert.push(") ON CONFLICT (started, writer) DO NOTHING");
        insert.run(db).await.map(drop)
    }
}
