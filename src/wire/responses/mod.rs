//! OpenAI's Responses dialect.

mod grammar;
mod item;
mod response;

use bytes::Bytes;

use super::parts::Rules;
use super::seams::{Close, ending};
use super::{Dialect, Edit, MarkerStyle, Reading, Recall, Seen, mark, reader};
use crate::model::{Block, BlockKind, Form, Keyring, Plan, Prompt, Seams, Section, Skip};

/// OpenAI's Responses dialect, `POST …/responses` (developers.openai.com, 2026-11).
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for stateless rules")]
pub struct Responses {
    /// How a marker is spelled here.
    pub marker: MarkerStyle,
}

impl Responses {
    const fn rules(self) -> Rules {
        Rules {
            marker: self.marker,
            kind_of,
        }
    }
}

impl Dialect for Responses {
    fn read(&self, body: &Bytes, keyring: &Keyring, recall: Recall<'_>) -> Result<Reading, Skip> {
        reader::read(*self, body, keyring, recall)
    }

    fn mark(&self, body: &[u8], prompt: &Prompt, plan: &Plan) -> Vec<Edit> {
        let spelling = self.rules().spelling(wrap);
        spelling.map_or_else(Vec::new, |spelling| {
            mark::mark(body, prompt, plan, spelling)
        })
    }

    fn unmark(&self, prompt: &Prompt) -> Vec<Edit> {
        mark::unmark(prompt)
    }

    fn seams(&self, reading: &Reading) -> Seams {
        let mut seams = Seams::new(r#"{"type":"input_text","text":"#, wrap);
        seams.end = ending(
            reading,
            Close {
                open: seams.open,
                message: Some([r#"{"role":"user","content":""#, r#""}"#]),
            },
        );
        seams
    }

    fn pointer(&self, prompt: &Prompt, block: usize) -> String {
        let Some(block) = prompt.blocks.get(block) else {
            return String::new();
        };
        let (outer, inner) = (block.outer, block.inner);
        match (block.section, block.kind) {
            (Section::Tools, _) => format!("/tools/{outer}"),
            // The string under `instructions` is the one text that cannot carry a marker.
            (Section::System, BlockKind::Text) if !block.markable && block.form == Form::Bare => {
                "/instructions".to_owned()
            }
            (_, BlockKind::ToolUse | BlockKind::ToolResult | BlockKind::Thinking) => {
                format!("/input/{outer}")
            }
            _ => format!("/input/{outer}/content/{inner}"),
        }
    }

    fn may_matter(&self, data: &[u8]) -> bool {
        response::may_matter(data)
    }

    fn event(&self, seen: &mut Seen, name: &str, data: &[u8]) {
        response::event(seen, name, data, self.marker);
    }

    fn document(&self, seen: &mut Seen, body: &[u8]) {
        response::document(seen, body, self.marker);
    }
}

/// What the `type` of a part says, and whether a marker is documented there (developers.openai.com,
/// 2026-11). An unknown one never gets one.
fn kind_of(name: &[u8]) -> (BlockKind, bool) {
    match name {
        b"input_text" => (BlockKind::Text, true),
        b"input_image" => (BlockKind::Image, true),
        b"input_file" => (BlockKind::Document, true),
        b"output_text" => (BlockKind::Text, false),
        b"refusal" => (BlockKind::Other, false),
        _ => (BlockKind::Opaque, false),
    }
}

/// What makes a part of a bare text: a content of one part, and of a bare `input` a message too.
fn wrap(body: &[u8], block: &Block) -> (&'static str, &'static str) {
    let before = body.get(..block.span.start as usize).unwrap_or_default();
    let key = before.trim_ascii_end().strip_suffix(b":");
    if key.is_some_and(|key| key.trim_ascii_end().ends_with(b"\"input\"")) {
        (
            r#"[{"role":"user","content":[{"type":"input_text","text":"#,
            "}]}]",
        )
    } else {
        (r#"[{"type":"input_text","text":"#, "}]")
    }
}
