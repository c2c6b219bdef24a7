//! Where a body takes one more text.

use super::Reading;
use crate::model::{Block, BlockKind, Ending, Form, Prompt, Role, Section};

/// How a dialect spells the end of a prompt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Close {
    /// What stands before the string of a text block.
    pub(super) open: &'static str,
    /// What stands before and after the string of a user's message of its own, where what a tool
    /// answered is no content of such a message.
    pub(super) message: Option<[&'static str; 2]>,
}

/// Where one more text of the user's can stand.
pub(super) fn ending(reading: &Reading, close: Close) -> Option<Ending> {
    let prompt: &Prompt = &reading.prompt;
    let last = prompt.blocks.last()?;
    if last.section != Section::Messages || last.role != Role::User {
        return None;
    }
    match (last.kind, close.message) {
        (BlockKind::ToolResult, Some([before, after])) => {
            let message = reading.index.messages.last()?;
            Some(Ending::Insert {
                at: message.span.end,
                before: format!(",{before}"),
                after,
            })
        }
        (BlockKind::Text, _) if last.form == Form::Bare => Some(Ending::Wrap),
        _ => within(last, close.open),
    }
}

/// Behind the last block of its array, and behind the marker that may follow it there.
fn within(last: &Block, open: &str) -> Option<Ending> {
    if last.form == Form::Bare || last.kind == BlockKind::Opaque {
        return None;
    }
    let marker = last.marker.map_or(0, |marker| marker.span.end);
    Some(Ending::Insert {
        at: last.span.end.max(marker),
        before: format!(",{open}\""),
        after: "\"}",
    })
}
