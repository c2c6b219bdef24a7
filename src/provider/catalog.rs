//! All rows together: found by host and path, or by name.

use std::sync::OnceLock;

use super::fields::File;
use super::models::ModelRow;
use super::{Found, Model, Provider, ids, paths, rows};
use crate::error::Error;
use crate::model::Money;

/// The files of built-in rows; a file comes behind those that its rows refer to.
pub(super) const BUILTIN: [(&str, &str); 18] = [
    ("anthropic.toml", include_str!("anthropic.toml")),
    ("openai.toml", include_str!("openai.toml")),
    ("gemini.toml", include_str!("gemini.toml")),
    ("bedrock.toml", include_str!("bedrock.toml")),
    ("vertex.toml", include_str!("vertex.toml")),
    ("foundry.toml", include_str!("foundry.toml")),
    ("azure.toml", include_str!("azure.toml")),
    ("xai.toml", include_str!("xai.toml")),
    ("deepseek.toml", include_str!("deepseek.toml")),
    ("mistral.toml", include_str!("mistral.toml")),
    ("groq.toml", include_str!("groq.toml")),
    ("cerebras.toml", include_str!("cerebras.toml")),
    ("fireworks.toml", include_str!("fireworks.toml")),
    ("moonshot.toml", include_str!("moonshot.toml")),
    ("qwen.toml", include_str!("qwen.toml")),
    ("zai.toml", include_str!("zai.toml")),
    ("openrouter.toml", include_str!("openrouter.toml")),
    ("vercel.toml", include_str!("vercel.toml")),
];

/// All rows: the built-in ones and the user's.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    providers: Vec<Provider>,
    pub(super) models: Vec<ModelRow>,
}

impl Catalog {
    /// The rows this crate ships with.
    #[must_use]
    pub fn builtin() -> Self {
        static ROWS: OnceLock<Catalog> = OnceLock::new();
        // A test reads every built-in file, so that none can fail here.
        let read = || {
            BUILTIN.iter().fold(Self::default(), |rows, (name, text)| {
                rows.clone().with_toml(name, text).unwrap_or(rows)
            })
        };
        ROWS.get_or_init(read).clone()
    }

    /// These rows with the user's added; a row of the same name replaces the built-in one.
    ///
    /// # Errors
    /// Names the file, the line and the fix when `text` is not what a row file should be.
    pub fn with_toml(mut self, file: &str, text: &str) -> Result<Self, Error> {
        let file = File { name: file, text };
        rows::add(file, &mut self.providers, &mut self.models)?;
        Ok(self)
    }

    /// These rows with reads at a share of each model's plain input, in millionths: for studies of
    /// what another price would change.
    #[must_use]
    pub fn with_reads_at(mut self, millionths: u32) -> Self {
        let models = self.models.iter_mut();
        for prices in models.filter_map(|row| row.model.prices.as_mut()) {
            let short = prices.short.as_mut().map(|(_, tier)| tier);
            for tier in [Some(&mut prices.standard), short].into_iter().flatten() {
                let read = tier.input.as_pico() * i128::from(millionths) / 1_000_000;
                tier.read = Money::from_pico(read);
            }
        }
        self
    }

    /// The endpoint at `host` and `path`, if a row says so. The query and a trailing slash do not
    /// matter; a port matters only to a row that names one.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<Found<'_>> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_one_of = |hosts: &[Box<str>]| {
            let mut hosts = hosts.iter();
            hosts.any(|pattern| paths::is_host(pattern, &host))
        };
        self.providers.iter().find_map(|row| {
            let regional = is_one_of(&row.regional_hosts);
            let serves = regional || is_one_of(&row.hosts);
            let mut found = serves.then(|| row.at(path)).flatten()?;
            found.regional |= regional;
            Some(found)
        })
    }

    /// The provider of this name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|row| row.name.as_ref() == name)
    }

    /// The model with this id at this provider: ids are normalised (dates, dots and dashes, region
    /// and vendor prefixes, ARNs). Where the provider has no row of its own for it, those whose
    /// models it serves are asked. An unknown one gets conservative limits, no prices, and
    /// `limits.known == false`.
    #[must_use]
    pub fn model(&self, provider: &str, id: &str) -> Model {
        let Some(owner) = self.provider(provider) else {
            return Model::unknown(id);
        };
        let id = id.trim();
        let row = self.lookup(owner, id);
        let mut model = row.map_or_else(|| Model::unknown(id), |row| row.model.clone());
        if ids::is_free(id) {
            model.prices = None;
        }
        let own = row.and_then(|row| row.regional_percent);
        model.regional_percent = own.unwrap_or(owner.regional_percent);
        owner.limit(&mut model);
        model
    }

    /// All models of one provider, in the order of their rows.
    pub fn models<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = &'a Model> {
        self.models
            .iter()
            .filter(move |row| row.provider.as_ref() == provider)
            .map(|row| &row.model)
    }

    /// All models that a provider serves, as [`Catalog::model`] describes them there: its own and
    /// those of others.
    pub fn served<'a>(&'a self, provider: &'a Provider) -> impl Iterator<Item = Model> + 'a {
        let own = std::iter::once(&provider.name);
        let rows = own
            .chain(&provider.models_from)
            .flat_map(|owner| self.models.iter().filter(move |row| row.provider == *owner));
        // A row that another one stands before describes nothing here.
        rows.filter(|row| {
            let found = self.lookup(provider, &row.model.name);
            found.is_some_and(|found| std::ptr::eq(found, *row))
        })
        .map(|row| self.model(&provider.name, &row.model.name))
    }

    /// All providers, in the order of their rows.
    pub fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter()
    }

    fn lookup(&self, owner: &Provider, id: &str) -> Option<&ModelRow> {
        self.known(owner, &id.to_ascii_lowercase())
            .or_else(|| self.known(owner, &ids::key(id)?))
    }

    fn known(&self, owner: &Provider, key: &str) -> Option<&ModelRow> {
        let others = owner.models_from.iter().map(AsRef::as_ref);
        std::iter::once(&*owner.name)
            .chain(others)
            .find_map(|provider: &str| self.row(provider, key))
    }

    fn row(&self, provider: &str, key: &str) -> Option<&ModelRow> {
        self.models
            .iter()
            .filter(|row| row.provider.as_ref() == provider)
            .find(|row| row.keys.iter().any(|known| known == key))
    }
}
