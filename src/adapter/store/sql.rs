//! Statements in the words that SQLite and Postgres share, and their values.

use std::fmt::Write as _;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{AnyConnection, Arguments as _, AssertSqlSafe, Row as _};

use super::columns::{Cell, Kind};
use crate::model::Digest;

/// A statement being written.
#[derive(Default)]
pub(super) struct Statement {
    pub(super) text: String,
    args: AnyArguments,
}

impl Statement {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A placeholder for this value.
    pub(super) fn value(&mut self, kind: Kind, cell: Cell) -> Result<&mut Self, sqlx::Error> {
        let added = match (kind, cell) {
            (_, Cell::Integer(number)) => self.args.add(Some(number)),
            (_, Cell::Text(text)) => self.args.add(Some(String::from(text))),
            (_, Cell::Digest(digest)) => self.args.add(Some(digest.as_bytes().to_vec())),
            (Kind::Text, Cell::Absent) => self.args.add(None::<String>),
            (Kind::Digest, Cell::Absent) => self.args.add(None::<Vec<u8>>),
            (Kind::Time | Kind::Count | Kind::Flag | Kind::Pico, Cell::Absent) => {
                self.args.add(None::<i64>)
            }
        };
        added.map_err(sqlx::Error::Encode)?;
        self.text.push('?');
        Ok(self)
    }

    pub(super) fn integer(&mut self, number: i64) -> Result<&mut Self, sqlx::Error> {
        self.value(Kind::Count, Cell::Integer(number))
    }

    /// Rows of placeholders: `(?,?),(?,?)`.
    pub(super) fn rows(
        &mut self,
        kinds: &(impl Iterator<Item = Kind> + Clone),
        rows: impl Iterator<Item = Vec<Cell>>,
    ) -> Result<&mut Self, sqlx::Error> {
        for (at, cells) in rows.enumerate() {
            self.push(if at == 0 { "(" } else { ",(" });
            for (place, (kind, cell)) in kinds.clone().zip(cells).enumerate() {
                if place > 0 {
                    self.push(",");
                }
                self.value(kind, cell)?;
            }
            self.push(")");
        }
        Ok(self)
    }

    /// Runs it, and says how many rows it touched.
    pub(super) async fn run(self, db: &mut AnyConnection) -> Result<u64, sqlx::Error> {
        let query = sqlx::query_with(spelled(self.text, db), self.args);
        Ok(query.execute(db).await?.rows_affected())
    }

    /// Every row it finds.
    pub(super) async fn all(
        self,
        db: &mut AnyConnection,
        kinds: &[Kind],
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        let query = sqlx::query_with(spelled(self.text, db), self.args);
        let rows = query.fetch_all(db).await?;
        rows.iter().map(|row| read(row, kinds)).collect()
    }

    /// The integers of the first row it finds.
    pub(super) async fn integers<const N: usize>(
        self,
        db: &mut AnyConnection,
    ) -> Result<[Option<i64>; N], sqlx::Error> {
        let query = sqlx::query_with(spelled(self.text, db), self.args);
        let mut found = [None; N];
        if let Some(row) = query.fetch_optional(db).await? {
            for (place, slot) in found.iter_mut().enumerate() {
                *slot = row.try_get(place)?;
            }
        }
        Ok(found)
    }
}

/// Placeholders as the database has them. Postgres numbers them; SQLite could, but looks every
/// number up in a list, which takes most of the time of a statement with thousands of them.
fn spelled(text: String, db: &AnyConnection) -> AssertSqlSafe<String> {
    if db.backend_name() == SQLITE {
        return AssertSqlSafe(text);
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (number, part) in text.split('?').enumerate() {
        if number > 0 {
            // Writing into memory cannot fail.
            let _ = write!(out, "${number}");
        }
        out.push_str(part);
    }
    AssertSqlSafe(out)
}

/// SQLite's name among the drivers.
const SQLITE: &str = "SQLite";

fn read(row: &AnyRow, kinds: &[Kind]) -> Result<Vec<Cell>, sqlx::Error> {
    let cell = |(place, kind): (usize, &Kind)| {
        Ok(match kind {
            Kind::Text => Cell::text(row.try_get::<Option<String>, _>(place)?.as_deref()),
            Kind::Digest => {
                let bytes: Option<Vec<u8>> = row.try_get(place)?;
                let bytes = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
                Cell::digest(bytes.map(Digest::from_bytes))
            }
            Kind::Time | Kind::Count | Kind::Flag | Kind::Pico => {
                let number: Option<i64> = row.try_get(place)?;
                number.map_or(Cell::Absent, Cell::Integer)
            }
        })
    };
    kinds.iter().enumerate().map(cell).collect()
}

/// How a column of sums takes in more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    Add,
    /// Adds where something was reported.
    Maybe,
    /// Keeps the last.
    Last(Kind),
}

/// A table of sums: what they are kept by, and the sums.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// After hour, provider, model, route, tenant and backend.
    pub(super) keys: &'static [&'static str],
    pub(super) sums: &'static [(&'static str, Sum)],
}

/// What every table of sums is kept by.
pub(super) const LABELS: [&str; 5] = ["provider", "model", "route", "tenant", "backend"];

/// Rows per statement: SQLite takes 32,766 values, Postgres 65,535.
pub(super) const CHUNK: usize = 64;

impl Table {
    fn kinds(&self) -> impl Iterator<Item = Kind> + Clone + '_ {
        let keys = LABELS.iter().chain(self.keys).map(|_| Kind::Text);
        let sums = self.sums.iter().map(|(_, sum)| match sum {
            Sum::Last(kind) => *kind,
            Sum::Add | Sum::Maybe => Kind::Count,
        });
        std::iter::once(Kind::Time).chain(keys).chain(sums)
    }

    /// Adds these sums to those that stand there.
    pub(super) async fn add(
        &self,
        db: &mut AnyConnection,
        rows: Vec<Vec<Cell>>,
    ) -> Result<(), sqlx::Error> {
        let keys: Vec<&str> = std::iter::once("hour")
            .chain(LABELS)
            .chain(self.keys.iter().copied())
            .collect();
        let sums: Vec<&str> = self.sums.iter().map(|(name, _)| *name).collect();
        let (name, keys) = (self.name, keys.join(","));
        let head = format!("INSERT INTO {name} ({keys},{}) VALUES ", sums.join(","));
        let sets: Vec<String> = self.sums.iter().map(|sum| self.set(*sum)).collect();
        let tail = format!(" ON CONFLICT ({keys}) DO UPDATE SET {}", sets.join(", "));
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut statement = Statement::new(head.as_str());
            statement.rows(&self.kinds(), rows.by_ref().take(CHUNK))?;
            statement.push(&tail);
            statement.run(db).await?;
        }
        Ok(())
    }

    fn set(&self, (column, sum): (&str, Sum)) -> String {
        let table = self.name;
        match sum {
            Sum::Add => format!("{column} = {table}.{column} + excluded.{column}"),
            Sum::Maybe => format!(
                "{column} = CASE WHEN excluded.{column} IS NULL THEN {table}.{column} \
                 ELSE COALESCE({table}.{column}, 0) + excluded.{column} END"
            ),
            Sum::Last(_) => format!("{column} = excluded.{column}"),
        }
    }

    /// The sums over several rows, for a select with groups.
    pub(super) fn summed(&self) -> String {
        let added = self
            .sums
            .iter()
            .filter(|(_, sum)| !matches!(sum, Sum::Last(_)));
        let sums: Vec<String> = added
            .map(|(column, _)| format!("CAST(SUM({column}) AS BIGINT)"))
            .collect();
        sums.join(", ")
    }

    /// How many there are.
    pub(super) fn sums(&self) -> usize {
        let added = self
            .sums
            .iter()
            .filter(|(_, sum)| !matches!(sum, Sum::Last(_)));
        added.count()
    }
}
