//! One file, read and measured.

use std::path::Path;
use std::sync::Arc;

use super::{Figures, Rows, Ruler};
use crate::adapter::replay::Sims;
use crate::adapter::workload::{Options, Workload};
use crate::error::Error;
use crate::model::Prices;
use crate::provider::Catalog;

/// What to measure a file with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Job {
    /// Rows of providers and models.
    pub catalog: Arc<Catalog>,
    /// How recordings are read.
    pub reading: Options,
    /// Prices for every model, instead of its row's.
    pub prices: Option<Prices>,
}

impl Job {
    /// Rows of this catalog, at their own prices.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            reading: Options::default(),
            prices: None,
        }
    }
}

/// Reads a file of requests, sessions or traces, and closes its traffic. `progress` hears how many
/// requests of how many were taken.
///
/// # Errors
/// Names the file and the position when it cannot be read.
pub fn measure(
    path: &Path,
    job: &Job,
    mut progress: impl FnMut(u64, u64),
) -> Result<Figures, Error> {
    let workload = Workload::open(path, job.reading.clone())?;
    let total = workload.requests();
    let mut sims = Sims::new(Arc::clone(&job.catalog));
    let mut ruler = Ruler::over(Rows::new(Arc::clone(&job.catalog)).at(job.prices));
    for timed in workload {
        let timed = timed?;
        let traced = timed.trace.is_some();
        let request = (!traced).then(|| sims.ask(&timed, &timed.body, &[]).ok());
        ruler.take(&timed, request.flatten().as_ref());
        progress(ruler.requests() as u64, total);
    }
    Ok(ruler.finish())
}
