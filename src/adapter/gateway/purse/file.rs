//! The file on disk: locked against other processes, replaced as a whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::form;
use crate::error::Error;
use crate::route::{Figures, Tally};

/// A file that is ours alone as long as this lives.
#[derive(Debug)]
pub(super) struct Keep {
    path: PathBuf,
    /// Beside the file, which is replaced and so cannot carry the lock itself.
    _lock: File,
}

impl Keep {
    /// # Errors
    /// When another process has it, or the folder cannot be written.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        // Where the path is a link, the file behind it is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let lock = locked(&path).map_err(|error| match error {
            TryLockError::WouldBlock => Error::config(format!(
                "caps file {}: another process uses it; each process counts by itself, so give each \
                 a `file` of its own under [caps], or stop the other one",
                path.display()
            )),
            TryLockError::Error(error) => trouble(&path, error),
        })?;
        Ok(Self { path, _lock: lock })
    }

    /// What the file says; nothing where there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, or is none of ours.
    pub(super) fn read(&self) -> Result<Vec<Tally>, Error> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(trouble(&self.path, error)),
        };
        form::read(&text).map_err(|what| {
            Error::config(format!(
                "caps file {}: {what}; it is damaged or not one of cachewright's: put it right, or \
                 move it away to count from nothing",
                self.path.display()
            ))
        })
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// When it cannot be written; then the file is as it was.
    pub(super) fn write(&self, tallies: &[Tally], figures: Figures) -> Result<(), Error> {
        let text = form::text(tallies, figures).map_err(io::Error::from);
        let written = text.and_then(|text| self.replace(&text));
        written.map_err(|error| trouble(&self.path, error))
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let new = beside(&self.path, ".new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // What a crash left behind.
            _ => {}
        }
        let mut file = own(OpenOptions::new().write(true).create_new(true)).open(&new)?;
        file.write_all(text)?;
        // Otherwise the name could reach the disk before the text does.
        file.sync_all()?;
        drop(file);
        fs::rename(&new, &self.path)?;
        sync_folder(&self.path)
    }
}

fn locked(path: &Path) -> Result<File, TryLockError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(TryLockError::Error)?;
    }
    let mut options = OpenOptions::new();
    let file = own(options.write(true).create(true).truncate(false));
    let file = file
        .open(beside(path, ".lock"))
        .map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

/// `caps.json.new` for `caps.json`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

fn trouble(path: &Path, error: io::Error) -> Error {
    let text = format!(
        "caps file {}: {error}; make it writable, or name another place as `file` under [caps]",
        path.display()
    );
    Error::io(text).caused_by(error)
}

/// For nobody else to read: names of tenants stand in it.
#[cfg(unix)]
fn own(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn own(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
