//! The files: one that is written, and older ones beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
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
        let length = whole(path, &file).map_err(trouble)?;
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

/// Cuts off a line that a crash left without its end, and returns the length.
fn whole(path: &Path, file: &File) -> io::Result<u64> {
    const STEP: u64 = 1 << 16;
    let mut reader = File::open(path)?;
    let mut end = file.metadata()?.len();
    let mut chunk = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        chunk.clear();
        reader.seek(SeekFrom::Start(start))?;
        Read::by_ref(&mut reader)
            .take(end - start)
            .read_to_end(&mut chunk)?;
        if let Some(at) = memchr::memrchr(b'\n', &chunk) {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    file.set_len(end)?;
    Ok(end)
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
    let file = options.append(true).create(true).mode(OWNER).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(OWNER))?;
    Ok(file)
}

#[cfg(not(unix))]
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(all(test, feature = "replay"))]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_its_end_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        for (left, kept) in [("one\ntw", "one\n"), ("no end", ""), ("one\n", "one\n")] {
            fs::write(&path, left).unwrap();
            let mut files = Files::open(&JournalOptions::at(&path)).unwrap();
            files.append(b"next\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{kept}next\n"));
        }
    }
}
