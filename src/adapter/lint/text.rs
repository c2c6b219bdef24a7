//! Text that looks as if it differed from call to call.

use super::Code;
use super::ground::Ground;
use crate::canon::volatile;
use crate::model::{Block, BlockKind, Pattern, Section};

/// Fewer tokens than this are not worth a word.
const LEAST: u64 = 64;

pub(super) fn check(ground: &mut Ground<'_>) {
    let minimum = ground.target.model.limits.min_tokens;
    if ground.total() < minimum {
        return;
    }
    let mut first = true;
    for (at, block) in ground.blocks() {
        if block.section == Section::Messages {
            break;
        }
        if !matches!(block.kind, BlockKind::Text | BlockKind::Tool) {
            continue;
        }
        for found in volatile(block.span.of(ground.body())) {
            let byte = found.span.start as usize;
            let lost = lost(ground, at, &block, byte);
            if lost < LEAST {
                continue;
            }
            let place = match block.section {
                Section::Tools => "a tool",
                Section::System | Section::Messages => "the system prompt",
            };
            let what = name(found.pattern);
            let spot = ground.at(at, byte);
            if first {
                let message = format!("{what} stands in {place} before what could be read again");
                ground.find_costly(Code::VolatileText, spot, message, lost);
            } else {
                let message = format!("{what} stands in {place}, behind another one");
                ground.find(Code::VolatileText, spot, message);
            }
            first = false;
            if let Some(last) = ground.found.last_mut() {
                last.pattern = Some(found.pattern);
            }
        }
    }
}

/// Tokens that no later call can read because of a change at this byte: what stands behind it, but
/// for what is new in every call; and where blocks are cached whole, its own block before it.
fn lost(ground: &Ground<'_>, at: usize, block: &Block, byte: usize) -> u64 {
    let end = ground.history_end();
    let whole = end.checked_sub(1).map_or(0, |last| ground.up_to(last));
    let (before, upto) = (ground.before(at), ground.up_to(at));
    let share = u64::try_from(byte).unwrap_or(0) * (upto - before);
    let inside = share / u64::from(block.span.len().max(1));
    let behind = whole.saturating_sub(before + inside);
    if ground.needs_markers() {
        behind + inside
    } else {
        behind
    }
}

pub(super) const fn name(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::Timestamp => "a timestamp",
        Pattern::Date => "a date",
        Pattern::Time => "a time of day",
        Pattern::Uuid => "a UUID",
        Pattern::Counter => "a counter",
        Pattern::Nonce => "a random token",
        Pattern::Path => "a path of one machine",
        Pattern::GitLine => "a line of git's",
        Pattern::Order => "a list in random order",
    }
}
