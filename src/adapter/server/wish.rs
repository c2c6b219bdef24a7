//! What a body asks of its answer, whatever its dialect.

use serde_json::{Map, Value, json};

use super::form::Delivery;

/// A user who says this gets a call of the first tool.
const SPELL: &str = "use the tool";

/// Where each dialect puts the longest answer.
const LIMITS: [&str; 5] = [
    "/max_tokens",
    "/max_completion_tokens",
    "/max_output_tokens",
    "/inferenceConfig/maxTokens",
    "/generationConfig/maxOutputTokens",
];

/// What a body asks of its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// The model, where the body names it.
    pub(super) model: Option<String>,
    /// A document or server-sent events, as far as the body says.
    pub(super) delivery: Delivery,
    /// Whether the stream is to end with the usage, in Chat Completions.
    pub(super) usage: bool,
    /// The longest answer, in tokens.
    pub(super) limit: Option<u64>,
    /// The tool to be called.
    pub(super) tool: Option<Tool>,
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
            tool: if is_asked(&body) { tool(&body) } else { None },
        }
    }
}

/// Whether the last thing that was said is a user's wish for the tool; a result behind it means that
/// the wish was granted.
fn is_asked(body: &Value) -> bool {
    let turns = ["messages", "input", "contents"];
    let Some(turns) = turns.iter().find_map(|name| body.get(name)) else {
        return false;
    };
    if let Some(text) = turns.as_str() {
        return text.contains(SPELL);
    }
    let said = turns.as_array().and_then(|turns| turns.last());
    let is_user = |turn: &&Value| {
        let role = turn.get("role").and_then(Value::as_str);
        role == Some("user") || (role.is_none() && turn.get("parts").is_some())
    };
    let said = said.filter(is_user);
    match said.and_then(|turn| turn.get("content").or_else(|| turn.get("parts"))) {
        Some(Value::String(text)) => text.contains(SPELL),
        Some(Value::Array(parts)) => parts
            .iter()
            .rev()
            .find_map(|part| {
                let text = part.get("text").and_then(Value::as_str);
                let text = text.map(|text| text.contains(SPELL));
                text.or_else(|| is_result(part).then_some(false))
            })
            .unwrap_or(false),
        _ => false,
    }
}

fn is_result(part: &Value) -> bool {
    part.get("type").and_then(Value::as_str) == Some("tool_result")
        || ["toolResult", "functionResponse"]
            .iter()
            .any(|name| part.get(name).is_some())
}

/// The first tool that the client itself runs.
fn tool(body: &Value) -> Option<Tool> {
    let tools = body
        .get("tools")
        .or_else(|| body.pointer("/toolConfig/tools"))?;
    tools.as_array()?.iter().find_map(|tool| {
        let own = ["toolSpec", "function"].iter().find_map(|at| tool.get(at));
        let declared = || tool.pointer("/functionDeclarations/0");
        let own = own.or_else(declared).unwrap_or(tool);
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

    fn called(body: &Value) -> Option<Tool> {
        Wish::read(body.to_string().as_bytes(), None).tool
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
            assert_eq!(called(body), Some(expected.clone()), "{body}");
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
            assert_eq!(called(&body), None, "{body}");
        }
    }
}
