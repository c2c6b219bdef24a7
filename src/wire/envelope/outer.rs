//! What a call says of itself, read without reading its messages.

use bytes::Bytes;

use super::needs::Walk;
use crate::model::{Block, Digest, Keyring, Need, Needs, Section, Skip, Span, Thinking};
use crate::wire::earlier::Member;
use crate::wire::grammar::{Grammar, Source};
use crate::wire::object::Object;
use crate::wire::opening::Opening;
use crate::wire::parameters::Parameters;
use crate::wire::prints::{fingerprint, seal};
use crate::wire::scan::{Scanner, name, unescape};
use crate::wire::{Chat, MarkerStyle, Messages, Responses};

/// What a call says of itself outside of its messages, read in one pass.
///
/// A body that is no JSON may be taken for some: strings are passed over, not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outer {
    /// The model, as the caller names it.
    pub model: Option<Box<str>>,
    /// Whether the answer is to stream.
    pub stream: bool,
    /// The longest answer, in tokens.
    pub max_output: Option<u64>,
    /// What a model must be able to do.
    pub needs: Needs,
    /// The conversation, by a member that names it (`session_id`, `conversation`) or else by its
    /// first message behind the system prompt, together with `prompt_cache_key`, which several
    /// conversations may share.
    pub conversation: Option<Digest>,
}

impl Outer {
    /// Reads a body of this dialect.
    ///
    /// # Errors
    /// The reason for which it is not understood.
    pub fn read(dialect: &str, body: &Bytes, keyring: &Keyring) -> Result<Self, Skip> {
        let source = Source { body, keyring };
        let marker = MarkerStyle::None;
        match dialect {
            "messages" => read(Messages, source),
            "chat" => read(Chat { marker }, source),
            "responses" => read(Responses { marker }, source),
            _ => Err(Skip::UnknownEndpoint),
        }
    }
}

/// Members that name a conversation (openrouter.ai prompt-caching, developers.openai.com
/// conversation-state, 2026-09). A `metadata.user_id` names a user.
const NAMED: [&str; 2] = ["session_id", "conversation"];

fn read<G: Grammar>(grammar: G, source: Source<'_>) -> Result<Outer, Skip> {
    let body = source.body;
    if u32::try_from(body.len()).is_err() {
        return Err(Skip::TooLarge);
    }
    let mut scan = Scanner::passing(body);
    if scan.peek() != Some(b'{') {
        scan.value()?;
        scan.finish()?;
        return Err(Skip::NotARequest);
    }
    let mut walk = Walk::new(body);
    let object = Object::read(&mut scan, body, &mut |scan, member| match member {
        member if member == G::HISTORY || Some(member) == G::SYSTEM => walk.parts(scan),
        "tools" | "functions" => walk.tools(scan),
        "mcp_servers" => walk.servers(scan),
        _ => scan.value().map(drop),
    })?;
    scan.finish()?;
    let history = object.find(body, G::HISTORY).ok_or(Skip::NoMessages)?;
    if let Some(marker) = object.value(body, "cache_control") {
        walk.lifetime(marker);
    }
    let parameters = Parameters {
        body,
        keyring: source.keyring,
        members: &object.members,
    };
    let prompt = grammar.prompt(&parameters);
    let mut needs = walk.needs;
    if prompt.thinking != Thinking::Off {
        needs = needs.with(Need::Thinking);
    }
    if is_structured(body, &object) {
        needs = needs.with(Need::Structured);
    }
    if object.find(body, "web_search_options").is_some() {
        needs = needs.with(Need::ServerTools);
    }
    let model = match parameters.value("model") {
        Some(literal) => Some(unescape(literal).ok_or(Skip::NotARequest)?.into()),
        None => None,
    };
    Ok(Outer {
        model,
        stream: prompt.stream,
        max_output: prompt.max_tokens,
        needs,
        conversation: conversation(grammar, source, &object.members, history)?,
    })
}

/// Whether an answer of a given form is asked for: by a format that is not plain text, at the top or
/// in a member of it.
fn is_structured(body: &[u8], object: &Object) -> bool {
    let is_format = |format: &Object| format.text(body, "type").as_deref() != Some("text");
    let format = |object: &Object, name: &str| object.inside(body, name);
    let outer = ["response_format", "output_format"];
    let inner = ["output_config", "text"];
    let mut found = outer
        .into_iter()
        .filter_map(|name| format(object, name))
        .chain(
            inner
                .into_iter()
                .filter_map(|name| format(&format(object, name)?, "format")),
        );
    found.any(|found| is_format(&found))
}

fn conversation<G: Grammar>(
    grammar: G,
    source: Source<'_>,
    members: &[Member],
    history: Span,
) -> Result<Option<Digest>, Skip> {
    let Source { body, keyring } = source;
    let value = |wanted: &str| {
        let mut members = members.iter();
        let member = members.find(|member| name(member.key.of(body)) == wanted)?;
        let value = member.value.of(body);
        Some(value).filter(|value| *value != b"null" && *value != b"\"\"")
    };
    let mut named = NAMED.iter();
    if let Some(id) = named.find_map(|name| value(name)) {
        return Ok(Some(keyring.scope(&[b"named", id])));
    }
    let mut scan = Scanner::passing(body);
    scan.jump(history.start as usize);
    let opened = match scan.peek() {
        Some(b'[') => {
            let opening = Opening::read(grammar, source, scan);
            opening.map(|opening| spoken(opening.blocks()).to_vec())
        }
        Some(b'"') => {
            let mut block = grammar.history(source, &mut scan)?;
            seal(&mut block, keyring, None);
            Some(vec![block])
        }
        _ => return Err(Skip::NotARequest),
    };
    Ok(opened.map(|opened| {
        let opened = fingerprint(keyring, &opened).0.to_le_bytes();
        keyring.scope(&[
            b"opened",
            &opened,
            value("prompt_cache_key").unwrap_or_default(),
        ])
    }))
}

/// The blocks behind those of the system prompt, in which dates and the like may change; all where
/// nothing stands behind them.
fn spoken(blocks: &[Block]) -> &[Block] {
    let mut all = blocks.iter();
    let first = all.position(|block| block.section != Section::System);
    first
        .and_then(|first| blocks.get(first..))
        .unwrap_or(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outer(dialect: &str, body: &str) -> Result<Outer, Skip> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Outer::read(dialect, &body, &Keyring::new(b"key"))
    }

    fn needs(dialect: &str, body: &str) -> Vec<&'static str> {
        let found = outer(dialect, body).expect(body).needs;
        let all = Need::ALL.into_iter().filter(|need| found.has(*need));
        all.map(Need::as_str).collect()
    }

    #[test]
    fn members_are_read_in_any_order() {
        let body = r#"{"messages":[{"role":"user","content":"\"stream\":false \\"}], "stream" : true,"max_tokens":7,"mod\u0065l":"claude\u002d5"}"#;
        let read = outer("messages", body).expect("read");
        assert_eq!(read.model.as_deref(), Some("claude-5"));
        assert_eq!((read.stream, read.max_output), (true, Some(7)));
        assert_eq!(read.needs, Needs::NONE);
        let chat = r#"{"model":"m","max_tokens":7,"max_completion_tokens":9,"messages":[]}"#;
        assert_eq!(outer("chat", chat).expect("read").max_output, Some(9));
        let responses = r#"{"max_output_tokens":5,"input":"hi"}"#;
        let read = outer("responses", responses).expect("read");
        assert_eq!((read.max_output, read.model), (Some(5), None));
        for (dialect, body, why) in [
            ("messages", "", Skip::NotJson),
            ("messages", "{\"messages\":[{}]", Skip::NotJson),
            ("messages", "{\"messages\":[{}]} x", Skip::NotJson),
            ("messages", "[]", Skip::NotARequest),
            ("messages", "{}", Skip::NoMessages),
            ("messages", "{\"messages\":7}", Skip::NotARequest),
            (
                "messages",
                "{\"messages\":[],\"model\":7}",
                Skip::NotARequest,
            ),
            (
                "messages",
                r#"{"messages":[],"mess\u0061ges":[]}"#,
                Skip::DuplicateKey,
            ),
            ("chat", "{\"messages\":\"hi\"}", Skip::NotARequest),
            ("converse", "{\"messages\":[]}", Skip::UnknownEndpoint),
        ] {
            assert_eq!(outer(dialect, body), Err(why), "{body}");
        }
        let deep = format!("{{\"messages\":{}{}}}", "[".repeat(200), "]".repeat(200));
        assert_eq!(outer("messages", &deep), Err(Skip::TooDeep));
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn needs_are_what_the_structure_says() {
        for (body, wanted) in [
            // Words in texts, names, arguments and schemas are no parts.
            (
                r#"{"messages":[{"role":"user","content":"a {\"type\":\"image\"} \"ttl\":\"1h\""},
                {"role":"assistant","content":[{"type":"tool_use","id":"1","name":"image","input":{"type":"image","content":[{"type":"document"}],"cache_control":{"ttl":"1h"}}}]},
                {"role":"user","content":[{"type":"text","text":"image"},{"type":"tool_result","content":"\"type\":\"image\""}]}],
                "metadata":{"type":"image"}}"#,
                &[][..],
            ),
            (
                r#"{"messages":[],"tools":[{"name":"t","input_schema":{"properties":{"type":{"enum":["image","web_search"]}}}}]}"#,
                &["tools"],
            ),
            (
                r#"{"messages":[{"content":[{"type":"text","text":"x"},{"source":{},"type" : "image"}],"role":"user"}]}"#,
                &["images"],
            ),
            (
                r#"{"messages":[{"content":[{"type":"tool_result","content":[{"t\u0079pe":"image"},{"type":"document"}]}]}]}"#,
                &["images", "documents"],
            ),
            (r#"{"messages":[],"tools":[]}"#, &[]),
            (r#"{"messages":[],"tools":null}"#, &[]),
            (
                r#"{"messages":[],"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#,
                &["tools", "server_tools"],
            ),
            (
                r#"{"messages":[],"tools":[{"type":"bash_20250124","name":"bash"},{"type":"custom","name":"mcp"},{"type":"tool_search_tool_regex_20251119"}]}"#,
                &["tools"],
            ),
            (
                r#"{"messages":[],"mcp_servers":[{"url":"x"}]}"#,
                &["server_tools"],
            ),
            (
                r#"{"messages":[],"thinking":{"type":"enabled","budget_tokens":1}}"#,
                &["thinking"],
            ),
            (r#"{"messages":[],"thinking":{"type":"disabled"}}"#, &[]),
            (
                r#"{"messages":[],"output_config":{"effort":"low","format":{"type":"json_schema"}}}"#,
                &["structured"],
            ),
            (r#"{"messages":[],"output_config":{"effort":"low"}}"#, &[]),
            (
                r#"{"messages":[],"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}]}"#,
                &["one_hour"],
            ),
            (
                r#"{"messages":[],"cache_control":{"ttl":"1h","type":"ephemeral"}}"#,
                &["one_hour"],
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"5m"}}]}]}"#,
                &[],
            ),
            (
                r#"{"messages":[],"tools":[{"name":"t","cache_control":{"ttl":"1h"}}]}"#,
                &["tools", "one_hour"],
            ),
        ] {
            assert_eq!(needs("messages", body), wanted, "{body}");
        }
        for (dialect, body, wanted) in [
            (
                "chat",
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"image"}}]}]}"#,
                &["images"][..],
            ),
            (
                "chat",
                r#"{"messages":[{"role":"user","content":[{"type":"file","file":{}}]}],"reasoning_effort":"low"}"#,
                &["documents", "thinking"],
            ),
            (
                "chat",
                r#"{"messages":[],"response_format":{"type":"json_schema","json_schema":{}},"tools":[{"type":"function"}]}"#,
                &["tools", "structured"],
            ),
            (
                "chat",
                r#"{"messages":[],"response_format":{"type":"text"},"reasoning_effort":"none","web_search_options":{}}"#,
                &["server_tools"],
            ),
            (
                "responses",
                r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_image","image_url":"x"}]}]}"#,
                &["images"],
            ),
            (
                "responses",
                r#"{"input":[{"type":"function_call_output","output":[{"type":"input_file"}]}],"text":{"format":{"type":"json_object"}}}"#,
                &["documents", "structured"],
            ),
            (
                "responses",
                r#"{"input":"image","tools":[{"type":"web_search_preview"},{"type":"function","name":"f"}],"reasoning":{"effort":"high"},"text":{"format":{"type":"text"}}}"#,
                &["tools", "thinking", "server_tools"],
            ),
        ] {
            assert_eq!(needs(dialect, body), wanted, "{body}");
        }
    }

    #[test]
    fn a_conversation_is_known_by_its_name_or_its_opening() {
        let id = |dialect: &str, body: &str| outer(dialect, body).expect(body).conversation;
        let first = r#"{"role":"user","content":"hello"}"#;
        let one = id("messages", &format!(r#"{{"messages":[{first}]}}"#));
        assert!(one.is_some());
        // Later turns, markers, blocks for a string, other members and their order do not part it.
        for more in [
            format!(r#"{{"messages":[{first},{{"role":"assistant","content":"x"}}],"system":"now 12:00"}}"#),
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hello","cache_control":{"type":"ephemeral"}}]}]}"#.into(),
            r#"{"metadata":{"user_id":"u"},"messages":[{"content":"hello","role":"user"}],"stream":true}"#.into(),
        ] {
            assert_eq!(id("messages", &more), one, "{more}");
        }
        let other = r#"{"messages":[{"role":"user","content":"hello "}]}"#;
        assert_ne!(id("messages", other), one);
        // Dates in the system prompt of Chat do not part it either.
        let chat = |system: &str| {
            id(
                "chat",
                &format!(r#"{{"messages":[{{"role":"system","content":"{system}"}},{first}]}}"#),
            )
        };
        assert_eq!(chat("12:00"), chat("12:01"));
        assert_eq!(
            chat("12:00"),
            id("chat", &format!(r#"{{"messages":[{first}]}}"#))
        );
        // An input that was a string is an array one turn later.
        let text = id("responses", r#"{"input":"hello"}"#);
        assert_eq!(
            text,
            id(
                "responses",
                &format!(r#"{{"input":[{first},{{"type":"reasoning"}}]}}"#)
            )
        );
        // A name goes before the opening; a key that may be shared does not.
        let named = |more: &str, first: &str| {
            id(
                "chat",
                &format!(r#"{{{more}"messages":[{{"role":"user","content":"{first}"}}]}}"#),
            )
        };
        assert_eq!(
            named("\"session_id\":\"s\",", "a"),
            named("\"session_id\":\"s\",", "b")
        );
        assert_ne!(
            named("\"session_id\":\"s\",", "a"),
            named("\"session_id\":\"t\",", "a")
        );
        assert_eq!(named("\"session_id\":null,", "a"), named("", "a"));
        assert_ne!(
            named("\"prompt_cache_key\":\"k\",", "a"),
            named("\"prompt_cache_key\":\"k\",", "b")
        );
        assert_ne!(named("\"prompt_cache_key\":\"k\",", "a"), named("", "a"));
        let body = Bytes::from(format!(r#"{{"messages":[{first}]}}"#));
        let elsewhere = Outer::read("messages", &body, &Keyring::new(b"other")).expect("read");
        assert_ne!(elsewhere.conversation, one);
        assert_eq!(id("messages", r#"{"messages":[]}"#), None);
    }
}
