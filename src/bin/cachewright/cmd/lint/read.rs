//! Files with request bodies in them: one body, or one per line.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use cachewright::adapter::target::Told;
use cachewright::error::Error;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::inputs;

/// A file that was read.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) content: Vec<u8>,
    pub(super) bodies: Vec<Body>,
}

/// One body in it.
pub(super) struct Body {
    pub(super) file: PathBuf,
    /// Which of the file's bodies it is.
    pub(super) index: usize,
    /// The line it begins on, counted from one.
    pub(super) line: usize,
    /// Where it stands in the file.
    pub(super) start: usize,
    pub(super) bytes: Bytes,
    pub(super) told: Told,
}

/// The members of a line around a request.
#[derive(Deserialize)]
struct Around<'a> {
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    provider: Option<Box<str>>,
    url: Option<Box<str>>,
}

/// The files behind the arguments, each with whether it was named itself.
pub(super) fn files(inputs: &[PathBuf]) -> Result<Vec<(PathBuf, bool)>, Error> {
    let mut all = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            all.push((input.clone(), true));
            continue;
        }
        let found = inputs::below(input, &[".json", ".jsonl"])
            .map_err(|error| Error::config(error.to_string()))?;
        if found.is_empty() {
            let name = input.display();
            return Err(Error::config(format!(
                "{name}: no *.json or *.jsonl in this directory"
            )));
        }
        all.extend(found.into_iter().map(|path| (path, false)));
    }
    Ok(all)
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display();
        let content =
            std::fs::read(path).map_err(|error| Error::input(format!("{name}: {error}")))?;
        let whole = serde_json::from_slice::<&RawValue>(&content).map(drop);
        let mut file = Self {
            path: path.to_owned(),
            bodies: Vec::new(),
            content,
        };
        match whole {
            Ok(()) => file.body(0, file.content.len(), 1)?,
            Err(error) => file.lines(&error)?,
        }
        Ok(file)
    }

    /// A file that is no JSON as a whole: every line is.
    fn lines(&mut self, whole: &serde_json::Error) -> Result<(), Error> {
        let mut start = 0;
        let mut places = Vec::new();
        for (at, line) in self.content.split(|byte| *byte == b'\n').enumerate() {
            if !line.trim_ascii().is_empty() {
                places.push((start, line.len(), at + 1));
            }
            start += line.len() + 1;
        }
        let is_json = |&(start, length, _): &(usize, usize, usize)| {
            let line = self.content.get(start..start + length).unwrap_or_default();
            serde_json::from_slice::<&RawValue>(line).is_ok()
        };
        if !places.first().is_some_and(is_json) {
            let (line, column) = (whole.line(), whole.column());
            let name = self.path.display();
            return Err(Error::input(format!(
                "{name}:{line}:{column}: not valid JSON"
            )));
        }
        for (start, length, line) in places {
            self.body(start, length, line)?;
        }
        Ok(())
    }

    /// Takes the JSON value at this place, or the request in it.
    fn body(&mut self, start: usize, length: usize, line: usize) -> Result<(), Error> {
        let text = self.content.get(start..start + length).unwrap_or_default();
        let broken = |error: serde_json::Error| {
            let (name, column) = (self.path.display(), error.column());
            Error::input(format!("{name}:{line}:{column}: not valid JSON"))
        };
        serde_json::from_slice::<&RawValue>(text).map_err(broken)?;
        let around = serde_json::from_slice::<Around<'_>>(text).ok();
        let mut told = Told::default();
        let mut inner = text.trim_ascii();
        if let Some(around) = around
            && let Some(request) = around.request.map(|raw| raw.get().as_bytes())
            && request.starts_with(b"{")
        {
            (told.provider, told.url) = (around.provider, around.url);
            inner = request;
        }
        let offset = inner
            .as_ptr()
            .addr()
            .saturating_sub(self.content.as_ptr().addr());
        let before = self.content.get(start..offset).unwrap_or_default();
        let breaks = before.iter().filter(|byte| **byte == b'\n').count();
        let body = Body {
            file: self.path.clone(),
            index: self.bodies.len(),
            line: line + breaks,
            start: offset,
            bytes: Bytes::copy_from_slice(inner),
            told,
        };
        self.bodies.push(body);
        Ok(())
    }

    /// Line and column of an offset in one of its bodies, both counted from one.
    pub(super) fn place(&self, body: &Body, offset: usize) -> (usize, usize) {
        let before = self
            .content
            .get(..body.start + offset)
            .unwrap_or(&self.content);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or_default();
        (line, String::from_utf8_lossy(column).chars().count() + 1)
    }

    /// The file with these bodies, by index, in place of its own.
    pub(super) fn with(&self, bodies: &[(usize, Vec<u8>)]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.content.len());
        let mut copied = 0;
        for (index, bytes) in bodies {
            let Some(body) = self.bodies.get(*index) else {
                continue;
            };
            out.extend_from_slice(self.content.get(copied..body.start).unwrap_or_default());
            out.extend_from_slice(bytes);
            copied = body.start + body.bytes.len();
        }
        out.extend_from_slice(self.content.get(copied..).unwrap_or_default());
        out
    }
}
