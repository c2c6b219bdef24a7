//! What one message holds, as far as caches care.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Messages in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spoken {
    /// Blocks, runs of tool uses or of tool results counted once.
    pub(super) positions: usize,
    /// Whether the user speaks, other than through tool results.
    pub(super) speaks: bool,
    pub(super) bytes: u64,
}

impl Spoken {
    pub(super) fn append(&mut self, more: Self) {
        self.positions += more.positions;
        self.speaks |= more.speaks;
        self.bytes += more.bytes;
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

/// Looks into one message, or one item of the Responses dialect. What is no message counts as one
/// block of a tool.
pub(super) fn look(message: &str) -> Spoken {
    let bytes = message.len() as u64;
    let Ok(said) = serde_json::from_str::<Message<'_>>(message) else {
        return Spoken {
            positions: 1,
            speaks: false,
            bytes,
        };
    };
    let user = said.role.as_deref() == Some("user");
    let blocks = said.content.map(RawValue::get);
    let blocks: Vec<Block<'_>> = blocks
        .and_then(|content| serde_json::from_str(content).ok())
        .unwrap_or_default();
    let kinds = blocks.iter().map(|block| block.kind.as_deref());
    let mut positions = 0;
    let mut speaks = false;
    let mut before = None;
    for kind in kinds {
        let run = matches!(kind, Some("tool_use" | "tool_result"));
        positions += usize::from(!run || before != kind);
        speaks |= user && kind != Some("tool_result");
        before = kind;
    }
    let plain = blocks.is_empty();
    let item = matches!(said.kind.as_deref(), None | Some("message"));
    Spoken {
        positions: positions.max(1),
        speaks: speaks || plain && user && item,
        bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_count_once_and_results_are_not_speech() {
        let results = look(
            r#"{"role":"user","content":[{"type":"tool_result"},{"type":"tool_result"},{"type":"image"}]}"#,
        );
        assert_eq!((results.positions, results.speaks), (2, true));
        let only = look(r#"{"role":"user","content":[{"type":"tool_result"}]}"#);
        assert_eq!((only.positions, only.speaks), (1, false));
        assert!(look(r#"{"role":"user","content":"hello"}"#).speaks);
        assert!(!look(r#"{"type":"function_call_output","output":"x"}"#).speaks);
        assert!(!look(r#"{"role":"assistant","content":"hello"}"#).speaks);
    }
}
