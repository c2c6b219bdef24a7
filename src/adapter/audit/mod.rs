//! Logs that people already have: what caching cost and lost there.
//!
//! Files are told apart by what stands in them, read line by line, and added up as they are read,
//! so that memory does not grow with them. Tokens are those that were billed; dollars are those of
//! the price rows, unless the provider said what it charged.
//!
//! **Missed tokens** of a request are those that the request before it in the same lane had in the
//! cache (or sent, where it cached nothing), as far as this request was as long, and that this
//! request did not read. What they cost is what was paid for them above the price of a read.
//! Differences within the providers' counters are no misses: 64 tokens, one percent, or four steps
//! of a provider that counts in steps.

mod book;
mod claude;
mod codex;
mod compared;
mod evidence;
mod export;
mod files;
mod kind;
mod lane;
mod neutral;
mod recorded;
mod report;
mod row;
mod sessions;
mod spoken;
mod turn;
mod usage;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use self::book::Book;
pub use self::evidence::Evidence;
use self::files::{Found, Lines, Opened};
use self::kind::{Kind, Verdict};
pub use self::report::{Reason, Report, Session, Sources};
use crate::error::Error;
use crate::provider::Catalog;

/// Lines that are looked at before a file is given up as unknown.
const LOOK: u64 = 64;
/// Skipped files that are named.
const NAMED: usize = 20;

/// Looks on while logs are read.
pub trait Watch {
    /// So many of so many bytes of files are read.
    fn progress(&mut self, done: u64, total: u64) {
        let _ = (done, total);
    }

    /// A line or a file could not be read; the rest is read all the same.
    fn fault(&mut self, fault: &Error) {
        let _ = fault;
    }
}

/// Nobody looks on.
impl Watch for () {}

/// Reads logs and adds them up.
pub struct Audit {
    book: Book,
    done: u64,
    total: u64,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("bytes", &self.total)
            .finish_non_exhaustive()
    }
}

impl Audit {
    /// An audit at the prices of these rows.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            book: Book::new(catalog),
            done: 0,
            total: 0,
        }
    }

    /// Reads files and directories. What cannot be read is told to `watch` and left out.
    pub fn read<P: AsRef<Path>>(&mut self, arguments: &[P], watch: &mut dyn Watch) {
        let mut all: Vec<Found> = Vec::new();
        for argument in arguments {
            match files::find(argument.as_ref()) {
                Ok(found) => all.extend(found),
                Err(error) => self.fault(&error, watch),
            }
        }
        self.total = all.iter().map(|found| found.bytes).sum();
        for found in &all {
            if let Err(error) = self.file(found, watch) {
                self.fault(&error, watch);
            }
            self.done += found.bytes;
            watch.progress(self.done, self.total);
        }
    }

    /// Adds the rows of a ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    #[cfg(feature = "ledger")]
    pub fn ledger(&mut self, store: &super::store::Store) -> Result<(), Error> {
        export::store(&mut self.book, store)?;
        *self.book.sources.files.entry("ledger").or_default() += 1;
        Ok(())
    }

    /// The finished figures.
    #[must_use]
    pub fn finish(self) -> Report {
        self.book.finish()
    }

    fn fault(&mut self, error: &Error, watch: &mut dyn Watch) {
        self.book.sources.faults += 1;
        watch.fault(error);
    }

    fn skip(&mut self, found: &Found, why: &str) {
        let sources = &mut self.book.sources;
        sources.skipped_files += 1;
        if sources.skipped.len() < NAMED {
            let name = found.path.display().to_string();
            sources.skipped.push((name.into(), why.into()));
        }
    }

    fn file(&mut self, found: &Found, watch: &mut dyn Watch) -> Result<(), Error> {
        match files::open(&found.path)? {
            Opened::Database => self.database(found),
            Opened::Text(mut lines) => {
                let read = self.text(found, &mut lines, watch);
                self.book.close();
                self.book.sources.bytes += lines.text;
                read
            }
        }
    }

    #[cfg(feature = "ledger")]
    fn database(&mut self, found: &Found) -> Result<(), Error> {
        use super::store::{Store, StoreOptions};
        let options = StoreOptions::at(&found.path.display().to_string())?;
        let store = Store::existing(options)?;
        match self.ledger(&store) {
            Err(error) => {
                self.skip(found, "a database, and not the ledger");
                drop(error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    #[cfg(not(feature = "ledger"))]
    #[expect(clippy::unnecessary_wraps, reason = "with the ledger it can fail")]
    fn database(&mut self, found: &Found) -> Result<(), Error> {
        self.skip(found, "a database; built without feature `ledger`");
        Ok(())
    }

    /// Finds out what a file is, and hands it to its reader.
    fn text(
        &mut self,
        found: &Found,
        lines: &mut Lines,
        watch: &mut dyn Watch,
    ) -> Result<(), Error> {
        let mut looked = 0;
        let mut passed = 0;
        loop {
            let Some((line, number)) = lines.next()? else {
                self.skip(found, if looked == 0 { "empty" } else { "no known log" });
                return Ok(());
            };
            looked += 1;
            match kind::recognise(line) {
                Verdict::Known(kind) => {
                    lines.hold();
                    return self.known(kind, lines, watch);
                }
                Verdict::Refused(why) => {
                    self.skip(found, why);
                    return Ok(());
                }
                Verdict::Unknown => passed += 1,
                Verdict::Broken if number == 1 && kind::may_be_document(line) => {
                    let document = lines.rest()?;
                    return self.document(found, &document, lines);
                }
                Verdict::Broken => {}
            }
            if looked >= LOOK || passed == 0 {
                self.skip(found, "no known log");
                return Ok(());
            }
        }
    }

    /// One JSON document over several lines.
    fn document(&mut self, found: &Found, document: &[u8], lines: &Lines) -> Result<(), Error> {
        if recorded::is_har(document) {
            self.count("HAR file");
            return recorded::har(&mut self.book, document, &found.path)
                .map_err(|what| lines.fault(&what));
        }
        match kind::recognise(document) {
            Verdict::Known(Kind::Usage) => {
                self.count("usage");
                usage::line(&mut self.book, document).map_err(|what| lines.fault(&what))
            }
            Verdict::Refused(why) => {
                self.skip(found, why);
                Ok(())
            }
            Verdict::Known(_) | Verdict::Unknown | Verdict::Broken => {
                self.skip(found, "no known log");
                Ok(())
            }
        }
    }

    fn count(&mut self, kind: &'static str) {
        *self.book.sources.files.entry(kind).or_default() += 1;
    }

    fn known(&mut self, kind: Kind, lines: &mut Lines, watch: &mut dyn Watch) -> Result<(), Error> {
        self.count(kind.as_str());
        let mut reader = kind.reader();
        let mut ticks = 0_u32;
        while let Some((line, _)) = lines.next()? {
            if let Err(what) = reader.line(&mut self.book, line) {
                let error = lines.fault(&what);
                self.fault(&error, watch);
            }
            ticks = ticks.wrapping_add(1);
            if ticks.is_multiple_of(16) {
                watch.progress(self.done + lines.done(), self.total);
            }
        }
        reader.end(&mut self.book);
        Ok(())
    }
}

/// Reads one kind of log, line by line.
trait Reader {
    /// Takes in a line; an error says what is wrong with it, and never quotes it.
    fn line(&mut self, book: &mut Book, line: &[u8]) -> Result<(), String>;

    /// The file is over.
    fn end(&mut self, book: &mut Book) {
        let _ = book;
    }
}
