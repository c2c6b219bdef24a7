//! The Chat and Responses dialects: what is read, where markers go, what usage means.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::sync::Arc;

use bytes::Bytes;
use cachewright::model::{
    Block, Breakpoint, Form, Money, Plan, Prompt, Role, Section, Skip, Ttl, Usage, Why,
};
use cachewright::wire::{
    Chat, Dialect, Framing, MarkerStyle, Progress, Reading, Remembered, Responses, Seen, Watcher,
    splice,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::messages::{Text, junk, keyring, literal, object, spelled};

const NONE: MarkerStyle = MarkerStyle::None;
const CONTROL: MarkerStyle = MarkerStyle::CacheControl;
const BREAKPOINT: MarkerStyle = MarkerStyle::PromptCacheBreakpoint;

static CHATS: [Chat; 3] = [
    Chat { marker: NONE },
    Chat { marker: CONTROL },
    Chat { marker: BREAKPOINT },
];
static RESPONSES: [Responses; 2] = [Responses { marker: NONE }, Responses { marker: BREAKPOINT }];

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
        Role::Other | _ => " other",
    };
    let mark = if block.markable { "+" } else { "-" };
    let text = String::from_utf8_lossy(block.span.of(body.as_bytes()));
    format!("{mark} {:?}{role} {:?} {text}", block.section, block.kind)
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
    let part =
        |members: &str| format!(r#"{{"messages":[{{"role":"user","content":[{{{members}}}]}}]}}"#);
    let texts = [
        r#""type":"text","text":"x""#,
        r#""type":"image_url","image_url":{"url":"u"}"#,
    ];
    let markers = [
        (
            CONTROL,
            r#""cache_control":{"type":"ephemeral","ttl":"1h"}"#,
            Ttl::OneHour,
        ),
        (
            BREAKPOINT,
            r#""prompt_cache_breakpoint": {"mode":"explicit"}"#,
            Ttl::HalfHour,
        ),
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
    let automatic = r#"{"messages":[],"cache_control":{"type":"ephemeral"}}"#;
    assert_eq!(prompt(chat(CONTROL), automatic).own_markers(), 1);
    assert_eq!(prompt(chat(BREAKPOINT), automatic).own_markers(), 0);
    for odd in [
        r#""type":"text","text":"x","cache_control":"y""#,
        r#""type":"text","text":"x","cache\u005fcontrol":{"type":"ephemeral"}"#,
        r#""cache_control":null"#,
    ] {
        assert!(
            !prompt(chat(CONTROL), &part(odd)).blocks[0].markable,
            "{odd}"
        );
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
        (name(chat(NONE), &chat_body), name(responses(NONE), &items))
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
        (
            chat(NONE),
            r#"{"messages":[{"content":"x"}]}"#,
            Skip::NotARequest,
        ),
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

#[test]
fn the_providers_counts_become_disjoint() {
    let usage = |dialect: &'static dyn Dialect, usage: &str| {
        let mut watcher = Watcher::new(dialect, Framing::Json);
        watcher.feed(format!(r#"{{"usage":{usage}}}"#).as_bytes());
        watcher.finish().usage
    };
    let kinds = |usage: Option<Usage>| {
        let usage = usage.unwrap();
        (usage.plain, usage.read, usage.written(), usage.output)
    };
    let chat_of = |text: &str| kinds(usage(chat(NONE), text));
    assert_eq!(
        chat_of(
            r#"{"prompt_tokens":4020,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":4012}}"#
        ),
        (Some(8), Some(0), Some(4012), Some(4))
    );
    // OpenRouter to Gemini: the same tokens read and written.
    assert_eq!(
        chat_of(
            r#"{"prompt_tokens":2168,"prompt_tokens_details":{"cached_tokens":2161,"cache_write_tokens":2161}}"#
        ),
        (Some(0), Some(2161), Some(2161), None)
    );
    assert_eq!(
        chat_of(r#"{"prompt_cache_hit_tokens":5120,"prompt_cache_miss_tokens":9}"#),
        (Some(9), Some(5120), None, None)
    );
    assert_eq!(
        chat_of(r#"{"prompt_tokens":64,"num_cached_tokens":32}"#),
        (Some(32), Some(32), None, None)
    );
    assert_eq!(
        chat_of(r#"{"prompt_tokens":20,"cached_tokens":10,"prompt_tokens_details":null}"#),
        (Some(10), Some(10), None, None)
    );
    assert_eq!(
        chat_of(
            r#"{"tokens":{"input_tokens":2935.0,"output_tokens":4.0},"billed_units":{"input_tokens":1},"cached_tokens":2928}"#
        ),
        (Some(7), Some(2928), None, Some(4))
    );
    assert_eq!(
        chat_of(r#"{"prompt_tokens":9}"#),
        (Some(9), None, None, None)
    );
    // Thinking outside the output, and inside it.
    let thought = |total: u64| {
        let text = format!(
            r#"{{"prompt_tokens":12,"completion_tokens":2,"total_tokens":{total},"completion_tokens_details":{{"reasoning_tokens":340}}}}"#
        );
        usage(chat(NONE), &text).unwrap().output
    };
    assert_eq!((thought(354), thought(14)), (Some(342), Some(2)));
    for nothing in ["{}", "null", r#"{"prompt_tokens":null}"#, r#"{"x":1}"#] {
        assert_eq!(usage(chat(NONE), nothing), None, "{nothing}");
        assert_eq!(usage(responses(NONE), nothing), None, "{nothing}");
    }
    let written = r#"{"input_tokens":100,"input_tokens_details":{"cache_write_tokens":90}}"#;
    let [five, half] = [NONE, BREAKPOINT].map(|style| usage(responses(style), written).unwrap());
    assert_eq!((five.write_5m, five.write_30m), (Some(90), None));
    assert_eq!((half.write_5m, half.write_30m), (None, Some(90)));
}

#[test]
fn the_providers_figure_is_exact() {
    let cost = |member: &str| {
        let mut watcher = Watcher::new(chat(NONE), Framing::Json);
        watcher.feed(format!(r#"{{"usage":{{"prompt_tokens":1,{member}}}}}"#).as_bytes());
        watcher.finish().usage.unwrap().cost.map(Money::as_pico)
    };
    let cases = [
        (r#""cost":0.01058775"#, Some(10_587_750_000)),
        (r#""cost":0"#, Some(0)),
        (r#""cost":12"#, Some(12_000_000_000_000)),
        (r#""cost":2.5e-7"#, Some(250_000)),
        (r#""cost":1E2"#, Some(100_000_000_000_000)),
        (r#""cost":1e-13"#, Some(0)),
        (r#""cost":"0.002196""#, Some(2_196_000_000)),
        (r#""cost":-1"#, None),
        (r#""cost":null"#, None),
        (r#""cost":{"total":1}"#, None),
        (r#""cost":1e999"#, None),
        (r#""cost_in_usd_ticks":3515000"#, Some(351_500_000)),
        (r#""cost_in_usd_ticks":0"#, None),
    ];
    for (member, expected) in cases {
        assert_eq!(cost(member), expected, "{member}");
    }
}

fn watch<'a>(
    dialect: &'static dyn Dialect,
    framing: Framing,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Seen {
    let mut watcher = Watcher::new(dialect, framing);
    for chunk in chunks {
        watcher.feed(chunk);
    }
    watcher.finish()
}

/// Cut into every size from one byte, a response says what it says whole.
fn holds_at_every_border(dialect: &'static dyn Dialect, framing: Framing, body: &[u8]) -> Seen {
    let seen = watch(dialect, framing, [body]);
    let sizes = if body.len() < 20_000 { 1..64 } else { 61..64 };
    for step in sizes.chain([100, 1000, 4096]) {
        let cut = watch(dialect, framing, body.chunks(step));
        assert_eq!(cut, seen, "in chunks of {step}");
    }
    seen
}

const CHAT_STREAM: &[u8] = include_bytes!("vectors/openai/chat.sse");
const RESPONSES_STREAM: &[u8] = include_bytes!("vectors/openai/responses.sse");

#[test]
fn a_chat_stream_says_its_usage_in_the_end() {
    let seen = holds_at_every_border(chat(BREAKPOINT), Framing::Sse, CHAT_STREAM);
    let usage = seen.usage.unwrap();
    assert_eq!(
        (usage.plain, usage.read, usage.write_30m, usage.output),
        (Some(8), Some(1024), Some(3000), Some(2))
    );
    assert_eq!(seen.model.as_deref(), Some("gpt-6-sol"));
    assert_eq!(seen.stop_reason.as_deref(), Some("stop"));
    assert!(seen.ended());
    // Cut off in the middle of the text: begun, not ended, nothing known.
    let cut = String::from_utf8_lossy(CHAT_STREAM).find("lo").unwrap();
    let seen = watch(chat(NONE), Framing::Sse, [&CHAT_STREAM[..cut]]);
    assert_eq!((seen.progress, seen.usage), (Progress::Started, None));
}

#[test]
fn a_responses_stream_says_its_usage_in_the_end() {
    let seen = holds_at_every_border(responses(BREAKPOINT), Framing::Sse, RESPONSES_STREAM);
    let usage = seen.usage.unwrap();
    assert_eq!(
        (usage.plain, usage.read, usage.write_30m, usage.output),
        (Some(8), Some(4012), Some(0), Some(5))
    );
    assert_eq!(seen.model.as_deref(), Some("gpt-6-sol"));
    assert_eq!(seen.stop_reason.as_deref(), Some("max_output_tokens"));
    assert!(seen.ended() && seen.error.is_none());
    let cut = String::from_utf8_lossy(RESPONSES_STREAM)
        .find("Hel")
        .unwrap();
    let seen = watch(responses(NONE), Framing::Sse, [&RESPONSES_STREAM[..cut]]);
    assert_eq!((seen.progress, seen.usage), (Progress::Started, None));
}

#[test]
fn errors_have_names_and_quote_nothing() {
    let of = |dialect, framing, body: &str| watch(dialect, framing, [body.as_bytes()]).error;
    let document = r#"{"error":{"message":"secret","type":"invalid_request_error","code":null}}"#;
    for dialect in [chat(NONE), responses(NONE)] {
        let error = of(dialect, Framing::Json, document);
        assert_eq!(error.as_deref(), Some("invalid_request_error"));
    }
    let coded = r#"data: {"error":{"code":"rate_limited","message":"secret"},"choices":[]}"#;
    let error = of(chat(NONE), Framing::Sse, coded);
    assert_eq!(error.as_deref(), Some("rate_limited"));
    let numbered = r#"data: {"error":{"code":502,"message":"secret"}}"#;
    assert_eq!(
        of(chat(NONE), Framing::Sse, numbered).as_deref(),
        Some("error")
    );
    let plain = r#"data: {"error":"secret"}"#;
    assert_eq!(
        of(chat(NONE), Framing::Sse, plain).as_deref(),
        Some("error")
    );
    let failed = r#"data: {"type":"response.failed","response":{"error":{"code":"server_error"},"usage":{"input_tokens":3}}}"#;
    let seen = watch(responses(NONE), Framing::Sse, [failed.as_bytes()]);
    assert_eq!(seen.error.as_deref(), Some("server_error"));
    assert_eq!(seen.usage.unwrap().plain, Some(3));
    assert!(!seen.ended());
    let event = r#"data: {"type":"error","code":"overloaded","message":"secret"}"#;
    let error = of(responses(NONE), Framing::Sse, event);
    assert_eq!(error.as_deref(), Some("overloaded"));
}

#[test]
fn content_is_not_looked_at() {
    let content = [
        r#"{"id":"1","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null}"#,
        r#"{"choices":[{"delta":{"content":"\"usage\":{\"prompt_tokens\":1}"}}]}"#,
    ];
    for data in content {
        assert!(!chat(NONE).may_matter(data.as_bytes()), "{data}");
    }
    let content = [
        r#"{"type":"response.output_text.delta","delta":"\"response.completed\""}"#,
        r#"{"sequence_number":1,"type":"response.output_text.delta","delta":"\"error\""}"#,
    ];
    for data in content {
        assert!(!responses(NONE).may_matter(data.as_bytes()), "{data}");
    }
}

/// The parts of a body, so that a later body of the same conversation can change some of them.
#[derive(Clone, Debug)]
struct Parts {
    key: &'static str,
    members: Vec<String>,
    turns: Vec<String>,
    at: usize,
}

impl Parts {
    fn spell(&self) -> String {
        let mut members = self.members.clone();
        let turns = format!("\"{}\":[{}]", self.key, self.turns.join(" ,"));
        members.insert(self.at.min(members.len()), turns);
        format!("{{{}}}", members.join(", "))
    }

    fn dialects(&self) -> Vec<&'static dyn Dialect> {
        match self.key {
            "messages" => vec![chat(NONE), chat(CONTROL), chat(BREAKPOINT)],
            _ => vec![responses(NONE), responses(BREAKPOINT)],
        }
    }
}

/// A part of some content, with or without the caller's own marker.
fn part() -> Text {
    let kinds = select(vec![
        "text",
        "input_text",
        "output_text",
        "image_url",
        "file",
        "x",
    ]);
    let marker = select(vec![
        "",
        "",
        "\"cache_control\":{\"type\":\"ephemeral\"}",
        "\"prompt_cache_breakpoint\": {\"mode\":\"explicit\"}",
        "\"cache_control\":null",
    ]);
    let more = prop_oneof![3 => Just(String::new()), 1 => junk().prop_map(|value| format!("\"m\" : {value}"))];
    (kinds, literal(), marker, more)
        .prop_flat_map(|(kind, text, marker, more)| {
            let mut members = vec![format!("\"type\":\"{kind}\""), format!("\"text\": {text}")];
            members.extend(
                [marker.to_owned(), more]
                    .into_iter()
                    .filter(|one| !one.is_empty()),
            );
            Just(members).prop_shuffle().prop_flat_map(object)
        })
        .boxed()
}

/// A message of either dialect, or an item that is none.
fn turn() -> Text {
    let parts = prop::collection::vec(prop_oneof![9 => part(), 1 => junk()], 0..4)
        .prop_map(|all| format!("[{}]", all.join(", ")));
    let content =
        prop_oneof![3 => literal(), 4 => parts, 1 => Just("null".to_owned()), 1 => junk()];
    let roles = select(vec![
        "user",
        "assistant",
        "system",
        "developer",
        "tool",
        "odd",
    ]);
    let more = prop_oneof![
        4 => Just(String::new()),
        1 => junk().prop_map(|value| format!("\"tool_calls\":[{value}]")),
        1 => literal().prop_map(|text| format!("\"reasoning_content\" :{text}")),
        1 => junk().prop_map(|value| format!("\"reasoning_details\" :{value}")),
        1 => literal().prop_map(|text| format!("\"encrypted_content\":{text}")),
        1 => select(vec!["message", "reasoning", "function_call", "x_call_output", "y"])
            .prop_map(|kind| format!("\"type\":\"{kind}\"")),
    ];
    (roles, content, more)
        .prop_flat_map(|(role, content, more)| {
            let mut members = vec![
                format!("\"role\":\"{role}\""),
                format!("\"content\":{content}"),
            ];
            members.extend((!more.is_empty()).then_some(more));
            Just(members).prop_shuffle().prop_flat_map(object)
        })
        .boxed()
}

fn parts() -> BoxedStrategy<Parts> {
    let tools = prop::collection::vec(part(), 0..3)
        .prop_map(|all| format!("\"tools\":[{}]", all.join(",")));
    let params = prop::sample::subsequence(
        vec![
            "\"model\":\"gpt\"",
            "\"stream\" : true",
            "\"instructions\":\"be brief\"",
            "\"max_output_tokens\":10",
            "\"reasoning\":{\"effort\":\"low\"}",
            "\"prompt_cache_options\":{\"mode\":\"explicit\"}",
            "\"response_format\":{}",
        ],
        0..=7,
    );
    let key = select(vec!["messages", "input"]);
    (
        key,
        tools,
        params,
        prop::collection::vec(turn(), 0..6),
        any::<usize>(),
    )
        .prop_flat_map(|(key, tools, params, turns, at)| {
            let mut members: Vec<String> = params.into_iter().map(str::to_owned).collect();
            members.push(tools);
            let at = at % (members.len() + 1);
            (
                Just(key),
                Just(members).prop_shuffle(),
                Just(turns),
                Just(at),
            )
        })
        .prop_map(|(key, members, turns, at)| Parts {
            key,
            members,
            turns,
            at,
        })
        .boxed()
}

/// What a marked body is once its markers are gone: the caller's own, bare texts wrapped.
fn wrapped(dialect: &dyn Dialect, body: &str, prompt: &Prompt, plan: &Plan) -> String {
    let is_chat = format!("{dialect:?}").starts_with("Chat");
    let mut out = body.to_owned();
    let mut points: Vec<&Block> = plan
        .breakpoints
        .iter()
        .map(|point| &prompt.blocks[point.block])
        .collect();
    points.sort_by_key(|block| std::cmp::Reverse(block.span.start));
    for block in points {
        if block.form != Form::Bare || !block.markable {
            continue;
        }
        assert!(!dialect.mark(body.as_bytes(), prompt, plan).is_empty());
        let (start, end) = (block.span.start as usize, block.span.end as usize);
        let before = body[..start].trim_end().trim_end_matches(':').trim_end();
        let (open, close) = match (is_chat, before.ends_with("\"input\"")) {
            (true, _) => (r#"[{"type":"text","text":"#, "}]"),
            (false, false) => (r#"[{"type":"input_text","text":"#, "}]"),
            (false, true) => (
                r#"[{"role":"user","content":[{"type":"input_text","text":"#,
                "}]}]",
            ),
        };
        out.insert_str(end, close);
        out.insert_str(start, open);
    }
    out
}

const MARKERS: [&str; 2] = ["cache_control", "prompt_cache_breakpoint"];

/// Marks blocks, finds the markers where they were announced, and takes them out again.
fn mark_and_unmark(dialect: &dyn Dialect, body: &str, chosen: &dyn Fn(usize) -> bool) -> usize {
    let prompt = prompt(dialect, body);
    let points = (0..prompt.blocks.len()).filter(|at| chosen(*at));
    let points: Vec<Breakpoint> = points
        .map(|at| Breakpoint::new(at, Ttl::HalfHour, Why::Tail))
        .collect();
    let plan = Plan::new(points);
    let edits = dialect.mark(body.as_bytes(), &prompt, &plan).len();
    let marked = Bytes::from(marked(dialect, body, &plan));
    let mut after = read(dialect, &marked).unwrap().prompt;
    assert_eq!(after.blocks.len(), prompt.blocks.len());
    assert_eq!(
        (after.system_salt, after.messages_salt, after.implicit),
        (prompt.system_salt, prompt.messages_salt, prompt.implicit)
    );
    // Numbers that are too large for it make `Value` refuse a body.
    let value: Option<Value> = serde_json::from_slice(&marked).ok();
    serde_json::from_slice::<&RawValue>(&marked).unwrap();
    for (at, (old, new)) in prompt.blocks.iter().zip(&mut after.blocks).enumerate() {
        let placed = chosen(at) && old.markable && old.marker.is_none();
        assert_eq!(new.marker.is_some(), placed || old.marker.is_some());
        assert_eq!(new.fingerprint, old.fingerprint);
        if placed {
            let pointer = dialect.pointer(&prompt, at);
            let holder = value.as_ref().map(|value| value.pointer(&pointer).unwrap());
            assert!(
                holder.is_none_or(|holder| MARKERS.iter().any(|key| holder.get(key).is_some())),
                "{pointer}"
            );
        } else {
            new.marker = None;
        }
    }
    let had_null = body.contains("\"cache_control\":null");
    let removed = splice(&marked, &mut dialect.unmark(&after));
    if !had_null {
        let removed = String::from_utf8(removed).unwrap();
        assert_eq!(removed, wrapped(dialect, body, &prompt, &plan));
    }
    edits
}

/// One thing a client does between two turns, and damage no client would do.
#[derive(Clone, Debug)]
enum Change {
    Append(Vec<String>),
    Truncate(usize),
    Replace(usize, String),
    Member(usize),
    Drop(usize),
    Move(usize),
    Insert(usize, &'static str),
    Cut(usize, usize),
}

fn change() -> BoxedStrategy<Change> {
    let anywhere = any::<usize>;
    prop_oneof![
        6 => prop::collection::vec(turn(), 1..3).prop_map(Change::Append),
        1 => anywhere().prop_map(Change::Truncate),
        2 => (anywhere(), turn()).prop_map(|(at, with)| Change::Replace(at, with)),
        1 => anywhere().prop_map(Change::Member),
        1 => anywhere().prop_map(Change::Drop),
        1 => anywhere().prop_map(Change::Move),
        2 => (anywhere(), select(vec!["1", ",", "\"", " ", "{}", "\"x\":1,", "]", "\u{e9}"]))
            .prop_map(|(at, with)| Change::Insert(at, with)),
        1 => (anywhere(), 1_usize..30).prop_map(|(at, length)| Change::Cut(at, length)),
    ]
    .boxed()
}

fn later(parts: &mut Parts, change: Change) -> Vec<u8> {
    let within = |at: usize, length: usize| at % length.max(1);
    let mut bytes = parts.spell().into_bytes();
    match change {
        Change::Append(more) => parts.turns.extend(more),
        Change::Truncate(at) => parts.turns.truncate(within(at, parts.turns.len())),
        Change::Replace(at, with) => {
            let at = within(at, parts.turns.len());
            if let Some(place) = parts.turns.get_mut(at) {
                *place = with;
            }
        }
        Change::Member(at) => {
            let at = within(at, parts.members.len());
            let new = format!("\"n{}\":1", parts.members.len());
            parts.members.insert(at, new);
        }
        Change::Drop(at) => {
            let at = within(at, parts.members.len());
            parts.members.drain(at..(at + 1).min(parts.members.len()));
        }
        Change::Move(at) => parts.at = within(at, parts.members.len() + 1),
        Change::Insert(at, with) => {
            let at = within(at, bytes.len());
            bytes.splice(at..at, with.bytes());
            return bytes;
        }
        Change::Cut(at, count) => {
            let at = within(at, bytes.len());
            bytes.drain(at..(at + count).min(bytes.len()));
            return bytes;
        }
    }
    parts.spell().into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Any set of blocks can be marked, and nothing else changes.
    #[test]
    fn marks_add_markers_and_nothing_else(start in parts(), chosen in any::<u64>()) {
        let body = start.spell();
        for dialect in start.dialects() {
            mark_and_unmark(dialect, &body, &|at| chosen >> (at % 64) & 1 == 1);
        }
    }

    /// Memory is speed and nothing else.
    #[test]
    fn reading_on_is_reading_anew(
        start in parts(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        for dialect in start.dialects() {
            let mut parts = start.clone();
            let first = Bytes::from(parts.spell());
            let reading = read(dialect, &first).unwrap();
            let mut earlier = vec![Arc::new(Remembered::new(first, reading))];
            for change in changes.clone() {
                let body = Bytes::from(later(&mut parts, change));
                let cold = read(dialect, &body);
                let warm = dialect.read(&body, &keyring(), &mut |_| earlier.clone());
                prop_assert_eq!(spelled(&warm), spelled(&cold), "{}", String::from_utf8_lossy(&body));
                if let Ok(reading) = warm {
                    earlier.insert(0, Arc::new(Remembered::new(body, reading)));
                }
            }
        }
    }

    /// Anything under the names that are known is read or refused, never a panic.
    #[test]
    fn strange_values_are_no_panic(values in prop::collection::vec(junk(), 4)) {
        let [history, tools, options, usage] = [&values[0], &values[1], &values[2], &values[3]];
        for key in ["messages", "input"] {
            let body = format!(
                "{{\"{key}\":{history},\"tools\":{tools},\"prompt_cache_options\":{options},\"model\":\"m\"}}"
            );
            for dialect in [chat(CONTROL), chat(BREAKPOINT), responses(BREAKPOINT)] {
                if read(dialect, &Bytes::from(body.clone())).is_ok() {
                    mark_and_unmark(dialect, &body, &|_| true);
                }
            }
        }
        let body = format!("{{\"usage\":{usage},\"choices\":{history},\"error\":null}}");
        for dialect in [chat(NONE), responses(NONE)] {
            let _ = watch(dialect, Framing::Json, [body.as_bytes()]);
            let _ = watch(dialect, Framing::Sse, [b"data: ".as_slice(), body.as_bytes()]);
        }
    }
}

/// The property above would hold for a reader that never takes anything over.
#[test]
fn a_next_turn_takes_over_what_it_shares() {
    for (dialect, key) in [(chat(NONE), "messages"), (responses(NONE), "input")] {
        for at in 0..3 {
            let mut parts = Parts {
                key,
                members: vec![
                    "\"model\":\"m\"".to_owned(),
                    "\"instructions\":\"s\"".to_owned(),
                ],
                turns: [
                    r#"{"role":"system","content":"s"}"#,
                    r#"{"role":"user","content":"a"}"#,
                ]
                .map(str::to_owned)
                .to_vec(),
                at,
            };
            let first = Bytes::from(parts.spell());
            let reading = read(dialect, &first).unwrap();
            let named = reading.conversation;
            let remembered = Arc::new(Remembered::new(first, reading));
            parts
                .turns
                .push(r#"{"role":"assistant","content":"b"}"#.to_owned());
            let body = Bytes::from(parts.spell());
            let mut asked = Vec::new();
            let next = dialect.read(&body, &keyring(), &mut |conversation| {
                asked.push(conversation);
                vec![Arc::clone(&remembered)]
            });
            let next = next.unwrap();
            assert_eq!(asked, [named]);
            assert!(Arc::ptr_eq(next.earlier.as_ref().unwrap(), &remembered));
            let systems = if key == "input" { 2 } else { 1 };
            assert_eq!(next.prompt.end_of(Section::System), systems);
            assert_eq!(next.prompt.blocks.len(), systems + 2);
        }
    }
}

/// Recorded exchanges, when the workloads are at hand.
#[cfg(feature = "replay")]
mod recorded {
    use super::*;
    use crate::support::recordings::{Recording, recorded_exchanges};

    /// The dialects in every style in which this exchange could have been handled; none for
    /// another kind of exchange.
    fn dialects(recording: &Recording) -> Vec<&'static dyn Dialect> {
        let (_, path) = recording.place();
        let text = String::from_utf8_lossy(&recording.response);
        let of_response = recording.url.is_empty() && recording.provider != "anthropic";
        let says = |words: &[&str]| of_response && words.iter().any(|word| text.contains(word));
        if path.ends_with("/chat/completions")
            || path.ends_with("/v2/chat")
            || says(&["\"chat.completion", "\"message-end\"", "\"billed_units\""])
        {
            vec![chat(NONE), chat(CONTROL), chat(BREAKPOINT)]
        } else if path.ends_with("/responses")
            || says(&["\"response.created\"", "\"object\":\"response\""])
        {
            vec![responses(NONE), responses(BREAKPOINT)]
        } else {
            Vec::new()
        }
    }

    #[test]
    fn requests_are_read_and_marked_and_nothing_is_lost() {
        let Some(all) = recorded_exchanges() else {
            return;
        };
        let (mut bodies, mut markers, mut own) = (0, 0, 0);
        for recording in &all {
            let Some(request) = &recording.request else {
                continue;
            };
            let body = std::str::from_utf8(request).unwrap();
            for dialect in dialects(recording) {
                let reading = read(dialect, request);
                let reading = reading.unwrap_or_else(|why| unreadable(&recording.name, why));
                let prompt = &reading.prompt;
                assert!(!prompt.model.is_empty() && !prompt.blocks.is_empty());
                own += prompt.own_markers();
                let none = Plan::new(Vec::new());
                assert_eq!(
                    splice(request, &mut dialect.mark(request, prompt, &none)),
                    body.as_bytes()
                );
                markers += mark_and_unmark(dialect, body, &|_| true);
                let unmarked = splice(request, &mut dialect.unmark(prompt));
                let unmarked = read(dialect, &Bytes::from(unmarked)).unwrap().prompt;
                assert_eq!(unmarked.own_markers(), 0);
                bodies += 1;
            }
        }
        assert!(
            (bodies, markers, own) > (700, 1500, 20),
            "{bodies} {markers} {own}"
        );
    }

    #[expect(clippy::panic, reason = "a test stops at the first surprise")]
    fn unreadable(name: &str, why: Skip) -> ! {
        panic!("{name}: {why:?}")
    }

    /// What a provider's counters mean, computed from the tree: last report of the response.
    fn expected(recording: &Recording) -> Option<[Option<u64>; 4]> {
        let text = std::str::from_utf8(&recording.response).unwrap();
        let documents: Vec<Value> = if recording.framing == Framing::Json {
            vec![serde_json::from_str(text).unwrap()]
        } else {
            let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
            data.filter_map(|data| serde_json::from_str(data).ok())
                .collect()
        };
        let places = ["/usage", "/response/usage", "/delta/usage"];
        let mut reports = documents.iter().rev().filter_map(|document| {
            let mut found = places.iter().filter_map(|place| document.pointer(place));
            found.find(|usage| usage.is_object())
        });
        let usage = reports.next()?;
        let number = |places: &[&str]| {
            places
                .iter()
                .find_map(|place| usage.pointer(place)?.as_u64())
        };
        let total = number(&["/prompt_tokens", "/input_tokens", "/tokens/input_tokens"]);
        let read = number(&[
            "/prompt_tokens_details/cached_tokens",
            "/input_tokens_details/cached_tokens",
            "/prompt_cache_hit_tokens",
            "/num_cached_tokens",
            "/cached_tokens",
        ]);
        let written = number(&[
            "/prompt_tokens_details/cache_write_tokens",
            "/input_tokens_details/cache_write_tokens",
        ]);
        let output = number(&[
            "/completion_tokens",
            "/output_tokens",
            "/tokens/output_tokens",
        ]);
        // Providers whose total is more than input and output count thinking apart.
        let all = number(&["/total_tokens"]).unwrap_or(0);
        let apart = all.saturating_sub(total? + output?);
        let plain = total?.saturating_sub(read.unwrap_or(0) + written.unwrap_or(0));
        Some([
            Some(plain),
            read,
            written,
            output.map(|output| output + apart),
        ])
    }

    #[test]
    fn usage_is_what_the_provider_said() {
        let Some(all) = recorded_exchanges() else {
            return;
        };
        let (mut streams, mut documents, mut costs) = (0, 0, 0);
        for recording in &all {
            if recording.status != 200 {
                continue;
            }
            for dialect in dialects(recording) {
                let (framing, body) = (recording.framing, recording.response.as_ref());
                let seen = holds_at_every_border(dialect, framing, body);
                let name = &recording.name;
                let usage = seen.usage.map(|usage| {
                    assert!(usage.write_1h.is_none(), "{name}");
                    assert!(
                        usage.write_5m.is_none() || usage.write_30m.is_none(),
                        "{name}"
                    );
                    [usage.plain, usage.read, usage.written(), usage.output]
                });
                assert_eq!(usage, expected(recording), "{name}");
                for (field, count) in &recording.cached {
                    // The collectors kept the largest counter of each name.
                    let known = usage.is_some_and(|usage| usage.contains(&Some(*count)));
                    assert!(
                        known || *count == 0 || field.contains("miss"),
                        "{name}: {field} {count}"
                    );
                }
                let sse = framing == Framing::Sse;
                assert!(seen.started() && (seen.ended() || sse), "{name}");
                assert_eq!(seen.error, None, "{name}");
                streams += usize::from(sse && usage.is_some());
                documents += usize::from(!sse && usage.is_some());
                costs += usize::from(seen.usage.is_some_and(|usage| usage.cost.is_some()));
            }
        }
        assert!(
            (streams, documents, costs) > (100, 500, 80),
            "{streams} {documents} {costs}"
        );
    }

    #[test]
    fn streams_that_ended_say_so() {
        let Some(all) = recorded_exchanges() else {
            return;
        };
        let mut ended = 0;
        for recording in all.iter().filter(|one| one.framing == Framing::Sse) {
            let Some(dialect) = dialects(recording).into_iter().next() else {
                continue;
            };
            let seen = watch(dialect, Framing::Sse, [recording.response.as_ref()]);
            let text = String::from_utf8_lossy(&recording.response);
            let says = ["[DONE]", "\"response.completed\"", "\"message-end\""];
            if says.iter().any(|end| text.contains(end)) {
                assert!(seen.ended(), "{}", recording.name);
                ended += 1;
            }
        }
        assert!(ended > 40, "{ended}");
    }
}
