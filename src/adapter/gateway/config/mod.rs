//! The gateway's part of the configuration file; errors name the file, the line and the fix.

mod backend;
mod caps;
mod credential;
mod offers;
mod prints;
mod route;
mod table;
mod told;

use std::sync::Arc;

use toml::de::DeTable;

use self::backend::Described;
pub(super) use self::prints::Prints;
pub use self::prints::{Change, How, Part};
use self::table::{Table, Text};
use super::GatewayOptions;
use crate::adapter::mistake;
use crate::error::Error;
use crate::provider::Catalog;
use crate::route::{Cap, Network};

impl GatewayOptions {
    /// The backends, routes and caps that the TOML `text` describes: `[providers]`, those of
    /// `[routes]` that have an `order`, and `[caps]`; none where it describes none. `file` is the
    /// name that errors carry, and `env` looks up the variables that rows and the text name.
    ///
    /// ```
    /// use cachewright::adapter::gateway::GatewayOptions;
    /// use cachewright::provider::Catalog;
    ///
    /// let text = r#"
    /// [providers.direct]
    /// kind = "anthropic"
    /// key = "${MY_KEY}"
    /// [routes.voice]
    /// model = "claude-sonnet-5.5"
    /// order = "direct"
    /// goal = "latency"
    /// "#;
    /// let env = |name: &str| (name == "MY_KEY").then(|| "sk-1".to_owned());
    /// let options = GatewayOptions::config(("voice.toml", text), &Catalog::builtin(), &env)?;
    /// assert_eq!(&*options.network.routes[0].offers[0].id, "claude-sonnet-5-5");
    /// # Ok::<(), cachewright::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Names the file, the line and the fix; shows no secret.
    pub fn config(
        (file, text): (&str, &str),
        catalog: &Catalog,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let root = DeTable::parse(text).map_err(|error| mistake::toml((file, text), &error))?;
        let text = Text { file, text, env };
        let root = Table::new(text, root.get_ref(), 0);
        let backends = backends(root, catalog)?;
        let mut network = Network::default();
        let mut caps: Vec<(Cap, usize)> = Vec::new();
        for (name, table) in tables(root, "routes")? {
            if !route::is_served(table)? {
                continue;
            }
            apart(root, name, table)?;
            let (route, own) = route::read(name, table, &backends, catalog)?;
            network.routes.push(route);
            caps.extend(own);
        }
        let general = root.table("caps")?.map(caps::general).transpose()?;
        let general = general.unwrap_or_default();
        caps.extend(general.caps);
        let mut sites = Vec::new();
        for (place, mut one) in backends.into_iter().enumerate() {
            one.backend.regional = network
                .routes
                .iter()
                .flat_map(|route| &route.offers)
                .filter(|offer| offer.backend == place)
                .any(|offer| offers::is_regional(&one.site, (&one.row, catalog), &offer.id));
            caps.append(&mut one.caps);
            let (backend, site) = one.finish();
            network.backends.push(backend);
            sites.push(site);
        }
        priced(text, &caps, &network)?;
        Ok(Self {
            network: Arc::new(network),
            sites,
            caps: caps.into_iter().map(|(cap, _)| cap).collect(),
            zone: general.zone,
            caps_file: general.file,
            ..Self::default()
        })
    }
}

/// The tables of a table, such as `[providers.NAME]`.
fn tables<'a>(root: Table<'a>, key: &str) -> Result<Vec<(&'a str, Table<'a>)>, Error> {
    let Some(all) = root.table(key)? else {
        return Ok(Vec::new());
    };
    let names = all.keys();
    names
        .map(|(name, _)| {
            let table = all.table(name)?;
            let table = table.ok_or_else(|| all.error("a table is missing"))?;
            Ok((name, table))
        })
        .collect()
}

fn backends(root: Table<'_>, catalog: &Catalog) -> Result<Vec<Described>, Error> {
    let tables = tables(root, "providers")?;
    let read = |(name, table)| backend::read(name, table, catalog);
    tables.into_iter().map(read).collect()
}

/// Refuses a route that would take what an upstream of the proxy takes.
fn apart(root: Table<'_>, name: &str, route: Table<'_>) -> Result<(), Error> {
    for (upstream, table) in tables(root, "upstreams")? {
        let prefix = table.string("path_prefix")?;
        let first = prefix
            .as_ref()
            .and_then(|prefix| prefix.value.split('/').nth(1));
        if upstream == name || first == Some(name) {
            let message = format!(
                "the route and [upstreams.{upstream}] would both take requests to /{name}/…; give \
                 one of them another name"
            );
            return Err(route.error(&message));
        }
    }
    Ok(())
}

/// Refuses caps in dollars on what has no price.
fn priced(text: Text<'_>, caps: &[(Cap, usize)], network: &Network) -> Result<(), Error> {
    for (cap, at) in caps {
        if let Some((offer, backend)) = caps::unpriced(cap, network) {
            let message = format!(
                "a cap in USD cannot count `{}` at backend {backend}, which has no price; write \
                 the cap in tokens, or add a row with its price (--rows FILE)",
                offer.model
            );
            return Err(text.error(*at, &message));
        }
    }
    Ok(())
}
