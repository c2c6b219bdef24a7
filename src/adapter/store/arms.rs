//! What the arms of a holdout cost, conversation by conversation.

use sqlx::AnyConnection;

use super::columns::{Cells, Kind};
use super::query::Query;
use super::sql::Statement;
use crate::ledger::{Holdout, Tally};
use crate::model::Arm;

/// Sums by conversation, over rows with prices. Errands replace no call.
const SUMS: &str = "SELECT arm, lineage, \
    CAST(SUM(cost_pico / 1000000) AS BIGINT), CAST(SUM(cost_pico % 1000000) AS BIGINT), \
    CAST(SUM(without / 1000000) AS BIGINT), CAST(SUM(without % 1000000) AS BIGINT) \
    FROM (SELECT *, CASE WHEN kind = 'errand' THEN 0 ELSE cost_without_caching_pico END AS without \
    FROM exchanges WHERE arm IS NOT NULL AND cost_pico IS NOT NULL AND ";

/// Both arms, as far as rows are there; `None` where there was no holdout.
pub(super) async fn holdout(
    db: &mut AnyConnection,
    query: &Query,
) -> Result<Option<Holdout>, sqlx::Error> {
    let mut select = Statement::new(SUMS);
    query.rows(&mut select)?;
    select.push(") AS priced WHERE without IS NOT NULL GROUP BY arm, lineage");
    let count = Kind::Count;
    let kinds = [Kind::Text, Kind::Digest, count, count, count, count];
    let mut tally = Tally::default();
    for cells in select.all(db, &kinds).await? {
        let mut cells = Cells::new(&cells);
        let Some(arm) = cells.text().and_then(Arm::parse) else {
            continue;
        };
        let conversation = cells.digest();
        let costs = [cells.split(), cells.split()];
        tally.add((arm, conversation), costs);
    }
    Ok(tally.holdout())
}
