//! One backend: `[providers.NAME]`.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};

use super::table::{Said, Table};
use super::{caps, credential};
use crate::adapter::gateway::Site;
use crate::error::Error;
use crate::provider::{Catalog, Provider, suggestion};
use crate::route::{Backend, Cap, CapScope};

pub(super) const KEYS: [&str; 16] = [
    "kind",
    "region",
    "project",
    "resource",
    "endpoint",
    "residency",
    "tenants",
    "models",
    "key",
    "key_header",
    "key_command",
    "key_lifetime",
    "sign",
    "profile",
    "headers",
    "cap",
];

/// A backend as the configuration describes it, with what its routes need to know.
pub(super) struct Described {
    pub(super) backend: Backend,
    pub(super) site: Site,
    pub(super) row: Provider,
    pub(super) caps: Vec<(Cap, usize)>,
    /// The ids that the configuration gives, by the model's name.
    pub(super) models: Vec<(Box<str>, Said)>,
    /// What stands before ids to keep calls within the zones; `None` where nothing can.
    pub(super) profile: Option<Box<str>>,
}

/// Words of a base URL or a path that the configuration must give, with an example each.
const WORDS: [(&str, &str); 3] = [
    ("region", "\"eu-central-1\""),
    ("project", "\"my-project\""),
    ("resource", "\"my-resource\""),
];

/// Reads the table of the backend of this name.
pub(super) fn read(name: &str, table: Table<'_>, catalog: &Catalog) -> Result<Described, Error> {
    let table = table.knows(&KEYS)?;
    named(name, &table)?;
    let row = row(name, &table, catalog)?;
    let words = words(&table)?;
    let zones = zones(&table, row, words.region())?;
    let site = headers(site(name, &table, row, &words)?, &table)?;
    let site = credential::give(site, &table, (row, words.region()))?;
    let models = match table.table("models")? {
        Some(models) => models.pairs()?,
        None => Vec::new(),
    };
    let backend = Backend {
        name: name.into(),
        provider: row.name.clone(),
        tenants: table.names("tenants")?,
        ..Backend::default()
    };
    let scope = CapScope::Backend(name.into());
    Ok(Described {
        profile: profile(row, words.region(), &zones).map(Into::into),
        backend: Backend { zones, ..backend },
        site,
        row: row.clone(),
        caps: caps::list(&table, "cap", &scope)?,
        models: models
            .into_iter()
            .map(|(name, id)| (name.into(), id))
            .collect(),
    })
}

fn named(name: &str, table: &Table<'_>) -> Result<(), Error> {
    let plain = |ch: char| ch.is_ascii_alphanumeric() || "-_.".contains(ch);
    if !name.is_empty() && name.chars().all(plain) {
        return Ok(());
    }
    let message = format!(
        "a backend cannot be named {name:?}: its name stands in headers and reports, so use \
         letters, digits, dashes and dots"
    );
    Err(table.error(&message))
}

fn row<'c>(name: &str, table: &Table<'_>, catalog: &'c Catalog) -> Result<&'c Provider, Error> {
    let known = || {
        let all = catalog.providers();
        let reached = all.filter(|row| !row.access.doors.is_empty());
        reached.map(|row| &*row.name).collect::<Vec<_>>()
    };
    let Some(kind) = table.string("kind")? else {
        return catalog.provider(name).ok_or_else(|| {
            let fix = format!(
                "`kind` is missing; add kind = \"…\", one of {}",
                known().join(", ")
            );
            table.error(&fix)
        });
    };
    let row = catalog.provider(&kind.value).ok_or_else(|| {
        let fix = suggestion(&kind.written, &known());
        let message = format!("no provider row is named `{}`; {fix}", kind.written);
        table.text.error(kind.at, &message)
    })?;
    if row.access.doors.is_empty() {
        let message = format!(
            "`{}` speaks none of messages, chat and responses where it could be reached; use one \
             of {}",
            row.name,
            known().join(", ")
        );
        return Err(table.text.error(kind.at, &message));
    }
    Ok(row)
}

/// What is put in the place of the words of [`WORDS`].
struct Words([Option<String>; 3]);

impl Words {
    fn region(&self) -> &str {
        let [region, ..] = &self.0;
        region.as_deref().unwrap_or_default()
    }

    fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let names = WORDS.iter().map(|(name, _)| *name);
        let pairs = names.zip(&self.0);
        pairs.filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

fn words(table: &Table<'_>) -> Result<Words, Error> {
    let mut words = [None, None, None];
    for ((name, example), word) in WORDS.iter().zip(&mut words) {
        let Some(said) = table.string(name)? else {
            continue;
        };
        let plain = |ch: char| ch.is_ascii_alphanumeric() || "-_.:".contains(ch);
        if said.value.is_empty() || !said.value.chars().all(plain) {
            let message = format!("`{name}` is one word, such as {example}");
            return Err(table.text.error(said.at, &message));
        }
        *word = Some(said.value);
    }
    Ok(Words(words))
}

fn site(name: &str, table: &Table<'_>, row: &Provider, words: &Words) -> Result<Site, Error> {
    let endpoint = table.string("endpoint")?;
    let mut base = match &endpoint {
        Some(said) => said.value.clone(),
        None => row.access.base_in(words.region()).to_owned(),
    };
    if base.is_empty() {
        let fix = "`endpoint` is missing; add endpoint = \"https://…\"";
        return Err(table.error(fix));
    }
    for (word, value) in words.pairs() {
        base = base.replace(&format!("{{{word}}}"), value);
    }
    let doors = row.access.doors.iter();
    let paths = doors.flat_map(|door| [&door.path, &door.stream]);
    for (word, example) in WORDS {
        let blank = format!("{{{word}}}");
        let given = words.pairs().any(|(name, _)| name == word);
        if !given && (base.contains(&blank) || paths.clone().any(|path| path.contains(&blank))) {
            let mut fix = format!("`{word}` is missing; add {word} = {example}");
            if base.contains(&blank) {
                fix.push_str(", or endpoint = \"https://…\"");
            }
            return Err(table.error(&fix));
        }
    }
    let site = Site::new(name, row, &base).map_err(|_| {
        // It may hold a password, or what a variable held.
        let fix = "`endpoint` is no base URL; write one like \"https://llm.example.com/api\", \
                   without a query or a password";
        table.error_at("endpoint", fix)
    })?;
    Ok(words
        .pairs()
        .fold(site, |site, (word, value)| site.fill(word, value)))
}

fn headers(mut site: Site, table: &Table<'_>) -> Result<Site, Error> {
    let Some(headers) = table.table("headers")? else {
        return Ok(site);
    };
    for (name, said) in headers.pairs()? {
        let refused = |what: &str| headers.text.error(said.at, what);
        let parsed = HeaderName::try_from(name)
            .map_err(|_| refused(&format!("`{name}` is not a header's name")))?;
        let value = HeaderValue::try_from(said.value.as_str())
            .map_err(|_| refused(&format!("the value of `{name}` holds what no header can")))?;
        site = site.header(parsed, value);
    }
    Ok(site)
}

/// Every zone in which the backend may process what it is sent.
fn zones(table: &Table<'_>, row: &Provider, region: &str) -> Result<Vec<Box<str>>, Error> {
    let derived = row.access.zone(region);
    if !table.has("residency") {
        return Ok(derived.into_iter().map(Into::into).collect());
    }
    let zones = residency(table)?;
    let Some(derived) = derived.filter(|_| !zones.is_empty()) else {
        return Ok(zones);
    };
    let known = |zone: &str| {
        let by_region = row.access.zones.iter().map(|(_, zone)| zone);
        let mut all = by_region.chain(row.access.profiles.iter().map(|(zone, _)| zone));
        all.any(|other| **other == *zone)
    };
    // Zones of the user's own vocabulary, such as one country, cannot be checked.
    if zones.iter().any(|zone| **zone == *derived) || !zones.iter().any(|zone| known(zone)) {
        return Ok(zones);
    }
    let whole = match region {
        "" => "it".to_owned(),
        region => format!("region {region:?}"),
    };
    let message = format!(
        "residency {:?} contradicts the rest: {whole} processes in {derived:?}; say residency = \
         [{derived:?}], or choose another region",
        zones
    );
    Err(table.error_at("residency", &message))
}

/// What is said of a backend that may process anywhere, and of a route whose calls may be.
const ANYWHERE: &str = "global";

/// The zones that a table names; none where one of them is everywhere.
pub(super) fn residency(table: &Table<'_>) -> Result<Vec<Box<str>>, Error> {
    let zones = table.names("residency")?;
    match zones.iter().any(|zone| **zone == *ANYWHERE) {
        true => Ok(Vec::new()),
        false => Ok(zones),
    }
}

/// The prefix of ids that keeps calls within the zones, that of the region before others.
fn profile<'r>(row: &'r Provider, region: &str, zones: &[Box<str>]) -> Option<&'r str> {
    let derived = row.access.zone(region);
    let own = derived.filter(|derived| zones.iter().any(|zone| **zone == **derived));
    match own {
        Some(zone) => row.access.profile(&[zone.into()]),
        None => row.access.profile(zones),
    }
}

impl Described {
    /// The id that the configuration gives for a model.
    pub(super) fn id_of(&self, model: &str, catalog: &Catalog) -> Option<&Said> {
        let name = |id: &str| {
            let found = catalog.model(&self.row.name, id);
            found.limits.known.then_some(found.name)
        };
        let written = self.models.iter().find(|(name, _)| **name == *model);
        let wanted = || name(model);
        written
            .or_else(|| {
                let wanted = wanted()?;
                let mut models = self.models.iter();
                models.find(|(other, _)| name(other).as_ref() == Some(&wanted))
            })
            .map(|(_, id)| id)
    }

    /// The finished backend and its site.
    pub(super) fn finish(self) -> (Backend, Arc<Site>) {
        (self.backend, Arc::new(self.site))
    }
}
