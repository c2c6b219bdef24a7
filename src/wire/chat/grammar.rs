//! What bodies of the Chat dialect consist of.

use memchr::memmem;

use super::{Chat, message};
use crate::model::{Block, Prompt, Section, Skip, Thinking};
use crate::wire::MarkerStyle;
use crate::wire::earlier::Message;
use crate::wire::grammar::{Grammar, Source, Turn};
use crate::wire::parameters::Parameters;
use crate::wire::parts;
use crate::wire::scan::Scanner;

/// Parameters that stand before the conversation in the prefix or part its cache
/// (developers.openai.com prompt-caching, 2026-11), and their names at OpenRouter, DeepSeek, Qwen.
const PREFIX: [&str; 14] = [
    "functions",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "enable_thinking",
    "verbosity",
    "web_search_options",
    "documents",
    "service_tier",
    "prompt_cache_key",
    "provider",
    "plugins",
];

impl Grammar for Chat {
    const HISTORY: &'static str = "messages";
    const QUOTED: &'static [u8] = b"\"messages\"";
    const SYSTEM: Option<&'static str> = None;

    fn element(
        self,
        source: Source<'_>,
        scan: &mut Scanner<'_>,
        _: Section,
    ) -> Result<Block, Skip> {
        parts::tool(self.rules(), source, scan)
    }

    fn system(self, _: Source<'_>, _: &mut Scanner<'_>) -> Result<Block, Skip> {
        Err(Skip::NotARequest)
    }

    fn message(
        self,
        source: Source<'_>,
        scan: &mut Scanner<'_>,
        turn: Turn,
        out: &mut Vec<Block>,
    ) -> Result<Message, Skip> {
        message::message(self.rules(), source, scan, turn, out)
    }

    fn prompt(self, parameters: &Parameters<'_>) -> Prompt {
        let asked = |name: &str| {
            parameters.value(name).is_some_and(|asked| {
                !matches!(asked, b"null" | b"false" | b"\"none\"")
                    && memmem::find(asked, b"disabled").is_none()
            })
        };
        let thinks = [
            "thinking",
            "reasoning",
            "reasoning_effort",
            "enable_thinking",
        ];
        Prompt {
            // OpenRouter hands the automatic marker on to Claude (openrouter.ai, 2026-11).
            auto_marker: Some(self.marker)
                .filter(|marker| *marker == MarkerStyle::CacheControl)
                .and_then(|_| parameters.auto_marker()),
            system_salt: parameters.salt(&PREFIX),
            thinking: if thinks.into_iter().any(asked) {
                Thinking::Asked
            } else {
                Thinking::Off
            },
            stream: parameters.stream(),
            max_tokens: parameters
                .count("max_completion_tokens")
                .or_else(|| parameters.count("max_tokens")),
            ..Prompt::default()
        }
    }

    fn implicit(self, parameters: &Parameters<'_>, prompt: &Prompt) -> Option<usize> {
        parts::implicit(self.rules(), parameters, prompt)
    }
}
