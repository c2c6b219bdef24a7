//! The files: one that is written, and older ones beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::JournalOptions;
use crate::error::Error;

pub(super) struct Files {
    options: JournalOptions,
    file: File,
    length: u64,
}

impl Files {
    pub(super) fn open(options: &JournalOptions) -> Result<Self, Error> {
        let path = &options.path;
        let trouble = |error: io::Error| {
            let place = path.display();
            Error::io(format!("journal {place}: {error}")).caused_by(error)
        };
        let file = create(path).map_err(trouble)?;
        let length = file.metadata().map_err(trouble)?.len();
        Ok(Self {
            options: options.clone(),
            file,
            length,
        })
    }

    /// Appends a whole line, in a new file where this one would become too long.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let size = line.len() as u64;
        if self.length > 0 && self.length + size > self.options.max_bytes {
            self.put_aside()?;
        }
        if let Err(error) = self.file.write_all(line) {
            // Half a line would make the file unreadable from there on.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += size;
        Ok(())
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let path = &self.options.path;
        let last = self.options.files.saturating_sub(1);
        if last == 0 {
            self.file.set_len(0)?;
            self.length = 0;
            return Ok(());
        }
        for age in (0..last).rev() {
            let from = aged(path, age);
            if from.exists() {
                fs::rename(from, aged(path, age + 1))?;
            }
        }
        self.file = create(path)?;
        self.length = self.file.metadata()?.len();
        Ok(())
    }
}

/// The file that was put aside so many times ago: `requests.2.jsonl` for `requests.jsonl`.
pub(super) fn aged(path: &Path, age: u32) -> PathBuf {
    if age == 0 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{age}"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

#[cfg(unix)]
fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    const OWNER: u32 = 0o600;
    let mut options = OpenOptions::new();
    let file = options
        .append(true)
        .create(true)
        .mode(OWNER)
        .open(path)?;
    file.set_permissions(fs::Permissions::from_mode(OWNER))?;
    Ok(file)
}

#[cfg(not(unix))]
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}
