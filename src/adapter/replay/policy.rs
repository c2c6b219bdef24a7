//! Who places the markers of the replayed requests.

use bytes::Bytes;

use crate::engine::Placement;
use crate::model::{Breakpoint, Keyring, Plan, Prompt, Section, Ttl, Why};
use crate::sim::Request;
use crate::wire::{Dialect, Edit, Messages, splice};

/// The marker that places itself, as the first member of the body.
const AUTOMATIC: &[u8] = br#""cache_control":{"type":"ephemeral"},"#;

/// Who places the markers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// The engine.
    #[default]
    Engine,
    /// The provider's documentation: five-minute markers on the system prompt's end and the tail.
    Default,
    /// The provider, by the automatic top-level marker.
    Automatic,
    /// The caller: bodies as they were recorded.
    Own,
    /// Nobody.
    None,
}

impl Policy {
    /// The name in reports and options.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Default => "default",
            Self::Automatic => "auto",
            Self::Own => "own",
            Self::None => "none",
        }
    }

    /// The request as this policy would send it, for the simulator alone.
    pub(super) fn apply(self, request: Request) -> Request {
        match self {
            Self::Engine | Self::Own => request,
            Self::Default => request.with_default_markers(),
            Self::Automatic => request.with_automatic_marker(),
            Self::None => request.without_markers(),
        }
    }

    /// The body as this policy sends it, with the markers it placed; `None` when it goes out as it
    /// is, because that is the policy or because it could not be read.
    pub(super) fn rewrite(self, body: &Bytes) -> Option<(Bytes, Vec<Placement>)> {
        if matches!(self, Self::Engine | Self::Own) {
            return None;
        }
        let keyring = Keyring::new(b"replay");
        let reading = Messages.read(body, &keyring, &mut |_| Vec::new()).ok()?;
        let mut prompt = reading.prompt;
        let mut edits = Messages.unmark(&prompt);
        prompt.auto_marker = None;
        for block in &mut prompt.blocks {
            block.marker = None;
        }
        let mut placements = Vec::new();
        if self == Self::Default {
            let plan = documented(&prompt);
            edits.extend(Messages.mark(body, &prompt, &plan));
            placements.extend(plan.breakpoints.iter().map(|breakpoint| Placement {
                pointer: Messages.pointer(&prompt, breakpoint.block),
                ttl: breakpoint.ttl,
                why: breakpoint.why,
            }));
        } else if self == Self::Automatic && !prompt.blocks.is_empty() {
            let brace = u32::try_from(memchr::memchr(b'{', body)?).ok()?;
            edits.push(Edit::insert(brace + 1, AUTOMATIC));
            placements.push(Placement {
                pointer: String::new(),
                ttl: Ttl::FiveMinutes,
                why: Why::Tail,
            });
        }
        Some((Bytes::from(splice(body, &mut edits)), placements))
    }
}

/// Five-minute markers where the provider's documentation puts them (platform.claude.com, prompt
/// caching, 2026-08): the end of the system prompt, and the last block that can carry one.
fn documented(prompt: &Prompt) -> Plan {
    let last_in = |section: Section| {
        let mut blocks = prompt.blocks.iter();
        blocks.rposition(|block| block.section == section && block.markable)
    };
    let system = last_in(Section::System).map(|block| (block, Why::SystemEnd));
    let tail = last_in(Section::Messages).map(|block| (block, Why::Tail));
    let places = system.into_iter().chain(tail);
    Plan::new(
        places
            .map(|(block, why)| Breakpoint::new(block, Ttl::FiveMinutes, why))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_place_their_own_markers_only() {
        let body = Bytes::from_static(
            br#"{"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"text","text":"q","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]}"#,
        );
        let sent = |policy: Policy| {
            let (body, placed) = policy.rewrite(&body).unwrap();
            (String::from_utf8(body.to_vec()).unwrap(), placed.len())
        };
        let bare = r#"{"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"text","text":"q"}]}]}"#;
        assert_eq!(sent(Policy::None), (bare.to_owned(), 0));
        let (automatic, _) = sent(Policy::Automatic);
        let marker = r#"{"cache_control":{"type":"ephemeral"},"#;
        assert_eq!(automatic, bare.replacen('{', marker, 1));
        let (default, placed) = sent(Policy::Default);
        assert_eq!((default.matches("ephemeral").count(), placed), (2, 2));
        assert!(!default.contains("1h"));
        assert!(Policy::Own.rewrite(&body).is_none());
    }
}
