//! Tokens of a request before the provider has counted them: placement needs no more than this.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::expected::to_f64;
use crate::ledger::history::Calibration;
use crate::model::{Block, CountTokens, Prompt, Section};
use crate::provider::Model;

/// Prompts of up to this many blocks are looked at closely, block by block.
const FEW: usize = 64;
/// Prompts longer than this many times the minimum are cached whatever a closer count would say.
const NEAR: u64 = 4;

/// Estimated tokens of one request.
pub(super) struct Estimate {
    /// The prefix up to and including each block.
    pub(super) prefix_tokens: Vec<u64>,
    /// Tools, system and messages.
    pub(super) sections: [f64; 3],
    /// What a closer count is wanted of, once the request is out.
    pub(super) uncounted: Option<Uncounted>,
}

impl Estimate {
    /// Length by a model's ruler, corrected by what usage has taught; where a prompt is so short
    /// that it may fall below the minimum, a counter's figures for the blocks that it knows.
    #[expect(
        clippy::float_arithmetic,
        reason = "an estimate that decides placement only"
    )]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and an estimate is never negative"
    )]
    pub(super) fn of(
        prompt: &Prompt,
        model: &Model,
        calibration: &Calibration,
        counter: Option<&dyn CountTokens>,
    ) -> Self {
        let per_ktok = f64::from(model.bytes_per_ktok.max(1));
        let counter = counter.filter(|_| is_near_minimum(prompt, model));
        let mut sections = [0.0; 3];
        let mut running = 0.0;
        let prefix = prompt.blocks.iter().map(|block| {
            let known = counter.and_then(|counter| {
                let tokens = counter.known(block)? as f64;
                Some(tokens * f64::from(counter.bytes_per_ktok()) / per_ktok)
            });
            let raw = known.unwrap_or_else(|| f64::from(block.weight) * 1000.0 / per_ktok);
            let tokens = raw * calibration.factor(block.section);
            let [tools, system, messages] = &mut sections;
            let sum = match block.section {
                Section::Tools => tools,
                Section::System => system,
                Section::Messages => messages,
            };
            *sum += tokens;
            running += tokens;
            running as u64
        });
        Self {
            prefix_tokens: prefix.collect(),
            sections,
            uncounted: None,
        }
    }
}

impl Estimate {
    /// Exact figures, where a trace has them.
    pub(super) fn exact(prompt: &Prompt, prefix_tokens: Vec<u64>) -> Self {
        let to = |section: Section| {
            let end = prompt.end_of(section).checked_sub(1);
            end.and_then(|at| prefix_tokens.get(at))
                .copied()
                .unwrap_or(0)
        };
        let (tools, system) = (to(Section::Tools), to(Section::System));
        let all = to(Section::Messages);
        Self {
            sections: [
                tools,
                system.saturating_sub(tools),
                all.saturating_sub(system),
            ]
            .map(to_f64),
            prefix_tokens,
            uncounted: None,
        }
    }
}

fn is_near_minimum(prompt: &Prompt, model: &Model) -> bool {
    let bytes: u64 = prompt
        .blocks
        .iter()
        .map(|block| u64::from(block.weight))
        .sum();
    let tokens = bytes * 1000 / u64::from(model.bytes_per_ktok.max(1));
    prompt.blocks.len() <= FEW && tokens <= model.limits.min_tokens.saturating_mul(NEAR)
}

/// Blocks that nobody has counted yet, with their bytes, for the time after the exchange.
#[derive(Clone)]
pub(super) struct Uncounted {
    counter: Arc<dyn CountTokens>,
    blocks: Vec<(Block, Bytes)>,
}

impl Uncounted {
    pub(super) fn new(
        counter: &Arc<dyn CountTokens>,
        prompt: &Prompt,
        body: &Bytes,
        model: &Model,
    ) -> Option<Self> {
        if !is_near_minimum(prompt, model) {
            return None;
        }
        let unknown = prompt
            .blocks
            .iter()
            .filter(|block| counter.known(block).is_none());
        let blocks: Vec<(Block, Bytes)> = unknown
            .map(|block| (*block, body.slice_ref(block.span.of(body))))
            .collect();
        (!blocks.is_empty()).then(|| Self {
            counter: Arc::clone(counter),
            blocks,
        })
    }

    /// Hands the blocks over.
    pub(super) fn count(self) {
        self.counter.count_soon(self.blocks);
    }
}

impl fmt::Debug for Uncounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uncounted")
            .field("blocks", &self.blocks.len())
            .finish_non_exhaustive()
    }
}
