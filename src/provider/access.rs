//! How a provider is reached by somebody who was told only its kind, a region and a credential.

use crate::wire::Envelope;

/// How a provider is reached: what a row says beside its cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Access {
    /// The base URL, with `{region}`, `{project}` or `{resource}` for what a configuration must
    /// name, such as `https://bedrock-runtime.{region}.amazonaws.com`; empty where a configuration
    /// must give one.
    pub base: Box<str>,
    /// How a model is spelled: `{dashed}` (`claude-sonnet-4-5`), `{dotted}` (`claude-sonnet-4.5`) or
    /// `{id}` (the id of [`Access::ids`] or as written), with what stands around it, such as
    /// `anthropic/{dotted}`; `{profile}` is the inference profile's prefix, such as `eu.`.
    pub spelling: Vec<Spelling>,
    /// Ids that follow no pattern: the model's row, and the id here.
    pub ids: Vec<(Box<str>, Box<str>)>,
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
    /// Zones by region: a pattern such as `eu-*`, and the zone, such as `eu`.
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
    /// The path for whole answers, such as `/model/{model}/invoke`.
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
