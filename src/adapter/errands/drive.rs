//! Runs errands and pings, one beside the other, and deletes in the end what is still kept.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;

use super::Job;
use super::desk::{Driven, Place};
use crate::adapter::handle::Cachewright;
use crate::adapter::keep::Flight;
use crate::adapter::running::shielded;
use crate::engine::{ErrandKind, Held, Outcome, RENT};
use crate::model::{Digest, Timestamp};
use crate::wire::{Framing, Stored};

/// The longest answer that is read, in bytes: it does not repeat the prompt.
pub(crate) const LONGEST: usize = 1 << 20;

/// Errands under way; others wait.
const MOST_RUNNING: usize = 16;

/// Prefixes kept at a time by one client.
const MOST_KEPT: usize = 256;

/// An errand without an answer after this time makes room for others; the engine takes it to be out
/// for longer.
pub(crate) const GIVEN_UP_AFTER: Duration = Duration::from_secs(120);

/// What a provider answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) body: Bytes,
}

/// Runs what is laid on the desk until nobody is left to do so. `send` asks the provider, and gives
/// nothing where there was no answer.
pub(crate) async fn drive<F, T>(driven: Option<Driven>, cache: Cachewright, mut send: F)
where
    F: FnMut(Request<Bytes>) -> T,
    T: Future<Output = Option<Answer>>,
{
    let Some(driven) = driven else { return };
    let mut driver = Driver {
        place: driven.place(),
        driven,
        cache,
        running: Vec::new(),
        kept: BTreeMap::new(),
    };
    loop {
        match poll_fn(|cx| driver.poll_next(cx)).await {
            Event::Asked(job) => driver.start(job, &mut send),
            Event::Due(flight) => driver.ping(flight, &mut send),
            Event::Back(trip, answer) => match trip.work {
                Work::Errand(job) => driver.settle(&job, trip.asked, answer),
                Work::Ping(flight) => driver.cache.pinged(flight, answer.as_ref()),
            },
            Event::Over => {
                let now = driver.cache.now();
                let kept = std::mem::take(&mut driver.kept).into_values();
                let kept: Vec<Kept> = kept.filter(|kept| kept.until > now).collect();
                if kept.is_empty() {
                    return;
                }
                for kept in kept {
                    driver.start(kept.deletion, &mut send);
                }
            }
        }
    }
}

struct Driver<T> {
    place: Place,
    driven: Driven,
    cache: Cachewright,
    running: Vec<Trip<T>>,
    /// What is kept, by the prefix.
    kept: BTreeMap<Digest, Kept>,
}

/// What is kept, as the job of deleting it, which holds nothing of the prompt.
struct Kept {
    deletion: Job,
    until: Timestamp,
}

/// An errand or a ping under way.
struct Trip<T> {
    work: Work,
    asked: Timestamp,
    answer: Pin<Box<T>>,
}

/// What is under way.
enum Work {
    Errand(Job),
    Ping(Flight),
}

enum Event<T> {
    Asked(Job),
    /// A ping may be sent.
    Due(Flight),
    Back(Trip<T>, Option<Answer>),
    /// Nobody asks any more, and nothing is under way.
    Over,
}

impl<T: Future<Output = Option<Answer>>> Driver<T> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event<T>> {
        let was_closed = self.driven.is_closed();
        if was_closed {
            // Nobody is left whose prefix it would be.
            self.cache.keep().leave(&self.place);
        }
        if let Some((at, answer)) = self.poll_back(cx) {
            return Poll::Ready(Event::Back(self.running.swap_remove(at), answer));
        }
        let has_room = self.running.len() < MOST_RUNNING;
        if has_room && let Some(job) = self.driven.next(cx) {
            return Poll::Ready(Event::Asked(job));
        }
        if self.driven.is_closed() {
            return match was_closed {
                true if self.running.is_empty() => Poll::Ready(Event::Over),
                true => Poll::Pending,
                false => self.poll_next(cx),
            };
        }
        let due = || self.cache.keep().due(Some(&self.place));
        match has_room.then(due).flatten() {
            Some(flight) => Poll::Ready(Event::Due(flight)),
            None => Poll::Pending,
        }
    }

    /// What has come back, or is not waited for any more.
    fn poll_back(&mut self, cx: &mut Context<'_>) -> Option<(usize, Option<Answer>)> {
        let now = self.cache.now();
        for (at, trip) in self.running.iter_mut().enumerate() {
            if let Poll::Ready(answer) = trip.answer.as_mut().poll(cx) {
                return Some((at, answer));
            }
            let is_cut = match &trip.work {
                Work::Errand(_) => false,
                Work::Ping(flight) => self.cache.keep().is_cut(flight),
            };
            if is_cut || now.since(trip.asked) > GIVEN_UP_AFTER {
                return Some((at, None));
            }
        }
        None
    }

    fn start(&mut self, job: Job, send: &mut impl FnMut(Request<Bytes>) -> T) {
        let asked = self.cache.now();
        let room = self.kept.len() < MOST_KEPT || job.errand.kind != ErrandKind::Create;
        match job.request().filter(|_| room) {
            Some(request) => self.running.push(Trip {
                work: Work::Errand(job),
                asked,
                answer: Box::pin(send(request)),
            }),
            None => self.settle(&job, asked, None),
        }
    }

    /// Sends a ping, if it still pays.
    fn ping(&mut self, flight: Flight, send: &mut impl FnMut(Request<Bytes>) -> T) {
        let asked = self.cache.now();
        if let Some((flight, request)) = self.cache.sent(flight) {
            self.running.push(Trip {
                work: Work::Ping(flight),
                asked,
                answer: Box::pin(send(request)),
            });
        }
    }

    /// Tells the engine what came of it, and books it.
    fn settle(&mut self, job: &Job, asked: Timestamp, answer: Option<Answer>) {
        let outcome = outcome(&job.errand.kind, asked, answer);
        let key = job.errand.key();
        let now = self.cache.now();
        self.kept.retain(|_, kept| kept.until > now);
        shielded(|| {
            let (engine, meta) = (self.cache.engine(), job.caller.meta());
            let record = engine.errand_done(now, &meta, &job.errand, &outcome);
            self.cache.book(record);
        });
        match outcome {
            Outcome::Kept {
                name,
                tokens,
                asked,
            } => {
                let until = asked.plus(RENT);
                let deletion = job.undone((&Held::new(name, until), tokens));
                self.kept.insert(key, Kept { deletion, until });
            }
            Outcome::Deleted | Outcome::Refused { .. } => {
                self.kept.remove(&key);
            }
            Outcome::Failed { .. } => {}
        }
    }
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        self.cache.keep().leave(&self.place);
    }
}

fn outcome(kind: &ErrandKind, asked: Timestamp, answer: Option<Answer>) -> Outcome {
    let Some(Answer { status, body, .. }) = answer else {
        return Outcome::Failed { status: 0 };
    };
    match (status, kind) {
        (200..300, ErrandKind::Delete(_)) => Outcome::Deleted,
        (200..300, ErrandKind::Create | ErrandKind::Extend(_)) => match Stored::read(&body) {
            Some(stored) => Outcome::Kept {
                tokens: stored.tokens(),
                name: stored.name,
                asked,
            },
            None => Outcome::Failed { status },
        },
        // Too slow or too often says nothing of the next time.
        (408 | 429, _) => Outcome::Failed { status },
        (400..500, _) => Outcome::Refused { status },
        _ => Outcome::Failed { status },
    }
}
