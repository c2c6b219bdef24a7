//! Changes of settings and prompts, ranked by what each would have saved on recorded traffic.
//!
//! The traffic is looked through once for what breaks or wastes caches in it. What is found
//! becomes a bounded list of changes. Each is tried by replaying the traffic through the engine
//! and the simulator, alone and then on top of those that were taken before it, so that savings
//! that overlap are counted once.

mod candidates;
mod change;
mod figures;
mod lines;
mod patch;
mod prove;
mod rank;
mod scan;
mod seen;
mod spot;
mod trial;

use std::path::PathBuf;
use std::sync::Arc;

use crate::adapter::workload::Options;
use crate::engine::Settings;
use crate::error::Error;
use crate::provider::Catalog;

pub use change::{Act, Change};
pub use figures::{Advice, Finding, Proof, Saving, Tested};
pub use patch::{Patch, Value};
pub use spot::Spot;

use trial::{Ground, Part};

/// What is to be tuned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Task {
    /// Files of recorded traffic. Each begins with an empty cache.
    pub files: Vec<PathBuf>,
    /// Rows of providers and models.
    pub catalog: Arc<Catalog>,
    /// The settings to improve on.
    pub settings: Settings,
    /// How recordings are read.
    pub reading: Options,
}

impl Task {
    /// The default settings over these files.
    #[must_use]
    pub fn new(files: Vec<PathBuf>, catalog: Arc<Catalog>) -> Self {
        Self {
            files,
            catalog,
            settings: Settings::default(),
            reading: Options::default(),
        }
    }
}

/// Whoever wants to know how far it is; `()` does not. Called from several threads.
pub trait Progress: Sync {
    /// So many requests of so many were replayed. The second number grows when more has to be
    /// tried.
    fn replayed(&self, done: u64, expected: u64) {
        let _ = (done, expected);
    }
}

impl Progress for () {}

/// Finds the changes that would have saved money on this traffic.
///
/// # Errors
/// Names the file and the line when the traffic cannot be read.
pub fn tune(task: &Task, progress: &dyn Progress) -> Result<Finding, Error> {
    let seen = scan::scan(task, Part::All)?;
    let ground = Ground::new(task, &seen, progress);
    rank::rank(&ground, Part::All)
}

/// Chooses changes on the first half of every file, and measures on the second half what they
/// save there.
///
/// A promise is held when the measured share of the cost is at least three quarters of the share
/// that was promised.
///
/// # Errors
/// Names the file and the line when the traffic cannot be read.
pub fn check(task: &Task, progress: &dyn Progress) -> Result<Proof, Error> {
    let seen = scan::scan(task, Part::First)?;
    let ground = Ground::new(task, &seen, progress);
    let finding = rank::rank(&ground, Part::First)?;
    prove::prove(&ground, finding)
}
