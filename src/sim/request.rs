//! A request as the simulator sees it: a shared table of prefixes, and markers that can be edited.

use std::sync::Arc;

use super::block::{Block, Kind};
use super::facts::{Facts, Spelled};
use super::habits;
use super::rejection::{Rejection, Unmarkable};
use super::ruler::Ruler;
use crate::model::{Limits, Regime, Ttl};
use crate::provider::Model;

/// A request as the simulator reads it. Clones share everything but the markers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The markers in force: index of the simulator's own block, and lifetime class.
    pub markers: Vec<(usize, Ttl)>,
    /// The automatic marker at the top of the body, if any.
    pub automatic: Option<Ttl>,
    table: Arc<Table>,
}

/// The three parts of a prompt in the provider's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Tools,
    System,
    Messages,
}

/// What was read from a body.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one is the body's and one the row's"
)]
pub(super) struct Table {
    /// The model id as the caller spelled it.
    pub(super) model: Box<str>,
    /// The name of its row.
    pub(super) row: Box<str>,
    pub(super) limits: Limits,
    pub(super) stream: bool,
    pub(super) max_tokens: Option<u64>,
    /// Whether the provider knows the marker at the top of the body.
    pub(super) automatic: bool,
    /// Everything that is neither block nor marker.
    pub(super) facts: Facts,
    /// Cached counts are multiples of this many tokens.
    granularity: u64,
    pub(super) bytes_per_ktok: u32,
    slots: Vec<Slot>,
    /// Tokens that the provider adds in front of the first message.
    pub(super) instructions: u64,
    residual: u64,
    total: u64,
}

/// One block with the prefix that ends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Hash of the prefix, without the workspace.
    pub(super) prefix: u128,
    /// Tokens of the prefix.
    pub(super) tokens: u64,
    /// Position for the lookback: blocks of one run share theirs.
    pub(super) position: usize,
    /// Where it ends in the prompt as it is rendered.
    pub(super) text_end: u64,
    kind: Kind,
    section: Section,
    outer: usize,
    inner: Option<usize>,
    unmarkable: Option<Unmarkable>,
}

impl Table {
    pub(super) fn new(model: &Model) -> Self {
        Self {
            model: "".into(),
            row: model.name.clone(),
            limits: model.limits,
            stream: false,
            max_tokens: None,
            automatic: false,
            facts: Facts::new(Spelled::Messages, habits::of("", "")),
            granularity: model.granularity,
            bytes_per_ktok: model.bytes_per_ktok,
            slots: Vec::new(),
            instructions: 0,
            residual: 0,
            total: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn slot(&self, index: usize) -> Option<&Slot> {
        self.slots.get(index)
    }

    /// Adds a block at `place` (outer and inner index), where the prefix has `end` (hash, tokens).
    pub(super) fn push(
        &mut self,
        block: &Block,
        section: Section,
        (outer, inner): (usize, Option<usize>),
        (prefix, tokens): (u128, u64),
    ) {
        let position = self.slots.last().map_or(0, |before| {
            let run = before.kind == block.kind
                && self.limits.collapse_runs
                && matches!(block.kind, Kind::ToolUse | Kind::ToolResult);
            before.position + usize::from(!run)
        });
        self.slots.push(Slot {
            prefix,
            tokens,
            position,
            text_end: self.facts.text.0.len() as u64,
            kind: block.kind,
            section,
            outer,
            inner,
            unmarkable: block.unmarkable,
        });
    }

    /// Says why the block added last can carry no marker.
    pub(super) fn forbid(&mut self, reason: Unmarkable) {
        if let Some(slot) = self.slots.last_mut() {
            slot.unmarkable.get_or_insert(reason);
        }
    }

    /// The steps in which prefixes are matched, or this where the row names none.
    pub(super) const fn step(&self, unnamed: u64) -> u64 {
        if self.granularity > 1 {
            self.granularity
        } else {
            unnamed
        }
    }

    pub(super) const fn ruler(&self) -> Ruler<'_> {
        Ruler::new(self)
    }

    /// Closes the table: where markers decide, a few tokens always stand behind the last block.
    pub(super) fn finish(&mut self, model: &Model) {
        let last = self.slots.last().map(|slot| (slot.kind, slot.tokens));
        let (text, result) = model.residual;
        self.residual = match (self.limits.regime, last) {
            (Regime::Automatic, _) => 0,
            (_, Some((Kind::ToolResult, _))) => result,
            _ => text,
        };
        self.total = last.map_or(0, |(_, tokens)| tokens) + self.residual;
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The path of a block in the body, as the provider writes it.
    pub(super) fn path(&self, index: usize) -> String {
        let Some(slot) = self.slots.get(index) else {
            return String::new();
        };
        match (slot.section, slot.inner) {
            (Section::Tools, inner) => format!("tools.{}", inner.unwrap_or(0)),
            (Section::System, inner) => format!("system.{}", inner.unwrap_or(0)),
            (Section::Messages, inner) => {
                format!("messages.{}.content.{}", slot.outer, inner.unwrap_or(0))
            }
        }
    }

    /// The last block of the parts up to this one.
    pub(super) fn last_of(&self, until: Section) -> Option<&Slot> {
        let end = self.slots.partition_point(|slot| slot.section <= until);
        self.slots.get(end.checked_sub(1)?)
    }

    fn last_markable(&self, until: Option<Section>) -> Option<usize> {
        self.slots.iter().rposition(|slot| {
            slot.unmarkable.is_none() && until.is_none_or(|until| slot.section <= until)
        })
    }
}

impl Request {
    pub(super) fn new(
        markers: Vec<(usize, Ttl)>,
        automatic: Option<Ttl>,
        table: Arc<Table>,
    ) -> Self {
        Self {
            markers,
            automatic,
            table,
        }
    }

    /// The same request without any marker.
    #[must_use]
    pub fn without_markers(&self) -> Self {
        self.with_markers(Vec::new())
    }

    /// The same request with these markers only: block index and lifetime class.
    #[must_use]
    pub fn with_markers(&self, markers: Vec<(usize, Ttl)>) -> Self {
        Self::new(markers, None, Arc::clone(&self.table))
    }

    /// The same request as the provider's documentation recommends: five-minute markers on the
    /// system prompt's end (the tools' where there is no system prompt) and on the last block that
    /// can carry one.
    #[must_use]
    pub fn with_default_markers(&self) -> Self {
        let head = self.table.last_markable(Some(Section::System));
        let last = self.table.last_markable(None);
        let mut places: Vec<usize> = head.into_iter().chain(last).collect();
        places.dedup();
        let marker = |place| (place, Ttl::FiveMinutes);
        self.with_markers(places.into_iter().map(marker).collect())
    }

    /// The same request with only the automatic top-level marker (five minutes).
    #[must_use]
    pub fn with_automatic_marker(&self) -> Self {
        Self::new(Vec::new(), Some(Ttl::FiveMinutes), Arc::clone(&self.table))
    }

    /// The same request measured by another ruler: exact tokens of each block.
    ///
    /// Blocks for which `counts` has no number count nothing. What the provider adds by itself
    /// (tool instructions, the tokens behind the last block) is counted as before.
    #[must_use]
    pub fn with_counts(&self, counts: &[u64]) -> Self {
        let mut table = Table::clone(&self.table);
        let mut counts = counts.iter().copied();
        let mut sum = 0;
        let mut instructions = table.instructions;
        for slot in &mut table.slots {
            if slot.section == Section::Messages {
                sum += std::mem::take(&mut instructions);
            }
            sum += counts.next().unwrap_or(0);
            slot.tokens = sum;
        }
        table.total = sum + table.residual;
        table.facts.counted = true;
        Self::new(self.markers.clone(), self.automatic, Arc::new(table))
    }

    /// All input tokens, cached or not.
    #[must_use]
    pub fn input_tokens(&self) -> u64 {
        self.table.total
    }

    /// How many blocks the prompt has: tools, system and messages.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.table.slots.len()
    }

    /// Tokens of the prefix that ends with each block.
    pub fn prefix_tokens(&self) -> impl Iterator<Item = u64> {
        self.table.slots.iter().map(|slot| slot.tokens)
    }

    /// Hash of the prefix that ends with each block: equal where the provider would find it.
    pub fn prefixes(&self) -> impl Iterator<Item = u128> {
        self.table.slots.iter().map(|slot| slot.prefix)
    }

    /// Whether the provider reports what this request writes as read too. [`Usage`] counts each
    /// token once all the same, so that its kinds add up to the prompt.
    ///
    /// [`Usage`]: crate::model::Usage
    #[must_use]
    pub fn writes_count_as_reads(&self) -> bool {
        self.table.facts.habit.counted_twice
    }

    /// The model id as the caller spelled it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.table.model
    }

    /// Whether the answer is to be streamed.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.table.stream
    }

    /// The longest answer asked for, in tokens.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        self.table.max_tokens
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// All markers in block order, the automatic one in its place.
    pub(super) fn effective(&self) -> Result<Vec<(usize, Ttl)>, Rejection> {
        let regime = self.table.limits.regime;
        if regime == Regime::Automatic {
            return Ok(self.markers.clone());
        }
        let mut markers = self.markers.clone();
        markers.sort_unstable_by_key(|(block, _)| *block);
        markers.dedup_by_key(|(block, _)| *block);
        for (block, _) in &markers {
            self.markable(*block)?;
        }
        if regime == Regime::Exact {
            return Ok(markers);
        }
        self.place_automatic(&mut markers)?;
        let allowed = self.table.limits.max_breakpoints;
        if markers.len() > allowed {
            return Err(Rejection::too_many(allowed, markers.len()));
        }
        let short = markers.iter().position(|(_, ttl)| *ttl == Ttl::FiveMinutes);
        let late = markers.iter().skip(short.unwrap_or(markers.len()));
        match late.clone().find(|(_, ttl)| *ttl == Ttl::OneHour) {
            Some((block, _)) => Err(Rejection::ttl_order(&self.table.path(*block))),
            None => Ok(markers),
        }
    }

    fn markable(&self, block: usize) -> Result<(), Rejection> {
        let slot = self.table.slots.get(block);
        let slot = slot.ok_or_else(|| Rejection::invalid("a marker stands on no block"))?;
        slot.unmarkable.map_or(Ok(()), |reason| {
            Err(reason.rejection(&self.table.path(block)))
        })
    }

    /// The automatic marker goes to the last block that can carry one; the same marker already
    /// there makes it a no-op, another lifetime class there is refused (prompt caching,
    /// 2026-08-22; the page gives the outcome and not the words).
    fn place_automatic(&self, markers: &mut Vec<(usize, Ttl)>) -> Result<(), Rejection> {
        let Some(ttl) = self.automatic else {
            return Ok(());
        };
        if !self.table.automatic {
            return Err(Rejection::invalid(
                "cache_control: Extra inputs are not permitted",
            ));
        }
        let Some(place) = self.table.last_markable(None) else {
            return Ok(());
        };
        match markers.iter().find(|(block, _)| *block == place) {
            None => markers.push((place, ttl)),
            Some((_, own)) if *own == ttl => {}
            Some((_, own)) => {
                return Err(Rejection::invalid(format!(
                    "cache_control: the automatic marker has ttl='{ttl}' but the last cacheable \
                     block already has ttl='{own}'"
                )));
            }
        }
        Ok(())
    }
}
