//! The thread that writes: rows reach it over a bounded queue and leave it in batches.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use tokio::runtime::Runtime;

use super::batch::{Batch, Gap};
use super::keep::Keeper;
use super::options::StoreOptions;
use super::rollup::Fold;
use super::target::Connection;
use crate::adapter::handle::Observer;
use crate::error::Error;
use crate::ledger::{Record, Settled};
use crate::model::Timestamp;

/// Rows per transaction.
const BATCH: usize = 1000;
/// How long rows wait for others to be written with.
const GATHER: Duration = Duration::from_millis(200);
/// How often retention and size are looked after.
const TEND: Duration = Duration::from_secs(60);
/// The longest wait before writing is tried again.
const PATIENCE: Duration = Duration::from_secs(5);
/// Attempts to write what is left when the store is closed.
const FAREWELLS: u32 = 3;
/// How long a flush waits.
const FLUSH: Duration = Duration::from_secs(30);

/// What the queue carries.
enum Order {
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
struct Common {
    /// Orders in the queue.
    waiting: AtomicUsize,
    written: AtomicU64,
    dropped: AtomicU64,
    failures: AtomicU64,
    trouble: Mutex<Option<Box<str>>>,
    gap: Mutex<Option<Gap>>,
    /// Tells its gaps from those of other processes.
    name: u64,
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

    fn take_gap(&self) -> Option<Gap> {
        let mut gap = self.gap.lock().unwrap_or_else(PoisonError::into_inner);
        gap.take()
    }
}

/// The far side of the queue.
struct Far {
    options: StoreOptions,
    queue: Receiver<Order>,
    common: Arc<Common>,
    keeper: Keeper,
    connection: Option<Connection>,
    batch: Batch,
    fold: Fold,
    /// Flushes that wait for the batch.
    waiters: Vec<SyncSender<()>>,
    /// Attempts in a row that failed.
    failed: u32,
    closing: bool,
}

impl Far {
    fn run(mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else {
            self.trouble("cannot start a runtime for the ledger");
            return;
        };
        while !(self.closing && self.is_done()) {
            self.wait();
            self.gather();
            runtime.block_on(self.turn());
        }
        self.abandon();
        if let Some(connection) = self.connection.take() {
            runtime.block_on(connection.close());
        }
        Self::end(runtime);
    }

    /// What a hung connection holds is not waited for.
    fn end(runtime: Runtime) {
        runtime.shutdown_background();
    }

    fn is_done(&self) -> bool {
        self.batch.is_empty() || self.failed >= FAREWELLS
    }

    /// Waits for something to do.
    fn wait(&mut self) {
        if self.failed > 0 {
            let patience = GATHER.saturating_mul(1 << self.failed.min(8)).min(PATIENCE);
            if !self.closing {
                thread::park_timeout(patience);
            }
            return;
        }
        if self.keeper.is_busy() {
            return;
        }
        match self.queue.recv_timeout(TEND) {
            Ok(order) => {
                self.take(order);
                if self.waiters.is_empty()
                    && self.common.waiting.load(Ordering::Relaxed) < BATCH
                    && !self.closing
                {
                    thread::park_timeout(GATHER);
                }
            }
            Err(RecvTimeoutError::Timeout) => self.keeper.is_due(),
            Err(RecvTimeoutError::Disconnected) => self.closing = true,
        }
    }

    /// Takes from the queue what fits into the batch.
    fn gather(&mut self) {
        while !self.batch.is_sealed() && self.batch.len() < BATCH && self.waiters.is_empty() {
            match self.queue.try_recv() {
                Ok(order) => self.take(order),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.closing = true;
                    break;
                }
            }
        }
    }

    fn take(&mut self, order: Order) {
        self.common.waiting.fetch_sub(1, Ordering::Relaxed);
        match order {
            Order::Row(record) => self.batch.row(&record, &mut self.fold),
            Order::Settled(settled) => self.batch.settle(&settled),
            Order::Flush(done) => self.waiters.push(done),
        }
    }

    /// Writes the batch, and does a piece of what retention and size ask for.
    async fn turn(&mut self) {
        if !self.batch.is_sealed() {
            self.batch.gap(self.common.take_gap());
        }
        if !self.batch.is_empty() {
            match self.write().await {
                Ok(()) => self.written(),
                Err(error) => {
                    self.connection = None;
                    self.failed = self.failed.saturating_add(1);
                    self.common.failures.fetch_add(1, Ordering::Relaxed);
                    self.trouble(&error.to_string());
                    return;
                }
            }
        }
        for done in self.waiters.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = done.try_send(());
        }
        if !self.closing {
            self.tend().await;
        }
    }

    async fn write(&mut self) -> Result<(), Error> {
        if self.connection.is_some() && self.keeper.was_replaced() {
            self.connection = None;
        }
        let target = &self.options.target;
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let made = target.made().await?;
                self.keeper.opened();
                none.insert(made)
            }
        };
        let written = self.batch.write(connection, &mut self.fold).await;
        written.map_err(|error| target.trouble("cannot write to", &error))
    }

    fn written(&mut self) {
        let rows = self.batch.rows();
        self.common.written.fetch_add(rows, Ordering::Relaxed);
        self.batch = Batch::default();
        if std::mem::take(&mut self.failed) > 0 {
            let mut trouble = self
                .common
                .trouble
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *trouble = None;
            drop(trouble);
            self.tell(&format!(
                "the ledger {} is written again",
                self.options.target
            ));
        }
    }

    async fn tend(&mut self) {
        let done = match self.connected().await {
            Ok(()) => self.tidied().await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            // It is tried again in the next round, over a new connection.
            self.connection = None;
            self.keeper.rest();
            self.common.failures.fetch_add(1, Ordering::Relaxed);
            self.tell(&error.to_string());
        }
    }

    async fn tidied(&mut self) -> Result<(), Error> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let tidied = self.keeper.tend(connection).await;
        tidied.map_err(|error| self.options.target.trouble("cannot tidy", &error))
    }

    /// Opens a connection where there is something to do over it.
    async fn connected(&mut self) -> Result<(), Error> {
        if self.connection.is_none() && self.keeper.is_busy() {
            self.connection = Some(self.options.target.made().await?);
            self.keeper.opened();
        }
        Ok(())
    }

    /// Said once per change, not once per attempt.
    fn trouble(&self, what: &str) {
        let mut trouble = self
            .common
            .trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let first = trouble.is_none();
        *trouble = Some(what.into());
        drop(trouble);
        if first {
            self.tell(&format!(
                "{what}; calls go on, and rows are kept while there is room"
            ));
        }
    }

    fn tell(&self, what: &str) {
        if let Some(tell) = &self.options.tell {
            tell(what);
        }
    }

    /// Counts what could not be written to the end.
    fn abandon(&mut self) {
        let mut lost = self.batch.len() as u64;
        while let Ok(order) = self.queue.try_recv() {
            lost += match order {
                Order::Row(_) => 1,
                Order::Settled(settled) => settled.len() as u64,
                Order::Flush(_) => 0,
            };
        }
        self.common.dropped.fetch_add(lost, Ordering::Relaxed);
        if lost > 0 {
            self.tell(&format!(
                "{lost} rows never reached the ledger {}",
                self.options.target
            ));
        }
    }
}
