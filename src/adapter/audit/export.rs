//! Our own ledger: its rows, and its export as JSON Lines.

use super::Reader;
use super::book::Book;
#[cfg(feature = "ledger")]
use super::files::fault;
#[cfg(feature = "ledger")]
use crate::adapter::store::{COLUMNS, Cell, Query, Row, Store};
#[cfg(feature = "ledger")]
use crate::error::Error;
#[cfg(feature = "ledger")]
use crate::model::Digest;

/// Letters of a lineage that name a conversation.
#[cfg(feature = "ledger")]
const SHORT: usize = 12;

/// Reads an export.
pub(super) struct Export;

impl Reader for Export {
    #[cfg(feature = "ledger")]
    fn line(&mut self, book: &mut Book, line: &[u8]) -> Result<(), String> {
        use serde_json::{Map, Value};
        let object: Map<String, Value> =
            serde_json::from_slice(line).map_err(|error| fault(&error))?;
        let mut cells = Vec::with_capacity(COLUMNS.len());
        for column in &COLUMNS {
            cells.push(match object.get(column.name) {
                None | Some(Value::Null) => Cell::Absent,
                Some(Value::Bool(on)) => Cell::Integer(i64::from(*on)),
                Some(Value::Number(number)) => number
                    .as_i64()
                    .map(Cell::Integer)
                    .ok_or_else(|| wrong(column.name))?,
                Some(Value::String(text)) => match digest(text) {
                    Some(digest) if column.kind == crate::adapter::store::Kind::Digest => {
                        Cell::Digest(digest)
                    }
                    _ => Cell::Text(text.as_str().into()),
                },
                Some(Value::Array(_) | Value::Object(_)) => return Err(wrong(column.name)),
            });
        }
        take(book, &Row::read(&cells));
        Ok(())
    }

    #[cfg(not(feature = "ledger"))]
    fn line(&mut self, _book: &mut Book, _line: &[u8]) -> Result<(), String> {
        Err("a row of the ledger; built without feature `ledger`".to_owned())
    }
}

#[cfg(feature = "ledger")]
fn wrong(column: &str) -> String {
    format!("`{column}` has the wrong type")
}

#[cfg(feature = "ledger")]
fn digest(text: &str) -> Option<Digest> {
    if text.len() != 32 {
        return None;
    }
    let number = u128::from_str_radix(text, 16).ok()?;
    Some(Digest::from_bytes(number.to_be_bytes()))
}

/// Adds every row of a ledger.
#[cfg(feature = "ledger")]
pub(super) fn store(book: &mut Book, store: &Store) -> Result<(), Error> {
    store.rows(&Query::default(), |row| {
        take(book, &row);
        Ok::<(), Error>(())
    })
}

#[cfg(feature = "ledger")]
fn take(book: &mut Book, row: &Row) {
    let lineage = row.record.lineage.map(|lineage| lineage.to_string());
    let name: String = lineage.unwrap_or_default().chars().take(SHORT).collect();
    book.booked(&row.record, &name);
}
