//! One request per cold prefix goes first; those beside it wait until what it writes can be read.
//!
//! Several requests that would write the same prefix at the same time each pay for the write, since
//! an entry can be read only from the first byte of the answer that wrote it. Here the first of them
//! leads, and the others are held until it is answered, fails or is dropped, or until they have
//! waited for long enough; then they are planned anew. Where nothing is under way, that costs one
//! load of a counter.

mod bell;
mod boarding;
mod prewarm;

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(crate) use self::boarding::Boarding;
pub(crate) use self::prewarm::prewarm;
pub use self::prewarm::{Cold, Prewarmed};

use crate::engine::{Flight, Opened, Shared};
use crate::model::Digest;

/// Requests that may lead at a time; more go without followers.
const MOST: usize = 4096;

/// The requests under way that write what others could read. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Sky>);

#[derive(Default)]
struct Sky {
    /// How many there are: all that is looked at while there are none.
    count: AtomicUsize,
    aloft: Mutex<Aloft>,
}

#[derive(Default)]
struct Aloft {
    next: u64,
    /// By what their prefixes are of.
    by_root: BTreeMap<Digest, Vec<Leader>>,
    /// How often anybody came here.
    #[cfg(test)]
    visits: u64,
}

/// A request that leads, and those who wait for it.
struct Leader {
    number: u64,
    flight: Flight,
    wrote: Wrote,
    waiting: Vec<(u64, Waker)>,
}

/// Whether a leader was served, so that what it writes can be read by and by: a leader and those who
/// wait for it share it.
type Wrote = Arc<AtomicBool>;

impl Flights {
    /// Whom to wait for before this request is planned; `None` where nobody writes what it could
    /// read, or where waiting does not pay.
    pub(super) fn beside(&self, opened: &Opened) -> Option<Landing> {
        if self.0.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let root = opened.root()?;
        self.landing(root, |flight| flight.shared_with(opened))
    }

    /// Lets a request lead, or says whom to wait for where another has begun to write the same.
    pub(super) fn lead(&self, flight: Flight) -> Result<Option<Lead>, Landing> {
        let root = flight.root();
        if self.0.count.load(Ordering::Relaxed) > 0
            && let Some(landing) = self.landing(root, |other| other.shared_with_flight(&flight))
        {
            return Err(landing);
        }
        let mut aloft = self.0.aloft();
        if self.0.count.load(Ordering::Relaxed) >= MOST {
            return Ok(None);
        }
        // Between the look above and this one another may have begun.
        let number = aloft.number();
        let leaders = aloft.by_root.entry(root).or_default();
        let others = leaders.iter();
        let found = nearest(others, |other| other.shared_with_flight(&flight));
        if let Some(nearest) = found {
            return Err(self.to(root, (nearest, number)));
        }
        let wrote = Wrote::default();
        leaders.push(Leader {
            number,
            flight,
            wrote: Arc::clone(&wrote),
            waiting: Vec::new(),
        });
        self.0.count.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Lead {
            sky: Arc::clone(&self.0),
            root,
            number,
            wrote,
        }))
    }

    fn landing(&self, root: Digest, shared: impl Fn(&Flight) -> Option<Shared>) -> Option<Landing> {
        let mut aloft = self.0.aloft();
        let number = aloft.number();
        let leader = nearest(aloft.by_root.get(&root)?.iter(), shared)?;
        Some(self.to(root, (leader, number)))
    }

    fn to(&self, root: Digest, ((leader, wrote, settles), number): (Nearest, u64)) -> Landing {
        Landing {
            sky: Arc::clone(&self.0),
            root,
            leader,
            wrote,
            number,
            settles,
        }
    }
}

/// A leader's number and fate, and how long after its answer has begun what it writes can be read.
type Nearest = (u64, Wrote, Duration);

/// The leader with whom most is shared.
fn nearest<'a>(
    leaders: impl Iterator<Item = &'a Leader>,
    shared: impl Fn(&Flight) -> Option<Shared>,
) -> Option<Nearest> {
    let shared = leaders.filter_map(|one| {
        let tokens = shared(&one.flight)?.tokens;
        Some((tokens, one))
    });
    let (_, leader) = shared.max_by_key(|(tokens, one)| (*tokens, one.number))?;
    let settles = leader.flight.visible_after();
    Some((leader.number, Arc::clone(&leader.wrote), settles))
}

impl Sky {
    fn aloft(&self) -> MutexGuard<'_, Aloft> {
        #[cfg_attr(not(test), expect(unused_mut, reason = "visits are counted in tests"))]
        let mut aloft = self.aloft.lock().unwrap_or_else(PoisonError::into_inner);
        #[cfg(test)]
        {
            aloft.visits += 1;
        }
        aloft
    }
}

impl Aloft {
    /// Names a leader or one who waits.
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn leader(&mut self, root: &Digest, number: u64) -> Option<&mut Leader> {
        let mut leaders = self.by_root.get_mut(root)?.iter_mut();
        leaders.find(|one| one.number == number)
    }
}

/// Held by a request that others may wait for: they go on when it is dropped.
pub(crate) struct Lead {
    sky: Arc<Sky>,
    root: Digest,
    number: u64,
    wrote: Wrote,
}

impl Lead {
    /// It was served: the others go on as soon as what it writes can be read.
    pub(crate) fn land(self) {
        // Ordered by the lock that dropping it takes.
        self.wrote.store(true, Ordering::Relaxed);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let mut aloft = self.sky.aloft();
        let mut waiting = Vec::new();
        if let Some(leaders) = aloft.by_root.get_mut(&self.root) {
            if let Some(at) = leaders.iter().position(|one| one.number == self.number) {
                waiting = mem::take(&mut leaders.swap_remove(at).waiting);
                self.sky.count.fetch_sub(1, Ordering::Relaxed);
            }
            if leaders.is_empty() {
                aloft.by_root.remove(&self.root);
            }
        }
        drop(aloft);
        for (_, waker) in waiting {
            waker.wake();
        }
    }
}

/// Comes when a leader was answered, failed or was dropped.
pub(super) struct Landing {
    sky: Arc<Sky>,
    root: Digest,
    leader: u64,
    wrote: Wrote,
    number: u64,
    /// How long it takes from then on until what was written can be read.
    settles: Duration,
}

impl Landing {
    /// How long after it has come there is still something to wait for: not at all where the leader
    /// has written nothing.
    pub(super) fn settles(&self) -> Duration {
        let wrote = self.wrote.load(Ordering::Relaxed);
        if wrote { self.settles } else { Duration::ZERO }
    }
}

impl Future for Landing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut aloft = self.sky.aloft();
        let Some(leader) = aloft.leader(&self.root, self.leader) else {
            return Poll::Ready(());
        };
        let mut waiting = leader.waiting.iter_mut();
        match waiting.find(|(number, _)| *number == self.number) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => leader.waiting.push((self.number, cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut aloft = self.sky.aloft();
        if let Some(leader) = aloft.leader(&self.root, self.leader) {
            leader.waiting.retain(|(number, _)| *number != self.number);
        }
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights")
            .field("count", &self.0.count.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Lead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lead")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::engine::{Engine, Meta, Settings};
    use crate::model::Timestamp;
    use crate::provider::Catalog;

    fn engine() -> Engine {
        Engine::new(Arc::new(Catalog::builtin()), Settings::default())
    }

    fn body(question: &str) -> Bytes {
        let system = "The crown jewels are in the tower. ".repeat(2000);
        let text = format!(
            r#"{{"model":"claude-opus-4-8","max_tokens":9,"system":"{system}",
            "messages":[{{"role":"user","content":"{question}"}}]}}"#
        );
        Bytes::from(text)
    }

    fn opened(question: &str) -> Opened {
        engine().open(&Meta::of("anthropic"), &body(question))
    }

    fn flight(question: &str) -> Flight {
        let meta = Meta::of("anthropic");
        let prepared = engine().prepare(Timestamp::default(), &meta, &body(question));
        prepared.exchange.flight().unwrap()
    }

    fn visits(flights: &Flights) -> u64 {
        let aloft = flights.0.aloft();
        aloft.visits - 1
    }

    #[test]
    fn where_nothing_is_under_way_no_lock_is_taken() {
        let flights = Flights::default();
        let opened = opened("one");
        for _ in 0..100 {
            assert!(flights.beside(&opened).is_none());
        }
        assert_eq!(visits(&flights), 0);
        let lead = flights.lead(flight("two")).ok().flatten();
        assert!(lead.is_some() && flights.beside(&opened).is_some());
        drop(lead);
        let before = visits(&flights);
        assert!(flights.beside(&opened).is_none());
        assert_eq!(visits(&flights), before + 1, "only the look of this test");
    }

    #[test]
    fn of_two_that_write_the_same_one_leads() {
        let flights = Flights::default();
        let lead = flights.lead(flight("one"));
        assert!(matches!(lead, Ok(Some(_))));
        let mut second = flights.lead(flight("two")).err().unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut second).poll(&mut cx).is_pending());
        drop(lead);
        assert!(Pin::new(&mut second).poll(&mut cx).is_ready());
        assert!(matches!(flights.lead(flight("two")), Ok(Some(_))));
        assert!(
            flights.0.aloft().by_root.is_empty(),
            "nothing is left behind"
        );
    }
}
