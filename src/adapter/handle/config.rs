//! The configuration file's form, kept apart from the words of the domain, which know no serde.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny};

use super::keeping::{Amount, Budgets, Keeping, Said};
use super::spelled::{FanOutName, Percent, Wait};
use crate::adapter::journal::JournalOptions;
use crate::adapter::mistake;
use crate::canon::{History, Rule};
use crate::engine::{Overlay, Settings};
use crate::error::Error;
use crate::model::{KeepAlive, Markers, Mode, Ttl};

/// What a configuration file may set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    mode: Option<ModeName>,
    markers: Option<MarkersName>,
    ttl: Option<TtlName>,
    rules: Option<Vec<RuleName>>,
    reshaped_from_first_turn: Option<bool>,
    clock_step: Option<Step>,
    nonces: Option<Vec<Nonce>>,
    max_body: Option<usize>,
    stream_usage: Option<bool>,
    day_retention: Option<bool>,
    explicit_caches: Option<bool>,
    fan_out: Option<FanOutName>,
    fan_out_wait: Option<Wait>,
    holdout: Option<Percent>,
    pub(super) keep_alive: Option<Said<Keeping>>,
    explore_per_day: Option<Amount>,
    #[serde(default)]
    routes: BTreeMap<Box<str>, Entry>,
    provider_diagnostics: Option<bool>,
    excerpts: Option<bool>,
    pub(super) tenant: Option<Box<str>>,
    pub(super) route: Option<Box<str>>,
    pub(super) assume: Option<Box<str>>,
    pub(super) journal: Option<JournalEntry>,
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
    #[expect(dead_code, reason = "the gateway reads it")]
    providers: Option<IgnoredAny>,
    #[expect(dead_code, reason = "the gateway reads it")]
    caps: Option<IgnoredAny>,
}

/// Where requests are kept, prompt text included.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalEntry {
    path: PathBuf,
    max_megabytes: Option<NonZeroU32>,
    files: Option<NonZeroU32>,
}

impl From<JournalEntry> for JournalOptions {
    fn from(entry: JournalEntry) -> Self {
        let mut options = Self::at(entry.path);
        if let Some(size) = entry.max_megabytes {
            options.max_bytes = u64::from(size.get()) << 20;
        }
        options.files = entry.files.map_or(options.files, NonZeroU32::get);
        options
    }
}

/// What a configuration file may set for one route; where its calls go is the gateway's to read.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what the gateway reads must be no mistake here")]
struct Entry {
    mode: Option<ModeName>,
    markers: Option<MarkersName>,
    ttl: Option<TtlName>,
    rules: Option<Vec<RuleName>>,
    reshaped_from_first_turn: Option<bool>,
    clock_step: Option<Step>,
    nonces: Option<Vec<Nonce>>,
    stream_usage: Option<bool>,
    day_retention: Option<bool>,
    explicit_caches: Option<bool>,
    fan_out: Option<FanOutName>,
    fan_out_wait: Option<Wait>,
    holdout: Option<Percent>,
    keep_alive: Option<Said<Budgets>>,
    provider_diagnostics: Option<bool>,
    excerpts: Option<bool>,
    model: Option<IgnoredAny>,
    fallback_models: Option<IgnoredAny>,
    order: Option<IgnoredAny>,
    goal: Option<IgnoredAny>,
    residency: Option<IgnoredAny>,
    tenants: Option<IgnoredAny>,
    cap: Option<IgnoredAny>,
    affinity: Option<IgnoredAny>,
    rank_worth: Option<IgnoredAny>,
    second_worth: Option<IgnoredAny>,
    attempts: Option<IgnoredAny>,
    retry_percent: Option<IgnoredAny>,
    first_byte: Option<IgnoredAny>,
    between: Option<IgnoredAny>,
    deadline: Option<IgnoredAny>,
    hedge: Option<IgnoredAny>,
    cooldown: Option<IgnoredAny>,
}

impl From<Entry> for Overlay {
    fn from(entry: Entry) -> Self {
        Self {
            mode: entry.mode.map(Into::into),
            markers: entry.markers.map(Into::into),
            ttl: entry.ttl.map(Into::into),
            rules: entry
                .rules
                .map(|rules| rules.iter().map(|name| name.0).collect()),
            history: entry.reshaped_from_first_turn.map(|promised| {
                if promised {
                    History::FromFirstTurn
                } else {
                    History::Unknown
                }
            }),
            clock_step: entry.clock_step.map(|step| step.0),
            nonces: entry
                .nonces
                .map(|nonces| nonces.into_iter().map(|nonce| nonce.0).collect()),
            stream_usage: entry.stream_usage,
            day_retention: entry.day_retention,
            explicit_caches: entry.explicit_caches,
            keep_alive: None,
            fan_out: entry.fan_out.map(Into::into),
            fan_out_wait: entry.fan_out_wait.map(|wait| wait.0),
            holdout: entry.holdout.map(|percent| percent.0),
            provider_diagnostics: entry.provider_diagnostics,
            excerpts: entry.excerpts,
        }
    }
}

impl Config {
    /// Reads a TOML text; errors carry `file`, the line, and what would do instead.
    pub(super) fn read(file: &str, text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| mistake::toml((file, text), &error))
    }

    /// Puts what it names into the engine's settings.
    pub(super) fn apply(self, settings: &mut Settings) {
        let general = Entry {
            mode: self.mode,
            markers: self.markers,
            ttl: self.ttl,
            rules: self.rules,
            reshaped_from_first_turn: self.reshaped_from_first_turn,
            clock_step: self.clock_step,
            nonces: self.nonces,
            stream_usage: self.stream_usage,
            day_retention: self.day_retention,
            explicit_caches: self.explicit_caches,
            fan_out: self.fan_out,
            fan_out_wait: self.fan_out_wait,
            holdout: self.holdout,
            provider_diagnostics: self.provider_diagnostics,
            excerpts: self.excerpts,
            ..Entry::default()
        };
        Overlay::from(general).apply(settings);
        settings.max_body = self.max_body.unwrap_or(settings.max_body);
        let explores = self.explore_per_day.map(|said| said.0);
        settings.explore_per_day = explores.or(settings.explore_per_day);
        if let Some(said) = self.keep_alive {
            let known = settings.keep_alive.unwrap_or_default();
            settings.keep_alive = Some(said.over(known, Keeping::over));
        }
        let known = settings.keep_alive.and_then(KeepAlive::allowed);
        let routes = self.routes.into_iter().map(|(name, mut entry)| {
            let said = entry.keep_alive.take();
            let mut overlay = Overlay::from(entry);
            // What a route does not say of its budgets is as it is in general.
            overlay.keep_alive =
                said.map(|said| said.over(known.unwrap_or_default(), Budgets::over));
            (name, overlay)
        });
        settings.routes.extend(routes);
    }
}

/// A step of clocks, such as `15m`.
struct Step(Duration);

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        step(&text).map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no step for clocks: write one that divides a day, such as \"1m\", \
                 \"15m\", \"1h\" or \"1d\""
            ))
        })
    }
}

fn step(text: &str) -> Option<Duration> {
    const DAY: u64 = 86_400;
    let unit = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => DAY,
        _ => return None,
    };
    let count: u64 = text.get(..text.len() - 1)?.parse().ok()?;
    let seconds = count.checked_mul(unit)?;
    let divides = DAY.checked_rem(seconds) == Some(0);
    divides.then(|| Duration::from_secs(seconds))
}

/// How a line begins that may be dropped.
struct Nonce(Box<str>);

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const LEAST: usize = 4;
        let text = String::deserialize(deserializer)?;
        let begins = text.split('*').next().unwrap_or_default().trim();
        if begins.chars().count() < LEAST || text.contains('\n') {
            return Err(D::Error::custom(format!(
                "`{text}` would remove too much: write how the line begins, with at least {LEAST} \
                 characters before any `*`, such as \"x-anthropic-billing-header:\""
            )));
        }
        Ok(Self(text.into()))
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
