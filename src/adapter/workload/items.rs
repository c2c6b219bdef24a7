//! One chat message or response item of `OpenAI`'s, spelled as an Anthropic message.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::input;

/// A translated pool message; an empty string is a form that it does not have.
#[derive(Debug, Default)]
pub(super) struct Translated {
    /// As a message.
    pub(super) message: String,
    /// As system blocks without brackets, where it is an instruction.
    pub(super) system: String,
}

#[derive(Deserialize)]
struct Chat<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    tool_call_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow)]
    arguments: &'a RawValue,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    call_id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    encrypted_content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
}

/// Translates a chat message.
pub(super) fn chat(raw: &RawValue) -> Result<Translated, String> {
    let message: Chat<'_> = read(raw)?;
    Ok(match &*message.role {
        "system" | "developer" => instruction(message.content),
        "tool" | "function" => match message.tool_call_id {
            Some(id) => spoken("user", &result(id, message.content)),
            None => spoken("user", &blocks(message.content)),
        },
        role => {
            let calls = message.tool_calls.unwrap_or_default();
            let Some(content) = message.content.filter(|_| calls.is_empty()) else {
                let text = Some(blocks(message.content)).filter(|text| !text.is_empty());
                let uses = calls.iter().map(|call| {
                    let input = arguments(Some(call.function.arguments));
                    tool_use(call.id.get(), call.function.name.get(), &input)
                });
                let all: Vec<String> = text.into_iter().chain(uses).collect();
                return Ok(spoken(role, &all.join(",")));
            };
            plain(role, content)
        }
    })
}

/// Translates a response item.
pub(super) fn response(raw: &RawValue) -> Result<Translated, String> {
    let item: Response<'_> = read(raw)?;
    if let Some(role) = &item.role {
        return Ok(match &**role {
            "system" | "developer" => instruction(item.content),
            role => spoken(role, &blocks(item.content)),
        });
    }
    let kind = item.kind.as_deref().unwrap_or_default();
    if let Some(data) = item.encrypted_content {
        let block = format!("{{\"type\":\"redacted_thinking\",\"data\":{}}}", data.get());
        return Ok(spoken("assistant", &block));
    }
    Ok(match item.call_id {
        Some(id) if kind.ends_with("_output") => {
            let whole = quoted(raw.get());
            match item.output {
                Some(output) => spoken("user", &result(id, Some(output))),
                None => spoken("user", &tool_result(id, &whole)),
            }
        }
        Some(id) if kind.ends_with("_call") => {
            let named = quoted(kind.trim_end_matches("_call"));
            let name = item.name.map_or(&*named, RawValue::get);
            let input = arguments(item.arguments.or(item.input));
            spoken("assistant", &tool_use(id.get(), name, &input))
        }
        _ if kind.ends_with("_output") => spoken("user", &text(&quoted(raw.get()))),
        _ => spoken("assistant", &text(&quoted(raw.get()))),
    })
}

/// Content as blocks without brackets: a string, or a list of parts; never an empty text block.
pub(super) fn blocks(content: Option<&RawValue>) -> String {
    let Some(content) = content else {
        return String::new();
    };
    if content.get().starts_with('"') {
        return text(content.get());
    }
    let Ok(parts) = serde_json::from_str::<Vec<&RawValue>>(content.get()) else {
        return text(&quoted(content.get()));
    };
    let blocks = parts
        .into_iter()
        .map(part)
        .filter(|block| !block.is_empty());
    blocks.collect::<Vec<_>>().join(",")
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn part(raw: &RawValue) -> String {
    let Ok(part) = serde_json::from_str::<Part<'_>>(raw.get()) else {
        return text(&quoted(raw.get()));
    };
    match (&*part.kind, part.text, part.image_url.and_then(image)) {
        ("text" | "input_text" | "output_text", Some(words), _) => text(words.get()),
        ("input_image", _, Some(image)) => image,
        _ => text(&quoted(raw.get())),
    }
}

/// An inline picture (`"data:<media type>;base64,<data>"`).
fn image(url: &RawValue) -> Option<String> {
    let url = url.get().strip_prefix("\"data:")?.strip_suffix('"')?;
    let (media, data) = url.split_once(";base64,")?;
    Some(format!(
        "{{\"type\":\"image\",\"source\":{{\"type\":\"base64\",\"media_type\":\"{media}\",\"data\":\"{data}\"}}}}"
    ))
}

/// A text block around a JSON string; nothing when the string is blank, which the API refuses.
fn text(string: &str) -> String {
    match serde_json::from_str::<Cow<'_, str>>(string) {
        Ok(words) if words.trim().is_empty() => String::new(),
        _ => format!("{{\"type\":\"text\",\"text\":{string}}}"),
    }
}

fn tool_use(id: &str, name: &str, input: &str) -> String {
    format!("{{\"type\":\"tool_use\",\"id\":{id},\"name\":{name},\"input\":{input}}}")
}

fn result(id: &RawValue, content: Option<&RawValue>) -> String {
    match content.map(RawValue::get) {
        Some(string) if string.starts_with('"') => tool_result(id, string),
        _ => tool_result(id, &format!("[{}]", blocks(content))),
    }
}

fn tool_result(id: &RawValue, content: &str) -> String {
    format!(
        "{{\"type\":\"tool_result\",\"tool_use_id\":{},\"content\":{content}}}",
        id.get()
    )
}

/// The input object of a call: its arguments as they stand when they are a JSON object, and
/// wrapped otherwise, since Anthropic's `input` must be one.
fn arguments(raw: Option<&RawValue>) -> String {
    let raw = raw.map_or("{}", RawValue::get);
    if raw.starts_with('{') {
        return raw.to_owned();
    }
    let spoken = serde_json::from_str::<Cow<'_, str>>(raw).unwrap_or_default();
    let inner = spoken.trim();
    if inner.starts_with('{') && serde_json::from_str::<&RawValue>(inner).is_ok() {
        return inner.to_owned();
    }
    format!("{{\"input\":{raw}}}")
}

/// An instruction: system blocks while it leads, and a user's message anywhere else.
fn instruction(content: Option<&RawValue>) -> Translated {
    let system = blocks(content);
    let message = spoken("user", &system).message;
    Translated { message, system }
}

/// A message of these blocks; nothing when there are none.
fn spoken(role: &str, blocks: &str) -> Translated {
    let mut message = String::new();
    if !blocks.is_empty() {
        message = format!("{{\"role\":{},\"content\":[{blocks}]}}", quoted(role));
    }
    Translated {
        message,
        system: String::new(),
    }
}

/// A message whose content is a string, kept a string; anything else becomes blocks.
fn plain(role: &str, content: &RawValue) -> Translated {
    let inner = blocks(Some(content));
    if !content.get().starts_with('"') || inner.is_empty() {
        return spoken(role, &inner);
    }
    let message = format!(
        "{{\"role\":{},\"content\":{}}}",
        quoted(role),
        content.get()
    );
    Translated {
        message,
        system: String::new(),
    }
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(raw.get()).map_err(|error| input::fault(&error))
}
