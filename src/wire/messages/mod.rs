//! The Anthropic Messages dialect, as spoken by the Claude API and by those who copied it.

mod blocks;
mod grammar;
mod message;
mod response;
mod usage;

use bytes::Bytes;

use super::mark::{self, Spelling, ephemeral};
use super::seams::{Close, ending};
use super::{Dialect, Edit, Reading, Recall, Seen, reader};
use crate::model::{Keyring, Plan, Prompt, Seams, Section, Skip};

/// A bare text becomes a block of its own.
const SPELLING: Spelling = Spelling {
    key: r#""cache_control""#,
    value: ephemeral,
    wrap: |_, _| (r#"[{"type":"text","text":"#, "}]"),
};

/// The dialect of `POST /v1/messages` (platform.claude.com, 2026-08-22).
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a name for stateless rules")]
pub struct Messages;

impl Dialect for Messages {
    fn read(&self, body: &Bytes, keyring: &Keyring, recall: Recall<'_>) -> Result<Reading, Skip> {
        reader::read(*self, body, keyring, recall)
    }

    fn mark(&self, body: &[u8], prompt: &Prompt, plan: &Plan) -> Vec<Edit> {
        mark::mark(body, prompt, plan, SPELLING)
    }

    fn unmark(&self, prompt: &Prompt) -> Vec<Edit> {
        mark::unmark(prompt)
    }

    fn seams(&self, reading: &Reading) -> Seams {
        let mut seams = Seams::new(r#"{"type":"text","text":"#, SPELLING.wrap);
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
            Section::System => format!("/system/{}", block.outer),
            Section::Messages => format!("/messages/{}/content/{}", block.outer, block.inner),
        }
    }

    fn may_matter(&self, data: &[u8]) -> bool {
        response::may_matter(data)
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
    use crate::model::{BlockKind, Breakpoint, Form, Role, Thinking, Ttl, Why};
    use crate::wire::splice;

    fn read(body: &str) -> Result<Reading, Skip> {
        let body = Bytes::from(body.to_owned());
        Messages.read(&body, &Keyring::new(b"test"), &mut |_| Vec::new())
    }

    fn prompt(body: &str) -> Prompt {
        read(body).unwrap().prompt
    }

    fn message(block: &str) -> String {
        format!(r#"{{"messages":[{{"role":"user","content":[{block}]}}]}}"#)
    }

    #[test]
    fn sections_stand_in_provider_order_whatever_the_body_does() {
        let body = r#"{"messages":[{"role":"user","content":"hi"},{"content":[{"type":"text","text":"a"},
            {"type":"tool_use","id":"1","name":"t","input":{"messages":[{}]}}],"role":"assistant"}],"max_tokens":12,
            "system":[{"type":"text","text":"s"}],"stream":true,"tools":[{"name":"t"},{"name":"u","defer_loading":true}],
            "model":"claude\u002dx"}"#;
        let prompt = prompt(body);
        let seen: Vec<_> = prompt
            .blocks
            .iter()
            .map(|block| {
                (
                    block.section,
                    block.role,
                    block.kind,
                    block.outer,
                    block.inner,
                    block.markable,
                )
            })
            .collect();
        let expected = [
            (Section::Tools, Role::None, BlockKind::Tool, 0, 0, true),
            (Section::Tools, Role::None, BlockKind::Tool, 1, 0, false),
            (Section::System, Role::None, BlockKind::Text, 0, 0, true),
            (Section::Messages, Role::User, BlockKind::Text, 0, 0, true),
            (
                Section::Messages,
                Role::Assistant,
                BlockKind::Text,
                1,
                0,
                true,
            ),
            (
                Section::Messages,
                Role::Assistant,
                BlockKind::ToolUse,
                1,
                1,
                true,
            ),
        ];
        assert_eq!(seen, expected);
        assert_eq!(&*prompt.model, "claude-x");
        assert!(prompt.stream);
        assert_eq!(prompt.max_tokens, Some(12));
        assert_eq!(prompt.blocks[3].form, Form::Bare);
        assert_eq!(prompt.blocks[3].span.of(body.as_bytes()), b"\"hi\"");
        let pointers: Vec<_> = (0..7)
            .map(|block| Messages.pointer(&prompt, block))
            .collect();
        let expected = [
            "/tools/0",
            "/tools/1",
            "/system/0",
            "/messages/0/content/0",
            "/messages/1/content/0",
            "/messages/1/content/1",
            "",
        ];
        assert_eq!(pointers, expected);
    }

    #[test]
    fn what_cannot_be_read_is_passed_on_with_its_reason() {
        let cases = [
            ("", Skip::NotJson),
            ("{\"messages\":[]", Skip::NotJson),
            ("{\"messages\":[]}x", Skip::NotJson),
            ("[]", Skip::NotARequest),
            ("\"messages\"", Skip::NotARequest),
            ("{}", Skip::NoMessages),
            ("{\"messages\":{}}", Skip::NotARequest),
            ("{\"messages\":null}", Skip::NotARequest),
            ("{\"messages\":[1]}", Skip::NotARequest),
            ("{\"messages\":[{\"role\":\"user\"}]}", Skip::NotARequest),
            ("{\"messages\":[{\"content\":\"x\"}]}", Skip::NotARequest),
            (
                "{\"messages\":[{\"role\":1,\"content\":\"x\"}]}",
                Skip::NotARequest,
            ),
            (
                "{\"messages\":[{\"role\":\"user\",\"content\":null}]}",
                Skip::NotARequest,
            ),
            ("{\"messages\":[],\"model\":7}", Skip::NotARequest),
            ("{\"messages\":[],\"system\":7}", Skip::NotARequest),
            ("{\"messages\":[],\"tools\":{}}", Skip::NotARequest),
            ("{\"messages\":[],\"messages\":[]}", Skip::DuplicateKey),
            (
                "{\"messages\":[],\"mess\\u0061ges\":[]}",
                Skip::DuplicateKey,
            ),
            ("{\"x\":1,\"messages\":[],\"x\":1}", Skip::DuplicateKey),
            (
                "{\"messages\":[{\"role\":\"user\",\"role\":\"user\",\"content\":\"x\"}]}",
                Skip::DuplicateKey,
            ),
            (
                "{\"messages\":[{\"role\":\"user\",\"content\":[],\"content\":\"x\"}]}",
                Skip::DuplicateKey,
            ),
            (
                "{\"messages\":[{\"role\":\"user\",\"a\":1,\"content\":\"x\",\"a\":1}]}",
                Skip::DuplicateKey,
            ),
            (
                "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"a\",\"type\":\"b\"}]}]}",
                Skip::DuplicateKey,
            ),
        ];
        for (body, why) in cases {
            assert_eq!(read(body).map(|_| ()), Err(why), "{body}");
        }
        let fine = [
            "{\"messages\":[],\"system\":null,\"tools\":null}",
            " {\"messages\" : [ ] } \n",
        ];
        for body in fine {
            assert_eq!(prompt(body).blocks.len(), 0, "{body}");
        }
    }

    const KINDS: [(&str, BlockKind, bool); 20] = [
        (r#"{"type":"text","text":"a"}"#, BlockKind::Text, true),
        (r#"{"type":"text","text":""}"#, BlockKind::Text, false),
        (
            r#"{"type":"text","text":" \n\u0020\u00a0 "}"#,
            BlockKind::Text,
            false,
        ),
        (
            "{\"type\":\"text\",\"text\":\" \u{a0}\u{2003}\"}",
            BlockKind::Text,
            false,
        ),
        (
            "{\"type\":\"text\",\"text\":\" \u{a0}\u{e9}\"}",
            BlockKind::Text,
            true,
        ),
        (
            r#"{"type":"text","text":"\n\ud800"}"#,
            BlockKind::Text,
            true,
        ),
        (r#"{"type":"text"}"#, BlockKind::Text, false),
        (
            r#"{"type":"text","text":"a","cache_control":"x"}"#,
            BlockKind::Text,
            false,
        ),
        (
            r#"{"type":"text","text":"a","cache_control":null}"#,
            BlockKind::Text,
            true,
        ),
        (
            r#"{"type":"thinking","thinking":"a","signature":"s"}"#,
            BlockKind::Thinking,
            false,
        ),
        (
            r#"{"type":"redacted_thinking","data":"a"}"#,
            BlockKind::Thinking,
            false,
        ),
        (
            r#"{"type":"image","source":{"type":"url","url":"u"}}"#,
            BlockKind::Image,
            true,
        ),
        (
            r#"{"type":"tool_result","tool_use_id":"1"}"#,
            BlockKind::ToolResult,
            true,
        ),
        (
            r#"{"type":"web_fetch_tool_result"}"#,
            BlockKind::Other,
            true,
        ),
        (r#"{"type":"search_result"}"#, BlockKind::Other, true),
        (r#"{"type":"novelty"}"#, BlockKind::Opaque, false),
        (r#"{"type":7}"#, BlockKind::Opaque, false),
        ("{}", BlockKind::Opaque, false),
        ("\"text\"", BlockKind::Opaque, false),
        ("[1]", BlockKind::Opaque, false),
    ];

    #[test]
    fn markable_is_what_the_provider_accepts() {
        for (block, kind, markable) in KINDS {
            let prompt = prompt(&message(block));
            let seen = prompt.blocks[0];
            assert_eq!((seen.kind, seen.markable), (kind, markable), "{block}");
        }
        let scoped =
            r#"{"messages":[{"role":"system","content":"x","clear_at":"next_user_message"}]}"#;
        assert!(!prompt(scoped).blocks[0].markable);
        let empty = r#"{"messages":[],"tools":[{},{"cache_control":null},{"type":"x"}]}"#;
        let markable: Vec<_> = prompt(empty)
            .blocks
            .iter()
            .map(|block| block.markable)
            .collect();
        assert_eq!(markable, [false, false, true]);
    }

    #[test]
    fn a_marker_is_not_part_of_the_fingerprint_wherever_it_stands() {
        let marker = r#""cache_control":{"type":"ephemeral","ttl":"1h"}"#;
        for members in [
            r#""type":"text","text":"a \" b""#,
            r#""type":"image","source":{"type":"url"}"#,
        ] {
            let plain = prompt(&message(&format!("{{{members}}}")));
            let (head, tail) = members.split_once(',').unwrap();
            let marked = [
                format!("{{{members},{marker}}}"),
                format!("{{{marker}, \n{members}}}"),
                format!("{{{head},{marker},{tail}}}"),
                format!("{{{members}, \"cache_control\" : {{ \"ttl\": \"1h\" }}}}"),
            ];
            for block in marked {
                let body = message(&block);
                let prompt = prompt(&body);
                assert_eq!(
                    prompt.blocks[0].fingerprint, plain.blocks[0].fingerprint,
                    "{block}"
                );
                assert_eq!(
                    prompt.blocks[0].marker.unwrap().ttl,
                    Ttl::OneHour,
                    "{block}"
                );
                assert!(
                    prompt.blocks[0].weight.abs_diff(plain.blocks[0].weight) <= 1,
                    "{block}"
                );
                let removed = splice(body.as_bytes(), &mut Messages.unmark(&prompt));
                let removed = String::from_utf8(removed).unwrap().replace([' ', '\n'], "");
                assert_eq!(
                    removed,
                    message(&format!("{{{members}}}")).replace([' ', '\n'], "")
                );
            }
        }
    }

    #[test]
    fn fingerprints_tell_blocks_apart() {
        let blocks = [
            r#"{"type":"text","text":"a"}"#,
            r#"{"type":"text","text":"b"}"#,
            r#"{"type":"text","text":"a","x":1}"#,
            r#"{"type":"tool_use","text":"a"}"#,
            r#"{"type":"text","text":"\"type\":\"text\",\"text\":\"a\""}"#,
        ];
        let mut seen: Vec<_> = blocks
            .map(|block| prompt(&message(block)).blocks[0].fingerprint)
            .to_vec();
        for other in [
            r#"{"messages":[{"role":"assistant","content":"a"}]}"#,
            r#"{"messages":[{"role":"user","content":"a","output_config":{"effort":"low"}}]}"#,
            r#"{"messages":[],"system":"a"}"#,
        ] {
            seen.push(prompt(other).blocks[0].fingerprint);
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all);
        let bare = read(r#"{"messages":[{"role":"user","content":"a"}]}"#).unwrap();
        let wrapped = read(&message(blocks[0])).unwrap();
        assert_eq!(
            bare.prompt.blocks[0].fingerprint,
            wrapped.prompt.blocks[0].fingerprint
        );
        assert_eq!(
            bare.prompt.blocks[0].weight,
            wrapped.prompt.blocks[0].weight
        );
        assert_eq!(bare.conversation, wrapped.conversation);
        let other = read(&message(blocks[1])).unwrap();
        assert_ne!(bare.conversation, other.conversation);
    }

    #[test]
    fn salts_follow_their_parameters() {
        let with = |rest: &str| prompt(&format!("{{\"messages\":[]{rest}}}"));
        let plain = with("");
        assert_eq!(with(",\"metadata\":{}").messages_salt, plain.messages_salt);
        assert_eq!(
            with(",\"speed\":\"fast\"").messages_salt,
            plain.messages_salt
        );
        assert_ne!(with(",\"speed\":\"fast\"").system_salt, plain.system_salt);
        assert_ne!(
            with(",\"thinking\":null").messages_salt,
            plain.messages_salt
        );
        assert_ne!(
            with(",\"thinking\":{}").messages_salt,
            with(",\"tool_choice\":{}").messages_salt
        );
        assert_eq!(
            with(",\"thinking\":{},\"tool_choice\":1").messages_salt,
            with(",\"tool_choice\":1,\"thinking\":{}").messages_salt
        );
    }

    #[test]
    fn media_weigh_what_they_cost_not_what_they_spell() {
        let data = "A".repeat(400_000);
        let source = |kind: &str| {
            format!(r#"{{"type":"{kind}","source":{{"data":"{data}","type":"base64"}}}}"#)
        };
        let weight = |block: &str| prompt(&message(block)).blocks[0].weight;
        assert!((4300..4500).contains(&weight(&source("image"))));
        assert!((10_000..10_200).contains(&weight(&source("document"))));
        let nested = format!(
            r#"{{"type":"tool_result","content":[{},{},"x"]}}"#,
            source("image"),
            source("document")
        );
        assert!((14_300..14_700).contains(&weight(&nested)));
    }

    #[test]
    fn signed_thinking_is_noticed() {
        let signed = |block: &str| prompt(&message(block)).thinking == Thinking::Signed;
        assert!(signed(
            r#"{"type":"thinking","signature":"s","thinking":""}"#
        ));
        assert!(signed(r#"{"type":"redacted_thinking","data":"x"}"#));
        assert!(!signed(
            r#"{"type":"thinking","signature":"","thinking":"x"}"#
        ));
        assert!(!signed(r#"{"type":"text","signature":"s","text":"x"}"#));
    }

    #[test]
    fn markers_are_placed_kept_and_replaced() {
        let body = r#"{"system":"s","cache_control":{"type":"ephemeral"},"messages":[{"role":"user","content":[
            {"type":"text","text":"a" },{"type":"text","text":"b","cache_control": null},
            {"cache_control":{"type":"ephemeral","ttl":"1h"},"type":"text","text":"c"},{"type":"thinking"}]}]}"#;
        let mut prompt = prompt(body);
        assert_eq!(prompt.own_markers(), 2);
        let all = (0..6).map(|block| Breakpoint::new(block, Ttl::OneHour, Why::Tail));
        let plan = Plan::new(all.collect());
        let mut edits = Messages.mark(body.as_bytes(), &prompt, &plan);
        let out = String::from_utf8(splice(body.as_bytes(), &mut edits)).unwrap();
        let marker = r#"{"type":"ephemeral","ttl":"1h"}"#;
        let expected = body
            .replace(
                "\"s\"",
                &format!(r#"[{{"type":"text","text":"s","cache_control":{marker}}}]"#),
            )
            .replace("\"a\" }", &format!("\"a\" ,\"cache_control\":{marker}}}"))
            .replace(
                "\"cache_control\": null",
                &format!("\"cache_control\": {marker}"),
            );
        assert_eq!(out, expected);

        let mut edits = Messages.unmark(&prompt);
        prompt.auto_marker = None;
        for block in &mut prompt.blocks {
            block.marker = None;
        }
        let last = Plan::new(vec![Breakpoint::new(3, Ttl::FiveMinutes, Why::Tail)]);
        edits.extend(Messages.mark(body.as_bytes(), &prompt, &last));
        let out = String::from_utf8(splice(body.as_bytes(), &mut edits)).unwrap();
        let expected = body
            .replace(r#","cache_control":{"type":"ephemeral"}"#, "")
            .replace(r#"{"cache_control":{"type":"ephemeral","ttl":"1h"},"#, "{")
            .replace("\"c\"", r#""c","cache_control":{"type":"ephemeral"}"#);
        assert_eq!(out, expected);
    }
}
