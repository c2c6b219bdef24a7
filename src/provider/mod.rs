//! Providers and models as data: rows read from one TOML form, built in or the user's own.
//!
//! A row says where a provider is reached, which dialect it speaks, and what each of its models
//! allows and costs, with source and date. Nothing outside this room matches on a provider's name.

mod access;
mod catalog;
mod fields;
mod ids;
mod models;
mod paths;
mod reached;
mod rows;
mod storage;

use crate::model::{Limits, Money, Need, Needs, Prices, Regime, Ttl};
use crate::wire::{Dialect, MarkerStyle};

pub use access::{Access, Auth, Door, LimitHeaders, Spelling};
pub use catalog::Catalog;
#[cfg(feature = "tower")]
pub(crate) use fields::suggestion;
pub use storage::Storage;

/// The prior for a model of which nothing is known: about 2.7 bytes per token (recorded traffic
/// of Claude models up to 2026-03 on code, 2.6 to 2.75).
const DEFAULT_BYTES_PER_KTOK: u32 = 2700;

/// One provider.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of a row, each named where it is used"
)]
pub struct Provider {
    /// Its name in configuration and reports, such as `anthropic`.
    pub name: Box<str>,
    /// Hosts that serve it, a star standing for a region or a resource; without a port unless only
    /// that port does.
    pub hosts: Vec<Box<str>>,
    /// Hosts of regional endpoints, where the host says so rather than the path.
    pub regional_hosts: Vec<Box<str>>,
    /// The dialects it speaks, and where.
    pub endpoints: Vec<Endpoint>,
    /// Lifetime classes on sale, the default first; empty where the provider names none.
    pub ttls: Vec<Ttl>,
    /// Markers per request, an automatic one included.
    pub max_breakpoints: usize,
    /// Positions searched back from a marker, its own included.
    pub lookback: usize,
    /// Whether a run of tool uses, or of tool results, is one position.
    pub collapse_runs: bool,
    /// Whether a marker at the top of the body places itself.
    pub automatic_marker: bool,
    /// Whether only models with a row of their own are marked, because others refuse the marker.
    pub known_models_only: bool,
    /// Whether `messages` must be the body's last member for the cache to be found again.
    pub messages_last: bool,
    /// Providers whose models it serves under the same rules and prices.
    pub models_from: Vec<Box<str>>,
    /// What OpenTelemetry calls it (`gen_ai.provider.name`); its own name where that has none.
    pub otel: Box<str>,
    /// By how many percent a regional endpoint is dearer than the global one.
    pub regional_percent: u32,
    /// How it is reached, where calls are addressed to it by a route.
    pub access: Access,
    /// What no model can do here.
    pub lacks: Needs,
    /// Where the row's facts were read.
    pub source: Box<str>,
    /// The date of that source, `YYYY-MM-DD`.
    pub as_of: Box<str>,
}

/// One dialect of a provider and the paths where it is spoken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Endpoint {
    /// The dialect with the marker it takes here.
    pub dialect: &'static dyn Dialect,
    /// Its name, such as `messages`.
    pub name: &'static str,
    /// How a marker is spelled.
    pub marker: MarkerStyle,
    /// Paths of calls that carry a prompt, such as `/model/{model}/converse`.
    pub paths: Vec<Box<str>>,
    /// What steers equal prefixes to one machine, if anything does.
    pub affinity: Option<Affinity>,
    /// Paths below which prefixes can be kept for rent, such as `/v1beta/cachedContents`; empty where
    /// they cannot.
    pub storage: Vec<Box<str>>,
    /// How the provider is asked why a prefix was not read, if it can be.
    pub inquiry: Option<Inquiry>,
    /// The least output, in tokens, that may be asked for where a request is repeated only to read its
    /// prefix; `None` where repeating it is not known to keep the prefix warm.
    pub ping: Option<u32>,
    /// The body's member, an object, whose `ttl` asks for a lifetime class for all that a request
    /// writes, where caching is automatic: `prompt_cache_options` (Moonshot, 2026-10-26).
    pub lifetime: Option<Box<str>>,
}

/// How a provider is asked why a prefix was not read, compared with an earlier response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a row")]
pub struct Inquiry {
    /// The body's member, an object.
    pub member: Box<str>,
    /// The name in it of the earlier response's id.
    pub id: Box<str>,
    /// Whether it must be there from the first request on, with a null for the id: requests without
    /// it are not compared with later.
    pub always: bool,
    /// Whether only models whose entries are found where they were written take it.
    pub exact_only: bool,
}

/// Where a provider's usage counts tokens that were read from the cache or written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third place")]
pub enum Accounting {
    /// Beside the input tokens, which are the plain ones.
    Beside,
    /// Within the input tokens, which are all of them.
    Within,
}

/// What steers requests with one prefix to the machine that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Affinity {
    /// The body's member that carries the key.
    pub field: Option<Box<str>>,
    /// The header that carries the key.
    pub header: Option<Box<str>>,
    /// Whether one key names one conversation, or all that share tools and system prompt.
    pub per: AffinityPer,
    /// Whether only models whose cache decides by itself need the key.
    pub automatic_only: bool,
    /// Requests a minute that one key can take before they spill to other machines.
    pub per_minute: Option<u32>,
    /// Members and headers that steer as well: where the caller has one, no key is added.
    pub unless: Vec<Box<str>>,
}

/// What one affinity key stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "both are matched by the engine")]
pub enum AffinityPer {
    /// One conversation.
    Conversation,
    /// Everything with the same tools and system prompt, split when there is too much of it.
    #[default]
    Prefix,
}

/// A provider's endpoint as a request's host and path name it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found<'a> {
    /// The provider.
    pub provider: &'a Provider,
    /// Its endpoint.
    pub endpoint: &'a Endpoint,
    /// The model, where the path names it.
    pub model: Option<String>,
    /// Project and location, where the path names them: caches do not cross it.
    pub place: String,
    /// Whether it is a regional endpoint rather than the global one, as far as the path says.
    pub regional: bool,
}

/// What is known about one model of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of a row, each named where it is used"
)]
pub struct Model {
    /// The row's name, such as `claude-opus-4.5`; the caller's spelling where no row matched.
    pub name: Box<str>,
    /// What it allows and needs.
    pub limits: Limits,
    /// What it costs; `None` where no row has prices.
    pub prices: Option<Prices>,
    /// What keeping a token in a cache of the caller's own making costs per hour, if it costs.
    pub storage_hour: Option<Money>,
    /// The fewest tokens that are kept for a fee, which may differ from what is cached without one.
    pub storage_min: u64,
    /// Bytes of prompt per thousand tokens: the prior of the estimator, and the simulator's ruler.
    pub bytes_per_ktok: u32,
    /// Cached counts are multiples of this many tokens.
    pub granularity: u64,
    /// Input tokens that stay plain although the last block is marked, for a text block and for a
    /// tool result (recorded traffic, 2026-08).
    pub residual: (u64, u64),
    /// Tokens that the provider adds behind the system prompt when the request has tools.
    pub tool_instructions: u64,
    /// Whether thinking blocks are bound to the exact bytes before them.
    pub prefix_check: bool,
    /// Whether thinking of earlier turns stays in the prompt when the user speaks again; where it
    /// does not, the cache is lost from there (platform.claude.com thinking, 2026-08-22).
    pub keeps_thinking: bool,
    /// Whether a message in the middle of the conversation may have the role `system`.
    pub system_messages: bool,
    /// Whether entries can be kept for a day without a fee.
    pub day_retention: bool,
    /// By how many percent it is dearer at a regional endpoint of the provider asked for.
    pub regional_percent: u32,
    /// What it cannot do at the provider asked for.
    pub lacks: Needs,
    /// Where the row's facts were read; empty where no row matched.
    pub source: Box<str>,
    /// The date of that source, `YYYY-MM-DD`; empty where no row matched.
    pub as_of: Box<str>,
}

impl Provider {
    /// The endpoint at `path`, whatever the host. A prefix before the provider's own path does not
    /// matter to gateways; see [`Provider::behind`].
    #[must_use]
    pub fn at(&self, path: &str) -> Option<Found<'_>> {
        let path = path.split('?').next().unwrap_or_default();
        let path = path.trim_end_matches('/');
        self.endpoints.iter().find_map(|endpoint| {
            let captured = endpoint.paths.iter().find_map(|pattern| {
                let pattern = pattern.trim_end_matches('/');
                paths::captures(pattern, path)
            })?;
            let elsewhere = captured
                .location
                .is_some_and(|location| location != "global");
            Some(Found {
                provider: self,
                endpoint,
                regional: elsewhere || captured.model.as_deref().is_some_and(ids::is_regional),
                model: captured.model,
                place: captured.place,
            })
        })
    }

    /// The endpoint at the end of `path`: gateways put a prefix of their own before it.
    #[must_use]
    pub fn behind(&self, path: &str) -> Option<Found<'_>> {
        let starts = path.match_indices('/').map(|(at, _)| at);
        starts
            .filter_map(|at| path.get(at..))
            .find_map(|rest| self.at(rest))
    }

    /// The endpoint that speaks this dialect; the first one when no dialect is named.
    #[must_use]
    pub fn endpoint(&self, dialect: &str) -> Option<&Endpoint> {
        let mut endpoints = self.endpoints.iter();
        endpoints.find(|endpoint| dialect.is_empty() || endpoint.name == dialect)
    }

    /// Puts this provider's limits around what a model's row says.
    fn limit(&self, model: &mut Model) {
        let limits = &mut model.limits;
        let mut endpoints = self.endpoints.iter();
        let marked = endpoints.any(|endpoint| endpoint.marker != MarkerStyle::None);
        if !limits.known && (self.known_models_only || !marked) {
            limits.regime = Regime::Automatic;
        }
        let is_marked = marked && limits.regime != Regime::Automatic;
        limits.max_breakpoints = if is_marked { self.max_breakpoints } else { 0 };
        limits.lookback = self.lookback;
        limits.collapse_runs = self.collapse_runs && limits.known;
        limits.one_hour &= self.ttls.contains(&Ttl::OneHour);
        if !self.ttls.contains(&limits.ttl) {
            limits.ttl = self.ttls.first().copied().unwrap_or_default();
        }
        model.lacks = model.lacks.and(self.lacks);
        if limits.known && !limits.one_hour {
            model.lacks = model.lacks.with(Need::OneHour);
        }
    }
}

impl Endpoint {
    /// How usage counts what was read from the cache and written to it.
    #[must_use]
    pub fn accounting(&self) -> Accounting {
        match self.name {
            "messages" | "converse" => Accounting::Beside,
            _ => Accounting::Within,
        }
    }

    /// `model` as it is here: where no marker can be written, it has none.
    #[must_use]
    pub fn limit(&self, mut model: Model) -> Model {
        if self.marker == MarkerStyle::None {
            model.limits.max_breakpoints = 0;
        }
        model
    }
}

impl Model {
    /// What is assumed of a model without a row.
    fn unknown(id: &str) -> Self {
        Self {
            name: id.into(),
            limits: Limits::CONSERVATIVE,
            prices: None,
            storage_hour: None,
            storage_min: Limits::CONSERVATIVE.min_tokens,
            bytes_per_ktok: DEFAULT_BYTES_PER_KTOK,
            granularity: 1,
            residual: (3, 1),
            tool_instructions: 0,
            prefix_check: true,
            keeps_thinking: true,
            system_messages: true,
            day_retention: false,
            regional_percent: 0,
            lacks: Needs::NONE,
            source: "".into(),
            as_of: "".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::catalog::BUILTIN;
    use super::*;
    use crate::model::{Money, PriceTier};

    #[test]
    fn every_builtin_file_is_read() {
        BUILTIN
            .iter()
            .try_fold(Catalog::default(), |rows, (name, text)| {
                rows.with_toml(name, text)
            })
            .expect("every file is valid");
        assert!(Catalog::builtin().models("anthropic").count() >= 24);
    }

    #[test]
    fn every_row_has_a_source_a_date_and_ordered_prices() {
        let rows = Catalog::builtin();
        let mut names = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for row in &rows.models {
            let name = (&row.provider, &row.model.name);
            assert!(names.insert(name), "{name:?}");
            for key in &row.keys {
                assert!(keys.insert((&row.provider, key)), "{key} has two rows");
            }
            assert!(!row.model.source.is_empty());
            let prices = row.model.prices.iter();
            let tiers = prices.flat_map(|p| [Some(p.standard), p.short.map(|(_, tier)| tier)]);
            for tier in tiers.flatten() {
                assert!(tier.read <= tier.input, "{}", row.model.name);
                assert!(tier.input <= tier.write_5m && tier.write_5m <= tier.write_1h);
            }
        }
    }

    /// Every id of the provider notes of 2026-11, with its minimum and input price.
    #[test]
    fn documented_models_are_known() {
        let table = [
            ("claude-fable-5-2", 512, "8", "0.20"),
            ("claude-fable-5-1", 512, "10", "0.25"),
            ("claude-mythos-5-1", 512, "10", "0.25"),
            ("claude-fable-5", 512, "10", "1"),
            ("claude-mythos-5", 512, "10", "1"),
            ("claude-opus-5-5", 512, "4", "0.2"),
            ("claude-opus-5", 512, "5", "0.5"),
            ("claude-opus-4-8", 1024, "5", "0.5"),
            ("claude-opus-4-7", 2048, "5", "0.5"),
            ("claude-opus-4-6", 4096, "5", "0.5"),
            ("claude-opus-4-5-20251101", 4096, "5", "0.5"),
            ("claude-opus-4-1@20250805", 1024, "15", "1.5"),
            ("claude-opus-4-20250514", 1024, "15", "1.5"),
            ("claude-opus-4-0", 1024, "15", "1.5"),
            ("claude-sonnet-5-5", 512, "2", "0.1"),
            ("claude-sonnet-5", 1024, "2", "0.2"),
            ("claude-sonnet-4-6", 1024, "3", "0.3"),
            ("anthropic/claude-sonnet-4.5", 1024, "3", "0.3"),
            ("claude-sonnet-4-20250514", 1024, "3", "0.3"),
            ("claude-haiku-5-5", 512, "0.5", "0.05"),
            ("claude-haiku-4-5-20251001", 4096, "1", "0.1"),
            ("claude-3-5-haiku-latest", 2048, "0.8", "0.08"),
            ("claude-3-haiku-20240307", 2048, "0.25", "0.03"),
            ("claude-3-7-sonnet-20250219", 1024, "3", "0.3"),
        ];
        let rows = Catalog::builtin();
        for (id, min, input, read) in table {
            let model = rows.model("anthropic", id);
            assert!(model.limits.known, "{id}");
            assert_eq!(model.limits.min_tokens, min, "{id}");
            let tier = model.prices.expect(id).standard;
            assert_eq!(Some(tier.input), Money::per_mtok(input), "{id}");
            assert_eq!(Some(tier.read), Money::per_mtok(read), "{id}");
        }
        let preview = rows.model("anthropic", "claude-mythos-preview");
        assert!(preview.limits.known && preview.prices.is_none());
    }

    #[test]
    fn a_short_prompt_has_its_own_tier() {
        let model = Catalog::builtin().model("anthropic", "claude-haiku-5.5");
        let prices = model.prices.expect("priced");
        let usd = |text| Money::per_mtok(text).expect("a price");
        assert_eq!(prices.tier(100_000).input, usd("0.10"));
        assert_eq!(prices.tier(100_001).input, usd("0.50"));
    }

    #[test]
    fn an_unknown_model_is_conservative_and_unpriced() {
        let rows = Catalog::builtin();
        for id in [
            "claude-opus-9",
            "gpt-6",
            "",
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/claude-opus-4-8",
        ] {
            let model = rows.model("anthropic", id);
            assert_eq!(model.limits, Limits::CONSERVATIVE, "{id}");
            assert_eq!(model.prices, None);
            assert_eq!(model.name.as_ref(), id);
        }
        assert!(!rows.model("elsewhere", "claude-opus-5").limits.known);
    }

    #[test]
    fn a_host_and_path_find_their_provider() {
        let rows = Catalog::builtin();
        let name = |host, path| rows.find(host, path).map(|found| &*found.provider.name);
        assert_eq!(name("api.anthropic.com", "/v1/messages"), Some("anthropic"));
        assert_eq!(
            name("API.anthropic.com:443", "/v1/messages/?beta=true"),
            Some("anthropic")
        );
        assert_eq!(name("api.anthropic.com", "/v1/messages/batches"), None);
        assert_eq!(name("evil-api.anthropic.com", "/v1/messages"), None);
    }

    #[test]
    fn a_users_row_replaces_the_builtin_one() {
        let text = "[[model]]\nprovider = \"anthropic\"\nname = \"claude-opus-5\"\n\
                    min_tokens = 7\ninput = \"1\"\nwrite_5m = \"2\"\nwrite_1h = \"3\"\n\
                    read = \"0.5\"\noutput = \"4\"\nsource = \"contract\"\nas_of = \"2026-11-22\"\n";
        let rows = Catalog::builtin()
            .with_toml("mine.toml", text)
            .expect("valid");
        let model = rows.model("anthropic", "claude-opus-5");
        assert_eq!(model.limits.min_tokens, 7);
        let usd = |text| Money::per_mtok(text).expect("a price");
        let expected = PriceTier::new([usd("1"), usd("2"), usd("3"), usd("0.5"), usd("4")]);
        assert_eq!(model.prices.map(|p| p.standard), Some(expected));
        let count = |rows: &Catalog| rows.models("anthropic").count();
        assert_eq!(count(&rows), count(&Catalog::builtin()));
    }

    #[test]
    fn errors_name_the_file_the_line_and_the_fix() {
        let table = [
            (
                "[[model]]\nprovider = \"anthropic\"\nnmae = \"x\"\n",
                "mine.toml:3: unknown key `nmae`; did you mean `name`?",
            ),
            (
                "[[model]]\nprovider = \"antropic\"\nname = \"x\"\n",
                "mine.toml:2: there is no provider `antropic`; did you mean `anthropic`?",
            ),
            (
                "\n[[model]]\nprovider = \"anthropic\"\n",
                "mine.toml:2: `name` is missing; add `name = \"…\"`",
            ),
            (
                "[[model]]\nprovider = \"anthropic\"\nname = \"x\"\ninput = 3\n",
                "mine.toml:4: `input` must be a string in quotes",
            ),
            (
                "[[model]]\nprovider = \"anthropic\"\nname = \"x\"\nresidual = [1]\n",
                "mine.toml:4: `residual` must be two numbers, such as [3, 1]",
            ),
            (
                "[[model]]\nprovider = \"anthropic\"\nname = \"x\"\nmin_tokens = -1\n",
                "mine.toml:4: `min_tokens` must be a whole number, zero or more",
            ),
            (
                "[model]\nname = \"x\"\n",
                "mine.toml:1: write `model` as `[[model]]`",
            ),
        ];
        for (text, expected) in table {
            let error = Catalog::builtin().with_toml("mine.toml", text);
            let error = error.expect_err("refused");
            assert_eq!(error.to_string(), expected);
            assert!(error.is_config());
        }
        let broken = Catalog::builtin().with_toml("mine.toml", "[[model]]\nname = \n");
        let broken = broken.expect_err("refused").to_string();
        assert!(broken.starts_with("mine.toml:2: "), "{broken}");
    }
}
