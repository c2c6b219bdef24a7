//! Gemini's explicit caches over HTTP: `cachedContents` at Google AI and on Vertex.

use axum::http::Method;
use axum::response::Response;
use serde_json::{Value, json};

use super::routes::Call;
use super::target::Target;
use super::world::World;
use super::{respond, when};
use crate::sim::{CachedContent, Rejection};

/// The collection's name in paths.
const COLLECTION: &str = "/cachedContents";

/// A path of the collection or of one cache in it.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) target: Target,
    /// What stands before the cache's own name on Vertex: project and location.
    parent: String,
    /// The cache's own name, such as `cachedContents/0a1b`.
    name: Option<String>,
}

impl Path {
    /// Reads a path; it belongs to the provider that generates content next to it.
    pub(super) fn parse(path: &str, find: impl Fn(&str) -> Option<Target>) -> Option<Self> {
        let (before, after) = path.split_at(path.find(COLLECTION)?);
        let after = after.get(COLLECTION.len()..)?;
        let id = match after.split_once('/') {
            None if after.is_empty() => None,
            Some(("", id)) if !id.is_empty() && !id.contains('/') => Some(id),
            _ => return None,
        };
        let nearby = ["models/any", "publishers/google/models/any"];
        let nearby = nearby
            .iter()
            .map(|model| format!("{before}/{model}:generateContent"));
        let target = nearby
            .filter_map(|path| find(&path))
            .find(|target| target.dialect == "generate")?;
        let parent = before
            .find("/projects/")
            .and_then(|at| before.get(at + 1..));
        Some(Self {
            target,
            parent: parent.map_or_else(String::new, |parent| format!("{parent}/")),
            name: id.map(|id| format!("cachedContents/{id}")),
        })
    }

    /// The resource as it is shown.
    fn shown(&self, content: &CachedContent) -> Value {
        let time = |at| when::rfc3339(when::seconds(at));
        json!({
            "name": format!("{}{}", self.parent, content.name),
            "model": content.model, "displayName": "",
            "createTime": time(content.created), "updateTime": time(content.updated),
            "expireTime": time(content.expires),
            "usageMetadata": {"totalTokenCount": content.tokens},
        })
    }
}

/// Creates, shows, prolongs or deletes.
pub(super) fn answer(world: &World, call: &Call, path: &Path) -> Response {
    let (workspace, at) = (call.workspace.as_str(), call.at);
    let done: Option<Result<Value, Rejection>> = world.with(&path.target.provider, |sim| {
        let show = |content: CachedContent| path.shown(&content);
        Some(match (&call.parts.method, &path.name) {
            (&Method::POST, None) => sim.create_cache(workspace, at, &call.body).map(show),
            (&Method::GET, Some(name)) => sim.cache(workspace, at, name).map(show),
            (&Method::PATCH, Some(name)) => sim
                .update_cache((workspace, name), at, &call.body)
                .map(show),
            (&Method::DELETE, Some(name)) => {
                sim.delete_cache(workspace, at, name).map(|()| json!({}))
            }
            _ => return None,
        })
    });
    match done {
        Some(Ok(shown)) => respond(200, &shown),
        Some(Err(rejection)) => call.rejected(&rejection),
        None => call.error(404, "Not Found"),
    }
}
