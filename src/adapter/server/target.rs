//! Which provider a request means, and where it reaches it.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

use super::text;
use crate::provider::{Catalog, Found, Provider};

/// Who is asked first where several providers serve a path and nothing names one.
const ORDER: [&str; 7] = [
    "anthropic",
    "openai",
    "bedrock",
    "gemini",
    "vertex",
    "azure",
    "openrouter",
];

/// What a request reaches.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The provider's name.
    pub(super) provider: Box<str>,
    /// The dialect spoken there.
    pub(super) dialect: &'static str,
    /// The model that the path names; empty where the body does.
    pub(super) model: String,
    /// Project and location, where the path names them.
    pub(super) place: String,
    /// Whether it is a regional endpoint, which some providers price above the global one.
    pub(super) regional: bool,
    /// The key that the endpoint's affinity header carries, if one was sent.
    pub(super) affinity: Option<String>,
    /// The body's member that carries it otherwise.
    pub(super) key: Option<Box<str>>,
}

/// The host with its port: HTTP/2 has it in the address, HTTP/1.1 in a header.
pub(super) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let authority = uri.authority().map(Authority::as_str);
    authority
        .or_else(|| text(headers, "host"))
        .unwrap_or_default()
}

/// Finds the provider by host, by the header `x-sim-provider`, by a prefix of the path, or by the
/// path alone; `first` comes before all others then.
pub(super) fn find(
    catalog: &Catalog,
    first: &str,
    (uri, headers): (&Uri, &HeaderMap),
    path: &str,
) -> Option<Target> {
    let named = |name: &str| catalog.provider(name);
    let found = catalog
        .find(host(uri, headers), path)
        .or_else(|| named(text(headers, "x-sim-provider")?)?.behind(path))
        .or_else(|| {
            let (name, _) = path.strip_prefix('/')?.split_once('/')?;
            let rest = path.get(name.len() + 1..)?;
            named(name)?.behind(rest)
        })
        .or_else(|| somewhere(catalog, first, |provider| provider.at(path)))
        .or_else(|| somewhere(catalog, first, |provider| provider.behind(path)))?;
    Some(Target::of(&found, headers))
}

fn somewhere<'a>(
    catalog: &'a Catalog,
    first: &str,
    find: impl FnMut(&'a Provider) -> Option<Found<'a>>,
) -> Option<Found<'a>> {
    let ordered = std::iter::once(first).chain(ORDER);
    ordered
        .filter_map(|name| catalog.provider(name))
        .chain(catalog.providers())
        .find_map(find)
}

impl Target {
    fn of(found: &Found<'_>, headers: &HeaderMap) -> Self {
        let affinity = found.endpoint.affinity.as_ref();
        let header = affinity.and_then(|affinity| affinity.header.as_deref());
        Self {
            provider: found.provider.name.clone(),
            dialect: found.endpoint.name,
            model: found.model.clone().unwrap_or_default(),
            place: found.place.clone(),
            regional: found.regional,
            affinity: header.and_then(|name| text(headers, name)).map(Into::into),
            key: affinity.and_then(|affinity| affinity.field.clone()),
        }
    }
}
