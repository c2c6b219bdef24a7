//! The engine's memory as a file, so that a later process goes on where an earlier one stopped.
//!
//! A file holds what was seen and learned, under keyed digests: no body, no prompt text, no key.
//! It only means something to an engine with the same keyring, and without it that engine merely
//! starts to learn anew.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use self::form::{Hex, KnownNode, KnownScope};
use self::learned::Economy;
use self::prints::KnownPrints;
use super::memory::{History, InProcess};
use crate::economy::Returns;
use crate::economy::leader::Leader;
use crate::engine::Memory;
use crate::error::Error;
use crate::ledger::history::Nodes;
use crate::model::Digest;

mod form;
mod learned;
mod prints;

/// The form of the file. It changes whenever a reader of the old form would be wrong.
const VERSION: u32 = 3;
/// The oldest form that is still read: it has nothing of what was learned of providers and variants.
/// Neither it nor the second has the prefixes that were only sent, or where requests part.
const OLDEST: u32 = 1;

/// A memory with the file that it came from and goes back to.
#[derive(Debug)]
pub struct Snapshot {
    target: PathBuf,
    file: NamedTempFile,
    memory: InProcess,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    cachewright_state: u32,
    prefixes: BTreeMap<Hex, KnownNode>,
    scopes: BTreeMap<Hex, KnownScope>,
    #[serde(default)]
    economy: Economy,
    #[serde(default)]
    sent: KnownPrints,
}

/// The version alone, to tell another version from a damaged file.
#[derive(Deserialize)]
struct Head {
    cachewright_state: u32,
}

impl Snapshot {
    /// Reads the memory stored in `target`, which is empty where there is no such file yet, and
    /// makes sure that something can be written beside it.
    ///
    /// # Errors
    /// Names the file when it cannot be read, is damaged, or is no state of this version.
    pub fn open(target: &Path) -> Result<Self, Error> {
        let trouble = |error: io::Error| Error::io(format!("{}: {error}", target.display()));
        let memory = match File::open(target) {
            Ok(file) => read(file).map_err(|error| error.named(target))?,
            Err(error) if error.kind() == ErrorKind::NotFound => InProcess::default(),
            Err(error) => return Err(trouble(error)),
        };
        let beside = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Ok(Self {
            target: target.to_owned(),
            file: NamedTempFile::new_in(beside).map_err(trouble)?,
            memory,
        })
    }

    /// The memory: clones share it.
    #[must_use]
    pub const fn memory(&self) -> &InProcess {
        &self.memory
    }

    /// Stores the memory as it is now. The file appears whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written or moved to its place; an older file is then still whole.
    pub fn save(self) -> Result<(), Error> {
        let Self {
            target,
            file,
            memory,
        } = self;
        let trouble = |error: io::Error| Error::io(format!("{}: {error}", target.display()));
        let mut file = BufWriter::with_capacity(1 << 20, file);
        serde_json::to_writer(&mut file, &content(&memory))
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(b"\n"))
            .map_err(trouble)?;
        let file = file
            .into_inner()
            .map_err(|error| trouble(error.into_error()))?;
        file.persist(&target)
            .map_err(|error| trouble(error.error))?;
        Ok(())
    }
}

fn content(memory: &InProcess) -> Content {
    let History {
        nodes,
        prints,
        learned,
        behaviours,
        leaders,
        shadows,
        streams,
        returns,
    } = memory.history();
    let scopes = learned.iter();
    Content {
        cachewright_state: VERSION,
        prefixes: nodes
            .into_iter()
            .map(|(prefix, node)| (Hex(prefix), node.into()))
            .collect(),
        scopes: scopes
            .map(|(key, learned)| (Hex(*key), learned.into()))
            .collect(),
        economy: Economy {
            providers: spelled(&behaviours),
            leaders: spelled(&leaders),
            shadows: spelled(&shadows),
            streams: spelled(&streams),
            returns: spelled(&returns),
        },
        sent: (&prints).into(),
    }
}

fn spelled<'a, T, K: From<&'a T>>(values: &'a BTreeMap<Digest, T>) -> BTreeMap<Hex, K> {
    let values = values.iter();
    values
        .map(|(key, value)| (Hex(*key), K::from(value)))
        .collect()
}

/// Why a file is no memory.
#[derive(Debug)]
enum Fault {
    Unreadable(io::Error),
    Damaged(serde_json::Error),
    Foreign,
    Version(u32),
}

impl Fault {
    /// Positions are told, content is not: the file may be anything.
    fn named(&self, target: &Path) -> Error {
        let file = target.display();
        match self {
            Self::Unreadable(error) => Error::io(format!("{file}: {error}")),
            Self::Damaged(error) => Error::input(format!(
                "{file}: damaged state (line {}, column {}); remove it to start without a history",
                error.line(),
                error.column()
            )),
            Self::Foreign => Error::input(format!("{file}: is not a state of cachewright")),
            Self::Version(found) => Error::input(format!(
                "{file}: state of version {found}, this program reads {OLDEST} to {VERSION}; remove it \
                 to start without a history"
            )),
        }
    }
}

fn read(file: File) -> Result<InProcess, Fault> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut BufReader::new(file), &mut bytes).map_err(Fault::Unreadable)?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<InProcess, Fault> {
    let content: Content = match serde_json::from_slice(bytes) {
        Ok(content) => content,
        Err(error) => return Err(fault(bytes, error)),
    };
    if !(OLDEST..=VERSION).contains(&content.cachewright_state) {
        return Err(Fault::Version(content.cachewright_state));
    }
    let memory = InProcess::default();
    for (Hex(prefix), node) in content.prefixes {
        memory.put_node(prefix, node.into());
    }
    memory.put_prints(|most| content.sent.into_prints(most));
    for (Hex(key), scope) in content.scopes {
        let stored = scope.into();
        memory.learn(key, &mut |learned| learned.clone_from(&stored));
    }
    for (Hex(key), known) in content.economy.providers {
        let stored = known.into();
        memory.learn_behaviour(key, &mut |known| known.clone_from(&stored));
    }
    for (Hex(key), known) in content.economy.leaders {
        let stored: Leader = known.into();
        memory.learn_leader(key, &mut |leader| *leader = stored);
    }
    for (Hex(key), known) in content.economy.shadows {
        memory.put_shadow(key, known.into());
    }
    for (Hex(key), known) in content.economy.streams {
        if let Some(stream) = known.into_state() {
            memory.put_stream(key, stream);
        }
    }
    for (Hex(key), known) in content.economy.returns {
        let stored: Option<Returns> = known.into_state();
        memory.learn_returns(key, &mut |returns| {
            if let Some(stored) = &stored {
                returns.clone_from(stored);
            }
        });
    }
    Ok(memory)
}

/// What is wrong with a file that could not be read as a state.
fn fault(bytes: &[u8], error: serde_json::Error) -> Fault {
    match serde_json::from_slice::<Head>(bytes) {
        Ok(head) if !(OLDEST..=VERSION).contains(&head.cachewright_state) => {
            Fault::Version(head.cachewright_state)
        }
        Ok(_) => Fault::Damaged(error),
        Err(_) if bytes.starts_with(b"{\"cachewright_state\":") => Fault::Damaged(error),
        Err(_) => Fault::Foreign,
    }
}
