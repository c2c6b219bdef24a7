//! What requests under way write, as long as they are under way.

use std::fmt;
use std::sync::Arc;

use super::Memory;
use super::expected::Mark;
use super::prepare::Draft;
use crate::model::{Digest, FanOut, Outlook, Regime, Timestamp};

/// Prefixes that one request, and no other one under way, is writing: others count on them until this
/// is dropped.
pub(super) struct Announced {
    memory: Arc<dyn Memory>,
    scope: Digest,
    prefixes: Vec<Digest>,
    since: Timestamp,
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.memory.learn(self.scope, &mut |learned| {
            for prefix in &self.prefixes {
                learned.pending.end(prefix, self.since);
            }
        });
    }
}

impl fmt::Debug for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announced")
            .field("prefixes", &self.prefixes.len())
            .finish_non_exhaustive()
    }
}

impl Draft<'_> {
    /// Leaves word of what this request writes for those that are sent before it is answered. Where they
    /// may wait for it instead, their markers find what it has written.
    pub(super) fn announce(
        &self,
        [scope, _]: [Digest; 2],
        marks: &[Mark],
        outlook: &Outlook,
    ) -> Option<Announced> {
        let waits = self.wishes.fan_out != FanOut::Off;
        if waits || self.model.limits.regime == Regime::Automatic {
            return None;
        }
        let is_cold = |mark: &&Mark| outlook.warm.is_none_or(|(at, _)| mark.block > at);
        let mut prefixes: Vec<Digest> = marks
            .iter()
            .filter(is_cold)
            .map(|mark| mark.prefix)
            .collect();
        if prefixes.is_empty() {
            return None;
        }
        let memory = &self.engine.memory;
        memory.learn(scope, &mut |learned| {
            prefixes.retain(|prefix| learned.pending.begin(*prefix, self.now));
        });
        (!prefixes.is_empty()).then(|| Announced {
            memory: Arc::clone(memory),
            scope,
            prefixes,
            since: self.now,
        })
    }
}
