//! What Prometheus reads: a recorder of this process, and its text.

use std::fmt;
use std::sync::Arc;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::story::Tally;
use crate::adapter::handle::{Builder, Observer};
use crate::adapter::metrics::{Metrics, TABLE};
use crate::error::Error;
use crate::ledger::{Record, Settled};

/// Counts what a handle books, for an admin port to show. Clones share everything.
#[derive(Clone)]
pub struct Scrape {
    handle: PrometheusHandle,
    counted: Arc<Counted>,
}

struct Counted {
    metrics: Metrics,
    tally: Arc<Tally>,
}

impl Scrape {
    /// Nothing counted yet. `adjust` may bound the labels or add a ledger's drops.
    ///
    /// # Errors
    /// When the exporter takes none of the table's buckets.
    pub fn new(adjust: impl FnOnce(Metrics) -> Metrics) -> Result<Self, Error> {
        let mut builder = PrometheusBuilder::new();
        for row in TABLE.iter().filter(|row| !row.buckets.is_empty()) {
            let name = Matcher::Full(row.name.into());
            builder = builder
                .set_buckets_for_metric(name, row.buckets)
                .map_err(|error| Error::config("buckets of metrics").caused_by(error))?;
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let metrics = Metrics::new().recorder(Arc::new(recorder));
        let counted = Counted {
            metrics: adjust(metrics),
            tally: Arc::default(),
        };
        Ok(Self {
            handle,
            counted: Arc::new(counted),
        })
    }

    /// Everything counted so far, in Prometheus' text format 0.0.4.
    #[must_use]
    pub fn text(&self) -> String {
        self.counted.metrics.refresh();
        self.handle.render()
    }

    /// Histograms hold every observation until they are read or this is called.
    pub(super) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    pub(super) fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.counted.tally)
    }
}

impl Builder {
    /// Everything that is booked is counted for this admin port.
    #[must_use]
    pub fn scrape(self, scrape: &Scrape) -> Self {
        self.observer(Arc::clone(&scrape.counted) as Arc<dyn Observer>)
    }
}

impl Observer for Counted {
    fn booked(&self, record: &Record) {
        self.metrics.booked(record);
        self.tally.booked(record);
    }

    fn settled(&self, settled: &[Settled]) {
        self.metrics.settled(settled);
    }
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}
