//! OpenAI's Chat Completions dialect, and all who copied it.

mod grammar;
mod message;
mod response;

use bytes::Bytes;

use super::parts::Rules;
use super::seams::{Close, ending};
use super::{Dialect, Edit, MarkerStyle, Reading, Recall, Seen, mark, reader};
use crate::model::{Block, BlockKind, Keyring, Plan, Prompt, Seams, Section, Skip};

/// OpenAI's Chat Completions dialect, `POST …/chat/completions` (developers.openai.com, 2026-11),
/// and all who copied it; Cohere's `/v2/chat` differs in its responses only.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for stateless rules")]
pub struct Chat {
    /// How a marker is spelled here.
    pub marker: MarkerStyle,
}

impl Chat {
    const fn rules(self) -> Rules {
        Rules {
            marker: self.marker,
            kind_of,
        }
    }
}

impl Dialect for Chat {
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
        let mut seams = Seams::new(r#"{"type":"text","text":"#, wrap);
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
            (_, BlockKind::ToolUse) => format!("/messages/{outer}/tool_calls/{inner}"),
            (_, BlockKind::Thinking) => format!("/messages/{outer}"),
            _ => format!("/messages/{outer}/content/{inner}"),
        }
    }

    fn may_matter(&self, data: &[u8]) -> bool {
        response::may_matter(data)
    }

    fn event(&self, seen: &mut Seen, _: &str, data: &[u8]) {
        response::event(seen, data, self.marker);
    }

    fn document(&self, seen: &mut Seen, body: &[u8]) {
        response::document(seen, body, self.marker);
    }
}

/// A bare text becomes a content of one part.
const fn wrap(_: &[u8], _: &Block) -> (&'static str, &'static str) {
    (r#"[{"type":"text","text":"#, "}]")
}

/// What the `type` of a part says, and whether a marker is documented there (developers.openai.com,
/// 2026-11). An unknown one never gets one.
fn kind_of(name: &[u8]) -> (BlockKind, bool) {
    match name {
        b"text" => (BlockKind::Text, true),
        b"image_url" => (BlockKind::Image, true),
        b"file" => (BlockKind::Document, true),
        b"input_audio" => (BlockKind::Other, true),
        b"document_url" => (BlockKind::Document, false),
        b"refusal" => (BlockKind::Other, false),
        _ => (BlockKind::Opaque, false),
    }
}
