//! One request as the checks see it.

use bytes::Bytes;
use serde_json::Value;

use super::{Code, Finding};
use crate::adapter::target::Target;
use crate::canon::{Volatile, volatile};
use crate::error::Error;
use crate::model::{Block, BlockKind, Keyring, Money, Prompt, Regime, Role, Section};
use crate::wire::{Remembered, member_value, ordered_markers};

/// One request as the checks see it.
pub(super) struct Ground<'a> {
    pub(super) json: &'a Value,
    pub(super) target: &'a Target<'a>,
    pub(super) read: Remembered,
    /// Estimated tokens of the prefix up to and including each block.
    pub(super) prefix: Vec<u64>,
    pub(super) found: Vec<Finding>,
}

/// Where something was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Spot {
    pub(super) pointer: String,
    pub(super) block: Option<usize>,
    pub(super) byte: usize,
    pub(super) offset: usize,
}

impl<'a> Ground<'a> {
    pub(super) fn read(
        body: &Bytes,
        json: &'a Value,
        target: &'a Target<'a>,
    ) -> Result<Self, Error> {
        let dialect = target.endpoint.dialect;
        let reading = dialect.read(body, &Keyring::new(b"lint"), &mut |_| Vec::new());
        let mut reading = reading.map_err(|why| {
            let (name, why) = (target.endpoint.name, why.as_str().replace('_', " "));
            Error::input(format!(
                "not a request in the dialect `{name}` ({why}); name another one with --dialect"
            ))
        })?;
        reading.prompt.reserved = ordered_markers(body, &reading);
        let per_ktok = u64::from(target.model.bytes_per_ktok.max(1));
        let mut bytes = 0;
        let blocks = reading.prompt.blocks.iter();
        let prefix = blocks.map(|block| {
            bytes += u64::from(block.weight);
            bytes * 1000 / per_ktok
        });
        Ok(Self {
            json,
            target,
            prefix: prefix.collect(),
            read: Remembered::new(body.clone(), reading),
            found: Vec::new(),
        })
    }

    pub(super) fn prompt(&self) -> &Prompt {
        &self.read.prompt
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.read.body
    }

    /// Tokens before a block.
    pub(super) fn before(&self, block: usize) -> u64 {
        block.checked_sub(1).map_or(0, |at| self.up_to(at))
    }

    /// Tokens up to and including a block.
    pub(super) fn up_to(&self, block: usize) -> u64 {
        self.prefix.get(block).copied().unwrap_or(0)
    }

    pub(super) fn total(&self) -> u64 {
        self.prefix.last().copied().unwrap_or(0)
    }

    /// Where the part ends that a later call may repeat: what the user says last is new anyway.
    pub(super) fn history_end(&self) -> usize {
        let blocks = &self.prompt().blocks;
        let spoken = blocks
            .iter()
            .rposition(|block| block.role == Role::Assistant);
        spoken.map_or_else(|| self.prompt().end_of(Section::System), |at| at + 1)
    }

    /// Whether only what is marked is cached.
    pub(super) fn needs_markers(&self) -> bool {
        self.target.model.limits.regime != Regime::Automatic
    }

    pub(super) fn pointer(&self, block: usize) -> String {
        self.target.endpoint.dialect.pointer(self.prompt(), block)
    }

    /// A place within a block.
    pub(super) fn at(&self, block: usize, byte: usize) -> Spot {
        let start = self.prompt().blocks.get(block);
        Spot {
            pointer: self.pointer(block),
            block: Some(block),
            byte,
            offset: start.map_or(0, |block| block.span.start as usize) + byte,
        }
    }

    /// The caller's marker on a block.
    pub(super) fn at_marker(&self, block: usize) -> Spot {
        let marker = self.prompt().blocks.get(block).and_then(|block| {
            let marker = block.marker?.span;
            let key = self.body().get(marker.start as usize..)?;
            let key = key.iter().position(|byte| matches!(byte, b'"' | b'{'))?;
            Some((marker.start as usize + key, block.span.start as usize))
        });
        let mut spot = self.at(block, 0);
        if let Some((at, start)) = marker {
            spot.offset = at;
            spot.byte = at.saturating_sub(start);
        }
        spot
    }

    /// A member of the body.
    pub(super) fn member(&self, name: &str) -> Spot {
        let value = member_value(&self.read, name).unwrap_or_default();
        let start = value
            .as_ptr()
            .addr()
            .checked_sub(self.body().as_ptr().addr());
        Spot {
            pointer: format!("/{name}"),
            offset: start
                .filter(|start| *start < self.body().len())
                .unwrap_or(0),
            ..Spot::default()
        }
    }

    /// Whether the body has this member.
    pub(super) fn has(&self, name: &str) -> bool {
        self.json.get(name).is_some_and(|value| !value.is_null())
    }

    /// Where what a service itself wrote ends: tools, system prompt and first message.
    pub(super) fn opening_end(&self) -> usize {
        let start = self.prompt().end_of(Section::System);
        let rest = self.prompt().blocks.get(start..).unwrap_or_default();
        let outer = rest.first().map(|block| block.outer);
        let first = rest.iter().take_while(|block| Some(block.outer) == outer);
        start + first.count()
    }

    /// The first volatile text of a block that is a text or a tool; ids and data are no text.
    pub(super) fn volatile(&self, block: usize) -> Option<Volatile> {
        let block = self.prompt().blocks.get(block)?;
        let is_text = matches!(block.kind, BlockKind::Text | BlockKind::Tool);
        let found = volatile(block.span.of(self.body()));
        found.into_iter().next().filter(|_| is_text)
    }

    /// The text of a block.
    fn text(&self, block: usize) -> Option<&str> {
        let pointer = self.pointer(block);
        let whole = self.json.pointer(&pointer);
        let (above, _) = pointer.rsplit_once('/').unwrap_or_default();
        let whole = whole.or_else(|| self.json.pointer(above))?;
        whole.as_str().or_else(|| whole.get("text")?.as_str())
    }

    /// Whether a block is a text without a letter.
    pub(super) fn is_empty_text(&self, block: usize) -> bool {
        self.text(block) == Some("")
    }

    /// Whether a block is a text of nothing but spaces.
    pub(super) fn is_blank_text(&self, block: usize) -> bool {
        self.text(block).is_some_and(|text| text.trim().is_empty())
    }

    /// The block whose value a pointer leads into.
    pub(super) fn block_at(&self, pointer: &str) -> Option<usize> {
        (0..self.prompt().blocks.len()).find(|at| {
            let own = self.pointer(*at);
            pointer
                .strip_prefix(&own)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// What tokens cost above the price of a read.
    pub(super) fn cost(&self, tokens: u64) -> Option<Money> {
        let tier = self.target.model.prices.as_ref()?.tier(self.total());
        Some(tier.input.times(tokens) - tier.read.times(tokens))
    }

    /// Books a finding that costs nobody knows what.
    pub(super) fn find(&mut self, code: Code, spot: Spot, message: impl Into<String>) {
        self.found.push(Finding {
            code,
            severity: code.severity(),
            pointer: spot.pointer,
            block: spot.block,
            byte: spot.byte,
            offset: spot.offset,
            message: message.into(),
            pattern: None,
            tokens: None,
            cost: None,
        });
    }

    /// The same, with the tokens that it keeps from being read.
    pub(super) fn find_costly(
        &mut self,
        code: Code,
        spot: Spot,
        message: impl Into<String>,
        tokens: u64,
    ) {
        self.find(code, spot, message);
        let cost = self.cost(tokens);
        if let Some(last) = self.found.last_mut() {
            last.tokens = Some(tokens);
            last.cost = cost;
        }
    }

    /// The blocks with their indices.
    pub(super) fn blocks(&self) -> Vec<(usize, Block)> {
        self.prompt().blocks.iter().copied().enumerate().collect()
    }
}
