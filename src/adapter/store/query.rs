//! What is asked of a ledger, and the figures that answer it.

use std::collections::BTreeMap;

use sqlx::{AnyConnection, Connection as _};

use super::arms;
use super::columns::{Cell, Cells, Kind};
use super::rollup::{Counted, Fold, HOUR, Missed, Spot, hour};
use super::rows;
use super::sql::{LABELS, Statement, Table};
use super::tables::{CAUSES, HOURS, PLACES, PREFIXES, VERDICTS, read_counted};
use super::tale::Tale;
use super::target::Connection;
use crate::ledger::{Group, Id, Kinds, Moment, Story, Totals};
use crate::model::Timestamp;

/// Which exchanges are meant; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    only: BTreeMap<Group, Box<str>>,
}

impl Query {
    /// Not before this time.
    #[must_use]
    pub const fn since(mut self, at: Timestamp) -> Self {
        self.since = Some(at);
        self
    }

    /// Before this time.
    #[must_use]
    pub const fn until(mut self, at: Timestamp) -> Self {
        self.until = Some(at);
        self
    }

    /// Only of this provider, model, route, tenant or backend.
    #[must_use]
    pub fn only(mut self, group: Group, label: impl Into<Box<str>>) -> Self {
        self.only.insert(group, label.into());
        self
    }

    /// The condition on rows.
    pub(super) fn rows(&self, select: &mut Statement) -> Result<(), sqlx::Error> {
        let span = (
            self.since.map_or(i64::MIN, Timestamp::as_micros),
            self.until.map_or(i64::MAX, Timestamp::as_micros),
        );
        self.within(select, "at", span)
    }

    fn within(
        &self,
        select: &mut Statement,
        column: &str,
        (from, until): (i64, i64),
    ) -> Result<(), sqlx::Error> {
        select.push(column).push(" >= ");
        select.value(Kind::Time, Cell::Integer(from))?;
        select.push(" AND ").push(column).push(" < ");
        select.value(Kind::Time, Cell::Integer(until))?;
        for (group, column) in Group::ALL.into_iter().zip(LABELS) {
            if let Some(label) = self.only.get(&group) {
                select.push(" AND ").push(column).push(" = ");
                select.value(Kind::Text, Cell::text(Some(label)))?;
            }
        }
        Ok(())
    }

    /// The whole hours, and the pieces of hours at either end.
    fn spans(&self, oldest: Option<i64>) -> Spans {
        let from = self.since.map_or(i64::MIN, Timestamp::as_micros);
        let until = self.until.map_or(i64::MAX, Timestamp::as_micros);
        let first = self.since.map_or(i64::MIN, |at| {
            let begun = hour(at);
            if begun < from {
                begun.saturating_add(HOUR)
            } else {
                begun
            }
        });
        let last = self.until.map_or(i64::MAX, hour);
        if first > last {
            return Spans {
                hours: (0, 0),
                edges: vec![(from, until)],
            };
        }
        let mut spans = Spans {
            hours: (first, last),
            edges: Vec::new(),
        };
        // Where the rows of an hour are gone, its sums are all there is.
        let gone = |hour: i64| oldest.is_none_or(|oldest| hour.saturating_add(HOUR) <= oldest);
        if from < first {
            if gone(first - HOUR) {
                spans.hours.0 -= HOUR;
            } else {
                spans.edges.push((from, first));
            }
        }
        if last < until {
            if gone(last) {
                spans.hours.1 += HOUR;
            } else {
                spans.edges.push((last, until));
            }
        }
        spans
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Spans {
    hours: (i64, i64),
    edges: Vec<(i64, i64)>,
}

/// A select of sums over the hours of a query.
struct Sought<'a> {
    query: &'a Query,
    hours: (i64, i64),
}

impl Sought<'_> {
    /// Sums of a table by these columns.
    async fn sums(
        &self,
        db: &mut AnyConnection,
        table: &Table,
        (by, kinds): (&str, &[Kind]),
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        let name = table.name;
        let sums = table.summed();
        let mut select = Statement::new(format!("SELECT {by}, {sums} FROM {name} WHERE "));
        self.query.within(&mut select, "hour", self.hours)?;
        let places: Vec<String> = (1..=kinds.len()).map(|at| at.to_string()).collect();
        select.push(" GROUP BY ").push(&places.join(","));
        let sums = std::iter::repeat_n(Kind::Count, table.sums());
        let kinds: Vec<Kind> = kinds.iter().copied().chain(sums).collect();
        select.all(db, &kinds).await
    }

    /// The first and the last hour.
    async fn ends(&self, db: &mut AnyConnection) -> Result<[Option<i64>; 2], sqlx::Error> {
        let mut select = Statement::new("SELECT MIN(hour), MAX(hour) FROM hours WHERE ");
        self.query.within(&mut select, "hour", self.hours)?;
        select.integers(db).await
    }

    async fn tell(&self, db: &mut AnyConnection, tale: &mut Tale) -> Result<(), sqlx::Error> {
        const TEXT: Kind = Kind::Text;
        let by = ("provider, model, route, tenant, backend", &[TEXT; 5][..]);
        for cells in self.sums(db, &HOURS, by).await? {
            let mut cells = Cells::new(&cells);
            let labels = [(); 5].map(|()| cells.name());
            tale.label(labels, &read_counted(&mut cells));
        }
        let step = tale.step;
        let stretch = format!("(hour / {step}) * {step}");
        for cells in self.sums(db, &HOURS, (&stretch, &[Kind::Time])).await? {
            let mut cells = Cells::new(&cells);
            let at = cells.integer().unwrap_or(0);
            let Counted { totals, .. } = read_counted(&mut cells);
            tale.moments.entry(at).or_default().merge(&totals);
        }
        for cells in self.sums(db, &CAUSES, ("cause", &[TEXT])).await? {
            let mut cells = Cells::new(&cells);
            let cause = cells.name();
            tale.cause(&cause, &Missed::read(&mut cells));
        }
        for cells in self.sums(db, &VERDICTS, ("verdict", &[TEXT])).await? {
            let mut cells = Cells::new(&cells);
            let verdict = cells.name();
            tale.verdict(&verdict, cells.count());
        }
        let by = ("route, cause, pattern, spot", &[TEXT; 4][..]);
        for cells in self.sums(db, &PLACES, by).await? {
            let mut cells = Cells::new(&cells);
            let key = [(); 4].map(|()| cells.name());
            let missed = Missed::read(&mut cells);
            let spot = Spot {
                missed,
                ..Spot::default()
            };
            tale.place(key, spot);
        }
        let by = ("route, model, tools, system, conversation", &[TEXT; 5][..]);
        for cells in self.sums(db, &PREFIXES, by).await? {
            let mut cells = Cells::new(&cells);
            let path = [(); 5].map(|()| cells.name());
            let kinds = Kinds {
                read: cells.count(),
                write: cells.count(),
                plain: cells.count(),
            };
            tale.prefix(path, kinds);
        }
        Ok(())
    }

    /// Fills in where the last miss at each of the worst places was.
    async fn last(&self, db: &mut AnyConnection, tale: &mut Tale) -> Result<(), sqlx::Error> {
        let worst = tale.worst().into_iter();
        let unknown: Vec<_> = worst
            .filter(|(_, spot)| spot.id == Id::default())
            .map(|(key, _)| key.clone())
            .collect();
        for key in unknown {
            let mut select = Statement::new("SELECT pointer, byte, run, number FROM places WHERE ");
            self.query.within(&mut select, "hour", self.hours)?;
            for (column, name) in ["route", "cause", "pattern", "spot"].iter().zip(&key) {
                select.push(" AND ").push(column).push(" = ");
                select.value(Kind::Text, Cell::text(Some(name)))?;
            }
            select.push(" ORDER BY hour DESC LIMIT 1");
            let kinds = [Kind::Text, Kind::Count, Kind::Count, Kind::Count];
            let found = select.all(db, &kinds).await?;
            if let (Some(cells), Some(spot)) = (found.first(), tale.places.get_mut(&key)) {
                let mut cells = Cells::new(cells);
                spot.pointer = cells.name();
                spot.byte = cells.small();
                spot.id = Id {
                    run: cells.count(),
                    number: cells.count(),
                };
            }
        }
        Ok(())
    }
}

/// The figures of a report.
#[expect(
    clippy::cognitive_complexity,
    reason = "a list of questions, each with its `?`"
)]
pub(super) async fn story(
    connection: &mut Connection,
    query: &Query,
) -> Result<Story, sqlx::Error> {
    // One view of the ledger, whoever writes meanwhile.
    let begin = if connection.sqlite {
        "BEGIN"
    } else {
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    };
    let mut view = connection.db.begin_with(begin).await?;
    let db = &mut *view;
    let [oldest] = Statement::new("SELECT MIN(at) FROM exchanges")
        .integers(db)
        .await?;
    let spans = query.spans(oldest);
    let sought = Sought {
        query,
        hours: spans.hours,
    };
    let [first, last] = sought.ends(db).await?;
    let mut tale = Tale {
        step: step(first.unwrap_or(0), last.unwrap_or(0)),
        ..Tale::default()
    };
    sought.tell(db, &mut tale).await?;
    let mut fold = Fold::default();
    for (from, until) in spans.edges {
        let edge = query.clone().since(Timestamp::from_micros(from));
        let edge = edge.until(Timestamp::from_micros(until));
        let read = rows::each(db, &edge, |row| {
            tale.row(&row, &mut fold);
            Ok::<(), std::convert::Infallible>(())
        });
        let Ok(()) = read.await?;
    }
    sought.last(db, &mut tale).await?;
    let ids: Vec<Id> = tale.worst().into_iter().map(|(_, spot)| spot.id).collect();
    let mut story = tale.story();
    for (worst, id) in story.worst.iter_mut().zip(ids) {
        let miss = rows::find(db, id).await?.and_then(|row| row.record.miss);
        worst.excerpts = miss.and_then(|miss| miss.place?.excerpts);
    }
    ends(db, query, &mut story).await?;
    fine(db, query, &mut story).await?;
    story.dropped = dropped(db, query).await?;
    story.holdout = arms::holdout(db, query).await?;
    view.commit().await?;
    Ok(story)
}

/// Stretches of time, in hours.
const STEPS: [i64; 9] = [1, 2, 3, 6, 12, 24, 48, 168, 720];
/// Stretches in a report at most.
const MOMENTS: i64 = 120;

fn step(first: i64, last: i64) -> i64 {
    let hours = (last.saturating_sub(first)) / HOUR + 1;
    let fits = STEPS.into_iter().find(|step| hours / step <= MOMENTS);
    fits.unwrap_or(2160) * HOUR
}

/// When the first and the last exchange were sent, as far as rows are there.
async fn ends(db: &mut AnyConnection, query: &Query, story: &mut Story) -> Result<(), sqlx::Error> {
    let (Some(first), Some(last)) = (story.moments.first(), story.moments.last()) else {
        return Ok(());
    };
    let (first, last) = (first.at, last.at);
    let mut found = [None; 2];
    for (order, slot) in ["ASC", "DESC"].into_iter().zip(&mut found) {
        let mut select = Statement::new("SELECT at FROM exchanges WHERE ");
        query.rows(&mut select)?;
        select.push(" ORDER BY at ").push(order).push(" LIMIT 1");
        let [at] = select.integers(db).await?;
        *slot = at.map(Timestamp::from_micros);
    }
    let [from, until] = found;
    // Rows may be gone while their sums stay.
    let next = story.moments.get(1).map(|moment| moment.at);
    let whole = |from: &Timestamp| next.is_none_or(|next| *from < next);
    story.from = Some(from.filter(whole).unwrap_or(first));
    story.until = Some(until.unwrap_or(last));
    Ok(())
}

/// Rows that are read for finer stretches at most.
const FEW: u64 = 50_000;

/// Stretches of minutes where all there is lies within a few hours.
async fn fine(db: &mut AnyConnection, query: &Query, story: &mut Story) -> Result<(), sqlx::Error> {
    let (Some(from), Some(until)) = (story.from, story.until) else {
        return Ok(());
    };
    let passed = i64::try_from(until.since(from).as_micros()).unwrap_or(i64::MAX);
    if passed > 6 * HOUR || story.total.exchanges > FEW {
        return Ok(());
    }
    let step = if passed > HOUR { HOUR / 12 } else { HOUR / 60 };
    let mut moments: BTreeMap<i64, Totals> = BTreeMap::new();
    let read = rows::each(db, query, |row| {
        let at = row.record.at.as_micros().div_euclid(step) * step;
        let totals = moments.entry(at).or_default();
        totals.add(&row.record);
        totals.waste += row.wasted.unwrap_or_default();
        Ok::<(), std::convert::Infallible>(())
    });
    let Ok(()) = read.await?;
    let counted: u64 = moments.values().map(|totals| totals.exchanges).sum();
    if counted == story.total.exchanges {
        let moments = moments.into_iter();
        story.moments = moments
            .map(|(at, totals)| Moment::new(Timestamp::from_micros(at), totals))
            .collect();
    }
    Ok(())
}

pub(super) async fn dropped(db: &mut AnyConnection, query: &Query) -> Result<u64, sqlx::Error> {
    let mut select =
        Statement::new("SELECT CAST(SUM(dropped) AS BIGINT) FROM gaps WHERE ended >= ");
    select.integer(query.since.map_or(i64::MIN, Timestamp::as_micros))?;
    select.push(" AND started < ");
    select.integer(query.until.map_or(i64::MAX, Timestamp::as_micros))?;
    let [sum] = select.integers(db).await?;
    Ok(u64::try_from(sum.unwrap_or(0)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_hours_are_read_as_sums_and_the_rest_as_rows() {
        let at = |hours: i64, more: i64| Timestamp::from_micros(hours * HOUR + more);
        let query = Query::default().since(at(2, 5)).until(at(7, 9));
        let edges = vec![(2 * HOUR + 5, 3 * HOUR), (7 * HOUR, 7 * HOUR + 9)];
        let hours = (3 * HOUR, 7 * HOUR);
        assert_eq!(query.spans(Some(0)), Spans { hours, edges });
        let within = Query::default().since(at(2, 5)).until(at(2, 9));
        let edges = vec![(2 * HOUR + 5, 2 * HOUR + 9)];
        assert_eq!(
            within.spans(Some(0)),
            Spans {
                hours: (0, 0),
                edges
            }
        );
        // The rows of the first hour are deleted.
        let edges = vec![(7 * HOUR, 7 * HOUR + 9)];
        let hours = (2 * HOUR, 7 * HOUR);
        assert_eq!(query.spans(Some(3 * HOUR)), Spans { hours, edges });
        let hours = (i64::MIN, i64::MAX);
        let edges = Vec::new();
        assert_eq!(Query::default().spans(None), Spans { hours, edges });
    }

    #[test]
    fn stretches_are_as_long_as_the_time_asks_for() {
        assert_eq!(step(0, 0), HOUR);
        assert_eq!(step(0, 30 * 24 * HOUR), 6 * HOUR);
        assert_eq!(step(0, 20_000 * HOUR), 168 * HOUR);
    }
}
