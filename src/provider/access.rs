//! How a provider is reached by somebody who was told only its kind, a region and a credential.

use super::{Catalog, Model, Provider};
use crate::wire::Envelope;

/// How a provider is reached: what a row says beside its cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Access {
    /// The base URL, with `{region}`, `{project}` or `{resource}` for what a configuration must
    /// name, such as `https://bedrock-runtime.{region}.amazonaws.com`; empty where a configuration
    /// must give one.
    pub base: Box<str>,
    /// Base URLs of regions that have another one: a pattern such as `eu-*`, and the URL. They count
    /// only where a configuration names a region; see [`Access::base_in`].
    pub bases: Vec<(Box<str>, Box<str>)>,
    /// How a model is spelled: `{dashed}` (`claude-sonnet-4-5`), `{dotted}` (`claude-sonnet-4.5`) or
    /// `{id}` (as written), with what stands around it, such as `anthropic/{dotted}`; `{profile}` is
    /// the inference profile's prefix, such as `eu.`. Without any, models are spelled as written.
    pub spelling: Vec<Spelling>,
    /// Ids that follow no pattern: the model's row, and what stands in the place of `{dashed}`,
    /// `{dotted}` or `{id}`.
    pub ids: Vec<(Box<str>, Box<str>)>,
    /// Prefixes of inference profiles: the zone that a profile stays in, and the prefix; the one of
    /// the empty zone promises nothing.
    pub profiles: Vec<(Box<str>, Box<str>)>,
    /// How a credential is shown.
    pub auth: Vec<Auth>,
    /// Whether requests can be signed as AWS wants it.
    pub signs: bool,
    /// Headers that every request needs, such as `anthropic-version`.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// What the calls of each dialect look like here.
    pub doors: Vec<Door>,
    /// How it names its rate limits.
    pub limits: LimitHeaders,
    /// Whether cache reads count against its token limits.
    pub reads_count: bool,
    /// Models for which it is the other way round; see [`Access::counts_reads`].
    pub reads_count_except: Vec<Box<str>>,
    /// Zones by region: a pattern such as `eu-*`, and the zone, such as `eu`; see [`Access::zone`].
    pub zones: Vec<(Box<str>, Box<str>)>,
}

/// How models of one vendor are spelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spelling {
    /// How the names of the rows begin, such as `claude-`; empty for all.
    pub models: Box<str>,
    /// The pattern; see [`Access::spelling`].
    pub pattern: Box<str>,
}

/// One way to show a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Auth {
    /// The header.
    pub header: Box<str>,
    /// What stands before the credential in it, such as `Bearer `.
    pub prefix: Box<str>,
    /// Variables of the environment that hold it, the first that is set.
    pub env: Vec<Box<str>>,
}

/// Where calls of one dialect go, and how they are wrapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Door {
    /// The dialect.
    pub dialect: Box<str>,
    /// The path for whole answers, such as `/model/{model}/invoke`; `{model}` is the id, percent
    /// encoded, and `{project}` and `{region}` are what the configuration names.
    pub path: Box<str>,
    /// The path for streams.
    pub stream: Box<str>,
    /// What is put around the dialect.
    pub envelope: Envelope,
}

/// How a provider names its rate limits in the headers of its responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitHeaders {
    /// It names none.
    #[default]
    None,
    /// `anthropic-ratelimit-input-tokens-remaining` and its like, resets as RFC 3339.
    Anthropic,
    /// `x-ratelimit-remaining-tokens` and its like, resets as durations such as `6m0s`.
    OpenAi,
}

impl LimitHeaders {
    /// Those of this name in a row.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "anthropic" => Self::Anthropic,
            "openai" => Self::OpenAi,
            _ => return None,
        })
    }
}

impl Access {
    /// The base URL in this region, its placeholders still in it; `region` is empty where a
    /// configuration names none.
    #[must_use]
    pub fn base_in(&self, region: &str) -> &str {
        let mut bases = self.bases.iter().filter(|_| !region.is_empty());
        let own = bases.find(|(pattern, _)| is_like(pattern, region));
        own.map_or(&self.base, |(_, base)| base)
    }

    /// The zone that calls to this region stay in, by default; `None` where nothing is promised.
    #[must_use]
    pub fn zone(&self, region: &str) -> Option<&str> {
        let mut zones = self.zones.iter();
        let (_, zone) = zones.find(|(pattern, _)| is_like(pattern, region))?;
        Some(&**zone).filter(|zone| !zone.is_empty())
    }

    /// The prefix of model ids that keeps calls within these zones, of which one is enough; that of
    /// the profile that promises nothing where no zone is named, and nothing where the provider has
    /// no profiles.
    ///
    /// `None` where there are profiles and none of them stays within: only an id of the caller's own
    /// could.
    #[must_use]
    pub fn profile(&self, zones: &[Box<str>]) -> Option<&str> {
        if self.profiles.is_empty() {
            return Some("");
        }
        let of = |wanted: &str| {
            let mut profiles = self.profiles.iter();
            let (_, prefix) = profiles.find(|(zone, _)| **zone == *wanted)?;
            Some(&**prefix)
        };
        if zones.is_empty() {
            return of("").or(Some(""));
        }
        zones.iter().find_map(|zone| of(zone))
    }

    /// Where calls of this dialect go; `None` where it is not served.
    #[must_use]
    pub fn door(&self, dialect: &str) -> Option<&Door> {
        self.doors.iter().find(|door| *door.dialect == *dialect)
    }

    /// Whether cache reads of this model, by the name of its row, count against token limits.
    #[must_use]
    pub fn counts_reads(&self, model: &str) -> bool {
        let mut others = self.reads_count_except.iter();
        self.reads_count != others.any(|other| **other == *model)
    }
}

impl Provider {
    /// How the model of this row's name is spelled here, behind this profile's prefix (see
    /// [`Access::profile`]); `None` where it has no spelling, so that a configuration must give one.
    #[must_use]
    pub fn spell(&self, model: &str, profile: &str) -> Option<String> {
        let access = &self.access;
        if access.spelling.is_empty() {
            return Some(model.to_owned());
        }
        let mut spellings = access.spelling.iter();
        let spelling = spellings.find(|spelling| model.starts_with(&*spelling.models))?;
        let mut ids = access.ids.iter();
        let id = ids.find(|(name, _)| **name == *model).map(|(_, id)| &**id);
        let dashed = id.map_or_else(|| model.replace('.', "-"), str::to_owned);
        let written = id.unwrap_or(model);
        let spelled = spelling
            .pattern
            .replace("{profile}", profile)
            .replace("{dashed}", &dashed)
            .replace("{dotted}", written)
            .replace("{id}", written);
        Some(spelled)
    }
}

impl Catalog {
    /// A model at a provider: what is known of it there, and how it is spelled there behind this
    /// profile's prefix. `model` may be any spelling of it.
    ///
    /// `None` where no row knows the model at this provider, or the provider has no spelling for it:
    /// then a configuration must give the id, for [`Catalog::model`] to look up.
    #[must_use]
    pub fn offer(&self, provider: &str, model: &str, profile: &str) -> Option<(Model, String)> {
        let owner = self.provider(provider)?;
        let model = self.model(provider, model);
        if !model.limits.known {
            return None;
        }
        let id = owner.spell(&model.name, profile)?;
        Some((model, id))
    }
}

/// Whether a region is one that a pattern describes; a star at its end stands for anything.
fn is_like(pattern: &str, region: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(head) => region.starts_with(head),
        None => pattern == region,
    }
}
