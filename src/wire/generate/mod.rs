//! Google's generateContent dialect, of the Gemini API and of Vertex AI.

mod read;
mod response;
mod stored;

use bytes::Bytes;

pub use stored::Stored;

use super::seams::{Close, ending};
use super::{Dialect, Edit, Reading, Recall, Seen};
use crate::model::{Keyring, Plan, Prompt, Seams, Section, Skip};

/// The dialect of `:generateContent` and `:streamGenerateContent` (ai.google.dev, 2026-11), whose
/// model stands in the path, so that prompts have none.
///
/// There are no markers: the provider caches by itself, or a request names an object that was
/// made before (`cachedContent`), which is part of what separates its prefixes.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for stateless rules")]
pub struct Generate;

impl Dialect for Generate {
    fn read(&self, body: &Bytes, keyring: &Keyring, _: Recall<'_>) -> Result<Reading, Skip> {
        read::read(body, keyring)
    }

    fn mark(&self, _: &[u8], _: &Prompt, _: &Plan) -> Vec<Edit> {
        Vec::new()
    }

    fn unmark(&self, _: &Prompt) -> Vec<Edit> {
        Vec::new()
    }

    fn seams(&self, reading: &Reading) -> Seams {
        let mut seams = Seams::new(r#"{"text":"#, |_, _| ("", ""));
        seams.end = ending(
            reading,
            Close {
                open: seams.open,
                message: None,
            },
        );
        seams
    }

    fn pointer(&self, prompt: &Prompt, block: usize) -> String {
        let Some(block) = prompt.blocks.get(block) else {
            return String::new();
        };
        match block.section {
            Section::Tools => format!("/tools/{}", block.outer),
            Section::System => format!("/systemInstruction/parts/{}", block.outer),
            Section::Messages => format!("/contents/{}/parts/{}", block.outer, block.inner),
        }
    }

    /// Each event repeats the usage so far, so that none can be left out by its first bytes.
    fn may_matter(&self, _: &[u8]) -> bool {
        true
    }

    fn event(&self, seen: &mut Seen, _: &str, data: &[u8]) {
        response::event(seen, data);
    }

    fn document(&self, seen: &mut Seen, body: &[u8]) {
        response::document(seen, body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BlockKind, Role, Thinking};

    fn read(body: &str) -> Result<Reading, Skip> {
        let body = Bytes::from(body.to_owned());
        Generate.read(&body, &Keyring::new(b"test"), &mut |_| Vec::new())
    }

    fn prompt(body: &str) -> Prompt {
        read(body).unwrap().prompt
    }

    const CAMEL: &str = r#"{"contents":[{"role":"user","parts":[{"text":"hi"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},
        {"role":"model","parts":[{"text":"hm","thought":true},{"functionCall":{"name":"f","args":{}},"thoughtSignature":"c2ln"}]},
        {"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]},{"parts":[{"fileData":{"mimeType":"video/mp4","fileUri":"u"}}]}],
        "systemInstruction":{"role":"user","parts":[{"text":"s"},{"text":"t"}]},"tools":[{"functionDeclarations":[{"name":"f"}]},{"googleSearch":{}}],
        "generationConfig":{"temperature":1,"maxOutputTokens":9},"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}},"cachedContent":"cachedContents/1"}"#;

    fn snake(body: &str) -> String {
        let mut out = body.to_owned();
        for (camel, snake) in [
            ("inlineData", "inline_data"),
            ("mimeType", "mime_type"),
            ("functionCall\"", "function_call\""),
            ("thoughtSignature", "thought_signature"),
            ("functionResponse", "function_response"),
            ("fileData", "file_data"),
            ("systemInstruction", "system_instruction"),
            ("generationConfig", "generation_config"),
            ("maxOutputTokens", "max_output_tokens"),
            ("toolConfig", "tool_config"),
            ("cachedContent\"", "cached_content\""),
        ] {
            assert!(out.contains(camel), "{camel}");
            out = out.replace(camel, snake);
        }
        out
    }

    #[test]
    fn both_spellings_say_the_same() {
        let camel = prompt(CAMEL);
        let snake = prompt(&snake(CAMEL));
        let seen = |prompt: &Prompt| -> Vec<_> {
            prompt
                .blocks
                .iter()
                .map(|block| {
                    (
                        block.section,
                        block.role,
                        block.kind,
                        block.outer,
                        block.inner,
                    )
                })
                .collect()
        };
        use BlockKind as K;
        let expected = [
            (Section::Tools, Role::None, K::Tool, 0, 0),
            (Section::Tools, Role::None, K::Tool, 1, 0),
            (Section::System, Role::None, K::Text, 0, 0),
            (Section::System, Role::None, K::Text, 1, 0),
            (Section::Messages, Role::User, K::Text, 0, 0),
            (Section::Messages, Role::User, K::Image, 0, 1),
            (Section::Messages, Role::Assistant, K::Thinking, 1, 0),
            (Section::Messages, Role::Assistant, K::ToolUse, 1, 1),
            (Section::Messages, Role::User, K::ToolResult, 2, 0),
            (Section::Messages, Role::User, K::Other, 3, 0),
        ];
        assert_eq!(seen(&camel), expected);
        assert_eq!(seen(&snake), expected);
        for prompt in [&camel, &snake] {
            assert_eq!(prompt.max_tokens, Some(9));
            assert_eq!(prompt.thinking, Thinking::Signed);
            assert!(prompt.blocks.iter().all(|block| !block.markable));
        }
        assert_eq!(camel.system_salt, snake.system_salt);
        assert_eq!(Generate.pointer(&camel, 0), "/tools/0");
        assert_eq!(Generate.pointer(&camel, 3), "/systemInstruction/parts/1");
        assert_eq!(Generate.pointer(&camel, 5), "/contents/0/parts/1");
        assert_eq!(Generate.pointer(&camel, 10), "");
    }

    #[test]
    fn one_may_stand_for_many() {
        let many = r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"tools":[{"x":1}]}"#;
        let one = r#"{"contents":{"role":"user","parts":{"text":"a"}},"tools":{"x":1}}"#;
        let prints = |body: &str| -> Vec<_> {
            let blocks = prompt(body).blocks;
            blocks.iter().map(|block| block.fingerprint).collect()
        };
        assert_eq!(prints(one), prints(many));
        assert_eq!(prints(one).len(), 2);
        let nulls = r#"{"contents":[{"role":"user"}],"tools":null,"systemInstruction":null}"#;
        assert!(prompt(nulls).blocks.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_passed_on_with_its_reason() {
        for (body, why) in [
            ("{}", Skip::NoMessages),
            ("[]", Skip::NotARequest),
            (r#"{"contents":[{}"#, Skip::NotJson),
            (r#"{"contents":"hi"}"#, Skip::NotARequest),
            (
                r#"{"contents":[],"systemInstruction":"s"}"#,
                Skip::NotARequest,
            ),
            (r#"{"contents":[{"parts":["x"]}]}"#, Skip::NotARequest),
            (
                r#"{"contents":[],"systemInstruction":{},"system_instruction":{}}"#,
                Skip::DuplicateKey,
            ),
            (r#"{"contents":[],"contents":[]}"#, Skip::DuplicateKey),
        ] {
            assert_eq!(read(body).map(drop), Err(why), "{body}");
        }
    }

    #[test]
    fn what_separates_prefixes_is_in_the_salt() {
        let with = |rest: &str| prompt(&format!("{{\"contents\":[],{rest}}}")).system_salt;
        let plain = with("\"safetySettings\":[]");
        assert_eq!(with("\"generationConfig\":{\"temperature\":2}"), plain);
        let cached = with("\"cachedContent\":\"cachedContents/1\"");
        let tools = with("\"toolConfig\":{}");
        assert!(cached != plain && tools != plain && cached != tools);
        assert_ne!(with("\"cachedContent\":\"cachedContents/2\""), cached);
    }

    #[test]
    fn images_weigh_what_they_cost_not_what_they_spell() {
        let data = "A".repeat(400_000);
        let weight = |mime: &str| {
            let part = format!(r#"{{"inlineData":{{"mimeType":"{mime}","data":"{data}"}}}}"#);
            let body = format!(r#"{{"contents":[{{"parts":[{part}]}}]}}"#);
            prompt(&body).blocks[0].weight
        };
        assert!((700..900).contains(&weight("image/png")));
        assert!((10_000..10_200).contains(&weight("application/pdf")));
    }
}
