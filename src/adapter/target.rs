//! Whom a body is for: as told, or as far as the body shows it.

use serde_json::Value;

use crate::error::Error;
use crate::provider::{Catalog, Endpoint, Model, Provider};
use crate::wire::DIALECTS;

/// What is known of a request beside its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Told {
    /// Name of the provider row.
    pub provider: Option<Box<str>>,
    /// Name of the dialect.
    pub dialect: Option<Box<str>>,
    /// The model, where the body names none.
    pub model: Option<Box<str>>,
    /// The URL it goes to.
    pub url: Option<Box<str>>,
}

/// Whom a body is for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target<'a> {
    /// The provider's row.
    pub provider: &'a Provider,
    /// The dialect of the body, with where the provider speaks it.
    pub endpoint: &'a Endpoint,
    /// The model's row, limited to what the endpoint offers.
    pub model: Model,
    /// The model as the path or the user names it; empty where the body does.
    pub named: Box<str>,
}

impl<'a> Target<'a> {
    /// Whom `body` is for: as told, or as far as its members show.
    ///
    /// # Errors
    /// When what was told is not known, or neither tells the dialect.
    pub fn find(catalog: &'a Catalog, told: &Told, body: &Value) -> Result<Self, Error> {
        let found = told.url.as_deref().and_then(|url| {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            catalog.find(host, path)
        });
        let inside = body.get("model").and_then(Value::as_str);
        let in_path = found.as_ref().and_then(|found| found.model.as_deref());
        let named: Box<str> = told.model.as_deref().or(in_path).unwrap_or_default().into();
        let asked = if named.is_empty() {
            inside.unwrap_or_default()
        } else {
            &*named
        };
        let (provider, endpoint) = match found {
            Some(found) => (found.provider, found.endpoint),
            None => pick(catalog, told, (body, asked))?,
        };
        let model = endpoint.limit(catalog.model(&provider.name, asked));
        Ok(Self {
            provider,
            endpoint,
            model,
            named,
        })
    }
}

fn pick<'a>(
    catalog: &'a Catalog,
    told: &Told,
    (body, model): (&Value, &str),
) -> Result<(&'a Provider, &'a Endpoint), Error> {
    let (wanted, dialect) = (told.provider.as_deref(), told.dialect.as_deref());
    if let Some(name) = dialect.filter(|name| !DIALECTS.contains(name)) {
        let known = DIALECTS.join(", ");
        return Err(Error::config(format!(
            "no dialect `{name}`; there are {known}"
        )));
    }
    let dialect = dialect
        .or_else(|| shown(body))
        .ok_or_else(|| Error::input("no request that is known: name its dialect with --dialect"))?;
    if let Some(name) = wanted {
        let provider = catalog.provider(name).ok_or_else(|| {
            Error::config(format!(
                "no provider `{name}`; `cachewright models` lists them"
            ))
        })?;
        return provider
            .endpoint(dialect)
            .map(|found| (provider, found))
            .ok_or_else(|| {
                Error::config(format!("the provider `{name}` does not speak `{dialect}`"))
            });
    }
    let speaks = || {
        catalog
            .providers()
            .filter_map(move |row| Some((row, row.endpoint(dialect)?)))
    };
    let known = |row: &Provider| catalog.model(&row.name, model).limits.known;
    speaks()
        .find(|(row, _)| known(row))
        .or_else(|| speaks().next())
        .ok_or_else(|| Error::input(format!("no provider speaks `{dialect}`")))
}

/// The dialect that a body's members show; `None` where it is no request of a known one.
///
/// What only one of two dialects has is asked first; a body that shows neither is a chat, unless its
/// model is Claude's or its tools stand bare.
#[must_use]
pub fn shown(body: &Value) -> Option<&'static str> {
    let has = |names: &[&str]| names.iter().any(|name| body.get(name).is_some());
    if has(&["contents"]) {
        return Some("generate");
    }
    if !has(&["messages"]) {
        return has(&["input"]).then_some("responses");
    }
    let options = [
        "toolConfig",
        "inferenceConfig",
        "additionalModelRequestFields",
    ];
    if has(&options) || blocks(body).any(is_untyped) {
        return Some("converse");
    }
    if has(&["system", "anthropic_version", "cache_control"]) {
        return Some("messages");
    }
    let tools = || list(body, "tools");
    let wrapped = tools().any(|tool| tool.get("function").is_some());
    if wrapped || list(body, "messages").any(is_chat) {
        return Some("chat");
    }
    let model = body.get("model").and_then(Value::as_str);
    let claude = model.is_some_and(|model| model.starts_with("claude"));
    let own = claude || has(&["thinking", "stop_sequences"]) || tools().next().is_some();
    let own = own || blocks(body).any(is_anthropic);
    Some(if own { "messages" } else { "chat" })
}

fn list<'b>(body: &'b Value, name: &str) -> impl Iterator<Item = &'b Value> {
    let all = body.get(name).and_then(Value::as_array);
    all.into_iter().flatten()
}

/// The blocks of the system prompt and of the messages.
fn blocks(body: &Value) -> impl Iterator<Item = &Value> {
    let all = list(body, "system").chain(list(body, "messages"));
    all.flat_map(|one| match one.get("content") {
        Some(Value::Array(parts)) => parts.iter().collect(),
        Some(_) => Vec::new(),
        None => vec![one],
    })
}

/// Whether a block is one of Converse's, which have no type.
fn is_untyped(block: &Value) -> bool {
    let keys = [
        "text",
        "toolUse",
        "toolResult",
        "cachePoint",
        "image",
        "document",
    ];
    block.get("type").is_none() && keys.into_iter().any(|key| block.get(key).is_some())
}

/// Whether a block is of a type that of the two only Messages has.
fn is_anthropic(block: &Value) -> bool {
    let kind = block.get("type").and_then(Value::as_str);
    matches!(
        kind,
        Some("tool_use" | "tool_result" | "thinking" | "document")
    )
}

/// Whether a message is one that of the two only Chat has.
fn is_chat(message: &Value) -> bool {
    let role = message.get("role").and_then(Value::as_str);
    matches!(role, Some("system" | "developer" | "tool" | "function"))
        || message.get("tool_calls").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_shows_its_dialect() {
        let said = |role: &str, content: Value| json!([{"role": role, "content": content}]);
        let hi = || said("user", json!("hi"));
        let typed = |kind: &str| said("user", json!([{"type": kind}]));
        let with = |messages: Value, extra: Value| {
            let mut body = json!({ "messages": messages });
            let members = extra.as_object().unwrap().clone();
            body.as_object_mut().unwrap().extend(members);
            body
        };
        for (body, wanted) in [
            (json!({"contents": []}), Some("generate")),
            (json!({"input": "hi"}), Some("responses")),
            (json!({"prompt": "hi"}), None),
            (
                with(said("user", json!([{"text": "hi"}])), json!({})),
                Some("converse"),
            ),
            (with(hi(), json!({"toolConfig": {}})), Some("converse")),
            (with(hi(), json!({"system": "s"})), Some("messages")),
            (with(said("system", json!("s")), json!({})), Some("chat")),
            (
                with(said("system", json!("s")), json!({"system": "s"})),
                Some("messages"),
            ),
            (
                with(hi(), json!({"thinking": {}, "tools": [{"function": {}}]})),
                Some("chat"),
            ),
            (
                with(hi(), json!({"tools": [{"name": "t"}]})),
                Some("messages"),
            ),
            (with(typed("tool_result"), json!({})), Some("messages")),
            (
                with(typed("text"), json!({"model": "claude-sonnet-4-5"})),
                Some("messages"),
            ),
            (with(typed("text"), json!({"model": "gpt-5"})), Some("chat")),
        ] {
            assert_eq!(shown(&body), wanted, "{body}");
        }
    }
}
