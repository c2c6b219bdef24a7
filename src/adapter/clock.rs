//! The one place that reads the system's clock.

use std::fmt::Debug;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// Says what time it is; tests and the demo bring their own.
pub trait Clock: Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, for measuring what work takes: it never goes back. By default
    /// that of [`now`](Self::now), so that work takes no time where time stands still.
    fn stopwatch(&self) -> Duration {
        self.now().since(Timestamp::default())
    }
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

    // Lifetimes go on while the machine sleeps and are told by the clock on the wall; what work takes
    // must not change when somebody sets that clock.
    fn stopwatch(&self) -> Duration {
        START.elapsed()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "everything else is given its time as an argument"
)]
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_is_past_the_release_of_this_crate() {
        assert!(SystemClock.now() > Timestamp::from_micros(1_700_000_000_000_000));
    }

    #[test]
    fn the_stopwatch_never_goes_back_and_tells_microseconds_apart() {
        let (mut before, mut finest) = (SystemClock.stopwatch(), Duration::MAX);
        for _ in 0..100_000 {
            let now = SystemClock.stopwatch();
            assert!(now >= before);
            if now > before {
                finest = finest.min(now - before);
            }
            before = now;
        }
        assert!(finest <= Duration::from_micros(1), "{finest:?}");
    }

    #[test]
    fn work_takes_no_time_where_time_stands_still() {
        #[derive(Debug)]
        struct Still;
        impl Clock for Still {
            fn now(&self) -> Timestamp {
                Timestamp::from_micros(5)
            }
        }
        assert_eq!(Still.stopwatch(), Still.stopwatch());
    }
}
