//! Parts of bodies that come back in every request of a conversation, read once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::IgnoredAny;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::block::{self, Block};
use super::rejection::{Rejection, Unmarkable};
use super::scan::{items, members};

/// Pieces kept per generation; two generations are kept, about 100 bytes a block.
const GENERATION: usize = 1 << 16;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    Nobody,
    User,
    Assistant,
    System,
}

/// The tools, the system prompt or one message.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) speaker: Speaker,
    /// Whether it was a bare string, which has one block without an index.
    pub(super) bare: bool,
    pub(super) blocks: Vec<Block>,
}

/// Which part of the body a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Tools,
    System,
    Message,
}

/// Pieces by the hash of their bytes: the young, and those not used since the last turnover.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    young: BTreeMap<u128, Arc<Piece>>,
    old: BTreeMap<u128, Arc<Piece>>,
}

impl Pieces {
    /// The piece with these bytes. Errors carry a path that starts behind the part's own.
    pub(super) fn read(&mut self, part: Part, raw: &[u8]) -> Result<Arc<Piece>, Rejection> {
        let key = xxh3_128_with_seed(raw, part as u64);
        if let Some(piece) = self.young.get(&key) {
            return Ok(Arc::clone(piece));
        }
        let piece = match self.old.remove(&key) {
            Some(piece) => piece,
            None => Arc::new(parse(part, raw)?),
        };
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, Arc::clone(&piece));
        Ok(piece)
    }
}

fn parse(part: Part, raw: &[u8]) -> Result<Piece, Rejection> {
    serde_json::from_slice::<IgnoredAny>(raw).map_err(|_| Rejection::not_json())?;
    match part {
        Part::Tools => Ok(Piece {
            speaker: Speaker::Nobody,
            bare: false,
            blocks: list(raw, "tools", block::tool)?,
        }),
        Part::System => text(Speaker::Nobody, raw, "system"),
        Part::Message => message(raw),
    }
}

fn message(raw: &[u8]) -> Result<Piece, Rejection> {
    let fields = members(raw)
        .ok_or_else(|| Rejection::invalid("Input should be a valid dictionary or object"))?;
    let field =
        |name: &str| block::find(&fields, name.as_bytes()).ok_or_else(|| Rejection::missing(name));
    let speaker = match field("role")? {
        b"\"user\"" => Speaker::User,
        b"\"assistant\"" => Speaker::Assistant,
        b"\"system\"" => Speaker::System,
        _ => {
            return Err(Rejection::invalid(
                "role: Input should be 'user' or 'assistant'",
            ));
        }
    };
    let mut piece = text(speaker, field("content")?, "content")?;
    if block::find(&fields, b"clear_at").is_some_and(|value| value != b"null") {
        for block in &mut piece.blocks {
            block.unmarkable.get_or_insert(Unmarkable::Transient);
        }
    }
    Ok(piece)
}

/// A string, or an array of content blocks. An empty string has no block.
fn text(speaker: Speaker, raw: &[u8], path: &str) -> Result<Piece, Rejection> {
    let bare = raw.first() == Some(&b'"');
    let blocks = match raw {
        b"\"\"" | b"null" => Vec::new(),
        _ if bare => vec![block::bare_text(raw)],
        _ => list(raw, path, block::content)?,
    };
    Ok(Piece {
        speaker,
        bare,
        blocks,
    })
}

fn list(
    raw: &[u8],
    path: &str,
    read: fn(&[u8]) -> Result<Block, Rejection>,
) -> Result<Vec<Block>, Rejection> {
    let items = items(raw)
        .ok_or_else(|| Rejection::invalid(format!("{path}: Input should be a valid list")))?;
    items
        .into_iter()
        .enumerate()
        .map(|(index, item)| {
            let located = |rejection: Rejection| rejection.within(&format!("{path}.{index}"));
            read(item).map_err(located)
        })
        .collect()
}
