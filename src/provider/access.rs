//! How a provider is reached by somebody who was told only its kind, a region and a credential.

use super::{Catalog, Model, Provider};
use crate::wire::Envelope;

/// How a provider is reached: what a row says beside its cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a row")]
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
    /// Prefixes of the profiles that there are for a model, by the name of its row, separated by
    /// spaces; those not named here have all.
    pub profiles_of: Vec<(Box<str>, Box<str>)>,
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
    /// [`Access::profile`]); `None` where it has no spelling or no such profile, so that a
    /// configuration must give the id.
    #[must_use]
    pub fn spell(&self, model: &str, profile: &str) -> Option<String> {
        let access = &self.access;
        if access.spelling.is_empty() {
            return Some(model.to_owned());
        }
        let mut spellings = access.spelling.iter();
        let spelling = spellings.find(|spelling| model.starts_with(&*spelling.models))?;
        let mut limited = access.profiles_of.iter();
        if let Some((_, there_are)) = limited.find(|(name, _)| **name == *model)
            && !there_are.split(' ').any(|prefix| prefix == profile)
        {
            return None;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every id that we would send is one by which the model's own row is found again.
    #[test]
    fn every_spelling_leads_back_to_its_model() {
        let rows = Catalog::builtin();
        let mut spelled = 0;
        for owner in rows.providers() {
            let prefixes: Vec<&str> = match &owner.access.profiles[..] {
                [] => vec![""],
                all => all.iter().map(|(_, prefix)| &**prefix).collect(),
            };
            for model in rows.served(owner) {
                for prefix in &prefixes {
                    let Some((found, id)) = rows.offer(&owner.name, &model.name, prefix) else {
                        continue;
                    };
                    spelled += 1;
                    assert_eq!(found, model);
                    let back = rows.model(&owner.name, &id);
                    assert_eq!(back.name, model.name, "{} {id}", owner.name);
                    assert_eq!(back, model, "{} {id}", owner.name);
                }
            }
        }
        assert!(spelled > 400, "{spelled}");
    }

    /// Ids as the providers document or record them.
    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn ids_are_those_of_the_providers() {
        let rows = Catalog::builtin();
        for (provider, model, zones, id) in [
            ("anthropic", "claude-sonnet-4.5", "", "claude-sonnet-4-5"),
            (
                "anthropic",
                "claude-haiku-3.5",
                "",
                "claude-3-5-haiku-latest",
            ),
            (
                "bedrock",
                "claude-sonnet-4.5",
                "us",
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            ),
            (
                "bedrock",
                "claude-haiku-4-5-20251001",
                "eu",
                "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            ),
            (
                "bedrock",
                "claude-haiku-4.5",
                "jp",
                "jp.anthropic.claude-haiku-4-5-20251001-v1:0",
            ),
            (
                "bedrock",
                "claude-opus-4.6",
                "",
                "global.anthropic.claude-opus-4-6-v1",
            ),
            (
                "bedrock",
                "claude-opus-4.8",
                "us",
                "us.anthropic.claude-opus-4-8",
            ),
            (
                "bedrock",
                "claude-sonnet-5.5",
                "eu",
                "eu.anthropic.claude-sonnet-5-5",
            ),
            (
                "bedrock",
                "claude-opus-5.5",
                "au",
                "au.anthropic.claude-opus-5-5",
            ),
            (
                "bedrock-mantle",
                "claude-opus-5.5",
                "",
                "anthropic.claude-opus-5-5",
            ),
            ("bedrock-mantle", "gpt-5.6-luna", "", "openai.gpt-5.6-luna"),
            (
                "bedrock-mantle",
                "gpt-oss-120b",
                "",
                "openai.gpt-oss-120b-1:0",
            ),
            (
                "vertex",
                "claude-sonnet-4.5",
                "",
                "claude-sonnet-4-5@20250929",
            ),
            ("vertex", "claude-opus-4.6", "", "claude-opus-4-6"),
            ("vertex", "claude-sonnet-5.5", "", "claude-sonnet-5-5"),
            ("foundry", "claude-haiku-4.5", "", "claude-haiku-4-5"),
            (
                "vercel",
                "claude-sonnet-4.5",
                "",
                "anthropic/claude-sonnet-4.5",
            ),
            ("vercel", "gpt-5.4", "", "openai/gpt-5.4"),
            ("vercel", "grok-4.7", "", "spacexai/grok-4.7"),
            (
                "openrouter",
                "claude-sonnet-4.6",
                "",
                "anthropic/claude-sonnet-4.6",
            ),
            (
                "openrouter",
                "claude-haiku-5.5",
                "",
                "anthropic/claude-haiku-5.5",
            ),
            (
                "openrouter",
                "gemini-2.5-flash",
                "",
                "google/gemini-2.5-flash",
            ),
            ("openrouter", "grok-4-1-fast", "", "x-ai/grok-4.1-fast"),
            ("openai", "gpt-5.6", "", "gpt-5.6-sol"),
            ("azure", "gpt-5.4", "", "gpt-5.4"),
            ("groq", "gpt-oss-120b", "", "openai/gpt-oss-120b"),
            ("mistral", "mistral-large-latest", "", "mistral-large-2512"),
            (
                "fireworks",
                "kimi-k2.6",
                "",
                "accounts/fireworks/models/kimi-k2p6",
            ),
        ] {
            let zones: Vec<Box<str>> = zones.split_whitespace().map(Into::into).collect();
            let owner = rows.provider(provider).expect(provider);
            let profile = owner.access.profile(&zones).expect("a profile");
            let (_, found) = rows.offer(provider, model, profile).expect(id);
            assert_eq!(found, id);
        }
        // No profile of that zone, no row, no spelling.
        for (provider, model, profile) in [
            ("bedrock", "claude-opus-4.1", "eu."),
            ("bedrock", "nova-lite", "eu."),
            ("anthropic", "claude-opus-9", ""),
            ("vertex", "gemini-2.5-flash", ""),
            ("nowhere", "claude-opus-5", ""),
        ] {
            assert_eq!(rows.offer(provider, model, profile), None, "{model}");
        }
    }

    #[test]
    fn zones_are_promised_only_where_a_provider_keeps_them() {
        let rows = Catalog::builtin();
        let zone = |provider: &str, region: &str| {
            let owner = rows.provider(provider).expect("a row");
            owner.access.zone(region).map(str::to_owned)
        };
        for (provider, region, wanted) in [
            ("bedrock", "eu-central-1", Some("eu")),
            ("bedrock", "eu-west-2", None),
            ("bedrock", "us-east-1", Some("us")),
            ("bedrock", "us-gov-west-1", Some("us-gov")),
            ("bedrock", "ap-northeast-1", Some("jp")),
            ("bedrock", "ap-southeast-2", Some("au")),
            ("bedrock", "ap-south-1", None),
            ("vertex", "europe-west1", Some("eu")),
            ("vertex", "europe-west12", Some("eu")),
            ("vertex", "europe-west2", Some("uk")),
            ("vertex", "eu", Some("eu")),
            ("vertex", "us-east5", Some("us")),
            ("vertex", "global", None),
            ("openai", "eu", Some("eu")),
            ("anthropic", "eu", None),
        ] {
            assert_eq!(zone(provider, region).as_deref(), wanted, "{region}");
        }
        let bedrock = &rows.provider("bedrock").expect("a row").access;
        let within = |zones: &[&str]| {
            let zones: Vec<Box<str>> = zones.iter().map(|zone| (*zone).into()).collect();
            bedrock.profile(&zones).map(str::to_owned)
        };
        assert_eq!(within(&[]).as_deref(), Some("global."));
        assert_eq!(within(&["uk", "eu"]).as_deref(), Some("eu."));
        assert_eq!(within(&["uk"]), None);
        assert_eq!(Access::default().profile(&["uk".into()]), Some(""));
        // Whatever zone a region is derived to has a profile that keeps it.
        for (region, zone) in &bedrock.zones {
            assert!(zone.is_empty() || within(&[zone]).is_some(), "{region}");
        }
    }

    #[test]
    fn every_builtin_provider_can_be_reached() {
        let rows = Catalog::builtin();
        for owner in rows.providers().filter(|row| &*row.name != "bedrock-nova") {
            let (name, access) = (&owner.name, &owner.access);
            assert!(access.base.starts_with("https://"), "{name}");
            assert!(
                access.auth.iter().all(|auth| !auth.env.is_empty()),
                "{name}"
            );
            assert!(!access.doors.is_empty(), "{name}");
            // A call through a door is one that the row recognises.
            for door in &access.doors {
                for path in [&door.path, &door.stream] {
                    let path = path
                        .replace("{model}", "anthropic.claude-x")
                        .replace("{region}", "r")
                        .replace("{project}", "p");
                    let found = owner.at(&path).expect("an endpoint");
                    assert_eq!(found.endpoint.name, &*door.dialect, "{name} {path}");
                }
            }
            for (region, base) in [("", &access.base)]
                .into_iter()
                .chain(access.bases.iter().map(|(region, base)| (&**region, base)))
            {
                let region = region.replace('*', "eu");
                assert_eq!(access.base_in(&region), &**base, "{name}");
                let host = base.trim_start_matches("https://");
                let host = host
                    .replace("{region}", "eu-x1")
                    .replace("{resource}", "acme");
                let path = access.doors[0]
                    .path
                    .replace("{model}", "anthropic.claude-x");
                let found = rows.find(&host, &path.replace(['{', '}'], ""));
                assert_eq!(
                    found.map(|found| &found.provider.name),
                    Some(name),
                    "{host}"
                );
            }
        }
        let counts = |provider: &str, model: &str| {
            rows.provider(provider)
                .expect("a row")
                .access
                .counts_reads(model)
        };
        assert!(counts("openai", "gpt-5.4") && counts("azure", "gpt-5.4"));
        assert!(!counts("anthropic", "claude-opus-5") && counts("anthropic", "claude-haiku-3.5"));
        assert!(!counts("bedrock", "claude-opus-5") && !counts("vertex", "claude-opus-5"));
    }

    #[test]
    fn what_a_model_lacks_depends_on_where_it_is() {
        use crate::model::Need;
        let rows = Catalog::builtin();
        let lacks = |provider: &str, model: &str, need| rows.model(provider, model).lacks.has(need);
        assert!(lacks("bedrock", "claude-opus-5", Need::ServerTools));
        assert!(!lacks("anthropic", "claude-opus-5", Need::ServerTools));
        assert!(lacks("bedrock", "claude-sonnet-4", Need::OneHour));
        assert!(!lacks("bedrock", "claude-sonnet-4.5", Need::OneHour));
        assert!(lacks("openai", "gpt-5.4", Need::OneHour));
        assert!(lacks("vertex", "claude-haiku-3.5", Need::Thinking));
        assert!(lacks("openrouter", "gpt-4o", Need::Thinking));
        assert!(lacks("groq", "openai/gpt-oss-120b", Need::Images));
        // What no row knows may do everything.
        assert_eq!(
            rows.model("anthropic", "claude-opus-9").lacks,
            crate::model::Needs::NONE
        );
    }

    #[test]
    fn a_users_row_says_how_it_is_reached() {
        let text = "[[provider]]\nname = \"mine\"\ndialect = \"chat\"\npaths = [\"/v1/chat/completions\"]\n\
                    lacks = [\"images\"]\nsource = \"x\"\nas_of = \"2026-11-25\"\n";
        let rows =
            |access: &str| Catalog::builtin().with_toml("mine.toml", &format!("{text}{access}"));
        let plain = rows("").expect("valid");
        let access = &plain.provider("mine").expect("a row").access;
        assert_eq!(access.auth[0].header.as_ref(), "authorization");
        let door = access.door("chat").expect("a door");
        assert_eq!(
            (&*door.path, door.envelope),
            ("/v1/chat/completions", Envelope::Plain)
        );
        assert!(access.door("messages").is_none() && access.counts_reads("x"));
        for (access, error) in [
            (
                "access = { limits = \"x\" }",
                "mine.toml:8: `limits` is \"none\", \"anthropic\" or \"openai\"",
            ),
            (
                "access = { bse = \"x\" }",
                "mine.toml:8: unknown key `bse`; did you mean `base`?",
            ),
            (
                "access = { ids = \"x\" }",
                "mine.toml:8: `ids` must be a table of strings in braces",
            ),
            (
                "access = { zones = { eu = 1 } }",
                "mine.toml:8: `zones` must be a table of strings in braces",
            ),
            (
                "[[provider.access.doors]]\ndialect = \"chat\"\npath = \"/x\"\nenvelope = \"y\"",
                "mine.toml:11: `envelope` is \"plain\", \"invoke\" or \"raw_predict\"",
            ),
        ] {
            let found = rows(access).expect_err(access).to_string();
            assert_eq!(found, error);
        }
        let wrong = text.replace("images", "imagse");
        let found = Catalog::builtin().with_toml("mine.toml", &wrong);
        let found = found.expect_err("refused").to_string();
        assert_eq!(
            found,
            "mine.toml:5: there is no need `imagse`; did you mean `images`?"
        );
    }
}
