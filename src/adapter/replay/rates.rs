//! What every policy under comparison needs: model rows, simulators, and what a refusal costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::adapter::workload::Timed;
use crate::model::Usage;
use crate::provider::{Catalog, Endpoint, Model};
use crate::sim::{Ask, Rejection, Request, Sim};

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
pub(in crate::adapter) struct Sims {
    catalog: Arc<Catalog>,
    open: BTreeMap<Arc<str>, Sim>,
}

impl Sims {
    pub(in crate::adapter) const fn new(catalog: Arc<Catalog>) -> Self {
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

    /// Reads this body as its provider would, with the routing headers it is sent with.
    pub(in crate::adapter) fn ask(
        &mut self,
        timed: &Timed,
        body: &[u8],
        headers: &[(Box<str>, Box<str>)],
    ) -> Result<Request, Rejection> {
        let endpoint = endpoint(&self.catalog, timed);
        let mut ask = Ask::new(endpoint.map_or("", |endpoint| endpoint.name), body);
        ask.model = timed.named.as_deref().unwrap_or_default();
        let affinity = endpoint.and_then(|endpoint| endpoint.affinity.as_ref());
        let header = affinity.and_then(|affinity| affinity.header.as_deref());
        let mut headers = headers.iter();
        let sent = header.and_then(|header| headers.find(|(name, _)| **name == *header));
        let sent = sent.map(|(_, value)| value.to_string());
        let sent = sent.or_else(|| {
            let field = affinity?.field.as_deref()?;
            member(body, field)
        });
        ask.affinity = sent.as_deref();
        self.of(timed).ask(&ask)
    }
}

/// Where this request goes: the dialect that the recording names, otherwise Messages where the
/// provider has it, otherwise the provider's first.
pub(in crate::adapter) fn endpoint<'a>(
    catalog: &'a Catalog,
    timed: &Timed,
) -> Option<&'a Endpoint> {
    let provider = catalog.provider(&timed.provider)?;
    match &timed.dialect {
        Some(name) => provider.endpoint(name),
        None => provider
            .endpoint("messages")
            .or_else(|| provider.endpoint("")),
    }
}

/// A top-level string of the body.
fn member(body: &[u8], name: &str) -> Option<String> {
    let members: BTreeMap<&str, &RawValue> = serde_json::from_slice(body).ok()?;
    serde_json::from_str(members.get(name)?.get()).ok()
}

/// What is booked for a request that was refused: all of it plain, its length estimated.
pub(super) fn uncached(timed: &Timed, row: &Model) -> Usage {
    let bytes = timed.body.len() as u64;
    let guess = || bytes.saturating_mul(1000) / u64::from(row.bytes_per_ktok.max(1));
    let known = timed.trace.as_ref().map(|trace| trace.input_tokens());
    Usage {
        plain: Some(known.unwrap_or_else(guess)),
        output: timed.output,
        ..Usage::default()
    }
}
