//! Amazon Bedrock's Converse dialect, and the body of Nova by InvokeModel, which is its dialect
//! with another spelling of the marker.

mod blocks;
mod mark;
mod read;
mod response;
mod weigh;

use bytes::Bytes;

use super::seams::{Close, ending};
use super::{Dialect, Edit, MarkerStyle, Reading, Recall, Seen};
use crate::model::{Keyring, Plan, Prompt, Seams, Section, Skip};

/// The dialect of `POST /model/{id}/converse` and `/converse-stream` (docs.aws.amazon.com/bedrock,
/// 2026-11), whose model stands in the path, so that prompts have none.
///
/// With [`MarkerStyle::CachePoint`] a marker is an element of its own behind the block it closes;
/// with [`MarkerStyle::CachePointMember`] it is a member of a text. Pointers and the indices of
/// blocks are those of the array as the caller sent it, the caller's own markers counted.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for stateless rules")]
pub struct Converse {
    /// How a marker is spelled here.
    pub marker: MarkerStyle,
}

impl Dialect for Converse {
    fn read(&self, body: &Bytes, keyring: &Keyring, _: Recall<'_>) -> Result<Reading, Skip> {
        read::read(body, keyring, self.marker)
    }

    fn mark(&self, _: &[u8], prompt: &Prompt, plan: &Plan) -> Vec<Edit> {
        mark::mark(prompt, plan, self.marker)
    }

    fn unmark(&self, prompt: &Prompt) -> Vec<Edit> {
        mark::unmark(prompt)
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
            Section::Tools => format!("/toolConfig/tools/{}", block.outer),
            Section::System => format!("/system/{}", block.outer),
            Section::Messages => format!("/messages/{}/content/{}", block.outer, block.inner),
        }
    }

    fn may_matter(&self, data: &[u8]) -> bool {
        response::may_matter(data)
    }

    fn event(&self, seen: &mut Seen, name: &str, data: &[u8]) {
        response::event(seen, name, data);
    }

    fn document(&self, seen: &mut Seen, body: &[u8]) {
        response::document(seen, body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BlockKind, Breakpoint, Role, Thinking, Ttl, Why};
    use crate::wire::splice;

    const POINTS: Converse = Converse {
        marker: MarkerStyle::CachePoint,
    };
    const MEMBERS: Converse = Converse {
        marker: MarkerStyle::CachePointMember,
    };

    fn read(dialect: Converse, body: &str) -> Result<Reading, Skip> {
        let body = Bytes::from(body.to_owned());
        dialect.read(&body, &Keyring::new(b"test"), &mut |_| Vec::new())
    }

    fn prompt_of(dialect: Converse, body: &str) -> Prompt {
        read(dialect, body).unwrap().prompt
    }

    fn message(blocks: &str) -> String {
        format!(r#"{{"messages":[{{"role":"user","content":[{blocks}]}}]}}"#)
    }

    fn marked(dialect: Converse, body: &str, prompt: &Prompt, ttl: Ttl) -> String {
        let blocks = 0..prompt.blocks.len();
        let plan = Plan::new(
            blocks
                .map(|block| Breakpoint::new(block, ttl, Why::Tail))
                .collect(),
        );
        let mut edits = dialect.mark(body.as_bytes(), prompt, &plan);
        String::from_utf8(splice(body.as_bytes(), &mut edits)).unwrap()
    }

    #[test]
    fn sections_stand_in_provider_order_whatever_the_body_does() {
        let body = r#"{"messages":[{"content":[{"text":"hi"}],"role":"user"},
            {"role":"assistant","content":[{"text":"a"},{"toolUse":{"toolUseId":"1","name":"t","input":{}}}]},
            {"role":"user","content":[{"toolResult":{"toolUseId":"1","content":[{"text":"r"}]}}]}],
            "inferenceConfig":{"maxTokens":12,"temperature":0.5},"system":[{"text":"s"}],
            "toolConfig":{"toolChoice":{"auto":{}},"tools":[{"toolSpec":{"name":"t"}}]}}"#;
        let prompt = prompt_of(POINTS, body);
        let seen: Vec<_> = prompt
            .blocks
            .iter()
            .map(|block| (block.section, block.role, block.kind))
            .collect();
        let expected = [
            (Section::Tools, Role::None, BlockKind::Tool),
            (Section::System, Role::None, BlockKind::Text),
            (Section::Messages, Role::User, BlockKind::Text),
            (Section::Messages, Role::Assistant, BlockKind::Text),
            (Section::Messages, Role::Assistant, BlockKind::ToolUse),
            (Section::Messages, Role::User, BlockKind::ToolResult),
        ];
        assert_eq!(seen, expected);
        assert!(prompt.blocks.iter().all(|block| block.markable));
        assert_eq!((&*prompt.model, prompt.max_tokens), ("", Some(12)));
        let pointers: Vec<_> = (0..7).map(|block| POINTS.pointer(&prompt, block)).collect();
        let expected = [
            "/toolConfig/tools/0",
            "/system/0",
            "/messages/0/content/0",
            "/messages/1/content/0",
            "/messages/1/content/1",
            "/messages/2/content/0",
            "",
        ];
        assert_eq!(pointers, expected);
    }

    #[test]
    fn what_cannot_be_read_is_passed_on_with_its_reason() {
        for (body, why) in [
            ("{}", Skip::NoMessages),
            ("[]", Skip::NotARequest),
            (r#"{"messages":[]"#, Skip::NotJson),
            (r#"{"messages":null}"#, Skip::NotARequest),
            (r#"{"messages":[{"role":"user"}]}"#, Skip::NotARequest),
            (r#"{"messages":[{"content":[]}]}"#, Skip::NotARequest),
            (
                r#"{"messages":[{"role":"user","content":"x"}]}"#,
                Skip::NotARequest,
            ),
            (r#"{"messages":[],"system":"x"}"#, Skip::NotARequest),
            (r#"{"messages":[],"toolConfig":[]}"#, Skip::NotARequest),
            (
                r#"{"messages":[],"toolConfig":{"tools":{}}}"#,
                Skip::NotARequest,
            ),
            (r#"{"messages":[],"messages":[]}"#, Skip::DuplicateKey),
            (
                r#"{"messages":[{"role":"user","content":[{"text":"a","text":"b"}]}]}"#,
                Skip::DuplicateKey,
            ),
        ] {
            assert_eq!(read(POINTS, body).map(drop), Err(why), "{body}");
        }
        let nulls = r#"{"messages":[],"system":null,"toolConfig":{"tools":null}}"#;
        assert!(prompt_of(POINTS, nulls).blocks.is_empty());
    }

    const BLOCKS: [(&str, BlockKind, bool); 20] = [
        (r#"{"text":"a"}"#, BlockKind::Text, true),
        (r#"{"text":" \n"}"#, BlockKind::Text, false),
        (r#"{"text":7}"#, BlockKind::Text, false),
        (r#"{"text":"a","image":null}"#, BlockKind::Text, true),
        (
            r#"{"image":{"format":"png","source":{"bytes":"AA=="}}}"#,
            BlockKind::Image,
            true,
        ),
        (
            r#"{"document":{"format":"pdf","name":"d","source":{}}}"#,
            BlockKind::Document,
            true,
        ),
        (
            r#"{"document":{"format":"csv","name":"d","source":{}}}"#,
            BlockKind::Document,
            false,
        ),
        (
            r#"{"document":{"format":"docx"}}"#,
            BlockKind::Document,
            false,
        ),
        (
            r#"{"document":{"name":"d","source":{"text":"x"}}}"#,
            BlockKind::Document,
            false,
        ),
        (
            r#"{"video":{"format":"mp4","source":{}}}"#,
            BlockKind::Other,
            false,
        ),
        (r#"{"toolUse":{"input":{}}}"#, BlockKind::ToolUse, true),
        (
            r#"{"toolResult":{"content":[{"text":""}]}}"#,
            BlockKind::ToolResult,
            true,
        ),
        (r#"{"toolResult":1}"#, BlockKind::ToolResult, false),
        (r#"{"guardContent":{}}"#, BlockKind::Other, false),
        (
            r#"{"reasoningContent":{"reasoningText":{"text":"x"}}}"#,
            BlockKind::Thinking,
            false,
        ),
        (r#"{"novelty":{}}"#, BlockKind::Opaque, false),
        (
            r#"{"text":"a","cachePoint":{"type":"default"}}"#,
            BlockKind::Opaque,
            false,
        ),
        (r#"{"cachePoint":"x"}"#, BlockKind::Opaque, false),
        ("{}", BlockKind::Opaque, false),
        ("\"text\"", BlockKind::Opaque, false),
    ];

    #[test]
    fn markable_is_what_the_provider_accepts() {
        for (block, kind, markable) in BLOCKS {
            let prompt = prompt_of(POINTS, &message(block));
            let seen = prompt.blocks[0];
            assert_eq!((seen.kind, seen.markable), (kind, markable), "{block}");
            assert_eq!(seen.marker, None, "{block}");
        }
        let mut texts = 0;
        for (block, _, _) in BLOCKS {
            let seen = prompt_of(MEMBERS, &message(block)).blocks[0];
            texts += usize::from(seen.markable);
            assert!(!seen.markable || seen.kind == BlockKind::Text, "{block}");
        }
        assert_eq!(texts, 2);
        let head = r#"{"messages":[],"system":[{"guardContent":{}},{"text":"a"}],"toolConfig":
            {"tools":[{"toolSpec":{"name":"t"}},{"systemTool":{"name":"nova_grounding"}},{"new":1}]}}"#;
        let markable = |dialect: Converse| -> Vec<bool> {
            let blocks = prompt_of(dialect, head).blocks;
            blocks.iter().map(|block| block.markable).collect()
        };
        assert_eq!(markable(POINTS), [true, false, false, false, true]);
        assert_eq!(markable(MEMBERS), [false, false, false, false, true]);
    }

    #[test]
    fn a_turn_that_reasons_is_left_alone() {
        let body = r#"{"messages":[{"role":"user","content":[{"text":"q"}]},
            {"role":"assistant","content":[{"text":"before"}]},
            {"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"x","signature":"s"}}},{"text":"a"}]},
            {"role":"assistant","content":[{"toolUse":{"input":{}}}]},
            {"role":"user","content":[{"toolResult":{"content":[]}}]},
            {"role":"assistant","content":[{"text":"b"}]}]}"#;
        let prompt = prompt_of(POINTS, body);
        let markable: Vec<_> = prompt.blocks.iter().map(|block| block.markable).collect();
        assert_eq!(markable, [true, false, false, false, false, true, true]);
        assert_eq!(prompt.thinking, Thinking::Signed);
        let unsigned = body.replace("\"signature\":\"s\"", "\"signature\":\"\"");
        assert_eq!(prompt_of(POINTS, &unsigned).thinking, Thinking::Off);
    }

    #[test]
    fn cache_points_belong_to_the_block_before_them() {
        let body = r#"{"messages":[{"role":"user","content":[{"text":"a"} , {"cachePoint":{"type":"default"}},
            {"text":"b"},{"cachePoint":{"ttl":"1h","type":"default"}}]}],"system":[{"text":"s"},{"cachePoint":{"type":"default"}}],
            "toolConfig":{"tools":[{"toolSpec":{"name":"t"}},{"cachePoint":{"type":"default"}},{"toolSpec":{"name":"u"}}]}}"#;
        let prompt = prompt_of(POINTS, body);
        let ttls: Vec<_> = prompt
            .blocks
            .iter()
            .map(|block| block.marker.map(|marker| marker.ttl))
            .collect();
        let (short, long) = (Some(Ttl::FiveMinutes), Some(Ttl::OneHour));
        assert_eq!(ttls, [short, None, short, short, long]);
        assert_eq!(prompt.own_markers(), 4);
        assert_eq!(POINTS.pointer(&prompt, 1), "/toolConfig/tools/2");
        assert_eq!(POINTS.pointer(&prompt, 4), "/messages/0/content/2");
        let plain = splice(body.as_bytes(), &mut POINTS.unmark(&prompt));
        let plain = String::from_utf8(plain).unwrap();
        let expected = r#"{"messages":[{"role":"user","content":[{"text":"a"} ,
            {"text":"b"}]}],"system":[{"text":"s"}],
            "toolConfig":{"tools":[{"toolSpec":{"name":"t"}},{"toolSpec":{"name":"u"}}]}}"#;
        assert_eq!(plain, expected);
        let bare = prompt_of(POINTS, &plain);
        let prints = |prompt: &Prompt| -> Vec<_> {
            prompt
                .blocks
                .iter()
                .map(|block| block.fingerprint)
                .collect()
        };
        assert_eq!(prints(&prompt), prints(&bare));
        assert_eq!(
            marked(POINTS, body, &prompt, Ttl::OneHour),
            body.replace(
                r#"{"toolSpec":{"name":"u"}}"#,
                r#"{"toolSpec":{"name":"u"}},{"cachePoint":{"type":"default","ttl":"1h"}}"#
            )
        );
    }

    #[test]
    fn cache_points_that_close_nothing_are_counted_all_the_same() {
        let point = r#"{"cachePoint":{"type":"default"}}"#;
        let body = message(&format!(r#"{point},{{"text":"a"}},{point},{point}"#));
        let prompt = prompt_of(POINTS, &body);
        assert_eq!(prompt.own_markers(), 3);
        let markable: Vec<_> = prompt.blocks.iter().map(|block| block.markable).collect();
        assert_eq!(markable, [false, true, false]);
        let plain = splice(body.as_bytes(), &mut POINTS.unmark(&prompt));
        assert_eq!(
            String::from_utf8(plain).unwrap(),
            message(r#"{"text":"a"}"#)
        );
    }

    #[test]
    fn markers_inside_texts_are_placed_and_taken_out() {
        let body = r#"{"schemaVersion":"messages-v1","system":[{"text":"s"}],"messages":[{"role":"user","content":[
            {"text":"a","cachePoint":{"type":"default"}},{"cachePoint":{"type":"default"}, "text":"b"},{"text":"c","cachePoint":null},
            {"text":"d" },{"image":{"format":"png","source":{"bytes":"AA=="}}}]}],"inferenceConfig":{"maxTokens":5}}"#;
        let prompt = prompt_of(MEMBERS, body);
        assert_eq!(prompt.own_markers(), 2);
        let point = r#""cachePoint":{"type":"default"}"#;
        assert_eq!(
            marked(MEMBERS, body, &prompt, Ttl::FiveMinutes),
            body.replace(r#"{"text":"s"}"#, &format!(r#"{{"text":"s",{point}}}"#))
                .replace(r#"{"text":"d" }"#, &format!(r#"{{"text":"d" ,{point}}}"#))
        );
        let plain = splice(body.as_bytes(), &mut MEMBERS.unmark(&prompt));
        assert_eq!(
            String::from_utf8(plain).unwrap(),
            body.replace(&format!(",{point}"), "")
                .replace(&format!("{point}, "), "")
        );
        let alone = prompt_of(MEMBERS, &message(r#"{"text":"a"}"#));
        assert_eq!(alone.blocks[0].fingerprint, prompt.blocks[1].fingerprint);
    }

    #[test]
    fn fingerprints_tell_blocks_and_salts_parameters_apart() {
        let mut seen: Vec<_> = BLOCKS
            .map(|(block, ..)| prompt_of(POINTS, &message(block)).blocks[0].fingerprint)
            .to_vec();
        seen.push(
            prompt_of(POINTS, r#"{"messages":[],"system":[{"text":"a"}]}"#).blocks[0].fingerprint,
        );
        let other = r#"{"messages":[{"role":"assistant","content":[{"text":"a"}]}]}"#;
        seen.push(prompt_of(POINTS, other).blocks[0].fingerprint);
        let named = r#"{"messages":[{"role":"user","name":"x","content":[{"text":"a"}]}]}"#;
        seen.push(prompt_of(POINTS, named).blocks[0].fingerprint);
        // A member that is null says what absence says.
        let all = seen.len() - 1;
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all);

        let with = |rest: &str| {
            let prompt = prompt_of(POINTS, &format!("{{\"messages\":[],{rest}}}"));
            (prompt.system_salt, prompt.messages_salt)
        };
        let more = |field: &str| with(&format!("\"additionalModelRequestFields\":{{{field}}}"));
        let plain = with("\"requestMetadata\":{}");
        for same in [
            with("\"inferenceConfig\":{\"temperature\":1}"),
            with("\"guardrailConfig\":{}"),
            more("\"top_k\":5"),
        ] {
            assert_eq!(same, plain);
        }
        for (turn, changed) in [
            (true, with("\"toolConfig\":{\"toolChoice\":{\"any\":{}}}")),
            (true, more("\"thinking\":{\"type\":\"enabled\"}")),
            (false, more("\"anthropic_beta\":[\"x\"]")),
            (
                false,
                with("\"performanceConfig\":{\"latency\":\"optimized\"}"),
            ),
        ] {
            assert_eq!((changed.0 == plain.0, changed.1 == plain.1), (turn, !turn));
        }
        let asked = |field: &str| {
            let body = format!("{{\"messages\":[],\"additionalModelRequestFields\":{{{field}}}}}");
            prompt_of(POINTS, &body).thinking
        };
        assert_eq!(
            asked("\"thinking\":{\"type\":\"enabled\"}"),
            Thinking::Asked
        );
        assert_eq!(asked("\"thinking\":{\"type\":\"disabled\"}"), Thinking::Off);
    }

    #[test]
    fn media_weigh_what_they_cost_not_what_they_spell() {
        let data = "A".repeat(400_000);
        let media = |kind: &str, format: &str| {
            format!(
                r#"{{"{kind}":{{"format":"{format}","name":"x","source":{{"bytes":"{data}"}}}}}}"#
            )
        };
        let weight = |block: &str| prompt_of(POINTS, &message(block)).blocks[0].weight;
        let image = media("image", "png");
        assert!((4300..4500).contains(&weight(&image)));
        let pdf = media("document", "pdf");
        assert!((10_000..10_200).contains(&weight(&pdf)));
        assert!((300_000..300_200).contains(&weight(&media("document", "txt"))));
        let nested = format!(r#"{{"toolResult":{{"content":[{image},{pdf},{{"text":"x"}}]}}}}"#);
        assert!((14_300..14_700).contains(&weight(&nested)));
    }
}
