//! What a body asks of its answer, whatever its dialect.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::form::Delivery;
use super::refuse::Shape;

/// A user who says this gets a call of the first tool.
const ONE: &str = "use the tool";

/// A user who says this gets calls of two tools in one answer.
const BOTH: &str = "use both tools";

/// A user who says this is answered after some thinking.
const THINK: &str = "think first";

/// The longest answer that any model gives (platform.claude.com models, 2026-11).
const MOST_OUTPUT: u64 = 128_000;

/// A model with this in its name does not exist.
const NO_MODEL: &str = "no-such";

/// Where each dialect puts the longest answer.
const LIMITS: [&str; 5] = [
    "/max_tokens",
    "/max_completion_tokens",
    "/max_output_tokens",
    "/inferenceConfig/maxTokens",
    "/generationConfig/maxOutputTokens",
];

/// Where each dialect puts the texts before which an answer ends.
const STOPS: [&str; 4] = [
    "/stop_sequences",
    "/stop",
    "/inferenceConfig/stopSequences",
    "/generationConfig/stopSequences",
];

/// What a body asks of its answer.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent wishes")]
pub(super) struct Wish {
    /// The model, where the body names it.
    pub(super) model: Option<String>,
    /// A document or server-sent events, as far as the body says.
    pub(super) delivery: Delivery,
    /// Whether the stream is to end with the usage, in Chat Completions.
    pub(super) usage: bool,
    /// The longest answer, in tokens.
    pub(super) limit: Option<u64>,
    /// The tools to be called.
    pub(super) tools: Vec<Tool>,
    /// Whether something is to be thought first.
    pub(super) thinks: bool,
    /// The texts before which the answer ends.
    pub(super) stops: Vec<String>,
    /// Chooses the words of the answer: the same last words are always answered alike, whichever
    /// provider is asked.
    pub(super) seed: u8,
    /// The key that steers equal prefixes together, where a member of the body carries it.
    pub(super) affinity: Option<String>,
}

/// A tool as it is called: its name, and arguments that its schema takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) input: Value,
}

impl Wish {
    /// Reads a body, and the member `key` as what steers it; one that is no JSON asks for nothing.
    pub(super) fn read(body: &[u8], key: Option<&str>) -> Self {
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Self::default();
        };
        let says = |pointer: &str| body.pointer(pointer).and_then(Value::as_bool) == Some(true);
        let limits = LIMITS.iter();
        let said = said(&body);
        Self {
            model: body.get("model").and_then(Value::as_str).map(Into::into),
            delivery: if says("/stream") {
                Delivery::Sse
            } else {
                Delivery::Document
            },
            usage: says("/stream_options/include_usage"),
            limit: limits.filter_map(|at| body.pointer(at)?.as_u64()).next(),
            affinity: key.and_then(|key| Some(body.get(key)?.as_str()?.into())),
            tools: called(&body, said),
            thinks: said.contains(THINK),
            stops: stops(&body),
            seed: seed(&body),
        }
    }

    /// What no model does, refused.
    pub(super) fn refused(&self, shape: Shape, id: &str) -> Option<Response> {
        let model = self.model.as_deref().unwrap_or_default();
        if model.contains(NO_MODEL) {
            return Some(shape.no_such_model(id, model));
        }
        let asked = self.limit.filter(|asked| *asked > MOST_OUTPUT)?;
        let message = format!(
            "max_tokens: {asked} > {MOST_OUTPUT}, which is the maximum allowed number of output \
             tokens for {model}"
        );
        Some(shape.error(id, 400, "", &message))
    }
}

/// The turns of a conversation.
fn turns(body: &Value) -> Option<&Value> {
    let names = ["messages", "input", "contents"];
    names.iter().find_map(|name| body.get(name))
}

/// The last turn, where it is one of many.
fn last(body: &Value) -> Option<&Value> {
    turns(body)?.as_array()?.last()
}

/// The last text, if a user said it and nothing came behind it: a result behind a wish means that
/// the wish was granted.
fn said(body: &Value) -> &str {
    if let Some(text) = turns(body).and_then(Value::as_str) {
        return text;
    }
    let is_user = |turn: &&Value| {
        let role = turn.get("role").and_then(Value::as_str);
        role == Some("user") || (role.is_none() && turn.get("parts").is_some())
    };
    let said = last(body).filter(is_user);
    match said.and_then(|turn| turn.get("content").or_else(|| turn.get("parts"))) {
        Some(Value::String(text)) => text,
        Some(Value::Array(parts)) => parts
            .iter()
            .rev()
            .find_map(|part| {
                let text = part.get("text").and_then(Value::as_str);
                text.or_else(|| is_result(part).then_some(""))
            })
            .unwrap_or_default(),
        _ => "",
    }
}

fn is_result(part: &Value) -> bool {
    part.get("type").and_then(Value::as_str) == Some("tool_result")
        || ["toolResult", "functionResponse"]
            .iter()
            .any(|name| part.get(name).is_some())
}

/// From the texts of the last turn alone: models, markers and ids do not change an answer.
fn seed(body: &Value) -> u8 {
    let mut hasher = blake3::Hasher::new();
    match turns(body) {
        Some(Value::String(text)) => drop(hasher.update(text.as_bytes())),
        _ => last(body)
            .into_iter()
            .for_each(|turn| texts(turn, &mut hasher)),
    }
    hasher.finalize().as_bytes()[0]
}

fn texts(value: &Value, hasher: &mut blake3::Hasher) {
    for name in ["text", "content", "parts", "output"] {
        match value.get(name) {
            Some(Value::String(text)) => drop(hasher.update(text.as_bytes())),
            Some(Value::Array(parts)) => parts.iter().for_each(|part| texts(part, hasher)),
            _ => {}
        }
    }
}

fn stops(body: &Value) -> Vec<String> {
    let found = STOPS.iter().find_map(|at| body.pointer(at));
    match found {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(texts)) => texts
            .iter()
            .filter_map(|text| text.as_str().map(Into::into))
            .collect(),
        _ => Vec::new(),
    }
}

/// The tools that the answer calls.
fn called(body: &Value, said: &str) -> Vec<Tool> {
    let choice = body.get("tool_choice");
    let word = choice.and_then(|choice| choice.as_str().or_else(|| choice.get("type")?.as_str()));
    let named = choice.and_then(|choice| {
        let name = choice.pointer("/function/name");
        let name = name.or_else(|| choice.get("name"));
        name?.as_str()
    });
    let is_off = |at: &str, off: bool| body.pointer(at).and_then(Value::as_bool) == Some(off);
    let one_only = is_off("/tool_choice/disable_parallel_tool_use", true)
        || is_off("/parallel_tool_calls", false);
    let count = match word {
        Some("none") => 0,
        _ if said.contains(BOTH) && !one_only => 2,
        _ if said.contains(BOTH) || said.contains(ONE) => 1,
        Some("any" | "required" | "tool" | "function") => 1,
        _ => 0,
    };
    let mut tools = tools(body);
    if let Some(name) = named {
        tools.retain(|tool| tool.name == name);
    }
    if count > tools.len() {
        tools.extend(tools.first().cloned());
    }
    tools.truncate(count);
    tools
}

/// The tools that the client itself runs.
fn tools(body: &Value) -> Vec<Tool> {
    let tools = body
        .get("tools")
        .or_else(|| body.pointer("/toolConfig/tools"));
    let tools = tools.and_then(Value::as_array).into_iter().flatten();
    let declared = |tool: &Value| match tool.get("functionDeclarations") {
        Some(Value::Array(declared)) => declared.clone(),
        _ => vec![tool.clone()],
    };
    tools
        .flat_map(declared)
        .filter_map(|tool| read(&tool))
        .collect()
}

fn read(tool: &Value) -> Option<Tool> {
    let own = ["toolSpec", "function"].iter().find_map(|at| tool.get(at));
    let own = own.unwrap_or(tool);
    let schemas = [
        "/input_schema",
        "/parameters",
        "/parametersJsonSchema",
        "/inputSchema/json",
    ];
    let schema = schemas.iter().find_map(|at| own.pointer(at));
    Some(Tool {
        name: own.get("name")?.as_str()?.into(),
        input: schema.map_or_else(|| json!({}), sample),
    })
}

/// The least that a schema takes.
fn sample(schema: &Value) -> Value {
    let kind = schema
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("object");
    if let Some(first) = schema.pointer("/enum/0") {
        return first.clone();
    }
    match kind.to_ascii_lowercase().as_str() {
        "string" => json!(""),
        "integer" | "number" => json!(0),
        "boolean" => json!(false),
        "array" => json!([]),
        _ => {
            let required = schema.get("required").and_then(Value::as_array);
            let names = required.into_iter().flatten().filter_map(Value::as_str);
            let member = |name: &str| {
                let property = schema.get("properties")?.get(name)?;
                Some((name.to_owned(), sample(property)))
            };
            Value::Object(names.filter_map(member).collect::<Map<_, _>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(body: &Value) -> Vec<Tool> {
        Wish::read(body.to_string().as_bytes(), None).tools
    }

    #[test]
    fn the_member_that_steers_is_the_rows() {
        let body = br#"{"session_id": "s", "user": 1}"#;
        let key = |name| Wish::read(body, name).affinity;
        assert_eq!(key(Some("session_id")).as_deref(), Some("s"));
        assert_eq!((key(Some("user")), key(None)), (None, None));
    }

    #[test]
    fn the_first_tool_is_called_in_every_dialect_until_it_answered() {
        let schema = json!({"type": "object", "required": ["city", "days"],
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"},
                           "unit": {"enum": ["C", "F"]}}});
        let say = "please use the tool";
        let bodies = [
            json!({"tools": [{"name": "weather", "input_schema": schema}],
                   "messages": [{"role": "user", "content": say}]}),
            json!({"tools": [{"type": "function", "function": {"name": "weather", "parameters": schema}}],
                   "messages": [{"role": "user", "content": [{"type": "text", "text": say}]}]}),
            json!({"tools": [{"type": "function", "name": "weather", "parameters": schema}],
                   "input": say}),
            json!({"toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": schema}}}]},
                   "messages": [{"role": "user", "content": [{"text": say}]}]}),
            json!({"tools": [{"functionDeclarations": [{"name": "weather", "parameters": schema}]}],
                   "contents": [{"parts": [{"text": say}]}]}),
        ];
        let expected = Tool {
            name: "weather".into(),
            input: json!({"city": "", "days": 0}),
        };
        for body in &bodies {
            assert_eq!(called(body), std::slice::from_ref(&expected), "{body}");
        }
        for (turns, result) in [
            (
                "messages",
                json!({"role": "user", "content": [{"type": "tool_result"}]}),
            ),
            ("messages", json!({"role": "tool", "content": "12"})),
            (
                "input",
                json!({"type": "function_call_output", "output": "12"}),
            ),
            (
                "messages",
                json!({"role": "user", "content": [{"toolResult": {}}]}),
            ),
            (
                "contents",
                json!({"role": "user", "parts": [{"functionResponse": {}}]}),
            ),
        ] {
            let body = json!({"tools": [{"name": "weather", "input_schema": schema}],
                turns: [{"role": "user", "content": say}, result]});
            assert_eq!(called(&body), [], "{body}");
        }
    }

    #[test]
    fn choices_count_and_name_the_calls() {
        let tools = json!([{"name": "a"}, {"name": "b"}]);
        let ask = |say: &str, more: Value| {
            let mut body = json!({"tools": tools, "messages": [{"role": "user", "content": say}]});
            if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
                body.extend(more);
            }
            let names = called(&body).into_iter().map(|tool| tool.name);
            names.collect::<String>()
        };
        for (say, more, expected) in [
            ("use both tools", json!({}), "ab"),
            ("use both tools", json!({"parallel_tool_calls": false}), "a"),
            (
                "use both tools",
                json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
                "a",
            ),
            ("use the tool", json!({"tool_choice": {"type": "none"}}), ""),
            ("use the tool", json!({"tool_choice": "none"}), ""),
            (
                "hi",
                json!({"tool_choice": {"type": "tool", "name": "b"}}),
                "b",
            ),
            (
                "hi",
                json!({"tool_choice": {"type": "function", "function": {"name": "b"}}}),
                "b",
            ),
            ("hi", json!({"tool_choice": "required"}), "a"),
            ("hi", json!({"tool_choice": "auto"}), ""),
        ] {
            assert_eq!(ask(say, more.clone()), expected, "{say} {more}");
        }
        let one = json!({"tools": [{"name": "a"}],
            "messages": [{"role": "user", "content": "use both tools"}]});
        assert_eq!(called(&one).len(), 2);
    }

    #[test]
    fn the_words_of_an_answer_hang_on_the_last_words_alone() {
        let seed = |body: Value| Wish::read(body.to_string().as_bytes(), None).seed;
        let say = json!([{"role": "user", "content": "hello"}]);
        let first = seed(json!({"model": "a", "messages": say}));
        let marked = json!([{"role": "user", "content": [{"type": "text", "text": "hello",
            "cache_control": {"type": "ephemeral"}}]}]);
        assert_eq!(seed(json!({"model": "b", "messages": marked})), first);
        let other = json!([{"role": "user", "content": "good bye"}]);
        assert_ne!(seed(json!({"model": "a", "messages": other})), first);
    }
}
