//! The one place that reads the system's clock.

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// Says what time it is; tests and the demo bring their own.
pub trait Clock: Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to configure")]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "everything else is given its time as an argument"
    )]
    fn now(&self) -> Timestamp {
        // A clock set before 1970 reads as 1970: lifetimes are differences, so nothing breaks.
        let passed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::default().plus(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_is_past_the_release_of_this_crate() {
        assert!(SystemClock.now() > Timestamp::from_micros(1_700_000_000_000_000));
    }
}
