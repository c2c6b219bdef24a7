//! The thread that looks at the clock while something is held: wakers know no time, and the clock
//! need not be the system's.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::held::Held;

/// The clock may be moved, and deadlines hold whatever it does.
const LONGEST: Duration = Duration::from_millis(200);

/// The clock may be between two readings.
const SHORTEST: Duration = Duration::from_millis(1);

/// Starts a thread that ends once nothing is held; whether there is one.
pub(super) fn start(held: &Arc<Held>) -> bool {
    let held = Arc::downgrade(held);
    let run = move || {
        while let Some(next) = held.upgrade().and_then(|held| held.tick()) {
            thread::sleep(next.clamp(SHORTEST, LONGEST));
        }
    };
    let thread = thread::Builder::new().name("cachewright-pings".into());
    thread.spawn(run).is_ok()
}
