//! Who places the markers of the replayed requests.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::traced::{Beside, ends};
use crate::adapter::workload::Trace;
use crate::engine::Placement;
use crate::error::Error;
use crate::model::{Breakpoint, Keyring, Limits, Plan, Prompt, Regime, Section, Ttl, Why};
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
    /// As the default, with one-hour markers.
    Hour,
    /// As the default, and while nobody uses a conversation so many pings, one every 285 s.
    Keep(u32),
}

impl Policy {
    /// Who sets markers beside this policy: with none at all, caching is switched off.
    pub(super) const fn beside(self) -> Beside {
        match self {
            Self::None => Beside::Nobody,
            Self::Engine
            | Self::Default
            | Self::Automatic
            | Self::Own
            | Self::Hour
            | Self::Keep(_) => Beside::Provider,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep(pings) => write!(f, "keep:{pings}"),
            Self::Engine
            | Self::Default
            | Self::Automatic
            | Self::Own
            | Self::None
            | Self::Hour => f.write_str(self.as_str()),
        }
    }
}

impl FromStr for Policy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = [
            Self::Engine,
            Self::Default,
            Self::Automatic,
            Self::Own,
            Self::None,
            Self::Hour,
        ];
        let pings = text
            .strip_prefix("keep:")
            .and_then(|pings| pings.parse().ok());
        let named = known.into_iter().find(|policy| policy.as_str() == text);
        named.or_else(|| pings.map(Self::Keep)).ok_or_else(|| {
            Error::config("a policy is engine, default, auto, own, none, hour or keep:N (pings)")
        })
    }
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
            Self::Hour => "hour",
            Self::Keep(_) => "keep",
        }
    }

    /// How often it pings while nobody uses a conversation.
    pub(super) const fn pings(self) -> u32 {
        if let Self::Keep(pings) = self {
            pings
        } else {
            0
        }
    }

    /// The class of its markers, where it places some that the documentation describes.
    const fn class(self) -> Option<Ttl> {
        match self {
            Self::Default | Self::Keep(_) | Self::Automatic => Some(Ttl::FiveMinutes),
            Self::Hour => Some(Ttl::OneHour),
            Self::Engine | Self::Own | Self::None => None,
        }
    }

    /// The markers it places in a trace, which holds none of the caller's.
    pub(super) fn mark(self, trace: &Trace, limits: &Limits) -> Vec<Breakpoint> {
        let class = match (self.class(), limits.regime) {
            (Some(Ttl::OneHour), Regime::Breakpoints) if limits.one_hour => Ttl::OneHour,
            (Some(_), Regime::Breakpoints | Regime::Exact) => limits.ttl,
            (None, _) | (_, Regime::Automatic) => return Vec::new(),
        };
        let mut marks = ends(trace, class);
        if self == Self::Automatic {
            marks.retain(|mark| mark.why == Why::Tail);
        }
        marks
    }

    /// The request as this policy would send it, for the simulator alone.
    pub(super) fn apply(self, request: Request) -> Request {
        match self {
            Self::Engine | Self::Own => request,
            Self::Default | Self::Keep(_) => request.with_default_markers(),
            Self::Hour => {
                let request = request.with_default_markers();
                let markers = request.markers.iter();
                let markers = markers.map(|(block, _)| (*block, Ttl::OneHour)).collect();
                request.with_markers(markers)
            }
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
        let class = self.class().filter(|_| self != Self::Automatic);
        if let Some(class) = class {
            let plan = documented(&prompt, class);
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

/// Markers of one class where the provider's documentation puts them (platform.claude.com, prompt
/// caching, 2026-08): the end of the system prompt, and the last block that can carry one.
fn documented(prompt: &Prompt, class: Ttl) -> Plan {
    let last_in = |section: Section| {
        let mut blocks = prompt.blocks.iter();
        blocks.rposition(|block| block.section == section && block.markable)
    };
    let system = last_in(Section::System).map(|block| (block, Why::SystemEnd));
    let tail = last_in(Section::Messages).map(|block| (block, Why::Tail));
    let places = system.into_iter().chain(tail);
    Plan::new(
        places
            .map(|(block, why)| Breakpoint::new(block, class, why))
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
