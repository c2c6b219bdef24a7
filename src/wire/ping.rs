//! Pings: a request repeated so that its prefix is read, and as little as possible is said.
//!
//! Everything that belongs to the prefix stays as it was sent, byte for byte: messages, markers, tools,
//! `tool_choice` and thinking, which all separate entries (platform.claude.com prompt-caching, 2026-08).
//! Only what limits or delivers the answer changes.

use super::object::{Object, begin};
use super::scan::name;
use super::{Edit, splice};
use crate::model::Span;

/// The body of a ping that repeats `body` in this dialect and asks for no more than `least` tokens of
/// output, as a row says it; `None` where the request cannot be repeated for so little, or where
/// repeating it would change something at the provider.
///
/// ```
/// use cachewright::wire::ping;
///
/// let sent = br#"{"model":"m","max_tokens":900,"stream":true,"messages":[]}"#;
/// let ping = ping("messages", sent, 0).ok_or("a ping")?;
/// assert_eq!(ping, br#"{"model":"m","max_tokens":0,"stream":false,"messages":[]}"#);
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn ping(dialect: &str, body: &[u8], least: u32) -> Option<Vec<u8>> {
    let letter = Letter::read(body)?;
    let mut edits = match dialect {
        "messages" => letter.messages(least),
        "chat" => letter.chat(least),
        "responses" => letter.responses(least),
        "converse" => letter.converse(least),
        // Nothing is known of how long Gemini's own entries live, nor that a read renews them.
        _ => None,
    }?;
    Some(splice(body, &mut edits))
}

/// A request and its members.
struct Letter<'a> {
    body: &'a [u8],
    object: Object,
}

impl<'a> Letter<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let mut scan = begin(body).ok()?;
        let object = Object::read(&mut scan, body, &mut |scan, _| scan.value().map(drop)).ok()?;
        scan.finish().ok()?;
        (!object.members.is_empty()).then_some(Self { body, object })
    }

    /// `max_tokens: 0` is refused with forced tools and structured output, where one token will do;
    /// thinking with a budget needs more tokens than that budget
    /// (platform.claude.com prompt-caching and extended-thinking, 2026-08).
    fn messages(&self, least: u32) -> Option<Vec<Edit>> {
        if self.word("thinking", "type").as_deref() == Some("enabled") {
            return None;
        }
        let choice = self.word("tool_choice", "type");
        let forced = matches!(choice.as_deref(), Some("any" | "tool"));
        let output = self.object.inside(self.body, "output_config");
        let formed = output.is_some_and(|output| output.find(self.body, "format").is_some())
            || self.has("output_format");
        let least = if forced || formed {
            least.max(1)
        } else {
            least
        };
        let limit = self.set("max_tokens", &least.to_string());
        Some(
            [Some(limit), self.unstreamed()]
                .into_iter()
                .flatten()
                .collect(),
        )
    }

    fn chat(&self, least: u32) -> Option<Vec<Edit>> {
        let limit = match self.has("max_completion_tokens") {
            true => "max_completion_tokens",
            false => "max_tokens",
        };
        let edits = [
            Some(self.set(limit, &least.to_string())),
            self.unstreamed(),
            self.remove("stream_options"),
            self.replace("n", "1"),
            // What is pinged is no completion to keep.
            self.replace("store", "false"),
        ];
        Some(edits.into_iter().flatten().collect())
    }

    /// A conversation that is kept by the provider would grow by each ping, and a response in the
    /// background is no answer.
    fn responses(&self, least: u32) -> Option<Vec<Edit>> {
        if self.has("conversation") || self.object.value(self.body, "background") == Some(b"true") {
            return None;
        }
        let edits = [
            Some(self.set("max_output_tokens", &least.to_string())),
            self.unstreamed(),
            self.remove("stream_options"),
            Some(self.set("store", "false")),
        ];
        Some(edits.into_iter().flatten().collect())
    }

    fn converse(&self, least: u32) -> Option<Vec<Edit>> {
        let fields = self
            .object
            .inside(self.body, "additionalModelRequestFields");
        let thinking = fields.and_then(|fields| fields.inside(self.body, "thinking"));
        let kind = thinking.and_then(|thinking| thinking.text(self.body, "type"));
        if kind.as_deref() == Some("enabled") {
            return None;
        }
        let limit = least.to_string();
        Some(vec![
            match self.object.inside(self.body, "inferenceConfig") {
                Some(object) => set(self.body, &object, "maxTokens", &limit),
                None => self.set("inferenceConfig", &format!("{{\"maxTokens\":{limit}}}")),
            },
        ])
    }

    fn has(&self, wanted: &str) -> bool {
        self.object.find(self.body, wanted).is_some()
    }

    /// A text within a member that is an object.
    fn word(&self, member: &str, wanted: &str) -> Option<String> {
        self.object
            .inside(self.body, member)?
            .text(self.body, wanted)
    }

    fn set(&self, wanted: &str, value: &str) -> Edit {
        set(self.body, &self.object, wanted, value)
    }

    fn unstreamed(&self) -> Option<Edit> {
        self.replace("stream", "false")
    }

    /// Another value in the place of the one that is there.
    fn replace(&self, wanted: &str, value: &str) -> Option<Edit> {
        let span = self.object.find(self.body, wanted)?;
        Some(Edit::new(span, value.to_owned()))
    }

    /// Takes a member out, with one comma.
    fn remove(&self, unwanted: &str) -> Option<Edit> {
        let members = &self.object.members;
        let goes = |key: Span| name(key.of(self.body)) == unwanted;
        let at = members.iter().position(|member| goes(member.key))?;
        let gone = members.get(at)?;
        let before = at.checked_sub(1).and_then(|before| members.get(before));
        let span = match (before, members.get(at + 1)) {
            (Some(before), _) => Span::new(before.value.end, gone.value.end),
            (None, Some(next)) => Span::new(gone.key.start, next.key.start),
            (None, None) => Span::new(gone.key.start, gone.value.end),
        };
        Some(Edit::new(span, ""))
    }
}

/// Gives a member this value, in its place or as the first one of the object.
fn set(body: &[u8], object: &Object, wanted: &str, value: &str) -> Edit {
    let mut members = object.members.iter();
    let known = members.find(|member| name(member.key.of(body)) == wanted);
    match (known, object.members.is_empty()) {
        (Some(member), _) => Edit::new(member.value, value.to_owned()),
        (None, none) => {
            let comma = if none { "" } else { "," };
            let member = format!("\"{wanted}\":{value}{comma}");
            Edit::insert(object.span.start.saturating_add(1), member)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinged(dialect: &str, body: &str, least: u32) -> Option<String> {
        let ping = ping(dialect, body.as_bytes(), least)?;
        let text = String::from_utf8(ping).expect("UTF-8");
        let valid = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        assert!(valid, "{text}");
        Some(text)
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn only_what_limits_the_answer_changes() {
        let tools = r#""tools":[{"name":"f"}],"tool_choice":{"type":"auto"}"#;
        for (dialect, least, body, wanted) in [
            (
                "messages",
                0,
                r#"{ "max_tokens" : 9 , "thinking":{"type":"adaptive"},"messages":[{"x":"\u0041"}]}"#,
                r#"{ "max_tokens" : 0 , "thinking":{"type":"adaptive"},"messages":[{"x":"\u0041"}]}"#,
            ),
            (
                "messages",
                0,
                r#"{"output_config":{"effort":"low"},"m":1}"#,
                r#"{"max_tokens":0,"output_config":{"effort":"low"},"m":1}"#,
            ),
            (
                "messages",
                0,
                r#"{"max_tokens":9,"output_config":{"format":{}}}"#,
                r#"{"max_tokens":1,"output_config":{"format":{}}}"#,
            ),
            (
                "messages",
                0,
                r#"{"max_tokens":9,"tool_choice":{"type":"any"}}"#,
                r#"{"max_tokens":1,"tool_choice":{"type":"any"}}"#,
            ),
            (
                "chat",
                1,
                r#"{"stream":true,"stream_options":{"include_usage":true},"n":3}"#,
                r#"{"max_tokens":1,"stream":false,"n":1}"#,
            ),
            (
                "chat",
                16,
                r#"{"stream_options":{},"max_completion_tokens":5,"store":true}"#,
                r#"{"max_completion_tokens":16,"store":false}"#,
            ),
            (
                "responses",
                16,
                r#"{"input":"x","stream":true,"store":true}"#,
                r#"{"max_output_tokens":16,"input":"x","stream":false,"store":false}"#,
            ),
            (
                "responses",
                16,
                r#"{"input":"x"}"#,
                r#"{"max_output_tokens":16,"store":false,"input":"x"}"#,
            ),
            (
                "converse",
                1,
                r#"{"messages":[],"inferenceConfig":{"temperature":1}}"#,
                r#"{"messages":[],"inferenceConfig":{"maxTokens":1,"temperature":1}}"#,
            ),
            (
                "converse",
                1,
                r#"{"messages":[],"inferenceConfig":{}}"#,
                r#"{"messages":[],"inferenceConfig":{"maxTokens":1}}"#,
            ),
            (
                "converse",
                1,
                r#"{"messages":[]}"#,
                r#"{"inferenceConfig":{"maxTokens":1},"messages":[]}"#,
            ),
        ] {
            assert_eq!(pinged(dialect, body, least).as_deref(), Some(wanted));
            let more = body.replacen('{', &format!("{{{tools},"), 1);
            if !body.contains("tool_choice") {
                let kept = pinged(dialect, &more, least).expect("a ping");
                assert!(kept.contains(tools), "{kept}");
            }
        }
    }

    #[test]
    fn what_cannot_be_repeated_cheaply_or_safely_is_not() {
        for (dialect, body) in [
            (
                "messages",
                r#"{"thinking":{"type":"enabled","budget_tokens":1024}}"#,
            ),
            ("messages", "{}"),
            ("messages", "[]"),
            ("messages", r#"{"a":1"#),
            ("responses", r#"{"conversation":"conv_1"}"#),
            ("responses", r#"{"background":true}"#),
            (
                "converse",
                r#"{"additionalModelRequestFields":{"thinking":{"type":"enabled"}}}"#,
            ),
            ("generate", r#"{"contents":[]}"#),
        ] {
            assert_eq!(pinged(dialect, body, 1), None, "{dialect} {body}");
        }
    }

    #[test]
    fn a_null_is_given_a_value_and_no_member_stands_twice() {
        let body = r#"{"max_tokens":null,"stream":null,"messages":[]}"#;
        let wanted = r#"{"max_tokens":0,"stream":null,"messages":[]}"#;
        assert_eq!(pinged("messages", body, 0).as_deref(), Some(wanted));
    }
}
