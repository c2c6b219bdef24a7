//! Writes what was really sent, one JSON line per provider call, into a file that appears whole
//! or not at all.

use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

use super::desk::{Kind, Sent};
use crate::error::Error;
use crate::model;

/// Where sent requests are written to.
#[derive(Debug)]
pub struct Emitter {
    target: PathBuf,
    file: BufWriter<NamedTempFile>,
    detail: Detail,
    /// Named in each line when the file holds more than one workload.
    workload: Option<String>,
}

/// How much of each request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// The whole body.
    Bodies,
    /// The breakpoints and the list of changes.
    Plans,
}

#[derive(Serialize)]
struct Head<'a> {
    t: f64,
    end: f64,
    session: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<&'a str>,
}

#[derive(Serialize)]
struct Breakpoint<'a> {
    pointer: &'a str,
    ttl: &'static str,
    why: &'static str,
}

/// A breakpoint of a trace, by the index of the last block of the prefix.
#[derive(Serialize)]
struct Marked {
    block: usize,
    ttl: &'static str,
    why: &'static str,
}

impl Marked {
    fn of(breakpoint: &model::Breakpoint) -> Self {
        Self {
            block: breakpoint.block,
            ttl: breakpoint.ttl.as_str(),
            why: breakpoint.why.as_str(),
        }
    }
}

#[derive(Serialize)]
struct Edited<'a> {
    pointer: &'a str,
    what: &'a str,
}

impl Emitter {
    /// Prepares to write `target`, which is replaced only by [`Emitter::publish`].
    ///
    /// # Errors
    /// When nothing can be written beside it.
    pub fn create(target: &Path, detail: Detail) -> Result<Self, Error> {
        let beside = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let file = NamedTempFile::new_in(beside)
            .map_err(|error| Error::io(format!("{}: {error}", target.display())))?;
        Ok(Self {
            target: target.to_owned(),
            file: BufWriter::with_capacity(1 << 20, file),
            detail,
            workload: None,
        })
    }

    /// Names the workload in the lines that follow.
    pub fn label(&mut self, workload: Option<&str>) {
        self.workload = workload.map(str::to_owned);
    }

    /// How much was written so far, to go back to when a workload fails half-way.
    pub(super) fn position(&mut self) -> Result<u64, Error> {
        let position = self.file.stream_position();
        position.map_err(|error| self.trouble(&error))
    }

    /// Takes back everything written after `position`.
    pub(super) fn rewind(&mut self, position: u64) -> Result<(), Error> {
        let rewound = self.file.seek(io::SeekFrom::Start(position)).and_then(|_| {
            let file = self.file.get_mut().as_file_mut();
            file.set_len(position)
        });
        rewound.map_err(|error| self.trouble(&error))
    }

    /// Writes one sent request.
    pub(super) fn write(&mut self, sent: &Sent<'_>) -> Result<(), Error> {
        self.line(sent).map_err(|error| self.trouble(&error))
    }

    fn line(&mut self, sent: &Sent<'_>) -> io::Result<()> {
        let head = Head {
            t: sent.at.as_secs_f64(),
            end: sent.end().as_secs_f64(),
            session: &sent.timed.session,
            kind: match sent.kind {
                Kind::Request => "request",
                Kind::Ping => "ping",
            },
            agent: sent.timed.lane.as_deref(),
            tenant: sent.timed.tenant.as_deref(),
            route: sent.timed.route.as_deref(),
            workload: self.workload.as_deref(),
        };
        let mut start = serde_json::to_vec(&head)?;
        start.pop();
        self.file.write_all(&start)?;
        if let Some(trace) = &sent.timed.trace {
            let marks: Vec<_> = sent.marks.iter().map(Marked::of).collect();
            write!(
                self.file,
                ",\"blocks\":{},\"breakpoints\":",
                trace.blocks.len()
            )?;
            serde_json::to_writer(&mut self.file, &marks)?;
            return self.file.write_all(b"}\n");
        }
        match self.detail {
            Detail::Bodies => {
                self.file.write_all(b",\"request\":")?;
                self.file.write_all(sent.body)?;
            }
            Detail::Plans => {
                let breakpoints: Vec<_> = sent
                    .placements
                    .iter()
                    .map(|placed| Breakpoint {
                        pointer: &placed.pointer,
                        ttl: placed.ttl.as_str(),
                        why: placed.why.as_str(),
                    })
                    .collect();
                let changes: Vec<_> = sent
                    .changes
                    .iter()
                    .map(|change| Edited {
                        pointer: &change.pointer,
                        what: &change.what,
                    })
                    .collect();
                self.file.write_all(b",\"breakpoints\":")?;
                serde_json::to_writer(&mut self.file, &breakpoints)?;
                self.file.write_all(b",\"changes\":")?;
                serde_json::to_writer(&mut self.file, &changes)?;
            }
        }
        self.file.write_all(b"}\n")
    }

    /// Puts the finished file in its place.
    ///
    /// # Errors
    /// When it cannot be written or moved there; an older file is then still whole.
    pub fn publish(mut self) -> Result<(), Error> {
        self.file.flush().map_err(|error| self.trouble(&error))?;
        let target = self.target;
        let trouble = |error: io::Error| Error::io(format!("{}: {error}", target.display()));
        let file = self
            .file
            .into_inner()
            .map_err(|error| trouble(error.into_error()))?;
        file.persist(&target)
            .map_err(|error| trouble(error.error))?;
        Ok(())
    }

    fn trouble(&self, error: &io::Error) -> Error {
        Error::io(format!("{}: {error}", self.target.display()))
    }
}
