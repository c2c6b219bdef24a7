//! Files behind the arguments, and their lines: plain or xz, one at a time.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use liblzma::bufread::XzDecoder;

use crate::error::Error;

/// The first bytes of an xz stream (tukaani.org, xz file format 1.2.1, section 2.1.1.1).
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
/// The first bytes of a database (sqlite.org, database file format, section 1.3).
const SQLITE: &[u8] = b"SQLite format 3\0";
/// The longest line or document that is read.
const MAX_LINE: u64 = 256 << 20;
/// How deep directories are walked; deeper ones are somebody's loop.
const DEPTH: usize = 24;

/// A file to be read, and how long it is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// All files behind one argument, sorted by path. Hidden ones and links to directories are left out,
/// unless the argument itself is one.
pub(super) fn find(argument: &Path) -> Result<Vec<Found>, Error> {
    let trouble = |error| Error::io(format!("{}: {error}", argument.display()));
    let meta = std::fs::metadata(argument).map_err(trouble)?;
    let mut found = Vec::new();
    if meta.is_dir() {
        walk(argument, DEPTH, &mut found).map_err(trouble)?;
        found.sort_by(|left, right| left.path.cmp(&right.path));
    } else {
        found.push(Found {
            path: argument.to_owned(),
            bytes: meta.len(),
        });
    }
    Ok(found)
}

fn walk(dir: &Path, depth: usize, found: &mut Vec<Found>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let kind = entry.file_type()?;
        let path = entry.path();
        if kind.is_dir() {
            if depth > 0 {
                walk(&path, depth - 1, found)?;
            }
        } else if let Ok(meta) = std::fs::metadata(&path)
            && meta.is_file()
        {
            let bytes = meta.len();
            found.push(Found { path, bytes });
        }
    }
    Ok(())
}

/// What a file is by its first bytes.
pub(super) enum Opened {
    /// Text, to be read line by line.
    Text(Lines),
    /// A database.
    Database,
}

/// The lines of one file.
pub(super) struct Lines {
    name: String,
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
    /// A line that was looked at and not taken.
    held: bool,
    raw: Rc<Cell<u64>>,
    /// Bytes of text so far.
    pub(super) text: u64,
}

/// Opens a file.
pub(super) fn open(path: &Path) -> Result<Opened, Error> {
    let name = path.display().to_string();
    let trouble = |error: io::Error| Error::io(format!("{name}: {error}"));
    let mut file = File::open(path).map_err(trouble)?;
    let mut head = Vec::new();
    let most = SQLITE.len() as u64;
    (&mut file)
        .take(most)
        .read_to_end(&mut head)
        .map_err(trouble)?;
    file.rewind().map_err(trouble)?;
    if head.starts_with(SQLITE) {
        return Ok(Opened::Database);
    }
    let raw = Rc::new(Cell::new(0));
    let counted = BufReader::with_capacity(
        1 << 18,
        Counted {
            file,
            bytes: Rc::clone(&raw),
        },
    );
    let reader: Box<dyn BufRead> = if head.starts_with(XZ) {
        let plain = XzDecoder::new_multi_decoder(counted);
        Box::new(BufReader::with_capacity(1 << 18, plain))
    } else {
        Box::new(counted)
    };
    Ok(Opened::Text(Lines {
        name,
        reader,
        line: Vec::new(),
        number: 0,
        held: false,
        raw,
        text: 0,
    }))
}

impl Lines {
    /// The next line that is not blank, with its number.
    pub(super) fn next(&mut self) -> Result<Option<(&[u8], u64)>, Error> {
        if !std::mem::take(&mut self.held) && !self.advance()? {
            return Ok(None);
        }
        Ok(Some((self.line.trim_ascii(), self.number)))
    }

    /// Gives the last line back: [`Lines::next`] returns it again.
    pub(super) const fn hold(&mut self) {
        self.held = true;
    }

    /// The last line and everything behind it, as one document.
    pub(super) fn rest(&mut self) -> Result<Vec<u8>, Error> {
        let mut all = std::mem::take(&mut self.line);
        self.held = false;
        let left = self.reader.by_ref().take(MAX_LINE).read_to_end(&mut all);
        let read = left.map_err(|error| self.fault(&unreadable(&error)))?;
        if read as u64 == MAX_LINE {
            return Err(self.fault("longer than 256 MB"));
        }
        self.text += read as u64;
        Ok(all)
    }

    fn advance(&mut self) -> Result<bool, Error> {
        loop {
            self.line.clear();
            // One long line must not be paid for by all that follow.
            self.line.shrink_to(1 << 20);
            self.number += 1;
            let read = self
                .reader
                .by_ref()
                .take(MAX_LINE)
                .read_until(b'\n', &mut self.line);
            let length = read.map_err(|error| self.fault(&unreadable(&error)))? as u64;
            self.text += length;
            if length == MAX_LINE {
                return Err(self.fault("longer than 256 MB"));
            }
            if length == 0 || !self.line.trim_ascii().is_empty() {
                return Ok(length > 0);
            }
        }
    }

    /// Bytes of the file that were read so far.
    pub(super) fn done(&self) -> u64 {
        self.raw.get()
    }

    /// An error at the last line.
    pub(super) fn fault(&self, what: &str) -> Error {
        Error::input(format!("{}, line {}: {what}", self.name, self.number))
    }
}

/// Counts what is read of a file, for the progress.
struct Counted {
    file: File,
    bytes: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.bytes.set(self.bytes.get() + read as u64);
        Ok(read)
    }
}

/// Damaged compressed data has kinds of its own.
fn unreadable(error: &io::Error) -> String {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    if matches!(
        error.kind(),
        UnexpectedEof | InvalidData | InvalidInput | Other
    ) {
        "the compressed data is damaged or cut off".to_owned()
    } else {
        error.to_string()
    }
}

/// What to say about a line that is not the JSON it should be: never a piece of its text.
pub(super) fn fault(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "JSON is cut off",
        serde_json::error::Category::Data => "a member is missing or has the wrong type",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "not valid JSON",
    };
    format!("{what} (column {})", error.column())
}
