//! Replays recorded traffic through the very engine the layers use, against the simulator, in
//! virtual time.
//!
//! One thread reads and rebuilds bodies, one runs the policy under test, one the baselines; they
//! are joined by bounded channels, and the figures do not depend on how they are scheduled.

mod baseline;
mod bounded;
mod desk;
mod emit;
mod pinger;
mod policy;
mod rates;
mod report;
mod run;
mod scores;
mod serve;
mod traced;
mod vigils;

pub use emit::{Detail, Emitter};
pub use policy::Policy;
pub(in crate::adapter) use rates::Sims;
#[cfg(feature = "audit")]
pub(in crate::adapter) use rates::endpoint;
pub use report::{Baselines, Compared, Report, Row, Tally};
pub use run::{Job, Watch, replay, replay_alone};
pub use scores::{Estimate, Score};
pub use traced::Reads;
