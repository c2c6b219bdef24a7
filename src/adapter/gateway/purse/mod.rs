//! What was spent of caps, kept over restarts.
//!
//! A file says what counts as spent when the process ends without a word. It runs ahead of what is
//! spent and reserved by a step (half a percent of the cap, or the largest reservation), so that it is
//! written rarely: a call waits for it only when it takes more than the file says. After a crash the
//! caps are as tight as the file says: never looser than they were, and tighter by two steps at most
//! and what was given back within the last second. After a clean stop they are exact.

mod file;
mod form;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use self::file::Keep;
use crate::error::Error;
use crate::model::Timestamp;
use crate::route::{
    Calendar, Cap, Caps, Figures, Full, Reservation, Spent, Tally, Urgency, Who, Worst,
};

/// Caps behind a lock that is held for microseconds, with a file that keeps what was spent over
/// restarts, if they have one.
#[derive(Debug)]
pub struct Purse {
    inside: Arc<Inside>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Whether the file covers a reservation; to be waited for before the call is sent.
#[derive(Debug)]
#[must_use = "a call that is sent before the file covers it is forgotten in a crash"]
pub struct Written(Option<(watch::Receiver<u64>, u64)>);

#[derive(Debug)]
struct Inside {
    caps: Mutex<Caps>,
    /// The last time that anybody told, in microseconds.
    now: AtomicI64,
    /// Whether there is a file to write: closing ends that.
    open: AtomicBool,
    desk: Mutex<Desk>,
    orders: Mutex<Orders>,
    wake: Condvar,
    /// Up to which order is written.
    done: watch::Sender<u64>,
}

/// The file with what else stands in it.
#[derive(Debug, Default)]
struct Desk {
    keep: Option<Keep>,
    /// What no cap counts any more, kept for its period in case that one does again.
    strangers: Vec<Tally>,
    trouble: Option<Box<str>>,
}

#[derive(Debug, Default)]
struct Orders {
    asked: u64,
    wish: Wish,
}

/// What is wanted of the writing thread besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wish {
    #[default]
    Nothing,
    Leisure,
    End,
}

/// How long a call waits for a disk that does not answer: it is the user's call, and the caps in
/// memory hold all the same.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the file may say much more than is taken.
const LEISURE: Duration = Duration::from_secs(1);

impl Purse {
    /// Caps that begin at nothing and forget at the end of the process.
    #[must_use]
    pub fn new(caps: Caps) -> Self {
        Self {
            inside: Arc::new(Inside::of(caps, Desk::default())),
            writer: Mutex::new(None),
        }
    }

    /// Caps that go on from what this file says was spent, and keep it up to date. A thread writes it.
    ///
    /// # Errors
    /// When another process uses the file, when it is not one of ours or damaged, or when it cannot
    /// be written; the text names the file and the fix.
    pub fn open(path: &Path, mut caps: Caps, now: Timestamp) -> Result<Self, Error> {
        let keep = Keep::open(path)?;
        let found = keep.read()?;
        let strangers = caps.restore(now, found);
        let desk = Desk {
            keep: Some(keep),
            strangers,
            trouble: None,
        };
        let inside = Arc::new(Inside::of(caps, desk));
        inside.look(now);
        inside.open.store(true, Ordering::Relaxed);
        inside.write(Figures::Ahead)?;
        let same = Arc::clone(&inside);
        let thread = thread::Builder::new().name("cachewright-caps".into());
        let writer = thread.spawn(move || same.serve());
        let writer = writer.map_err(|error| {
            Error::io(format!("no thread for the caps: {error}")).caused_by(error)
        })?;
        Ok(Self {
            inside,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// The caps, to decide by and to report on.
    pub fn caps(&self) -> MutexGuard<'_, Caps> {
        lock(&self.inside.caps)
    }

    /// Takes room in every cap that counts this call, or in none. The call may be sent once the file
    /// says so, which it nearly always does already.
    ///
    /// # Errors
    /// The cap that has no room.
    #[expect(
        clippy::result_large_err,
        reason = "as large as that of the caps, which must not allocate"
    )]
    pub fn reserve(
        &self,
        now: Timestamp,
        who: &Who<'_>,
        worst: &Worst,
    ) -> Result<(Reservation, Written), Full> {
        let reservation = self.caps().reserve(now, who, worst)?;
        let written = self.inside.told(now, reservation.urgency());
        Ok((reservation, written))
    }

    /// Puts what was spent in the place of what was reserved.
    pub fn settle(&self, now: Timestamp, reservation: Reservation, spent: &Spent) {
        let urgency = self.caps().settle(now, reservation, spent);
        let _ = self.inside.told(now, urgency);
    }

    /// Gives the room back: nothing was spent.
    pub fn release(&self, now: Timestamp, reservation: Reservation) {
        let urgency = self.caps().release(now, reservation);
        let _ = self.inside.told(now, urgency);
    }

    /// Puts other caps in the place of these; see [`Caps::renew`].
    pub fn renew(&self, now: Timestamp, caps: &[Cap], calendar: Arc<dyn Calendar>) {
        let mut desk = lock(&self.inside.desk);
        let strangers = std::mem::take(&mut desk.strangers);
        let mut held = self.caps();
        held.renew(caps, calendar);
        desk.strangers = held.restore(now, strangers);
        drop((held, desk));
        let _ = self.inside.told(now, Urgency::Soon);
    }

    /// Why the file cannot be written at present; `None` while it can. Calls go on, and the caps hold
    /// until the process ends.
    #[must_use]
    pub fn trouble(&self) -> Option<Box<str>> {
        lock(&self.inside.desk).trouble.clone()
    }

    /// Writes the file now.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&self, now: Timestamp) -> Result<(), Error> {
        self.inside.look(now);
        self.inside.write(Figures::Ahead)
    }

    /// Writes the exact figures and lets go of the file. Calls that are under way count as they were
    /// reserved; what is reserved or settled later is not kept. Dropping does the same.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn close(&self) -> Result<(), Error> {
        lock(&self.inside.orders).wish = Wish::End;
        self.inside.wake.notify_all();
        if let Some(writer) = lock(&self.writer).take() {
            // What it did not write is written below.
            let _ = writer.join();
        }
        let result = self.inside.write(Figures::Exact);
        self.inside.open.store(false, Ordering::Relaxed);
        lock(&self.inside.desk).keep = None;
        self.inside.done.send_replace(u64::MAX);
        result
    }
}

impl Drop for Purse {
    fn drop(&mut self) {
        // Nobody is left to tell, and the file says more than was spent.
        let _ = self.close();
    }
}

impl Written {
    /// Waits until the file covers the reservation. A file that cannot be written, or not in time, is
    /// not waited for.
    pub async fn done(self) {
        if let Some((mut done, order)) = self.0 {
            let written = done.wait_for(|done| *done >= order);
            // Neither too late nor never keeps the call.
            let _ = tokio::time::timeout(PATIENCE, written).await;
        }
    }

    /// Whether it does already.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let waiting = self.0.as_ref();
        waiting.is_none_or(|(done, order)| *done.borrow() >= *order)
    }
}

impl Inside {
    fn of(caps: Caps, desk: Desk) -> Self {
        Self {
            caps: Mutex::new(caps),
            now: AtomicI64::new(i64::MIN),
            open: AtomicBool::new(false),
            desk: Mutex::new(desk),
            orders: Mutex::new(Orders::default()),
            wake: Condvar::new(),
            done: watch::Sender::new(0),
        }
    }

    fn look(&self, now: Timestamp) {
        self.now.store(now.as_micros(), Ordering::Relaxed);
    }

    /// Sees to it that what is urgent is written.
    fn told(&self, now: Timestamp, urgency: Urgency) -> Written {
        if urgency == Urgency::Not || !self.open.load(Ordering::Relaxed) {
            return Written(None);
        }
        self.look(now);
        let mut orders = lock(&self.orders);
        if urgency >= Urgency::Soon {
            orders.asked += 1;
        } else if orders.wish == Wish::Nothing {
            orders.wish = Wish::Leisure;
        }
        let order = orders.asked;
        drop(orders);
        self.wake.notify_one();
        let waits = urgency == Urgency::Now;
        Written(waits.then(|| (self.done.subscribe(), order)))
    }

    /// The writing thread.
    fn serve(&self) {
        let mut served = 0;
        while let Some(order) = self.next(served) {
            // Trouble is kept for whoever asks; the next order tries again.
            let _ = self.write(Figures::Ahead);
            served = order;
            self.done.send_replace(order);
        }
    }

    /// Waits for an order after `served`; `None` at the end.
    fn next(&self, served: u64) -> Option<u64> {
        let idle = |orders: &mut Orders| orders.asked == served && orders.wish != Wish::End;
        let quiet = |orders: &mut Orders| idle(orders) && orders.wish == Wish::Nothing;
        let orders = lock(&self.orders);
        let orders = self.wake.wait_while(orders, quiet);
        let orders = orders.unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(orders, LEISURE, idle);
        let (mut orders, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if orders.wish == Wish::End {
            return None;
        }
        orders.wish = Wish::Nothing;
        Some(orders.asked)
    }

    /// Writes what counts as spent; one at a time.
    fn write(&self, figures: Figures) -> Result<(), Error> {
        let mut desk = lock(&self.desk);
        let now = Timestamp::from_micros(self.now.load(Ordering::Relaxed));
        desk.strangers.retain(|tally| tally.until > now);
        let Some(keep) = &desk.keep else {
            return Ok(());
        };
        let mut tallies = lock(&self.caps).tallies(now, figures);
        tallies.extend_from_slice(&desk.strangers);
        let result = keep.write(&tallies, figures);
        desk.trouble = result.as_ref().err().map(|error| error.to_string().into());
        if result.is_ok() {
            lock(&self.caps).written();
        }
        result
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Figures are whole between any two steps, whatever happened to the thread that held them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
