//! The thread that writes: rows reach it over a bounded queue and leave it in batches.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use super::batch::{Batch, Gap};
use super::far::Far;
use super::keep::Keeper;
use super::options::StoreOptions;
use super::rollup::Fold;
use crate::adapter::handle::Observer;
use crate::error::Error;
use crate::ledger::{Record, Settled};
use crate::model::Timestamp;

/// Rows per transaction.
pub(super) const BATCH: usize = 1000;
/// How long a flush waits.
const FLUSH: Duration = Duration::from_secs(30);

/// What the queue carries.
pub(super) enum Order {
    Row(Box<Record>),
    Settled(Vec<Settled>),
    Flush(SyncSender<()>),
}

/// What became of the rows so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Rows that are committed.
    pub written: u64,
    /// Rows and settlements that were dropped because the queue was full or writing failed to the end.
    pub dropped: u64,
    /// Attempts to write that failed.
    pub failures: u64,
    /// Why writing fails at present; `None` while it works.
    pub trouble: Option<Box<str>>,
}

/// What both sides of the queue know.
#[derive(Default)]
pub(super) struct Common {
    /// Orders in the queue.
    pub(super) waiting: AtomicUsize,
    pub(super) written: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) trouble: Mutex<Option<Box<str>>>,
    pub(super) gap: Mutex<Option<Gap>>,
    /// Tells its gaps from those of other processes.
    pub(super) name: u64,
}

/// The near side of the queue.
pub(super) struct Writer {
    orders: Option<SyncSender<Order>>,
    common: Arc<Common>,
    capacity: usize,
    thread: Option<Thread>,
    join: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(options: &StoreOptions) -> Self {
        let (orders, queue) = sync_channel(options.queue);
        let common = Arc::new(Common {
            name: super::secret::draw() >> 1,
            ..Common::default()
        });
        let far = Far {
            keeper: Keeper::new(options),
            options: options.clone(),
            queue,
            common: Arc::clone(&common),
            connection: None,
            batch: Batch::default(),
            fold: Fold::default(),
            waiters: Vec::new(),
            failed: 0,
            closing: false,
        };
        let thread = thread::Builder::new().name("cachewright-ledger".into());
        // Without a thread everything is dropped and counted, and calls go on.
        let join = thread.spawn(move || far.run()).ok();
        Self {
            orders: Some(orders),
            common,
            capacity: options.queue,
            thread: join.as_ref().map(|join| join.thread().clone()),
            join,
        }
    }

    pub(super) fn health(&self) -> Health {
        let trouble = self.common.trouble.lock();
        Health {
            written: self.common.written.load(Ordering::Relaxed),
            dropped: self.common.dropped.load(Ordering::Relaxed),
            failures: self.common.failures.load(Ordering::Relaxed),
            trouble: trouble.unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Waits until everything that was booked so far is committed.
    pub(super) fn flush(&self) -> Result<(), Error> {
        let (done, wait) = sync_channel(1);
        self.common.waiting.fetch_add(1, Ordering::Relaxed);
        let sent = self
            .orders
            .as_ref()
            .map(|orders| orders.send(Order::Flush(done)));
        self.wake();
        if matches!(sent, Some(Ok(()))) && wait.recv_timeout(FLUSH).is_ok() {
            return Ok(());
        }
        let trouble = self.health().trouble;
        let why = trouble.unwrap_or_else(|| "it is not written yet".into());
        Err(Error::io(why))
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }

    /// Puts an order into the queue if there is room, and counts it as dropped otherwise.
    fn put(&self, at: Timestamp, rows: u64, order: impl FnOnce() -> Order) {
        // Counted first, so that the other side never takes out more than was put in.
        let before = self.common.waiting.fetch_add(1, Ordering::Relaxed);
        if before < self.capacity
            && let Some(orders) = &self.orders
            && orders.try_send(order()).is_ok()
        {
            // A full batch is not kept waiting.
            if before + 1 == BATCH {
                self.wake();
            }
            return;
        }
        self.common.waiting.fetch_sub(1, Ordering::Relaxed);
        self.common.lose(at, rows);
    }
}

impl Observer for Writer {
    fn booked(&self, record: &Record) {
        self.put(record.at, 1, || Order::Row(Box::new(record.clone())));
    }

    fn settled(&self, settled: &[Settled]) {
        if let Some(first) = settled.first() {
            let rows = settled.len() as u64;
            self.put(first.at, rows, || Order::Settled(settled.to_vec()));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.orders = None;
        self.wake();
        if let Some(join) = self.join.take() {
            // A thread that panicked has nothing left to write.
            let _ = join.join();
        }
    }
}

impl Common {
    fn lose(&self, at: Timestamp, rows: u64) {
        self.dropped.fetch_add(rows, Ordering::Relaxed);
        let mut gap = self.gap.lock().unwrap_or_else(PoisonError::into_inner);
        let known = gap.get_or_insert(Gap {
            from: at,
            until: at,
            dropped: 0,
            writer: self.name,
        });
        known.from = known.from.min(at);
        known.until = known.until.max(at);
        known.dropped += rows;
    }

    pub(super) fn take_gap(&self) -> Option<Gap> {
        let mut gap = self.gap.lock().unwrap_or_else(PoisonError::into_inner);
        gap.take()
    }
}
