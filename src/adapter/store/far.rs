//! The far side of the queue: gathers rows into batches and writes them.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::batch::Batch;
use super::keep::Keeper;
use super::options::StoreOptions;
use super::rollup::Fold;
use super::target::Connection;
use super::writer::{BATCH, Common, Order};
use crate::error::Error;

/// How long rows wait for others to be written with.
const GATHER: Duration = Duration::from_millis(200);
/// The pause between two pieces of what retention and size ask for.
const BREATH: Duration = Duration::from_millis(5);
/// How often retention and size are looked after.
const TEND: Duration = Duration::from_secs(60);
/// The longest wait before writing is tried again.
const PATIENCE: Duration = Duration::from_secs(5);
/// Attempts to write what is left when the store is closed.
const FAREWELLS: u32 = 3;

/// The far side of the queue.
pub(super) struct Far {
    pub(super) options: StoreOptions,
    pub(super) queue: Receiver<Order>,
    pub(super) common: Arc<Common>,
    pub(super) keeper: Keeper,
    pub(super) connection: Option<Connection>,
    pub(super) batch: Batch,
    pub(super) fold: Fold,
    /// Flushes that wait for the batch.
    pub(super) waiters: Vec<SyncSender<()>>,
    /// Attempts in a row that failed.
    pub(super) failed: u32,
    pub(super) closing: bool,
}

impl Far {
    pub(super) fn run(mut self) {
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
            // Calls and readers go first.
            thread::park_timeout(BREATH);
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
