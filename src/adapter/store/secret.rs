//! The installation's secret in a file that only its owner reads.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::Path;

use crate::error::Error;

/// The secret in this file, which is made where there is none. Processes that make it at once
/// agree on one.
pub(super) fn beside(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error: io::Error| {
        let name = path.display();
        Error::io(format!(
            "cannot keep the installation's secret in {name}: {error}"
        ))
    };
    match fs::read(path) {
        Ok(secret) if !secret.is_empty() => return Ok(secret),
        Ok(_) => return Err(failed(io::Error::other("the file is empty; delete it"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    make(path).map_err(failed)?;
    fs::read(path).map_err(failed)
}

/// Writes it whole under another name, and gives it its own unless somebody was first.
fn make(path: &Path) -> io::Result<()> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir)?;
    }
    let draft = path.with_extension(format!("secret-{:x}", draw()));
    let mut text = String::new();
    for number in [(); 4].map(|()| draw()) {
        // Writing into memory cannot fail.
        let _ = write!(text, "{number:016x}");
    }
    let mut file = private(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(unix)]
fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// A random number: the standard library seeds its hash maps from the system's randomness.
pub(super) fn draw() -> u64 {
    RandomState::new().build_hasher().finish()
}
