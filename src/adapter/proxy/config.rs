//! The proxy's part of the configuration file; errors name the file, the line and the fix.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use super::{ProxyOptions, Upstream};
use crate::adapter::gateway::GatewayOptions;
use crate::adapter::sign::{Sign, chain};
use crate::adapter::{mistake, variables};
use crate::error::Error;
use crate::provider::{Catalog, Provider};

const BUILTIN: &str = include_str!("default.toml");

/// Looks up a variable of the environment.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The members the proxy reads; those of the handle are read, and unknown ones refused, by
/// [`Builder::config`](crate::adapter::handle::Builder::config).
#[derive(Deserialize)]
struct File {
    listen: Option<SocketAddr>,
    client_token: Option<Spanned<String>>,
    upstreams: Option<BTreeMap<Spanned<String>, Entry>>,
    #[serde(flatten)]
    _others: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: Option<Spanned<String>>,
    base_url: Option<Spanned<String>>,
    path_prefix: Option<Spanned<String>>,
    paths: Option<Vec<Spanned<String>>>,
    header: Option<Spanned<String>>,
    #[serde(default)]
    headers: BTreeMap<Spanned<String>, Spanned<String>>,
    tenant: Option<Box<str>>,
    route: Option<Box<str>>,
    sign: Option<Spanned<String>>,
    region: Option<Spanned<String>>,
    profile: Option<Spanned<String>>,
}

/// A configuration text being read.
struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    catalog: &'a Catalog,
    env: Env<'a>,
}

/// See [`ProxyOptions::config`].
pub(super) fn read(
    mut options: ProxyOptions,
    (file, text): (&str, &str),
    catalog: &Catalog,
    env: Env<'_>,
) -> Result<ProxyOptions, Error> {
    let reader = Reader {
        file,
        text,
        catalog,
        env,
    };
    let found = reader.parse()?;
    options.listen = found.listen.unwrap_or(options.listen);
    if let Some(token) = &found.client_token {
        options.client_token = Some(reader.expanded(token)?.into());
    }
    if let Some(entries) = &found.upstreams {
        options.upstreams = reader.upstreams(entries)?;
    }
    let gateway = GatewayOptions::config((file, text), catalog, env)?;
    if gateway.is_empty() {
        return Ok(options);
    }
    if !options.gateway.is_empty() {
        return Err(Error::config(format!(
            "{file}: backends and routes are described in another file as well; put them into one"
        )));
    }
    if found.upstreams.is_none() {
        // A prompt whose route is misspelled must not reach a provider that nobody named.
        options.upstreams.clear();
    }
    options.gateway = gateway;
    Ok(options)
}

/// The upstreams that are served without a configuration.
pub(super) fn builtin(catalog: &Catalog, env: Env<'_>) -> Result<Vec<Upstream>, Error> {
    let reader = Reader {
        file: "default.toml",
        text: BUILTIN,
        catalog,
        env,
    };
    let entries = reader.parse()?.upstreams.unwrap_or_default();
    // What needs a variable that is not set, such as a region, is left out.
    let mut upstreams: Vec<Upstream> = entries
        .iter()
        .filter(|(_, entry)| {
            let base = entry.base_url.as_ref();
            base.is_none_or(|base| reader.expanded(base).is_ok())
        })
        .map(|(name, entry)| reader.upstream(name, entry))
        .collect::<Result<_, _>>()?;
    for row in catalog.providers() {
        let known = upstreams.iter().any(|upstream| upstream.name == row.name);
        if let Some(base) = base_of(row).filter(|_| !known)
            && let Ok(upstream) = Upstream::new(&row.name, &base)
        {
            upstreams.push(upstream.provider(row.name.clone()));
        }
    }
    Ok(upstreams)
}

impl Reader<'_> {
    fn parse(&self) -> Result<File, Error> {
        toml::from_str(self.text).map_err(|error| mistake::toml((self.file, self.text), &error))
    }

    fn error(&self, at: Range<usize>, message: &str) -> Error {
        mistake::at((self.file, self.text), at, message)
    }

    fn upstreams(
        &self,
        entries: &BTreeMap<Spanned<String>, Entry>,
    ) -> Result<Vec<Upstream>, Error> {
        let mut upstreams = Vec::new();
        for (name, entry) in entries {
            upstreams.push(self.upstream(name, entry)?);
        }
        self.share(entries, &mut upstreams);
        Ok(upstreams)
    }

    /// Gives upstreams that name no paths those where their provider takes prompts. Where several
    /// would take the same, none does: a key must not reach the wrong provider by a guess.
    fn share(&self, entries: &BTreeMap<Spanned<String>, Entry>, upstreams: &mut [Upstream]) {
        let silent: Vec<bool> = entries
            .values()
            .map(|entry| entry.paths.is_none())
            .collect();
        let wanted: Vec<Vec<Box<str>>> = upstreams
            .iter()
            .zip(silent)
            .map(|(upstream, silent)| match &upstream.provider {
                Some(name) if silent => self.catalog.provider(name).map_or_else(Vec::new, claims),
                Some(_) | None => upstream.paths.clone(),
            })
            .collect();
        for (index, upstream) in upstreams.iter_mut().enumerate() {
            let Some(mine) = wanted.get(index) else {
                continue;
            };
            let shared = |path: &str| {
                let mut others = wanted.iter().enumerate().filter(|(at, _)| *at != index);
                others.any(|(_, paths)| paths.iter().any(|other| **other == *path))
            };
            let named = std::mem::take(&mut upstream.paths);
            let kept = mine
                .iter()
                .filter(|path| named.contains(path) || !shared(path));
            upstream.paths = kept.cloned().collect();
        }
    }

    fn upstream(&self, name: &Spanned<String>, entry: &Entry) -> Result<Upstream, Error> {
        let row = self.row(name, entry)?;
        let region = entry.region.as_ref();
        let region = region.map(|region| self.expanded(region)).transpose()?;
        let of_row = row.and_then(|row| base_of(row).or_else(|| regional(row, region.as_deref()?)));
        let (base, at) = match (&entry.base_url, of_row) {
            (Some(base), _) => (self.expanded(base)?, base.span()),
            (None, Some(base)) => (base, name.span()),
            (None, None) => {
                let missing = "`base_url` is missing; add base_url = \"https://…\"";
                return Err(self.error(name.span(), missing));
            }
        };
        let mut upstream = Upstream::new(name.get_ref(), &base)
            .map_err(|error| self.error(at, &error.to_string()))?;
        upstream.signer = self.signer(&upstream, entry, region.as_deref())?;
        upstream.provider = row.map(|row| row.name.clone());
        upstream.prefix = match &entry.path_prefix {
            Some(prefix) => Some(self.path(prefix)?.trim_end_matches('/').into()),
            None => None,
        };
        for path in entry.paths.iter().flatten() {
            upstream.paths.push(self.path(path)?.into());
        }
        if let Some(header) = &entry.header {
            upstream.header = Some(self.header(header)?);
        }
        for (name, value) in &entry.headers {
            let mut parsed = HeaderValue::try_from(self.expanded(value)?).map_err(|_| {
                self.error(value.span(), "not a header's value: it holds a line break")
            })?;
            parsed.set_sensitive(true);
            upstream.headers.push((self.header(name)?, parsed));
        }
        upstream.tenant = entry.tenant.clone();
        upstream.route = entry.route.clone();
        Ok(upstream)
    }

    /// Who signs, if anybody does.
    fn signer(
        &self,
        upstream: &Upstream,
        entry: &Entry,
        region: Option<&str>,
    ) -> Result<Option<Arc<dyn Sign>>, Error> {
        let Some(sign) = &entry.sign else {
            let Some(idle) = entry.profile.as_ref().or(entry.region.as_ref()) else {
                return Ok(None);
            };
            let message = "`region` and `profile` are for signing; add sign = \"aws\"";
            return Err(self.error(idle.span(), message));
        };
        if sign.get_ref() != "aws" {
            let message = format!("cannot sign as {:?}; use sign = \"aws\"", sign.get_ref());
            return Err(self.error(sign.span(), &message));
        }
        let profile = entry.profile.as_ref();
        let profile = profile.map(|name| self.expanded(name)).transpose()?;
        chain(&upstream.place(), region, profile.as_deref())
            .map(Some)
            .map_err(|fix| self.error(sign.span(), fix))
    }

    /// The provider row that is named, or that has the upstream's own name.
    fn row(&self, name: &Spanned<String>, entry: &Entry) -> Result<Option<&Provider>, Error> {
        let Some(provider) = &entry.provider else {
            return Ok(self.catalog.provider(name.get_ref()));
        };
        match self.catalog.provider(provider.get_ref()) {
            Some(row) => Ok(Some(row)),
            None => {
                let known: Vec<&str> = self.catalog.providers().map(|row| &*row.name).collect();
                let message = format!(
                    "no provider row is named {:?}; use one of {}, leave `provider` out to pass \
                     requests on unread, or add a row",
                    provider.get_ref(),
                    known.join(", ")
                );
                Err(self.error(provider.span(), &message))
            }
        }
    }

    fn path<'s>(&self, path: &'s Spanned<String>) -> Result<&'s str, Error> {
        let text = path.get_ref();
        if text.len() > 1 && text.starts_with('/') && !text.contains(['?', '#']) {
            return Ok(text);
        }
        let message = format!("{text:?} is no path; write one like \"/v1/messages\"");
        Err(self.error(path.span(), &message))
    }

    fn header(&self, name: &Spanned<String>) -> Result<HeaderName, Error> {
        HeaderName::try_from(name.get_ref()).map_err(|_| {
            let message = format!("{:?} is not a header's name", name.get_ref());
            self.error(name.span(), &message)
        })
    }

    /// The text with every `${NAME}` replaced by that variable's value.
    fn expanded(&self, text: &Spanned<String>) -> Result<String, Error> {
        variables::expanded(text.get_ref(), self.env)
            .map_err(|message| self.error(text.span(), &message))
    }
}

/// The base URL of a row whose host is fixed.
fn base_of(row: &Provider) -> Option<String> {
    let mut hosts = row.hosts.iter();
    let host = hosts.find(|host| !host.contains('*'))?;
    Some(format!("https://{host}"))
}

/// The base URL of a row with a host per region.
fn regional(row: &Provider, region: &str) -> Option<String> {
    let host = row.hosts.first()?.replace('*', region);
    Some(format!("https://{host}"))
}

/// The paths where a provider takes prompts, up to where they vary.
fn claims(row: &Provider) -> Vec<Box<str>> {
    let paths = row.endpoints.iter().flat_map(|endpoint| &endpoint.paths);
    let mut claims: Vec<Box<str>> = paths
        .filter_map(|path| path.split('{').next())
        .filter(|path| path.len() > 1)
        .map(Into::into)
        .collect();
    claims.sort();
    claims.dedup();
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        (name == "KEY").then(|| "sk-1".into())
    }

    fn options(text: &str) -> Result<ProxyOptions, Error> {
        read(
            ProxyOptions::default(),
            ("p.toml", text),
            &Catalog::builtin(),
            &env,
        )
    }

    #[test]
    fn a_file_names_upstreams_and_the_rest_is_the_handles() {
        let options = options(
            "mode = \"place\"\nlisten = \"127.0.0.1:1\"\nclient_token = \"a-${KEY}\"\n\
             [upstreams.anthropic]\nheaders = { x-api-key = \"${KEY}\" }\ntenant = \"t\"\n\
             [upstreams.gw]\nprovider = \"anthropic\"\nbase_url = \"http://h/api\"\n\
             paths = [\"/x/\"]\npath_prefix = \"/team/\"",
        )
        .unwrap();
        assert_eq!(options.listen.port(), 1);
        assert_eq!(options.client_token.as_deref(), Some("a-sk-1"));
        let [anthropic, gateway] = &options.upstreams[..] else {
            panic!("two upstreams");
        };
        assert_eq!(*anthropic.authority(), "api.anthropic.com");
        assert_eq!(anthropic.headers[0].1, "sk-1");
        assert_eq!(anthropic.paths, [Box::<str>::from("/v1/messages")]);
        assert_eq!(anthropic.tenant.as_deref(), Some("t"));
        assert_eq!(gateway.paths, [Box::<str>::from("/x/")]);
        assert_eq!(gateway.prefix.as_deref(), Some("/team"));
        assert!(!format!("{options:?}").contains("sk-1"));
    }

    #[test]
    fn two_of_a_kind_take_nothing_by_path() {
        let text = "[upstreams.anthropic]\n\
             [upstreams.gw]\nprovider = \"anthropic\"\nbase_url = \"http://h\"";
        let both = options(text).unwrap().upstreams;
        assert!(both.iter().all(|upstream| upstream.paths.is_empty()));
        let named = options(&format!("{text}\npaths = [\"/v1/messages\"]")).unwrap();
        let paths: Vec<usize> = named.upstreams.iter().map(|one| one.paths.len()).collect();
        assert_eq!(paths, [0, 1]);
    }

    #[test]
    fn mistakes_name_file_line_and_fix() {
        for (text, parts) in [
            ("\nlisten = \"4040\"", vec!["p.toml:2"]),
            ("[upstreams.x]", vec!["p.toml:1", "base_url"]),
            (
                "[upstreams.x]\nprovider = \"antropic\"",
                vec!["p.toml:2", "antropic", "anthropic"],
            ),
            (
                "[upstreams.x]\nbase_url = \"h\"",
                vec!["p.toml:2", "https://"],
            ),
            (
                "[upstreams.x]\nbase_url = \"http://h\"\nheaders = { a = \"${NOPE}\" }",
                vec!["p.toml:3", "NOPE"],
            ),
            (
                "[upstreams.x]\nbase_url = \"http://h\"\npaths = [\"v1\"]",
                vec!["p.toml:3", "/v1/messages"],
            ),
            (
                "[upstreams.bedrock]\nbase_url = \"http://h\"\nsign = \"gcp\"",
                vec!["p.toml:3", "gcp", "\"aws\""],
            ),
            (
                "[upstreams.bedrock]\nbase_url = \"http://h\"\nprofile = \"p\"",
                vec!["p.toml:3", "sign = \"aws\""],
            ),
            (
                "[upstreams.x]\nbase_ulr = \"http://h\"",
                vec!["p.toml:2", "base_ulr", "base_url"],
            ),
        ] {
            let error = options(text).unwrap_err();
            assert!(error.is_config());
            let said = error.to_string();
            for part in parts {
                assert!(said.contains(part), "{part} in {said}");
            }
        }
    }

    const SIGNED: &str = "[upstreams.bedrock]\nsign = \"aws\"\nregion = \"eu-west-1\"";

    #[cfg(feature = "bedrock-sdk")]
    #[test]
    fn an_upstream_that_is_signed_for_needs_a_region_only() {
        let options = options(SIGNED).unwrap();
        let [bedrock] = &options.upstreams[..] else {
            panic!("one upstream");
        };
        let host = "bedrock-runtime.eu-west-1.amazonaws.com";
        assert_eq!(*bedrock.authority(), host);
        assert!(bedrock.signer.is_some());
        assert_eq!(bedrock.paths, [Box::<str>::from("/model/")]);
    }

    #[cfg(not(feature = "bedrock-sdk"))]
    #[test]
    fn a_build_without_signers_says_how_to_get_them() {
        let said = options(SIGNED).unwrap_err().to_string();
        for part in ["p.toml:2", "--features bedrock-sdk"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn without_a_file_there_are_upstreams_by_path() {
        let catalog = Catalog::builtin();
        let names = |env: Env<'_>| -> Vec<String> {
            let upstreams = builtin(&catalog, env).unwrap();
            upstreams.iter().map(|one| one.name.to_string()).collect()
        };
        let region = |name: &str| (name == "AWS_REGION").then(|| "eu-west-1".into());
        assert!(names(&region).contains(&"bedrock".into()));
        let without = names(&|_| None);
        for name in ["anthropic", "openai", "gemini"] {
            assert!(without.contains(&name.into()), "{name}");
        }
        assert!(!without.contains(&"bedrock".into()));
    }
}
