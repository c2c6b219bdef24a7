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
pub(super) struct Target<'a> {
    pub(super) provider: &'a Provider,
    pub(super) endpoint: &'a Endpoint,
    pub(super) model: Model,
    /// The model as the path or the user names it; empty where the body does.
    pub(super) named: Box<str>,
}

impl<'a> Target<'a> {
    pub(super) fn find(catalog: &'a Catalog, told: &Told, body: &Value) -> Result<Self, Error> {
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
            "there is no dialect `{name}`; valid are {known}"
        )));
    }
    let dialect = dialect
        .or_else(|| shown(body))
        .ok_or_else(|| Error::input("no request that is known: name its dialect with --dialect"))?;
    if let Some(name) = wanted {
        let provider = catalog.provider(name).ok_or_else(|| {
            let known: Vec<&str> = catalog.providers().map(|row| &*row.name).collect();
            let known = known.join(", ");
            Error::config(format!("there is no provider `{name}`; valid are {known}"))
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

/// The dialect that a body's members show.
fn shown(body: &Value) -> Option<&'static str> {
    let has = |name: &str| body.get(name).is_some();
    if has("contents") {
        return Some("generate");
    }
    if !has("messages") {
        return has("input").then_some("responses");
    }
    let texts = ["system", "messages"]
        .into_iter()
        .filter_map(|name| body.get(name)?.as_array());
    let mut blocks = texts.flatten().flat_map(|one| match one.get("content") {
        Some(Value::Array(parts)) => parts.iter().collect::<Vec<_>>(),
        Some(_) => Vec::new(),
        None => vec![one],
    });
    let untyped = |block: &Value| {
        let keys = [
            "text",
            "toolUse",
            "toolResult",
            "cachePoint",
            "image",
            "document",
        ];
        block.get("type").is_none() && keys.into_iter().any(|key| block.get(key).is_some())
    };
    let converse = [
        "toolConfig",
        "inferenceConfig",
        "additionalModelRequestFields",
    ];
    if converse.into_iter().any(has) || blocks.clone().any(untyped) {
        return Some("converse");
    }
    let kinds = ["tool_use", "tool_result", "thinking", "document"];
    let kind = |block: &Value| {
        kinds.contains(
            &block
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or_default(),
        )
    };
    let schema = |tool: &Value| tool.get("input_schema").is_some();
    let mut tools = body
        .get("tools")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let claude = body.get("model").and_then(Value::as_str);
    let claude = claude.is_some_and(|model| model.starts_with("claude"));
    let messages = has("system") || has("anthropic_version") || has("cache_control") || claude;
    Some(if messages || blocks.any(kind) || tools.any(schema) {
        "messages"
    } else {
        "chat"
    })
}
