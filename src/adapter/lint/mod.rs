//! What will break caching in one request, found before anything is sent.
//!
//! Every finding has a stable code, a place down to the byte, what it costs per call where that can
//! be told, and what to change. Nothing here knows how the same call will look the next time: what
//! only may differ is a hint, what looks like a clock is a warning, and what the provider is
//! documented to refuse is an error.

mod code;
mod fix;
mod ground;
mod markers;
mod media;
mod members;
mod text;
mod tools;

use bytes::Bytes;
use serde_json::Value;

pub use self::code::{Code, Severity};
pub use self::fix::{Fixed, fix};

use self::ground::Ground;
use crate::adapter::target::{Target, Told};
use crate::error::Error;
use crate::model::{Money, Pattern};
use crate::provider::Catalog;

/// Something that costs money or is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub code: Code,
    /// How bad it is; mostly [`Code::severity`].
    pub severity: Severity,
    /// JSON pointer of the value that it is about.
    pub pointer: String,
    /// Index over all blocks of the prompt; `None` for what stands outside them.
    pub block: Option<usize>,
    /// Byte within that block's JSON value.
    pub byte: usize,
    /// Offset in the body.
    pub offset: usize,
    /// What is wrong, in one line; never prompt text.
    pub message: String,
    /// The kind of volatile text.
    pub pattern: Option<Pattern>,
    /// Tokens per call that cannot be read because of it; `None` where nobody can say.
    pub tokens: Option<u64>,
    /// What they cost above the price of a read; `None` without prices.
    pub cost: Option<Money>,
}

/// What was found in one body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Findings {
    /// Provider row.
    pub provider: Box<str>,
    /// Dialect.
    pub dialect: &'static str,
    /// Model row, or the caller's spelling where no row matched.
    pub model: Box<str>,
    /// Estimated tokens of the prompt.
    pub tokens: u64,
    /// In the order of the body.
    pub list: Vec<Finding>,
}

impl Findings {
    /// How bad the worst one is.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.list.iter().map(|finding| finding.severity).max()
    }
}

/// Finds what will break caching in this body.
///
/// # Errors
/// When the body is not a request of the dialect, or what was told of it does not exist.
pub fn lint(catalog: &Catalog, body: &Bytes, told: &Told) -> Result<Findings, Error> {
    let json: Value = serde_json::from_slice(body).map_err(|error| {
        Error::input(format!(
            "not valid JSON (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    let target = Target::find(catalog, told, &json)?;
    let mut ground = Ground::read(body, &json, &target)?;
    tools::check(&mut ground);
    text::check(&mut ground);
    media::check(&mut ground);
    markers::check(&mut ground);
    members::check(&mut ground);
    let mut list = ground.found;
    list.sort_by_key(|one| (one.offset, one.code));
    Ok(Findings {
        provider: target.provider.name.clone(),
        dialect: target.endpoint.name,
        model: target.model.name.clone(),
        tokens: ground.prefix.last().copied().unwrap_or(0),
        list,
    })
}
