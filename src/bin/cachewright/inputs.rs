//! Finds the files that commands read: files as given, directories searched for logs.

use std::path::{Path, PathBuf};

use cachewright::error::Error;

use crate::exit::complain;

/// How deep directories are searched; deeper ones are somebody's loop of links.
const DEPTH: usize = 8;

/// The files behind one argument, sorted by path. A file is taken whatever its name.
pub(crate) fn files(argument: &Path) -> Result<Vec<PathBuf>, Error> {
    if !argument.is_dir() {
        return Ok(vec![argument.to_owned()]);
    }
    let found = below(argument, &[".jsonl", ".jsonl.xz"])?;
    if found.is_empty() {
        return Err(Error::input(format!(
            "{}: no logs (*.jsonl, *.jsonl.xz) in this directory",
            argument.display()
        )));
    }
    Ok(found)
}

/// The files below a directory whose names end like one of these, sorted by path.
pub(crate) fn below(dir: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    collect((dir, DEPTH), endings, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(
    (dir, depth): (&Path, usize),
    endings: &[&str],
    found: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    let trouble = |error: std::io::Error| Error::io(format!("{}: {error}", dir.display()));
    for entry in std::fs::read_dir(dir).map_err(trouble)? {
        let path = entry.map_err(trouble)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() && depth > 0 {
            collect((&path, depth - 1), endings, found)?;
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    Ok(())
}

/// The files of all arguments, and whether an argument had none; each such is reported.
pub(crate) fn all(arguments: &[PathBuf]) -> (Vec<PathBuf>, bool) {
    let mut failed = false;
    let mut all = Vec::new();
    for argument in arguments {
        match files(argument) {
            Ok(files) => all.extend(files),
            Err(error) => {
                complain(&error);
                failed = true;
            }
        }
    }
    (all, failed)
}
