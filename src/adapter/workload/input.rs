//! Files as numbered lines: plain or xz, scanned once and then read again by offset.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use liblzma::bufread::XzDecoder;

use crate::error::Error;

/// The first bytes of an xz stream (tukaani.org, xz file format 1.2.1, section 2.1.1.1).
const XZ_MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// The longest line that is read: more than any recorded session, less than a machine's memory.
const MAX_LINE: u64 = 256 << 20;

/// Where one line stands in a [`Source`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Bytes before it.
    pub(super) offset: u64,
    /// Its length in bytes, without the line break.
    pub(super) length: usize,
    /// Its number, counted from one.
    pub(super) number: u64,
}

/// The lines of a file, readable by offset. A compressed file is held uncompressed in an anonymous
/// temporary file, so that memory stays bounded and nothing is left behind.
#[derive(Debug)]
pub(super) struct Source {
    name: String,
    file: File,
}

impl Source {
    /// Opens `path` and shows every line that is not blank to `each`, in order.
    ///
    /// # Errors
    /// Names the file and the position when it cannot be read or is cut off, and passes on what
    /// `each` says, prefixed with file and line.
    pub(super) fn scan(
        path: &Path,
        each: impl FnMut(&[u8], Place) -> Result<(), String>,
    ) -> Result<Self, Error> {
        let name = path.display().to_string();
        let trouble = |error: io::Error| Error::io(format!("{name}: {error}"));
        if path.is_dir() {
            return Err(Error::input(format!("{name}: is a directory")));
        }
        let mut file = File::open(path).map_err(trouble)?;
        let mut head = [0; 6];
        let compressed = read_head(&mut file, &mut head).map_err(trouble)? && head == XZ_MAGIC;
        file.rewind().map_err(trouble)?;
        if !compressed {
            let again = file.try_clone().map_err(trouble)?;
            walk(&name, BufReader::with_capacity(1 << 20, again), None, each)?;
            return Ok(Self { name, file });
        }
        let spool = tempfile::tempfile().map_err(trouble)?;
        let again = spool.try_clone().map_err(trouble)?;
        let decoder = XzDecoder::new_multi_decoder(BufReader::with_capacity(1 << 18, file));
        walk(
            &name,
            BufReader::with_capacity(1 << 20, decoder),
            Some(BufWriter::with_capacity(1 << 20, again)),
            each,
        )?;
        Ok(Self { name, file: spool })
    }

    /// Reads one line again.
    ///
    /// # Errors
    /// Names the file and the line when it can no longer be read.
    pub(super) fn read(&mut self, place: Place) -> Result<Vec<u8>, Error> {
        let mut line = vec![0; place.length];
        self.file
            .seek(SeekFrom::Start(place.offset))
            .and_then(|_| self.file.read_exact(&mut line))
            .map_err(|error| Error::io(format!("{}, line {}: {error}", self.name, place.number)))?;
        Ok(line)
    }

    /// An error at one line of this file.
    pub(super) fn fault(&self, place: Place, what: &str) -> Error {
        Error::input(format!("{}, line {}: {what}", self.name, place.number))
    }
}

fn read_head(file: &mut File, head: &mut [u8; 6]) -> io::Result<bool> {
    match file.read_exact(head) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Walks over the lines, copying them to `spool` if there is one.
fn walk(
    name: &str,
    mut from: impl BufRead,
    mut spool: Option<BufWriter<File>>,
    mut each: impl FnMut(&[u8], Place) -> Result<(), String>,
) -> Result<(), Error> {
    let mut line = Vec::new();
    let mut place = Place {
        offset: 0,
        length: 0,
        number: 0,
    };
    loop {
        line.clear();
        place.number += 1;
        let at = |what: &str| Error::input(format!("{name}, line {}: {what}", place.number));
        let read = from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        let length = read.map_err(|error| at(unreadable(&error)).caused_by(error))?;
        if length == 0 {
            break;
        }
        if length as u64 == MAX_LINE {
            return Err(at("longer than 256 MB"));
        }
        if let Some(spool) = &mut spool {
            spool
                .write_all(&line)
                .map_err(|error| Error::io(format!("temporary file: {error}")))?;
        }
        let text = line.trim_ascii_end();
        if !text.is_empty() {
            place.length = text.len();
            each(text, place).map_err(|what| at(&what))?;
        }
        place.offset += length as u64;
    }
    spool.map_or(Ok(()), |mut spool| {
        spool
            .flush()
            .map_err(|error| Error::io(format!("temporary file: {error}")))
    })
}

/// What to say about a read that failed: damaged compressed data has its own kinds.
fn unreadable(error: &io::Error) -> &'static str {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    if matches!(
        error.kind(),
        UnexpectedEof | InvalidData | InvalidInput | Other
    ) {
        "the compressed data is damaged or cut off"
    } else {
        "cannot be read"
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
