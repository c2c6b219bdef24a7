//! What bodies of the Responses dialect consist of.

use memchr::memmem;

use super::{Responses, item};
use crate::model::{Block, BlockKind, Prompt, Role, Section, Skip, Thinking};
use crate::wire::earlier::Message;
use crate::wire::grammar::{Grammar, Source, Turn};
use crate::wire::parameters::Parameters;
use crate::wire::parts;
use crate::wire::scan::Scanner;

/// Parameters that stand before the conversation in the prefix or part its cache
/// (developers.openai.com prompt-caching, 2026-11).
const PREFIX: [&str; 8] = [
    "parallel_tool_calls",
    "text",
    "reasoning",
    "context_management",
    "prompt",
    "service_tier",
    "prompt_cache_key",
    "provider",
];

/// Parameters that put what the provider holds before `input`.
const HELD: [&str; 2] = ["previous_response_id", "conversation"];

impl Grammar for Responses {
    const HISTORY: &'static str = "input";
    const QUOTED: &'static [u8] = b"\"input\"";
    const SYSTEM: Option<&'static str> = Some("instructions");

    fn element(
        self,
        source: Source<'_>,
        scan: &mut Scanner<'_>,
        section: Section,
    ) -> Result<Block, Skip> {
        let mut block = parts::tool(self.rules(), source, scan)?;
        if section == Section::System {
            (block.section, block.kind) = (section, BlockKind::Opaque);
            block.markable = false;
        }
        Ok(block)
    }

    fn system(self, source: Source<'_>, scan: &mut Scanner<'_>) -> Result<Block, Skip> {
        let mut block = parts::bare(source, scan)?;
        block.section = Section::System;
        // "Not on instructions": it is refused there (developers.openai.com, 2026-11).
        block.markable = false;
        Ok(block)
    }

    fn message(
        self,
        source: Source<'_>,
        scan: &mut Scanner<'_>,
        turn: Turn,
        out: &mut Vec<Block>,
    ) -> Result<Message, Skip> {
        item::item(self.rules(), source, scan, turn, out)
    }

    fn history(self, source: Source<'_>, scan: &mut Scanner<'_>) -> Result<Block, Skip> {
        let mut block = parts::bare(source, scan)?;
        block.role = Role::User;
        block.markable &= self.rules().speaks(&block);
        Ok(block)
    }

    fn prompt(self, parameters: &Parameters<'_>) -> Prompt {
        let asked = |asked: &[u8]| asked != b"null" && memmem::find(asked, b"\"none\"").is_none();
        Prompt {
            system_salt: parameters.salt(&PREFIX),
            messages_salt: parameters.salt(&HELD),
            thinking: match parameters.value("reasoning") {
                Some(reasoning) if asked(reasoning) => Thinking::Asked,
                _ => Thinking::Off,
            },
            stream: parameters.stream(),
            max_tokens: parameters.count("max_output_tokens"),
            ..Prompt::default()
        }
    }

    fn implicit(self, parameters: &Parameters<'_>, prompt: &Prompt) -> Option<usize> {
        parts::implicit(self.rules(), parameters, prompt)
    }
}
