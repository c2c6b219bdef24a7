//! Whoever wants to hear of what concerns more than one call.

use std::fmt;

use crate::model::Timestamp;
use crate::route::{Crossed, Failure};

/// Whoever wants to hear of what concerns more than one call: a cap that is crossed, a backend that
/// is left alone. Called on the task of a call, outside of every lock: keep it short. Names backends
/// and caps, and nothing of any prompt.
pub trait Watch: fmt::Debug + Send + Sync {
    /// A soft cap was crossed for the first time in its period.
    fn crossed(&self, crossed: &Crossed) {
        let _ = crossed;
    }

    /// A backend failed so often that it is left alone until then.
    fn broken(&self, backend: &str, until: Timestamp, last: &Failure) {
        let _ = (backend, until, last);
    }

    /// A backend that was left alone answers again.
    fn recovered(&self, backend: &str) {
        let _ = backend;
    }
}
