//! Writes changes into the configuration file, whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::tune::Finding;
use cachewright::error::Error;
use similar::TextDiff;

use super::say;
use crate::exit::Failure;

/// The one file that can be meant.
pub(super) fn target(configs: &[PathBuf]) -> Result<PathBuf, Failure> {
    match configs {
        [path] => Ok(path.clone()),
        [] => Err(Error::config(
            "--apply needs --config FILE: the file to write, which is created if need be",
        )
        .into()),
        _ => Err(Error::config("--apply takes one --config: the file to write").into()),
    }
}

/// A file's text; `None` where it is not there.
pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::config(format!("{}: {error}", path.display()))),
    }
}

/// Writes the changes of these ranks and shows what became different; what only a prompt's author
/// can do is said instead.
pub(super) fn apply(finding: &Finding, ranks: &[usize], path: &Path) -> Result<(), Failure> {
    let name = path.display().to_string();
    let mut said = String::new();
    for rank in ranks {
        let advice = finding.advice(*rank).ok_or_else(|| {
            let count = finding.changes.len() + finding.others.len();
            Error::config(format!("--apply {rank}: {count} changes were found"))
        })?;
        if !advice.change.is_setting() {
            let what = advice.change.what();
            let place = advice.change.spots.first();
            let place = place.map_or("", |spot| &*spot.pointer);
            said.push_str(&format!(
                "{rank} is an edit of the prompt, to be made where it is written: {what} ({place})\n"
            ));
        }
    }
    let before = read(path)?;
    let old = before.as_deref().unwrap_or_default();
    let new = finding.patch(ranks).apply(&name, old)?;
    if new == old {
        said.push_str(&format!("{name}: nothing to write\n"));
        return say(&said);
    }
    // What the proxy would refuse is not written.
    Cachewright::builder().config(&name, &new)?;
    write(path, &new)?;
    let diff = TextDiff::from_lines(old, &new);
    let diff = diff.unified_diff().header(&name, &name).to_string();
    said.push_str(&diff);
    say(&said)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let trouble = |error: io::Error| Error::io(format!("{}: {error}", path.display()));
    let beside = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(beside).map_err(trouble)?;
    file.write_all(text.as_bytes()).map_err(trouble)?;
    if let Ok(old) = fs::metadata(path) {
        fs::set_permissions(file.path(), old.permissions()).map_err(trouble)?;
    }
    file.as_file().sync_all().map_err(trouble)?;
    file.persist(path)
        .map_err(|error| trouble(error.error))
        .map(drop)
}
