//! One file's sessions merged into one stream in time order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::Path;

use super::hashes::{self, Hashed};
use super::input::{self, Place, Source};
use super::session::Session;
use super::{Options, Timed, clock, neutral, session};
use crate::error::Error;
use crate::model::Timestamp;

/// The requests of one file in time order. Lines that are due at the same moment keep the order of
/// the file.
#[derive(Debug)]
pub struct Workload {
    source: Source,
    format: Format,
    options: Options,
    /// Lines not opened yet, in order of their first request.
    waiting: std::iter::Peekable<std::vec::IntoIter<Entry>>,
    /// Open sessions by the moment of their next request.
    due: BinaryHeap<Reverse<(Timestamp, u64)>>,
    open: BTreeMap<u64, Open>,
    requests: u64,
    failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Session,
    Neutral,
    /// Hashes of blocks, one session per line.
    Hashes,
    /// Hashes of blocks, one request per line.
    Hash,
}

/// A session with requests still to come.
#[derive(Debug)]
enum Open {
    Session(Session),
    Hashed(Hashed),
}

impl Open {
    fn next_at(&self) -> Option<Timestamp> {
        match self {
            Self::Session(session) => session.next_at(),
            Self::Hashed(session) => session.next_at(),
        }
    }

    fn next_request(&mut self) -> Option<Timed> {
        match self {
            Self::Session(session) => session.next_request(),
            Self::Hashed(session) => session.next_request(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: Timestamp,
    place: Place,
}

impl Workload {
    /// Opens a file: checks every line and finds out when each is due.
    ///
    /// # Errors
    /// Names the file and the line when it cannot be read, is cut off, or is in no known format.
    pub fn open(path: &Path, options: Options) -> Result<Self, Error> {
        let mut format = None;
        let mut index = Vec::new();
        let mut requests = 0;
        let mut before = Timestamp::default();
        let source = Source::scan(path, |line, place| {
            let known = match format {
                Some(known) => known,
                None => *format.insert(recognise(line, &options)?),
            };
            let ordinal = place.number;
            let (start, count) = match known {
                Format::Session => session::outline(line)?,
                Format::Neutral => (neutral::start(line)?, 1),
                Format::Hashes => (None, hashes::outline(line)?),
                Format::Hash => (Some(hashes::start(line)?), 1),
            };
            let generated = match known {
                Format::Session | Format::Hashes => clock::spacing(ordinal),
                Format::Neutral | Format::Hash => clock::gap(0, ordinal),
            };
            let start = start.unwrap_or_else(|| before.plus(generated));
            before = start;
            requests += count;
            if count > 0 {
                index.push(Entry { start, place });
            }
            Ok(())
        })?;
        if format.is_none() {
            return Err(Error::input(format!("{}: is empty", path.display())));
        }
        index.sort_by_key(|entry| (entry.start, entry.place.number));
        Ok(Self {
            source,
            format: format.unwrap_or(Format::Neutral),
            options,
            waiting: index.into_iter().peekable(),
            due: BinaryHeap::new(),
            open: BTreeMap::new(),
            requests,
            failed: false,
        })
    }

    /// How many requests the file holds in all.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether the file holds hashes of blocks instead of bodies.
    #[must_use]
    pub fn is_traced(&self) -> bool {
        matches!(self.format, Format::Hashes | Format::Hash)
    }

    fn advance(&mut self) -> Result<Option<Timed>, Error> {
        if matches!(self.format, Format::Neutral | Format::Hash) {
            return self
                .waiting
                .next()
                .map(|entry| self.line(entry))
                .transpose();
        }
        while let Some(entry) = self.waiting.next_if(|entry| match self.due.peek() {
            Some(Reverse((at, _))) => entry.start <= *at,
            None => true,
        }) {
            self.admit(entry)?;
        }
        let Some(Reverse((_, number))) = self.due.pop() else {
            return Ok(None);
        };
        let Some(session) = self.open.get_mut(&number) else {
            return Ok(None);
        };
        let timed = session.next_request();
        match session.next_at() {
            Some(at) => self.due.push(Reverse((at, number))),
            None => drop(self.open.remove(&number)),
        }
        Ok(timed)
    }

    fn line(&mut self, entry: Entry) -> Result<Timed, Error> {
        let line = self.source.read(entry.place)?;
        let timed = match self.format {
            Format::Hash => hashes::single(&line, &self.options),
            Format::Session | Format::Neutral | Format::Hashes => {
                neutral::timed(&line, entry.start)
            }
        };
        timed.map_err(|what| self.source.fault(entry.place, &what))
    }

    fn admit(&mut self, entry: Entry) -> Result<(), Error> {
        let line = self.source.read(entry.place)?;
        let number = entry.place.number;
        let (start, options) = (entry.start, &self.options);
        let session = match self.format {
            Format::Hashes => Hashed::parse(&line, start, number, options).map(Open::Hashed),
            Format::Session | Format::Neutral | Format::Hash => {
                Session::parse(line, start, number, options).map(Open::Session)
            }
        };
        let session = session.map_err(|what| self.source.fault(entry.place, &what))?;
        if let Some(at) = session.next_at() {
            self.due.push(Reverse((at, number)));
            self.open.insert(number, session);
        }
        Ok(())
    }
}

impl Iterator for Workload {
    type Item = Result<Timed, Error>;

    /// The next request in time order; after an error the stream is over.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

#[derive(serde::Deserialize)]
struct Probe<'a> {
    v: Option<serde_json::Number>,
    #[serde(borrow)]
    msgs: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow)]
    reqs: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow)]
    request: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow)]
    body: Option<&'a serde_json::value::RawValue>,
    block: Option<serde_json::Number>,
    #[serde(borrow)]
    hash_ids: Option<&'a serde_json::value::RawValue>,
}

/// Tells the format by the first line.
fn recognise(line: &[u8], options: &Options) -> Result<Format, String> {
    let probe: Probe<'_> = serde_json::from_slice(line).map_err(|error| input::fault(&error))?;
    let first = probe.v.as_ref().and_then(serde_json::Number::as_u64) == Some(1);
    if first && probe.reqs.is_some() && probe.msgs.is_some() {
        return Ok(Format::Session);
    }
    if probe.request.is_some() || probe.body.is_some() {
        return Ok(Format::Neutral);
    }
    if options.traces && probe.hash_ids.is_some() {
        return Ok(Format::Hash);
    }
    if options.traces && probe.reqs.is_some() && probe.block.is_some() {
        return Ok(Format::Hashes);
    }
    Err(if probe.reqs.is_some() || probe.hash_ids.is_some() {
        "holds block hashes and no messages, so there is nothing to send".to_owned()
    } else {
        "neither a session (`v`, `msgs`, `reqs`) nor a timed request (`t`, `request`)".to_owned()
    })
}
