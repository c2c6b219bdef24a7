//! A bell that rings once, whatever runtime polls it.

use std::collections::BTreeMap;
use std::mem;
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// The bells that are to ring, and the one thread that rings them: it starts with the first and ends
/// when none is left.
struct Tower {
    hung: Mutex<Hung>,
    sooner: Condvar,
}

struct Hung {
    next: u64,
    bells: BTreeMap<(Instant, u64), Option<Waker>>,
    is_rung: bool,
}

static TOWER: Tower = Tower {
    hung: Mutex::new(Hung {
        next: 0,
        bells: BTreeMap::new(),
        is_rung: false,
    }),
    sooner: Condvar::new(),
};

/// Rings once.
#[derive(Debug)]
pub(super) struct Bell {
    key: (Instant, u64),
}

#[expect(
    clippy::disallowed_methods,
    reason = "a wait ends by the clock on the wall, whatever clock prefixes live by"
)]
fn now() -> Instant {
    Instant::now()
}

impl Bell {
    /// Rings after this time, or at once where nobody can ring it.
    pub(super) fn after(passed: Duration) -> Self {
        let mut hung = TOWER.hung();
        hung.next += 1;
        let key = (now() + passed, hung.next);
        hung.bells.insert(key, None);
        if !hung.is_rung {
            let ringer = thread::Builder::new().name("cachewright-waits".into());
            hung.is_rung = ringer.spawn(|| TOWER.ring()).is_ok();
            if !hung.is_rung {
                hung.bells.clear();
            }
        }
        drop(hung);
        TOWER.sooner.notify_one();
        Self { key }
    }
}

impl Future for Bell {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match TOWER.hung().bells.get_mut(&self.key) {
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut hung = TOWER.hung();
        hung.bells.remove(&self.key);
        let is_last = hung.bells.is_empty();
        drop(hung);
        if is_last {
            TOWER.sooner.notify_one();
        }
    }
}

impl Tower {
    fn hung(&self) -> MutexGuard<'_, Hung> {
        self.hung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        let mut hung = self.hung();
        loop {
            let now = now();
            let later = hung.bells.split_off(&(now, u64::MAX));
            let due = mem::replace(&mut hung.bells, later);
            if !due.is_empty() {
                drop(hung);
                due.into_values().flatten().for_each(Waker::wake);
                hung = self.hung();
                continue;
            }
            let Some(((next, _), _)) = hung.bells.first_key_value() else {
                hung.is_rung = false;
                return;
            };
            let wait = next.saturating_duration_since(now);
            let woken = self.sooner.wait_timeout(hung, wait);
            hung = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
