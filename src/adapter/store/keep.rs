//! Retention and size: the oldest rows go in small batches; their sums stay.

use std::fs::Metadata;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection as _;

use super::columns::{Cell, Kind};
use super::options::StoreOptions;
use super::sql::Statement;
use super::target::{Connection, Target};
use crate::adapter::clock::Clock;
use crate::model::Timestamp;

/// Rows deleted at once: a few milliseconds' work, so that rows do not queue up behind it.
const ROWS: i64 = 1000;
/// How often it is looked whether there is something to delete.
const EVERY: Duration = Duration::from_secs(60);

/// Looks after the size of a ledger.
pub(super) struct Keeper {
    target: Target,
    retention: Option<Duration>,
    max_size: Option<u64>,
    clock: Arc<dyn Clock>,
    looked: Option<Timestamp>,
    busy: bool,
    file: Option<Metadata>,
}

impl Keeper {
    pub(super) fn new(options: &StoreOptions) -> Self {
        Self {
            target: options.target.clone(),
            retention: options.retention,
            max_size: options.max_size,
            clock: Arc::clone(&options.clock),
            looked: None,
            // What a longer retention has left is looked after from the beginning.
            busy: options.retention.is_some() || options.max_size.is_some(),
            file: None,
        }
    }

    /// Whether there is more to delete.
    pub(super) const fn is_busy(&self) -> bool {
        self.busy
    }

    /// Has it wait for the next round.
    pub(super) const fn rest(&mut self) {
        self.busy = false;
    }

    /// Has it look again.
    pub(super) const fn is_due(&mut self) {
        self.looked = None;
    }

    /// Remembers the file that was opened.
    pub(super) fn opened(&mut self) {
        self.file = self.target.file().and_then(|path| path.metadata().ok());
    }

    /// Whether the file was deleted or another one stands in its place: what is written to an open
    /// file that has no name any more is lost.
    pub(super) fn was_replaced(&self) -> bool {
        let Some(path) = self.target.file() else {
            return false;
        };
        match (path.metadata(), &self.file) {
            (Ok(now), Some(then)) => !same(&now, then),
            (Err(_), _) => true,
            (Ok(_), None) => false,
        }
    }

    /// Does a piece of what there is to do.
    pub(super) async fn tend(&mut self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        let now = self.clock.now();
        let rested = self.looked.is_none_or(|looked| now.since(looked) >= EVERY);
        if !self.busy && !rested {
            return Ok(());
        }
        self.looked = Some(now);
        self.busy = false;
        if let Some(keep) = self.retention {
            let keep = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
            let before = now.as_micros().saturating_sub(keep);
            self.busy |= delete(connection, before).await? > 0;
        }
        if let Some(most) = self.max_size {
            let used = used(connection, most).await?;
            if used > most {
                self.busy |= delete(connection, i64::MAX).await? > 0;
            }
        }
        if connection.sqlite && (self.retention.is_some() || self.max_size.is_some()) {
            self.busy |= give_back(connection).await?;
        }
        Ok(())
    }
}

/// Gives free pages of SQLite's back to the file system, a few at a time. The file itself shrinks
/// with the checkpoint, which nothing else would bring about while no rows come. Says whether
/// something is left to do, as while somebody reads.
async fn give_back(connection: &mut Connection) -> Result<bool, sqlx::Error> {
    let db = &mut connection.db;
    let count = "PRAGMA freelist_count";
    let [before] = Statement::new(count).integers(db).await?;
    Statement::new("PRAGMA incremental_vacuum(2000)")
        .all(db, &[])
        .await?;
    let [after] = Statement::new(count).integers(db).await?;
    let checkpoint = Statement::new("PRAGMA wal_checkpoint(PASSIVE)");
    let [_, log, done] = checkpoint.integers(db).await?;
    let more = after > Some(0) && after < before;
    Ok(more || done < log)
}

#[cfg(unix)]
fn same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}

/// Deletes some of the oldest rows from before this time.
async fn delete(connection: &mut Connection, before: i64) -> Result<u64, sqlx::Error> {
    let mut delete = Statement::new(
        "DELETE FROM exchanges WHERE (run, number) IN \
         (SELECT run, number FROM exchanges WHERE at < ",
    );
    delete.value(Kind::Time, Cell::Integer(before))?;
    delete
        .push(" ORDER BY at, run, number LIMIT ")
        .integer(ROWS)?
        .push(")");
    let begin = if connection.sqlite {
        "BEGIN IMMEDIATE"
    } else {
        "BEGIN"
    };
    let mut work = connection.db.begin_with(begin).await?;
    let deleted = delete.run(&mut work).await?;
    work.commit().await?;
    Ok(deleted)
}

/// Bytes that the ledger takes, without what is free for new rows.
pub(super) async fn used(connection: &mut Connection, most: u64) -> Result<u64, sqlx::Error> {
    let db = &mut connection.db;
    if connection.sqlite {
        let [pages] = Statement::new("PRAGMA page_count").integers(db).await?;
        let [free] = Statement::new("PRAGMA freelist_count").integers(db).await?;
        let [size] = Statement::new("PRAGMA page_size").integers(db).await?;
        let taken = pages.unwrap_or(0).saturating_sub(free.unwrap_or(0));
        let bytes = taken.saturating_mul(size.unwrap_or(0));
        return Ok(u64::try_from(bytes).unwrap_or(0));
    }
    let whole = "SELECT CAST(SUM(pg_total_relation_size(c.oid)) AS BIGINT) FROM pg_class c \
        WHERE c.oid IN ('exchanges'::regclass, 'hours'::regclass, 'causes'::regclass, \
        'verdicts'::regclass, 'places'::regclass, 'prefixes'::regclass, 'gaps'::regclass)";
    let [bytes] = Statement::new(whole).integers(db).await?;
    let bytes = u64::try_from(bytes.unwrap_or(0)).unwrap_or(0);
    if bytes <= most {
        return Ok(bytes);
    }
    // Postgres keeps the room of deleted rows for new ones: what counts is the rows that are there.
    let width = "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE((SELECT AVG(pg_column_size(e.*)) \
        FROM (SELECT * FROM exchanges ORDER BY at DESC LIMIT 1000) e), 0) AS BIGINT) FROM exchanges";
    let [rows, width] = Statement::new(width).integers(db).await?;
    let each = width.unwrap_or(0).saturating_add(ROW_OVERHEAD);
    let live = u64::try_from(rows.unwrap_or(0).saturating_mul(each)).unwrap_or(0);
    Ok(live.min(bytes))
}

/// What a row takes in Postgres beside its values: its header and its places in two indices.
const ROW_OVERHEAD: i64 = 100;
