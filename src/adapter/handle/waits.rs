//! Calls that wait for another, and conversations that are left alone.

use std::time::Duration;

use super::Builder;
use crate::model::{FanOut, Share};

impl Builder {
    /// Has calls wait for one that is writing their prefix at this moment, where reading it saves at
    /// least a tenth of a cent: until its first byte, its failure or its drop, and for five seconds at
    /// most. Where nothing is under way nobody waits. Off by default: it holds up calls.
    #[must_use]
    pub const fn with_fan_out(mut self) -> Self {
        self.settings.fan_out = FanOut::Wait;
        self
    }

    /// For how long a call waits at most; see [`with_fan_out`](Self::with_fan_out).
    #[must_use]
    pub const fn fan_out_wait(mut self, most: Duration) -> Self {
        self.settings.fan_out_wait = most;
        self
    }

    /// Leaves this share of conversations untouched, so that what is saved on the others is measured.
    /// Which ones they are depends on the [`secret`](Self::secret) and on how they open.
    #[must_use]
    pub const fn holdout(mut self, share: Share) -> Self {
        self.settings.holdout = share;
        self
    }
}
