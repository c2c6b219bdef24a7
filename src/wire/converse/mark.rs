//! Puts cache points into a body and takes the caller's out.

use bytes::Bytes;

use crate::model::{Plan, Prompt, Ttl};
use crate::wire::{Edit, MarkerStyle};

/// Edits for each breakpoint of `plan` whose block can carry a marker and carries none.
pub(super) fn mark(prompt: &Prompt, plan: &Plan, style: MarkerStyle) -> Vec<Edit> {
    let mut last = None;
    let breakpoints = plan.breakpoints.iter().filter(|breakpoint| {
        let twice = last.replace(breakpoint.block) == Some(breakpoint.block);
        let block = prompt.blocks.get(breakpoint.block);
        !twice && block.is_some_and(|block| block.markable && block.marker.is_none())
    });
    let edits = breakpoints.filter_map(|breakpoint| {
        let end = prompt.blocks.get(breakpoint.block)?.span.end;
        match style {
            MarkerStyle::CachePoint => Some(Edit::insert(end, element(breakpoint.ttl))),
            MarkerStyle::CachePointMember => Some(Edit::insert(end.checked_sub(1)?, MEMBER)),
            MarkerStyle::None | MarkerStyle::CacheControl | MarkerStyle::PromptCacheBreakpoint => {
                None
            }
        }
    });
    edits.collect()
}

/// Edits that remove every marker of the caller's.
pub(super) fn unmark(prompt: &Prompt) -> Vec<Edit> {
    let markers = prompt.blocks.iter().filter_map(|block| block.marker);
    markers
        .map(|marker| Edit::new(marker.span, Bytes::new()))
        .collect()
}

/// The marker as the next element. The class is only spelled out where it is not the default.
const fn element(ttl: Ttl) -> &'static [u8] {
    match ttl {
        Ttl::FiveMinutes | Ttl::HalfHour => br#",{"cachePoint":{"type":"default"}}"#,
        Ttl::OneHour => br#",{"cachePoint":{"type":"default","ttl":"1h"}}"#,
    }
}

/// The marker as the last member of a text. Nova has one class, so none is named.
const MEMBER: &[u8] = br#","cachePoint":{"type":"default"}"#;
