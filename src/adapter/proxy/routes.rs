//! Which upstream a request goes to.

use std::sync::Arc;

use http::HeaderMap;

use super::Upstream;
use crate::adapter::base::is_below;
use crate::error::Error;
use crate::route::Network;

/// The upstreams, and the rule that chooses among them.
#[derive(Debug)]
pub(super) struct Routes {
    upstreams: Vec<Arc<Upstream>>,
    /// The routes over backends, by name.
    over: Vec<Box<str>>,
}

impl Routes {
    /// # Errors
    /// When two upstreams lay claim to one name or path, or one of them and a route over backends.
    pub(super) fn new(upstreams: Vec<Upstream>, routes: &Network) -> Result<Self, Error> {
        if upstreams.is_empty() && routes.routes.is_empty() {
            return Err(Error::config(
                "no upstream: add one, such as [upstreams.anthropic]",
            ));
        }
        if let Some(both) = upstreams
            .iter()
            .find(|one| routes.route(&one.name).is_some())
        {
            return Err(Error::config(format!(
                "an upstream and a route are both named {:?}; give one of them another name",
                both.name
            )));
        }
        for (at, one) in upstreams.iter().enumerate() {
            for other in upstreams.iter().skip(at + 1) {
                apart(one, other)?;
            }
            let named = format!("/{}/", one.name);
            let mut claims = upstreams.iter().flat_map(|upstream| &upstream.paths);
            if let Some(path) = claims.find(|path| path.starts_with(&named)) {
                return Err(Error::config(format!(
                    "the upstream named {:?} would take requests to {path}; give it another name",
                    one.name
                )));
            }
        }
        Ok(Self {
            upstreams: upstreams.into_iter().map(Arc::new).collect(),
            over: routes
                .routes
                .iter()
                .map(|route| route.name.clone())
                .collect(),
        })
    }

    /// The upstream, and the path and query it is asked for: by its name as the first segment, by
    /// its prefix, by its header, by the longest of the paths, or because it is the only one.
    pub(super) fn choose<'a>(
        &self,
        path: &'a str,
        headers: &HeaderMap,
    ) -> Option<(&Arc<Upstream>, &'a str)> {
        let all = || self.upstreams.iter();
        let named = all().find_map(|upstream| {
            let rest = path.strip_prefix('/')?.strip_prefix(&*upstream.name)?;
            rest.starts_with('/').then_some((upstream, rest))
        });
        if named.is_some() {
            return named;
        }
        let prefixed = all()
            .filter_map(|upstream| Some((upstream, upstream.prefix.as_deref()?)))
            .filter(|(_, prefix)| is_below(path, prefix))
            .max_by_key(|(_, prefix)| prefix.len());
        if let Some((upstream, prefix)) = prefixed {
            let rest = path
                .get(prefix.len()..)
                .filter(|rest| rest.starts_with('/'));
            return Some((upstream, rest.unwrap_or("/")));
        }
        let mut marked = all().filter(|upstream| {
            let header = upstream.header.as_ref();
            header.is_some_and(|name| headers.contains_key(name))
        });
        if let Some(upstream) = marked.next() {
            return Some((upstream, path));
        }
        let claimed = all()
            .flat_map(|upstream| upstream.paths.iter().map(move |claim| (upstream, claim)))
            .filter(|(_, claim)| is_below(path, claim))
            .max_by_key(|(_, claim)| claim.len());
        match (claimed, &self.upstreams[..]) {
            (Some((upstream, _)), _) => Some((upstream, path)),
            // A route may have been meant, and misspelled.
            (None, [only]) if !self.are_over_backends() => Some((only, path)),
            (None, _) => None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Upstream> {
        self.upstreams.iter().map(AsRef::as_ref)
    }

    /// Whether there are routes over backends.
    pub(super) const fn are_over_backends(&self) -> bool {
        !self.over.is_empty()
    }

    /// What to do about a request that no upstream and no route takes.
    pub(super) fn help(&self, path: &str) -> String {
        let names: Vec<&str> = self.iter().map(|upstream| &*upstream.name).collect();
        let path = path.split('?').next().unwrap_or_default();
        if let Some(route) = self.over.first() {
            let all: Vec<&str> = self.over.iter().map(AsRef::as_ref).chain(names).collect();
            return format!(
                "no route and no upstream takes {path}; put a name before it, as in \
                 /{route}/v1/messages (known: {}), or name the route as the body's model",
                all.join(", ")
            );
        }
        format!(
            "no upstream takes {path}; put an upstream's name before it, as in /{}{path} (known: \
             {}), or list the path under [upstreams.NAME] paths",
            names.first().unwrap_or(&"NAME"),
            names.join(", ")
        )
    }
}

fn apart(one: &Upstream, other: &Upstream) -> Result<(), Error> {
    if one.name == other.name {
        return Err(Error::config(format!("two upstreams named {:?}", one.name)));
    }
    let claims = |upstream: &Upstream| {
        let prefix = upstream.prefix.iter().cloned();
        prefix
            .chain(upstream.paths.iter().cloned())
            .collect::<Vec<_>>()
    };
    let theirs = claims(other);
    match claims(one).iter().find(|path| theirs.contains(path)) {
        Some(path) => Err(Error::config(format!(
            "upstreams {:?} and {:?} both take {path}; leave it to one of them",
            one.name, other.name
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let at = |name: &str| Upstream::new(name, "http://h").unwrap();
        let mut claude = at("claude").path("/v1/messages");
        claude.header = Some(http::header::HeaderName::from_static("anthropic-version"));
        let mut team = at("team");
        team.prefix = Some("/t".into());
        Routes::new(
            vec![claude, at("gpt").path("/v1/"), team],
            &Network::default(),
        )
        .unwrap()
    }

    fn chosen(path: &str) -> Option<(String, String)> {
        let routes = routes();
        let found = routes.choose(path, &HeaderMap::new());
        found.map(|(upstream, rest)| (upstream.name.to_string(), rest.to_owned()))
    }

    #[test]
    fn name_prefix_and_longest_path_choose() {
        let expect = |path: &str, name: &str, rest: &str| {
            assert_eq!(chosen(path), Some((name.into(), rest.into())), "{path}");
        };
        expect("/v1/messages", "claude", "/v1/messages");
        expect(
            "/v1/messages/batches?x=1",
            "claude",
            "/v1/messages/batches?x=1",
        );
        expect("/v1/messages2", "gpt", "/v1/messages2");
        expect("/claude/v1/models", "claude", "/v1/models");
        expect("/gpt/v1/messages", "gpt", "/v1/messages");
        expect("/t/v1/messages?q", "team", "/v1/messages?q");
        expect("/t", "team", "/");
        assert_eq!(chosen("/team"), None);
        assert_eq!(chosen("/x"), None);
    }

    #[test]
    fn a_header_decides_where_the_path_is_shared() {
        let mut headers = HeaderMap::new();
        headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
        let routes = routes();
        let (upstream, _) = routes.choose("/v1/models", &headers).unwrap();
        assert_eq!(&*upstream.name, "claude");
    }

    #[test]
    fn one_path_for_two_is_refused() {
        let at = |name: &str| Upstream::new(name, "http://h").unwrap().path("/v1/x");
        let refused = |upstreams| Routes::new(upstreams, &Network::default()).is_err();
        assert!(refused(vec![at("a"), at("b")]));
        assert!(refused(vec![at("a"), at("a")]));
        assert!(refused(vec![]));
        let hidden = Upstream::new("v1", "http://h").unwrap();
        assert!(refused(vec![at("a"), hidden]));
        let mut over = Network::default();
        over.routes.push(crate::route::Route {
            name: "a".into(),
            ..crate::route::Route::default()
        });
        assert!(Routes::new(vec![at("a")], &over).is_err());
        assert!(Routes::new(vec![at("b")], &over).is_ok());
        assert!(Routes::new(vec![], &over).is_ok());
    }
}
