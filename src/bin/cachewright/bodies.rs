//! Request bodies in files: which dialect they speak, whom they were sent to, what they hold.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use cachewright::error::Error;
use cachewright::model::{Keyring, Skip};
use cachewright::provider::{Catalog, Endpoint, Model, Provider};
use cachewright::wire::{DIALECTS, Reading};
use serde_json::Value;

/// What the user says about a body that does not say it itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) provider: Option<String>,
    pub(crate) dialect: Option<String>,
    /// The path or URL that it is sent to.
    pub(crate) path: Option<String>,
    pub(crate) model: Option<String>,
}

/// A request body that was read.
pub(crate) struct Body<'a> {
    pub(crate) file: PathBuf,
    pub(crate) bytes: Bytes,
    pub(crate) reading: Reading,
    pub(crate) provider: &'a Provider,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) model: Model,
}

impl<'a> Body<'a> {
    /// Reads a file. Two bodies that are to be compared need one keyring.
    pub(crate) fn open(
        file: &Path,
        told: &Told,
        catalog: &'a Catalog,
        keyring: &Keyring,
    ) -> Result<Self, Error> {
        let name = file.display();
        let bytes = std::fs::read(file).map_err(|error| Error::io(format!("{name}: {error}")))?;
        let bytes = Bytes::from(bytes);
        let json: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Error::input(format!("{name}: not JSON: {error}")))?;
        let place = told.place(&json, catalog);
        let place = place.map_err(|what| Error::input(format!("{name}: {what}")))?;
        let endpoint = place.endpoint;
        let reading = endpoint
            .dialect
            .read(&bytes, keyring, &mut |_| Vec::new())
            .map_err(|why| refused(file, endpoint.name, why))?;
        let asked = place.model.unwrap_or_else(|| reading.prompt.model.clone());
        let model = endpoint.limit(catalog.model(&place.provider.name, &asked));
        Ok(Self {
            file: file.to_owned(),
            bytes,
            reading,
            provider: place.provider,
            endpoint,
            model,
        })
    }
}

fn refused(file: &Path, dialect: &str, why: Skip) -> Error {
    let name = file.display();
    let what = why.as_str().replace('_', " ");
    Error::input(format!(
        "{name}: not a request in the dialect `{dialect}` ({what}); another dialect is chosen by --dialect"
    ))
}

/// Where a body is sent.
struct Place<'a> {
    provider: &'a Provider,
    endpoint: &'a Endpoint,
    /// The model, where it does not stand in the body.
    model: Option<Box<str>>,
}

impl Told {
    /// Where a body is sent: as told, or as far as the body shows it.
    fn place<'a>(&self, json: &Value, catalog: &'a Catalog) -> Result<Place<'a>, String> {
        let given = self.model.as_deref().map(Into::into);
        if let Some(path) = &self.path {
            let found = self.at(path, catalog);
            let found = found.ok_or_else(|| format!("no provider row serves `{path}`"))?;
            return Ok(Place {
                provider: found.provider,
                endpoint: found.endpoint,
                model: given.or_else(|| found.model.map(Into::into)),
            });
        }
        let dialect = match &self.dialect {
            Some(name) => known(name)?,
            None => dialect_of(json).ok_or_else(|| {
                "no dialect shows in this body; name it with --dialect or --path".to_owned()
            })?,
        };
        let asked = given.clone().unwrap_or_else(|| {
            let model = json.get("model").and_then(Value::as_str);
            model.unwrap_or_default().into()
        });
        let provider = match &self.provider {
            Some(name) => catalog
                .provider(name)
                .ok_or_else(|| format!("no provider `{name}`; `cachewright models` lists them"))?,
            None => likely(dialect, &asked, catalog)
                .ok_or_else(|| format!("no provider speaks `{dialect}`"))?,
        };
        let endpoint = provider.endpoint(dialect).ok_or_else(|| {
            format!(
                "the provider `{}` does not speak `{dialect}`",
                provider.name
            )
        })?;
        Ok(Place {
            provider,
            endpoint,
            model: given,
        })
    }

    fn at<'a>(&self, path: &str, catalog: &'a Catalog) -> Option<cachewright::provider::Found<'a>> {
        if let Some((_, rest)) = path.split_once("://") {
            let slash = rest.find('/')?;
            let (host, path) = rest.split_at(slash);
            return catalog.find(host, path);
        }
        let wanted = |provider: &&Provider| {
            let name = self.provider.as_deref();
            name.is_none_or(|name| name == &*provider.name)
        };
        let mut providers = catalog.providers().filter(wanted);
        providers.find_map(|provider| provider.behind(path))
    }
}

fn known(name: &str) -> Result<&'static str, String> {
    let mut all = DIALECTS.into_iter();
    all.find(|one| *one == name)
        .ok_or_else(|| format!("no dialect `{name}`; there are {}", DIALECTS.join(", ")))
}

/// The provider whose rows know the model, the dialect's own before others.
fn likely<'a>(dialect: &str, model: &str, catalog: &'a Catalog) -> Option<&'a Provider> {
    let speaks = || {
        let all = catalog.providers();
        all.filter(|provider| !dialect.is_empty() && provider.endpoint(dialect).is_some())
    };
    let knows = |provider: &&Provider| catalog.model(&provider.name, model).limits.known;
    speaks().find(knows).or_else(|| speaks().next())
}

/// The dialect that a body shows by its members.
fn dialect_of(json: &Value) -> Option<&'static str> {
    let body = json.as_object()?;
    let has = |name: &str| body.contains_key(name);
    if has("contents") {
        return Some("generate");
    }
    if has("input") && !has("messages") {
        return Some("responses");
    }
    let messages = body.get("messages")?.as_array()?;
    if has("toolConfig") || has("inferenceConfig") || messages.iter().any(is_converse) {
        return Some("converse");
    }
    let own = ["system", "anthropic_version", "thinking", "stop_sequences"];
    if own.into_iter().any(has) {
        return Some("messages");
    }
    let tool = body.get("tools").and_then(|tools| tools.get(0));
    let wrapped = tool.is_some_and(|tool| tool.get("function").is_some());
    if wrapped || messages.iter().any(is_chat) {
        return Some("chat");
    }
    let model = body.get("model").and_then(Value::as_str);
    let claude = model.is_some_and(|model| model.starts_with("claude"));
    let chat = tool.is_none() && !claude;
    Some(if chat { "chat" } else { "messages" })
}

/// Whether a message is one of Converse's: its content has no `type`.
fn is_converse(message: &Value) -> bool {
    let content = message.get("content").and_then(Value::as_array);
    content.is_some_and(|blocks| {
        let mut blocks = blocks.iter();
        blocks.any(|block| block.is_object() && block.get("type").is_none())
    })
}

/// Whether a message is one that only Chat has.
fn is_chat(message: &Value) -> bool {
    let role = message.get("role").and_then(Value::as_str);
    matches!(role, Some("system" | "developer" | "tool" | "function"))
        || message.get("tool_calls").is_some()
}
