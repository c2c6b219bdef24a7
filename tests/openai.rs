//! The Chat and Responses dialects: what is read, where markers go, what usage means.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::sync::Arc;

use bytes::Bytes;
use cachewright::model::{
    Block, BlockKind, Breakpoint, Form, Money, Plan, Prompt, Role, Section, Skip, Ttl, Usage, Why,
};
use cachewright::wire::{
    Chat, Dialect, Framing, MarkerStyle, Progress, Reading, Remembered, Responses, Seen, Watcher,
    splice,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::messages::{Text, junk, keyring, literal, object, spelled};

const NONE: MarkerStyle = MarkerStyle::None;
const CONTROL: MarkerStyle = MarkerStyle::CacheControl;
const BREAKPOINT: MarkerStyle = MarkerStyle::PromptCacheBreakpoint;

static CHATS: [Chat; 3] = [
    Chat { marker: NONE },
    Chat { marker: CONTROL },
    Chat { marker: BREAKPOINT },
];
static RESPONSES: [Responses; 2] = [
    Responses { marker: NONE },
    Responses { marker: BREAKPOINT },
];

fn chat(marker: MarkerStyle) -> &'static dyn Dialect {
    CHATS.iter().find(|chat| chat.marker == marker).unwrap()
}

fn responses(marker: MarkerStyle) -> &'static dyn Dialect {
    RESPONSES.iter().find(|one| one.marker == marker).unwrap()
}

fn read(dialect: &dyn Dialect, body: &Bytes) -> Result<Reading, Skip> {
    dialect.read(body, &keyring(), &mut |_| Vec::new())
}

fn prompt(dialect: &dyn Dialect, body: &str) -> Prompt {
    read(dialect, &Bytes::from(body.to_owned())).unwrap().prompt
}

/// A block in one line: section, role, kind, whether it can be marked, its bytes.
fn shown(body: &str, block: &Block) -> String {
    let role = match block.role {
        Role::None => "",
        Role::User => " user",
        Role::Assistant => " assistant",
        Role::System => " system",
        _ => " other",
    };
    let mark = if block.markable { "+" } else { "-" };
    let text = String::from_utf8_lossy(block.span.of(body.as_bytes()));
    format!(
        "{mark} {:?}{role} {:?} {text}",
        block.section, block.kind
    )
}

fn lines(dialect: &dyn Dialect, body: &str) -> Vec<String> {
    let prompt = prompt(dialect, body);
    prompt
        .blocks
        .iter()
        .map(|block| shown(body, block))
        .collect()
}

const TALK: &str = r#"{"model":"gpt-x","max_tokens":5,"messages":[
{"role":"developer","content":"d"},{"role":"system","content":[{"type":"text","text":"s"}]},
{"role":"user","content":[{"type":"text","text":"u"},{"type":"image_url","image_url":{"url":"data:"}},{"type":"novelty"}]},
{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"2"}],"content":null,"reasoning_content":"r"},
{"role":"tool","tool_call_id":"1","content":"out"},{"role":"tool","tool_call_id":"2","content":[{"type":"text","text":"part"}]},
{"role":"assistant","content":"a"},{"role":"developer","content":"later"},{"role":"assistant"}],
"tools":[{"type":"function","function":{"name":"f"}}],"max_completion_tokens":7,"stream":true}"#;

#[test]
fn a_chat_is_read_in_the_order_of_the_prefix() {
    let tool = r#"- Tools Tool {"type":"function","function":{"name":"f"}}"#;
    let expected = [
        tool,
        r#"+ System Text "d""#,
        r#"+ System Text {"type":"text","text":"s"}"#,
        r#"+ Messages user Text {"type":"text","text":"u"}"#,
        r#"+ Messages user Image {"type":"image_url","image_url":{"url":"data:"}}"#,
        r#"- Messages user Opaque {"type":"novelty"}"#,
        r#"- Messages assistant Thinking "r""#,
        r#"- Messages assistant ToolUse {"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}"#,
        r#"- Messages assistant ToolUse {"id":"2"}"#,
        r#"- Messages user ToolResult "out""#,
        r#"+ Messages user ToolResult {"type":"text","text":"part"}"#,
        r#"- Messages assistant Text "a""#,
        r#"+ Messages system Text "later""#,
        r#"- Messages assistant Opaque {"role":"assistant"}"#,
    ];
    assert_eq!(lines(chat(BREAKPOINT), TALK), expected);
    let read = prompt(chat(BREAKPOINT), TALK);
    assert_eq!((&*read.model, read.stream), ("gpt-x", true));
    assert_eq!(read.max_tokens, Some(7));
    assert_eq!(read.implicit, Some(10), "the last tool output");
    assert_eq!(prompt(chat(CONTROL), TALK).implicit, None);
    let pointers: Vec<String> = (0..15)
        .map(|at| chat(BREAKPOINT).pointer(&read, at))
        .collect();
    assert_eq!(pointers[0], "/tools/0");
    assert_eq!(pointers[4], "/messages/2/content/1");
    assert_eq!(pointers[8], "/messages/3/tool_calls/1");
    assert_eq!(pointers[14], "");

    let markable = |marker| {
        let prompt = prompt(chat(marker), TALK);
        let blocks = prompt.blocks.iter();
        let all = blocks.map(|block| if block.markable { '+' } else { '-' });
        all.collect::<String>()
    };
    assert_eq!(markable(NONE), "--------------");
    assert_eq!(markable(CONTROL), "+++++----++++-");
}

#[test]
fn responses_are_read_in_the_order_of_the_prefix() {
    let body = r#"{"input":[{"role":"developer","content":"d"},{"role":"user","content":"u"},
{"type":"reasoning","id":"r","summary":[],"encrypted_content":"gAAA"},
{"type":"message","role":"assistant","id":"m","status":"completed","content":[{"type":"output_text","text":"o","annotations":[]}]},
{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"1","output":"x"},
{"type":"item_reference","id":"z"},{"type":"additional_tools","role":"developer","tools":[]},
{"role":"user","content":[{"type":"input_file","file_id":"f"},{"type":"input_text","text":" "}]},7],
"instructions":"i","tools":[{"type":"web_search"}],"max_output_tokens":9}"#;
    let expected = [
        r#"- Tools Tool {"type":"web_search"}"#,
        r#"- System Text "i""#,
        r#"+ System Text "d""#,
        r#"+ Messages user Text "u""#,
        r#"- Messages assistant Thinking {"type":"reasoning","id":"r","summary":[],"encrypted_content":"gAAA"}"#,
        r#"- Messages assistant Text {"type":"output_text","text":"o","annotations":[]}"#,
        r#"- Messages assistant ToolUse {"type":"function_call","call_id":"1","name":"f","arguments":"{}"}"#,
        r#"- Messages user ToolResult {"type":"function_call_output","call_id":"1","output":"x"}"#,
        r#"- Messages other Opaque {"type":"item_reference","id":"z"}"#,
        r#"- Messages other Opaque {"type":"additional_tools","role":"developer","tools":[]}"#,
        r#"+ Messages user Document {"type":"input_file","file_id":"f"}"#,
        r#"- Messages user Text {"type":"input_text","text":" "}"#,
        "- Messages other Opaque 7",
    ];
    assert_eq!(lines(responses(BREAKPOINT), body), expected);
    let read = prompt(responses(BREAKPOINT), body);
    assert_eq!(read.implicit, Some(11));
    assert_eq!(read.max_tokens, Some(9));
    assert_eq!(read.thinking, cachewright::model::Thinking::Signed);
    let pointers = [1, 2, 3, 7, 10].map(|at| responses(BREAKPOINT).pointer(&read, at));
    let expected = [
        "/instructions",
        "/input/0/content/0",
        "/input/1/content/0",
        "/input/5",
        "/input/8/content/0",
    ];
    assert_eq!(pointers, expected);
}

#[test]
fn the_provider_writes_where_the_caller_lets_it() {
    let at = |messages: &str, more: &str| {
        let body = format!(r#"{{"messages":[{messages}]{more}}}"#);
        prompt(chat(BREAKPOINT), &body).implicit
    };
    let (user, model) = (
        r#"{"role":"user","content":"u"}"#,
        r#"{"role":"assistant","content":"a"}"#,
    );
    let developer = r#"{"role":"developer","content":"d"}"#;
    assert_eq!(at("", ""), None);
    assert_eq!(at(user, ""), Some(0));
    assert_eq!(at(&format!("{user},{model}"), ""), Some(0));
    assert_eq!(at(&format!("{developer},{developer},{model}"), ""), Some(1));
    assert_eq!(at(&format!("{user},{developer}"), ""), Some(0));
    let explicit = r#","prompt_cache_options":{"ttl":"30m","mode":"explicit"}"#;
    assert_eq!(at(user, explicit), None);
    let implicit = r#","prompt_cache_options":{"mode":"implicit"}"#;
    assert_eq!(at(user, implicit), Some(0));
    assert_eq!(at(user, r#","prompt_cache_options":null"#), Some(0));
}

fn tail(block: usize) -> Plan {
    Plan::new(vec![Breakpoint::new(block, Ttl::HalfHour, Why::Tail)])
}

fn marked(dialect: &dyn Dialect, body: &str, plan: &Plan) -> String {
    let prompt = prompt(dialect, body);
    let mut edits = dialect.mark(body.as_bytes(), &prompt, plan);
    String::from_utf8(splice(body.as_bytes(), &mut edits)).unwrap()
}

#[test]
fn markers_are_spelled_as_the_provider_spells_them() {
    let cases: [(&dyn Dialect, &str, &str); 8] = [
        (
            chat(BREAKPOINT),
            r#"{"messages":[{"role":"user","content":"x"}]}"#,
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"x","prompt_cache_breakpoint":{"mode":"explicit"}}]}]}"#,
        ),
        (
            chat(CONTROL),
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}"#,
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}]}"#,
        ),
        (
            chat(CONTROL),
            r#"{"messages":[{"role":"user","content":[{"cache_control":null,"type":"text","text":"x"}]}]}"#,
            r#"{"messages":[{"role":"user","content":[{"cache_control":{"type":"ephemeral"},"type":"text","text":"x"}]}]}"#,
        ),
        (
            chat(NONE),
            r#"{"messages":[{"role":"user","content":"x"}]}"#,
            r#"{"messages":[{"role":"user","content":"x"}]}"#,
        ),
        (
            chat(CONTROL),
            r#"{"messages":[],"tools":[{"function":{}}]}"#,
            r#"{"messages":[],"tools":[{"function":{},"cache_control":{"type":"ephemeral"}}]}"#,
        ),
        (
            responses(BREAKPOINT),
            r#"{"input" : "x"}"#,
            r#"{"input" : [{"role":"user","content":[{"type":"input_text","text":"x","prompt_cache_breakpoint":{"mode":"explicit"}}]}]}"#,
        ),
        (
            responses(BREAKPOINT),
            r#"{"input":[{"role":"user","content":"x"}]}"#,
            r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"x","prompt_cache_breakpoint":{"mode":"explicit"}}]}]}"#,
        ),
        (
            responses(BREAKPOINT),
            r#"{"inp\u0075t":"x"}"#,
            r#"{"inp\u0075t":"x"}"#,
        ),
    ];
    for (dialect, body, expected) in cases {
        assert_eq!(marked(dialect, body, &tail(0)), expected);
    }
    let hour = Plan::new(vec![Breakpoint::new(0, Ttl::OneHour, Why::Tail)]);
    let with_hour = marked(chat(CONTROL), cases[1].1, &hour);
    assert!(
        with_hour.contains(r#""cache_control":{"type":"ephemeral","ttl":"1h"}"#),
        "{with_hour}"
    );
}

#[test]
fn the_callers_markers_are_known_and_never_part_of_the_fingerprint() {
    let part = |members: &str| {
        format!(r#"{{"messages":[{{"role":"user","content":[{{{members}}}]}}]}}"#)
    };
    let texts = [
        r#""type":"text","text":"x""#,
        r#""type":"image_url","image_url":{"url":"u"}"#,
    ];
    let markers = [
        (CONTROL, r#""cache_control":{"type":"ephemeral","ttl":"1h"}"#, Ttl::OneHour),
        (BREAKPOINT, r#""prompt_cache_breakpoint": {"mode":"explicit"}"#, Ttl::HalfHour),
    ];
    for members in texts {
        for (style, marker, ttl) in markers {
            let plain = prompt(chat(style), &part(members)).blocks[0];
            let (head, rest) = members.split_once(',').unwrap();
            for with in [
                format!("{members},{marker}"),
                format!("{marker},{members}"),
                format!("{head},{marker},{rest}"),
            ] {
                let body = part(&with);
                let read = prompt(chat(style), &body);
                assert_eq!(read.blocks[0].fingerprint, plain.fingerprint, "{body}");
                assert_eq!(read.blocks[0].marker.unwrap().ttl, ttl);
                let removed = splice(body.as_bytes(), &mut chat(style).unmark(&read));
                assert_eq!(String::from_utf8(removed).unwrap(), part(members));
                let other = prompt(chat(NONE), &body);
                assert_eq!(other.blocks[0].marker, None);
                assert_ne!(other.blocks[0].fingerprint, plain.fingerprint);
            }
        }
    }
    for odd in [
        r#""type":"text","text":"x","cache_control":"y""#,
        r#""type":"text","text":"x","cache\u005fcontrol":{"type":"ephemeral"}"#,
        r#""cache_control":null"#,
    ] {
        assert!(!prompt(chat(CONTROL), &part(odd)).blocks[0].markable, "{odd}");
    }
}

#[test]
fn fingerprints_tell_apart_what_the_model_is_told() {
    let one = |message: &str| {
        let body = format!(r#"{{"messages":[{message}]}}"#);
        prompt(chat(NONE), &body).blocks[0].fingerprint
    };
    let bare = one(r#"{"role":"user","content":"a"}"#);
    assert_eq!(
        bare,
        one(r#"{"content":[{"text":"a","type":"text"}],"role":"user"}"#)
    );
    let mut all = vec![bare];
    for other in [
        r#"{"role":"user","content":"b"}"#,
        r#"{"role":"assistant","content":"a"}"#,
        r#"{"role":"system","content":"a"}"#,
        r#"{"role":"developer","content":"a"}"#,
        r#"{"role":"tool","content":"a"}"#,
        r#"{"role":"tool","content":"a","tool_call_id":"1"}"#,
        r#"{"role":"user","content":"a","name":"n"}"#,
        r#"{"role":"sage","content":"a"}"#,
        r#"{"role":"user","content":null}"#,
        r#"{"role":"user","content":1}"#,
        r#"{"role":"user","content":2}"#,
        r#"{"role":"user"}"#,
    ] {
        all.push(one(other));
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);

    let salts = |more: &str| {
        let chat = prompt(chat(NONE), &format!(r#"{{"messages":[]{more}}}"#));
        let responses = prompt(responses(NONE), &format!(r#"{{"input":[]{more}}}"#));
        [chat, responses].map(|prompt| (prompt.system_salt, prompt.messages_salt))
    };
    let plain = salts("");
    for same in [
        r#","temperature":1"#,
        r#","tool_choice":"none""#,
        r#","max_tokens":1"#,
    ] {
        assert_eq!(salts(same), plain, "{same}");
    }
    for (at, other) in [
        (0, r#","response_format":{"type":"json_object"}"#),
        (0, r#","reasoning_effort":"low""#),
        (0, r#","parallel_tool_calls":false"#),
        (1, r#","text":{"verbosity":"low"}"#),
        (1, r#","reasoning":{"effort":"low"}"#),
        (1, r#","previous_response_id":"resp_1""#),
        (1, r#","prompt_cache_key":"k""#),
    ] {
        assert_ne!(salts(other)[at], plain[at], "{other}");
    }
}

#[test]
fn conversations_part_behind_the_system_prompt() {
    let name = |dialect: &dyn Dialect, body: &str| {
        let body = Bytes::from(body.to_owned());
        let mut asked = Vec::new();
        let reading = dialect.read(&body, &keyring(), &mut |conversation| {
            asked.push(conversation);
            Vec::new()
        });
        let named = reading.unwrap().conversation;
        assert!(asked.iter().all(|asked| *asked == named), "{body:?}");
        named
    };
    let with = |user: &str, more: &str| {
        let system = r#"{"role":"system","content":"s"}"#;
        let message = format!(r#"{{"role":"user","content":"{user}"}}"#);
        let chat_body = format!(r#"{{"messages":[{system},{message}{more}]}}"#);
        let items = format!(r#"{{"input":[{system},{message}{more}]}}"#);
        (
            name(chat(NONE), &chat_body),
            name(responses(NONE), &items),
        )
    };
    let (chat_one, items_one) = with("1", "");
    let (chat_two, items_two) = with("2", "");
    assert!(chat_one != chat_two && items_one != items_two);
    let more = r#",{"role":"assistant","content":"a"}"#;
    assert_eq!(with("1", more), (chat_one, items_one));
    name(responses(NONE), r#"{"input":"text"}"#);
}

#[test]
fn what_cannot_be_read_is_passed_on_with_its_reason() {
    let cases = [
        (chat(NONE), "", Skip::NotJson),
        (chat(NONE), "[]", Skip::NotARequest),
        (chat(NONE), "{}", Skip::NoMessages),
        (chat(NONE), r#"{"messages":"x"}"#, Skip::NotARequest),
        (chat(NONE), r#"{"messages":[1]}"#, Skip::NotARequest),
        (chat(NONE), r#"{"messages":[{"content":"x"}]}"#, Skip::NotARequest),
        (
            chat(NONE),
            r#"{"messages":[{"role":"user","content":"x","content":"y"}]}"#,
            Skip::DuplicateKey,
        ),
        (
            chat(CONTROL),
            r#"{"messages":[{"role":"user","content":[{"type":"text","type":"x"}]}]}"#,
            Skip::DuplicateKey,
        ),
        (responses(NONE), r#"{"messages":[]}"#, Skip::NoMessages),
        (responses(NONE), r#"{"input":null}"#, Skip::NotARequest),
        (
            responses(NONE),
            r#"{"input":[{"type":"x","type":"y"}]}"#,
            Skip::DuplicateKey,
        ),
    ];
    for (dialect, body, why) in cases {
        let body = Bytes::from_static(body.as_bytes());
        assert_eq!(read(dialect, &body).map(|_| ()), Err(why), "{body:?}");
    }
}
