//! What every policy under comparison needs: model rows, simulators, and what a refusal costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::adapter::workload::Timed;
use crate::model::Usage;
use crate::provider::{Catalog, Model};
use crate::sim::Sim;

/// Model rows by provider and model, looked up once each.
#[derive(Debug)]
pub(super) struct Rates {
    catalog: Arc<Catalog>,
    rows: BTreeMap<(Arc<str>, Arc<str>), Model>,
}

impl Rates {
    pub(super) const fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            rows: BTreeMap::new(),
        }
    }

    /// The row of the model that this request asks for.
    pub(super) fn of(&mut self, timed: &Timed) -> &Model {
        let key = (Arc::clone(&timed.provider), Arc::clone(&timed.model));
        self.rows
            .entry(key)
            .or_insert_with(|| self.catalog.model(&timed.provider, &timed.model))
    }
}

/// One simulator per provider row, since providers do not see each other's entries.
#[derive(Debug)]
pub(super) struct Sims {
    catalog: Arc<Catalog>,
    open: BTreeMap<Arc<str>, Sim>,
}

impl Sims {
    pub(super) const fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            open: BTreeMap::new(),
        }
    }

    /// The simulator of this request's provider.
    pub(super) fn of(&mut self, timed: &Timed) -> &mut Sim {
        self.open
            .entry(Arc::clone(&timed.provider))
            .or_insert_with(|| Sim::of(Arc::clone(&self.catalog), &timed.provider))
    }
}

/// What is booked for a request that was refused: all of it plain, its length estimated.
pub(super) fn uncached(timed: &Timed, row: &Model) -> Usage {
    let bytes = timed.body.len() as u64;
    Usage {
        plain: Some(bytes.saturating_mul(1000) / u64::from(row.bytes_per_ktok.max(1))),
        output: timed.output,
        ..Usage::default()
    }
}
