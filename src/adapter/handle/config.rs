//! The configuration file's form, kept apart from the words of the domain, which know no serde.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny};

use crate::canon::{History, Rule};
use crate::engine::Settings;
use crate::error::Error;
use crate::model::{Markers, Mode, Ttl};

/// What a configuration file may set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    mode: Option<ModeName>,
    markers: Option<MarkersName>,
    ttl: Option<TtlName>,
    rules: Option<Vec<RuleName>>,
    reshaped_from_first_turn: Option<bool>,
    max_body: Option<usize>,
    stream_usage: Option<bool>,
    day_retention: Option<bool>,
    explicit_caches: Option<bool>,
    provider_diagnostics: Option<bool>,
    excerpts: Option<bool>,
    pub(super) tenant: Option<Box<str>>,
    pub(super) route: Option<Box<str>>,
    pub(super) assume: Option<Box<str>>,
    // One file serves the handle and the proxy.
    #[expect(dead_code, reason = "the proxy reads it")]
    listen: Option<IgnoredAny>,
    #[expect(dead_code, reason = "the admin port reads it")]
    admin: Option<IgnoredAny>,
    #[expect(dead_code, reason = "the proxy reads it")]
    client_token: Option<IgnoredAny>,
    #[expect(dead_code, reason = "the proxy reads it")]
    upstreams: Option<IgnoredAny>,
    #[expect(dead_code, reason = "the store reads it")]
    ledger: Option<IgnoredAny>,
}

impl Config {
    /// Reads a TOML text; errors carry `file`, the line, and what would do instead.
    pub(super) fn read(file: &str, text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| Error::config(format!("{file}: {error}").trim_end()))
    }

    /// Puts what it names into the engine's settings.
    pub(super) fn apply(&self, settings: &mut Settings) {
        let Self {
            mode,
            markers,
            ttl,
            rules,
            reshaped_from_first_turn,
            max_body,
            stream_usage,
            day_retention,
            explicit_caches,
            provider_diagnostics,
            excerpts,
            tenant: _,
            route: _,
            assume: _,
            listen: _,
            admin: _,
            client_token: _,
            upstreams: _,
            ledger: _,
        } = self;
        settings.mode = mode.map_or(settings.mode, Into::into);
        settings.markers = markers.map_or(settings.markers, Into::into);
        settings.ttl = ttl.map(Into::into).or(settings.ttl);
        settings.max_body = max_body.unwrap_or(settings.max_body);
        settings.stream_usage = stream_usage.unwrap_or(settings.stream_usage);
        settings.day_retention = day_retention.unwrap_or(settings.day_retention);
        settings.explicit_caches = explicit_caches.unwrap_or(settings.explicit_caches);
        settings.provider_diagnostics =
            provider_diagnostics.unwrap_or(settings.provider_diagnostics);
        settings.excerpts = excerpts.unwrap_or(settings.excerpts);
        if let Some(rules) = rules {
            settings.rules = rules.iter().map(|name| name.0).collect();
        }
        if let Some(promised) = reshaped_from_first_turn {
            settings.history = if *promised {
                History::FromFirstTurn
            } else {
                History::Unknown
            };
        }
    }
}

/// A rule by its name.
struct RuleName(Rule);

impl<'de> Deserialize<'de> for RuleName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Rule::parse(&name).map(Self).ok_or_else(|| {
            let known = Rule::ALL.map(Rule::as_str).join("`, `");
            D::Error::custom(format!("unknown rule `{name}`, expected one of `{known}`"))
        })
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeName {
    Observe,
    Place,
    Reshape,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Observe => Self::Observe,
            ModeName::Place => Self::Place,
            ModeName::Reshape => Self::Reshape,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MarkersName {
    Keep,
    Replace,
}

impl From<MarkersName> for Markers {
    fn from(name: MarkersName) -> Self {
        match name {
            MarkersName::Keep => Self::Keep,
            MarkersName::Replace => Self::Replace,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
enum TtlName {
    #[serde(rename = "5m")]
    FiveMinutes,
    #[serde(rename = "30m")]
    HalfHour,
    #[serde(rename = "1h")]
    OneHour,
}

impl From<TtlName> for Ttl {
    fn from(name: TtlName) -> Self {
        match name {
            TtlName::FiveMinutes => Self::FiveMinutes,
            TtlName::HalfHour => Self::HalfHour,
            TtlName::OneHour => Self::OneHour,
        }
    }
}
