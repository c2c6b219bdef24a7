//! What bodies of the Messages dialect consist of.

use super::{Messages, blocks, message};
use crate::model::{Block, Prompt, Section, Skip};
use crate::wire::earlier::Message;
use crate::wire::grammar::{Grammar, Source, Turn};
use crate::wire::parameters::Parameters;
use crate::wire::scan::Scanner;

impl Grammar for Messages {
    const HISTORY: &'static str = "messages";
    const QUOTED: &'static [u8] = b"\"messages\"";
    const SYSTEM: Option<&'static str> = Some("system");

    fn element(
        self,
        source: Source<'_>,
        scan: &mut Scanner<'_>,
        section: Section,
    ) -> Result<Block, Skip> {
        let draft = blocks::object(scan, source.body, source.keyring, section)?;
        Ok(draft.block)
    }

    fn system(self, source: Source<'_>, scan: &mut Scanner<'_>) -> Result<Block, Skip> {
        let draft = blocks::bare(scan, source.body, source.keyring, Section::System)?;
        Ok(draft.block)
    }

    fn message(
        self,
        source: Source<'_>,
        scan: &mut Scanner<'_>,
        turn: Turn,
        out: &mut Vec<Block>,
    ) -> Result<Message, Skip> {
        message::message(scan, source.body, source.keyring, turn.outer, out)
    }

    fn prompt(self, parameters: &Parameters<'_>) -> Prompt {
        Prompt {
            auto_marker: parameters.auto_marker(),
            // What invalidates what: platform.claude.com prompt-caching, 2026-08-22. Web search
            // and citations stand in blocks.
            system_salt: parameters.salt(&["speed"]),
            messages_salt: parameters.salt(&["tool_choice", "thinking", "output_config"]),
            thinking: parameters.thinking(),
            stream: parameters.stream(),
            max_tokens: parameters.count("max_tokens"),
            ..Prompt::default()
        }
    }
}
