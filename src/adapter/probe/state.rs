//! What was answered so far, in memory and on disk: everything else follows from it.

use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use crate::error::Error;
use crate::model::{Money, Timestamp, Usage};

/// The version of the file's form.
const VERSION: u32 = 1;

/// One answered call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The experiment; `None` for what all experiments need.
    pub(super) kind: Option<Kind>,
    pub(super) label: String,
    /// When it was sent.
    pub(super) at: Timestamp,
    /// When its answer was complete.
    pub(super) end: Timestamp,
    pub(super) status: u16,
    pub(super) usage: Usage,
    pub(super) cost: Money,
}

impl Answer {
    pub(super) const fn is_ok(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    pub(super) fn read(&self) -> u64 {
        self.usage.read.unwrap_or(0)
    }

    pub(super) fn written(&self) -> u64 {
        self.usage.written().unwrap_or(0)
    }

    /// Tokens that are in the cache behind this call.
    pub(super) fn cached(&self) -> u64 {
        self.read().saturating_add(self.written())
    }

    pub(super) fn total(&self) -> u64 {
        self.usage.input().unwrap_or(0)
    }

    /// Whether about this many tokens or more were read.
    pub(super) fn found(&self, tokens: u64) -> bool {
        tokens > 0 && self.read().saturating_mul(20) >= tokens.saturating_mul(19)
    }
}

/// One run: whose cache, and what was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) provider: String,
    pub(super) model: String,
    /// Host and path of the endpoint, without any credential.
    pub(super) endpoint: String,
    pub(super) nonce: String,
    pub(super) answers: Vec<Answer>,
}

impl State {
    pub(super) fn spent(&self) -> Money {
        self.answers.iter().map(|answer| answer.cost).sum()
    }

    /// Writes it in one piece: a file that was there stays whole until the new one is.
    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        let trouble = |error: std::io::Error| Error::io(format!("{}: {error}", path.display()));
        let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(trouble)?;
        let text = serde_json::to_vec_pretty(&Form::from(self)).unwrap_or_default();
        file.write_all(&text).map_err(trouble)?;
        file.as_file().sync_all().map_err(trouble)?;
        let kept = file.persist(path).map_err(|error| error.error);
        kept.map(drop).map_err(trouble)
    }

    /// Reads what was written.
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        let name = path.display();
        let text = std::fs::read(path).map_err(|error| Error::io(format!("{name}: {error}")))?;
        let form: Form = serde_json::from_slice(&text)
            .map_err(|error| Error::config(format!("{name}: no state of a probe: {error}")))?;
        if form.version != VERSION {
            let message = format!("{name}: written by another version; start anew");
            return Err(Error::config(message));
        }
        Ok(form.into())
    }
}

/// The file.
#[derive(Debug, Deserialize, Serialize)]
struct Form {
    version: u32,
    provider: String,
    model: String,
    endpoint: String,
    nonce: String,
    answers: Vec<Line>,
}

/// One answer in the file: times in microseconds, money in picodollars.
#[derive(Debug, Deserialize, Serialize)]
struct Line {
    experiment: String,
    step: String,
    at: i64,
    end: i64,
    status: u16,
    plain: Option<u64>,
    read: Option<u64>,
    write_5m: Option<u64>,
    write_30m: Option<u64>,
    write_1h: Option<u64>,
    output: Option<u64>,
    cost: i64,
}

impl From<&State> for Form {
    fn from(state: &State) -> Self {
        let lines = state.answers.iter().map(|answer| Line {
            experiment: answer.kind.map_or("", Kind::as_str).into(),
            step: answer.label.clone(),
            at: answer.at.as_micros(),
            end: answer.end.as_micros(),
            status: answer.status,
            plain: answer.usage.plain,
            read: answer.usage.read,
            write_5m: answer.usage.write_5m,
            write_30m: answer.usage.write_30m,
            write_1h: answer.usage.write_1h,
            output: answer.usage.output,
            cost: i64::try_from(answer.cost.as_pico()).unwrap_or(i64::MAX),
        });
        Self {
            version: VERSION,
            provider: state.provider.clone(),
            model: state.model.clone(),
            endpoint: state.endpoint.clone(),
            nonce: state.nonce.clone(),
            answers: lines.collect(),
        }
    }
}

impl From<Form> for State {
    fn from(form: Form) -> Self {
        let answers = form.answers.into_iter().map(|line| Answer {
            kind: Kind::parse(&line.experiment),
            label: line.step,
            at: Timestamp::from_micros(line.at),
            end: Timestamp::from_micros(line.end),
            status: line.status,
            usage: Usage {
                plain: line.plain,
                read: line.read,
                write_5m: line.write_5m,
                write_30m: line.write_30m,
                write_1h: line.write_1h,
                output: line.output,
                cost: None,
            },
            cost: Money::from_pico(line.cost.into()),
        });
        Self {
            answers: answers.collect(),
            provider: form.provider,
            model: form.model,
            endpoint: form.endpoint,
            nonce: form.nonce,
        }
    }
}
