//! Whoever must have room for what a ping costs before it is sent.

use std::fmt;
use std::sync::Arc;

use crate::ledger::Record;
use crate::model::Vigil;

/// Takes room for a ping, as an extension of the request that it repeats.
#[derive(Clone)]
pub(crate) struct Fund(Arc<Take>);

/// Takes room; `None` where there is none.
type Take = dyn Fn(&Vigil) -> Option<Grant> + Send + Sync;

/// Room that was taken for one ping: told once what came of it, or given back when it is dropped
/// before.
pub(crate) type Grant = Box<dyn FnOnce(&Record) + Send>;

impl Fund {
    #[cfg_attr(
        not(feature = "gateway"),
        expect(dead_code, reason = "routes alone have caps")
    )]
    pub(crate) fn new(take: impl Fn(&Vigil) -> Option<Grant> + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    pub(crate) fn take(&self, vigil: &Vigil) -> Option<Grant> {
        (self.0)(vigil)
    }
}

impl fmt::Debug for Fund {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fund").finish_non_exhaustive()
    }
}
