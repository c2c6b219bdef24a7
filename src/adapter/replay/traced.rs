//! Requests of traces: as the engine plans them, and as a judge that follows every block bills them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::adapter::workload::{Part, Scopes, Timed, Trace};
use crate::bound::{Access, Judge, Rules};
use crate::engine::Traced;
use crate::model::{
    Block, BlockKind, Breakpoint, Fingerprint, Limits, Prompt, Regime, Role, Section, Span,
    Timestamp, Ttl, Usage, Why,
};
use crate::provider::Model;

/// How long a cache without markers keeps what nobody reads: the longer of the five to ten minutes
/// that OpenAI's page tells (developers.openai.com, prompt caching, 2026-08).
const AUTOMATIC: Duration = Duration::from_secs(600);

/// What a request of a trace is served for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Request,
    Ping,
}

/// A marker: the block it stands on, and its class.
pub(super) type Mark = (usize, Ttl);

/// Where a read of a trace may end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reads {
    /// Where an entry ends, which is what providers' pages say.
    #[default]
    Entries,
    /// On any block that is alive: the rule that published replays of such traces go by
    /// (economics.md §8), for figures that are to be compared with theirs.
    Blocks,
}

/// The caches that requests of traces go to, one judge per model.
#[derive(Debug, Default)]
pub(super) struct Judges {
    reads: Reads,
    scopes: Scopes,
    open: BTreeMap<(Arc<str>, Arc<str>), Judge>,
}

impl Judges {
    /// Caches that are read by this rule.
    pub(super) fn reading(reads: Reads) -> Self {
        Self {
            reads,
            ..Self::default()
        }
    }

    /// Serves a request at `at`. `None` when the markers are refused.
    ///
    /// What is written can be read at once: no trace tells when a provider lets it be read.
    pub(super) fn serve(
        &mut self,
        timed: &Timed,
        (at, purpose): (Timestamp, Purpose),
        marks: &[Mark],
        model: &Model,
    ) -> Option<Usage> {
        let trace = timed.trace.as_ref()?;
        let pieces = trace.pieces();
        let mut access = Access::new(self.scopes.of(timed), at, &pieces);
        access.tail = trace.tail;
        let key = (Arc::clone(&timed.provider), Arc::clone(&timed.model));
        let judge = self.open.entry(key);
        let blocks = self.reads == Reads::Blocks;
        let rules = || Rules {
            blocks,
            ..rules(&model.limits)
        };
        let judge = judge.or_insert_with(|| Judge::new(rules()));
        match purpose {
            Purpose::Request => judge.serve(&access, marks),
            Purpose::Ping => judge.ping(&access, marks),
        }
    }

    /// Tokens that were written, are gone, and were never read.
    pub(super) fn wasted(&self, now: Timestamp) -> u64 {
        self.open.values().map(|judge| judge.wasted(now)).sum()
    }
}

/// What holds for a model's cache: all of the row but the positions that are searched, since blocks
/// of a trace are no such positions. Where a provider looks up the ends of earlier messages, as
/// OpenAI does from GPT-5.6 on, every place where an entry ends is looked up: a trace does not tell
/// where messages end.
fn rules(limits: &Limits) -> Rules {
    Rules {
        max_breakpoints: limits.max_breakpoints,
        min_tokens: limits.min_tokens,
        implicit: (limits.regime == Regime::Automatic).then_some(AUTOMATIC),
        ..Rules::default()
    }
}

/// Who else sets markers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// The provider, where its caches do so.
    Provider,
    /// Nobody.
    Nobody,
}

/// The markers that reach the provider: those that were placed, and where it sets one on the last
/// block by itself, that one as well.
pub(super) fn effective(
    placed: &[Breakpoint],
    trace: &Trace,
    limits: &Limits,
    beside: Beside,
) -> Vec<Mark> {
    let mut marks: Vec<Mark> = placed.iter().map(|one| (one.block, one.ttl)).collect();
    let last = trace.blocks.len().checked_sub(1);
    if let (Regime::Exact, Beside::Provider, Some(last)) = (limits.regime, beside, last)
        && marks.last().is_none_or(|(at, _)| *at < last)
        && marks.len() < limits.max_breakpoints
    {
        marks.push((last, limits.ttl));
    }
    marks
}

/// Markers of one class on the system prompt's end and on the last block.
pub(super) fn ends(trace: &Trace, ttl: Ttl) -> Vec<Breakpoint> {
    let system = |part: Part| matches!(part, Part::Tools | Part::System);
    let opening = trace.blocks.partition_point(|block| system(block.part));
    let last = trace.blocks.len().checked_sub(1);
    let system = opening.checked_sub(1).filter(|at| Some(*at) != last);
    let system = system.map(|at| Breakpoint::new(at, ttl, Why::SystemEnd));
    let tail = last.map(|at| Breakpoint::new(at, ttl, Why::Tail));
    system.into_iter().chain(tail).collect()
}

/// The request as the engine plans it.
pub(super) fn planned(trace: &Trace, model: &str, limits: &Limits) -> Traced {
    let mut prompt = Prompt {
        model: model.into(),
        ..Prompt::default()
    };
    let scope = u128::from(trace.scope) << 64;
    let mut outer = 0;
    let mut before: Option<Part> = None;
    prompt.blocks.reserve(trace.blocks.len());
    for one in &trace.blocks {
        let (section, role, kind) = described(one.part);
        if before.is_some_and(|before| described(before).1 != role) {
            outer += 1;
        }
        before = Some(one.part);
        let mut block = Block::at(section, role, kind, Span::default());
        block.markable = true;
        block.outer = outer;
        // Nothing but the id tells contents apart, and zero is the empty prefix.
        block.fingerprint = Fingerprint(scope | (u128::from(one.id) << 1) | 1);
        prompt.blocks.push(block);
    }
    if limits.regime == Regime::Exact {
        prompt.implicit = trace.blocks.len().checked_sub(1);
    }
    let tokens = (1_u64..).map(|number| number * u64::from(trace.per_block));
    Traced {
        prefix_tokens: tokens.take(trace.blocks.len()).collect(),
        prompt,
    }
}

const fn described(part: Part) -> (Section, Role, BlockKind) {
    match part {
        Part::Tools => (Section::Tools, Role::None, BlockKind::Tool),
        Part::System => (Section::System, Role::None, BlockKind::Text),
        Part::User => (Section::Messages, Role::User, BlockKind::Text),
        Part::Results => (Section::Messages, Role::User, BlockKind::ToolResult),
        Part::Assistant => (Section::Messages, Role::Assistant, BlockKind::Text),
        Part::Unsaid => (Section::Messages, Role::Other, BlockKind::Text),
    }
}
