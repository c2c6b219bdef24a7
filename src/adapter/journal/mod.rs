//! A journal of requests, for those who ask for it: one JSON line per answered request, in the
//! neutral format that `replay`, `tune` and `audit` read.
//!
//! **It holds prompt text**, which nothing else that this crate writes does. Its files can be read
//! by their owner only. Lines are written on a thread of their own; what comes faster than the disk
//! takes it is dropped and counted, and no call ever waits.

mod file;
mod line;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;

use crate::error::Error;
use crate::ledger::Record;
use crate::model::Timestamp;

use file::Files;
use line::Entry;

/// Requests that may wait to be written.
const WAITING: usize = 1024;
/// Bytes of bodies that may wait to be written.
const WAITING_BYTES: u64 = 64 << 20;

/// Where requests are kept, and how many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalOptions {
    /// The file that is written; older ones stand beside it, as `requests.1.jsonl` for
    /// `requests.jsonl`.
    pub path: PathBuf,
    /// A file that would become longer than this many bytes is put aside.
    pub max_bytes: u64,
    /// How many files are kept, the one that is written included; the oldest is deleted.
    pub files: u32,
}

impl JournalOptions {
    /// A journal in this file: four files of 256 MB at most.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            max_bytes: 256 << 20,
            files: 4,
        }
    }

    /// The files that are there, oldest first.
    #[must_use]
    pub fn existing(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = (0..self.files)
            .map(|age| file::aged(&self.path, age))
            .filter(|path| path.is_file())
            .collect();
        found.reverse();
        found
    }
}

/// A journal of requests that is being written. Clones share everything.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    options: JournalOptions,
    orders: Mutex<Option<SyncSender<Order>>>,
    counts: Arc<Counts>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    dropped: AtomicU64,
    waiting: AtomicU64,
}

/// What of a request the journal keeps beside its record.
pub(crate) struct Sent {
    /// The body as the caller sent it.
    pub(crate) body: Bytes,
    /// The model that the path named.
    pub(crate) named: Box<str>,
}

enum Order {
    Write(Box<Entry>),
    Flush(SyncSender<()>),
}

impl Journal {
    /// Opens or creates the file and starts the thread that writes it.
    ///
    /// # Errors
    /// When the file cannot be written, or made readable for its owner only.
    pub fn open(options: JournalOptions) -> Result<Self, Error> {
        let files = Files::open(&options)?;
        let (orders, queue) = sync_channel(WAITING);
        let counts = Arc::new(Counts::default());
        let far = Arc::clone(&counts);
        let thread = thread::Builder::new()
            .name("cachewright-journal".into())
            .spawn(move || write(&queue, files, &far))
            .map_err(|error| Error::io(format!("cannot start the journal: {error}")))?;
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                orders: Mutex::new(Some(orders)),
                counts,
                thread: Mutex::new(Some(thread)),
            }),
        })
    }

    /// Where it is written.
    #[must_use]
    pub fn options(&self) -> &JournalOptions {
        &self.shared.options
    }

    /// Requests written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.shared.counts.written.load(Ordering::Relaxed)
    }

    /// Requests that were not kept because the disk was too slow, full or gone.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.counts.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything that was handed over so far is in the file. Blocks.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        let orders = self.shared.orders();
        let sent = orders.map(|orders| orders.send(Order::Flush(done)));
        if let Some(Ok(())) = sent {
            let _ = wait.recv();
        }
    }

    /// Takes in one exchange that ended at `ended`. Refused and unread requests are not kept: they
    /// cost nothing, and there is nothing to learn from them.
    pub(crate) fn keep(&self, sent: Sent, record: &Record, ended: Timestamp) {
        if record.skip.is_some() || !(200..300).contains(&record.status) {
            return;
        }
        let counts = &self.shared.counts;
        let size = sent.body.len() as u64;
        let full = counts.waiting.fetch_add(size, Ordering::Relaxed) + size > WAITING_BYTES;
        let entry = Entry::new(sent, record, ended);
        let taken = !full
            && self.shared.orders().is_some_and(|orders| {
                match orders.try_send(Order::Write(Box::new(entry))) {
                    Ok(()) => true,
                    Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
                }
            });
        if !taken {
            counts.waiting.fetch_sub(size, Ordering::Relaxed);
            counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Shared {
    fn orders(&self) -> Option<SyncSender<Order>> {
        let orders = self.orders.lock();
        orders.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Shared {
    /// Writes what waits.
    fn drop(&mut self) {
        let orders = self.orders.get_mut();
        drop(orders.unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.get_mut();
        if let Some(thread) = thread.unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("options", &self.shared.options)
            .field("counts", &self.shared.counts)
            .finish_non_exhaustive()
    }
}

fn write(queue: &Receiver<Order>, mut files: Files, counts: &Counts) {
    for order in queue {
        match order {
            Order::Write(entry) => {
                counts.waiting.fetch_sub(entry.size(), Ordering::Relaxed);
                let line = entry.line();
                let done = line.is_some_and(|line| files.append(&line).is_ok());
                let count = if done {
                    &counts.written
                } else {
                    &counts.dropped
                };
                count.fetch_add(1, Ordering::Relaxed);
            }
            Order::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

#[cfg(all(test, feature = "replay"))]
mod tests {
    use super::*;

    fn kept(journal: &Journal, body: &'static str) {
        let record = Record {
            provider: "anthropic".into(),
            dialect: "messages".into(),
            status: 200,
            at: Timestamp::from_secs_f64(10.0),
            ..Record::default()
        };
        let sent = Sent {
            body: Bytes::from_static(body.as_bytes()),
            named: Box::default(),
        };
        journal.keep(sent, &record, Timestamp::from_secs_f64(12.0));
    }

    #[test]
    fn files_are_put_aside_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = JournalOptions::at(dir.path().join("requests.jsonl"));
        options.max_bytes = 250;
        options.files = 2;
        let journal = Journal::open(options.clone()).unwrap();
        for body in [
            "{\"n\":1}",
            "{\"n\":2}",
            "{\"n\":3}",
            "{\"n\":4}",
            "{\"n\":5}",
        ] {
            kept(&journal, body);
        }
        journal.flush();
        assert_eq!((journal.written(), journal.dropped()), (5, 0));
        let existing = options.existing();
        let names: Vec<_> = existing
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["requests.1.jsonl", "requests.jsonl"]);
        let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
        let all = format!("{}{}", text(&existing[0]), text(&existing[1]));
        assert!(
            all.contains("{\"n\":5}") && !all.contains("{\"n\":1}"),
            "{all}"
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("requests.jsonl");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let journal = Journal::open(JournalOptions::at(&path)).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(journal);
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_what_was_refused_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("requests.jsonl");
        let journal = Journal::open(JournalOptions::at(&path)).unwrap();
        kept(&journal, "no json");
        let refused = Record {
            status: 400,
            ..Record::default()
        };
        let sent = Sent {
            body: Bytes::from_static(b"{}"),
            named: Box::default(),
        };
        journal.keep(sent, &refused, Timestamp::default());
        kept(&journal, "{\n \"a\": 1}");
        drop(journal);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("{  \"a\": 1}"), "{text}");
    }
}
