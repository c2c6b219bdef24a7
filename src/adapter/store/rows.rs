//! Rows, one by one or all of them in pages, so that no long read holds up a writer.

use sqlx::AnyConnection;

use super::columns::{COLUMNS, Cell, Kind};
use super::form::Row;
use super::query::Query;
use super::sql::Statement;
use crate::ledger::Id;
use crate::model::Timestamp;

/// Rows per page.
const PAGE: i64 = 2000;

fn select() -> Statement {
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    Statement::new(format!("SELECT {} FROM exchanges WHERE ", names.join(",")))
}

async fn read(select: Statement, db: &mut AnyConnection) -> Result<Vec<Row>, sqlx::Error> {
    let kinds = COLUMNS.map(|column| column.kind);
    let rows = select.all(db, &kinds).await?;
    Ok(rows.iter().map(|cells| Row::read(cells)).collect())
}

pub(super) async fn find(db: &mut AnyConnection, id: Id) -> Result<Option<Row>, sqlx::Error> {
    let mut select = select();
    select
        .push("run = ")
        .value(Kind::Count, Cell::count(id.run))?;
    select
        .push(" AND number = ")
        .value(Kind::Count, Cell::count(id.number))?;
    Ok(read(select, db).await?.pop())
}

/// The attempts of one call, in their order.
pub(super) async fn attempts(
    db: &mut AnyConnection,
    run: u64,
    call: u64,
) -> Result<Vec<Row>, sqlx::Error> {
    let mut select = select();
    select.push("run = ").value(Kind::Count, Cell::count(run))?;
    select
        .push(" AND call = ")
        .value(Kind::Count, Cell::count(call))?;
    select
        .push(" ORDER BY attempt, number LIMIT ")
        .integer(PAGE)?;
    read(select, db).await
}

/// Hands over every row, oldest first, until `each` fails.
pub(super) async fn each<E>(
    db: &mut AnyConnection,
    query: &Query,
    mut each: impl FnMut(Row) -> Result<(), E>,
) -> Result<Result<(), E>, sqlx::Error> {
    let mut last: Option<(Timestamp, Id)> = None;
    loop {
        let mut select = select();
        query.rows(&mut select)?;
        if let Some((at, id)) = last {
            select.push(" AND (at, run, number) > (");
            select.value(Kind::Time, Cell::time(at))?.push(",");
            select.value(Kind::Count, Cell::count(id.run))?.push(",");
            select.value(Kind::Count, Cell::count(id.number))?.push(")");
        }
        select
            .push(" ORDER BY at, run, number LIMIT ")
            .integer(PAGE)?;
        let rows = read(select, db).await?;
        let Some(end) = rows.last() else {
            return Ok(Ok(()));
        };
        last = Some((end.record.at, end.record.id));
        for row in rows {
            if let Err(error) = each(row) {
                return Ok(Err(error));
            }
        }
    }
}
