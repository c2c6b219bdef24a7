//! The ledger on disk: a row per exchange in SQLite or Postgres, written beside the calls.
//!
//! A [`Store`] observes a handle. What is booked is copied into a bounded queue; one thread writes
//! it in batches, each batch one transaction together with its sums per hour, from which reports
//! are read. Nothing here holds up or fails a call: where the queue is full, or the database cannot
//! be written, rows are dropped and counted, and the gap stands in the ledger as soon as it can be
//! written again. After a crash at most the last batch is missing.
//!
//! ```no_run
//! use cachewright::adapter::handle::Cachewright;
//! use cachewright::adapter::store::{Query, Store, StoreOptions};
//!
//! # fn main() -> Result<(), cachewright::error::Error> {
//! let store = Store::open(StoreOptions::at("ledger.db")?)?;
//! let cache = Cachewright::builder().ledger(&store).build()?;
//! // … calls …
//! store.flush()?;
//! println!("saved {}", store.story(&Query::default())?.total.savings());
//! # Ok(())
//! # }
//! ```
//!
//! Rows hold no prompt text, but for the excerpts of a miss where the user asked for them.

mod arms;
mod batch;
mod columns;
mod far;
mod form;
mod info;
mod keep;
mod options;
mod query;
mod rollup;
mod rows;
mod secret;
mod sql;
mod tables;
mod tale;
mod target;
mod writer;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::thread;

pub use self::columns::{COLUMNS, Cell, Column, Kind};
pub use self::form::Row;
pub use self::info::{Gap, Info};
pub use self::options::{StoreOptions, span};
pub use self::query::Query;
pub use self::writer::Health;

use self::writer::Writer;
use super::handle::{Builder, Observer};
use crate::error::Error;
use crate::ledger::{Id, Record, Story};

/// A ledger in a database. Clones share everything; what is dropped last writes what is left.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    options: StoreOptions,
    writer: OnceLock<Arc<Writer>>,
}

impl Store {
    /// A ledger to write to; what is not there is made.
    ///
    /// # Errors
    /// When the database cannot be opened or prepared.
    pub fn open(options: StoreOptions) -> Result<Self, Error> {
        let target = options.target.clone();
        blocking(async || {
            target.made().await?.close().await;
            Ok(())
        })?;
        Ok(Self::lazy(options))
    }

    /// A ledger that is opened when there is something to write, and tried again until it can be.
    #[must_use]
    pub fn lazy(options: StoreOptions) -> Self {
        let shared = Shared {
            options,
            writer: OnceLock::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// A ledger that is there already, to be read.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn existing(options: StoreOptions) -> Result<Self, Error> {
        let target = options.target.clone();
        blocking(async || {
            target.existing().await?.close().await;
            Ok(())
        })?;
        Ok(Self::lazy(options))
    }

    /// What writes everything that a handle books; the thread that writes starts with it.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(self.writer()) as Arc<dyn Observer>
    }

    fn writer(&self) -> &Arc<Writer> {
        let start = || Arc::new(Writer::start(&self.shared.options));
        self.shared.writer.get_or_init(start)
    }

    /// Where it stands, without password.
    #[must_use]
    pub fn place(&self) -> String {
        self.shared.options.place()
    }

    /// What became of the rows so far.
    #[must_use]
    pub fn health(&self) -> Health {
        let writer = self.shared.writer.get();
        writer.map_or_else(Health::default, |writer| writer.health())
    }

    /// Rows that this store dropped because it could not keep up.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.health().dropped
    }

    /// Waits until everything that was booked so far is committed. Blocks for up to half a minute:
    /// within async code it belongs on a thread for blocking work.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&self) -> Result<(), Error> {
        let writer = self.shared.writer.get();
        writer.map_or(Ok(()), |writer| writer.flush())
    }

    /// The figures of a report. Blocks, as all that follow: within async code they belong on a
    /// thread for blocking work.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn story(&self, query: &Query) -> Result<Story, Error> {
        let target = &self.shared.options.target;
        blocking(async || {
            let mut connection = target.existing().await?;
            let story = query::story(&mut connection, query).await;
            connection.close().await;
            story.map_err(|error| target.trouble("cannot read", &error))
        })
    }

    /// One exchange.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn find(&self, id: Id) -> Result<Option<Row>, Error> {
        let target = &self.shared.options.target;
        blocking(async || {
            let mut connection = target.existing().await?;
            let row = rows::find(&mut connection.db, id).await;
            connection.close().await;
            row.map_err(|error| target.trouble("cannot read", &error))
        })
    }

    /// All attempts of the call that this exchange is an attempt of, in their order; none where no
    /// route decided on it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn attempts(&self, record: &Record) -> Result<Vec<Row>, Error> {
        let Some(attempt) = &record.attempt else {
            return Ok(Vec::new());
        };
        let (run, call) = (record.id.run, attempt.call);
        let target = &self.shared.options.target;
        blocking(async || {
            let mut connection = target.existing().await?;
            let rows = rows::attempts(&mut connection.db, run, call).await;
            connection.close().await;
            rows.map_err(|error| target.trouble("cannot read", &error))
        })
    }

    /// Hands over every row that `query` asks for, oldest first, in constant memory.
    ///
    /// # Errors
    /// When the ledger cannot be read, and those of `each`, which end it.
    pub fn rows<E: From<Error> + Send>(
        &self,
        query: &Query,
        each: impl FnMut(Row) -> Result<(), E> + Send,
    ) -> Result<(), E> {
        let target = &self.shared.options.target;
        blocking(async || {
            let mut connection = target.existing().await?;
            let done = rows::each(&mut connection.db, query, each).await;
            connection.close().await;
            match done {
                Ok(done) => done,
                Err(error) => Err(target.trouble("cannot read", &error).into()),
            }
        })
    }

    /// How much there is, and what is missing.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn info(&self) -> Result<Info, Error> {
        let target = &self.shared.options.target;
        blocking(async || {
            let mut connection = target.existing().await?;
            let info = info::info(&mut connection).await;
            connection.close().await;
            info.map_err(|error| target.trouble("cannot read", &error))
        })
    }
}

impl Builder {
    /// Everything that is booked is written to this ledger.
    #[must_use]
    pub fn ledger(self, store: &Store) -> Self {
        self.observer(store.observer())
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

/// Runs it to its end on a thread and a runtime of its own, so that it may be called from anywhere.
fn blocking<T: Send, E: From<Error> + Send>(
    work: impl AsyncFnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::io("cannot start a runtime").caused_by(error))?;
        runtime.block_on(work())
    };
    let done = thread::scope(|scope| scope.spawn(run).join());
    done.unwrap_or_else(|_| Err(Error::io("reading the ledger stopped by surprise").into()))
}
