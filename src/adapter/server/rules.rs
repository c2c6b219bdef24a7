//! Hidden rules: how a simulated provider behaves otherwise than documented.

use std::time::Duration;

use serde::Deserialize;

use crate::error::Error;
use crate::sim::{Loss, Rules, Warming};

/// What a provider does otherwise than documented, for all its models or one.
///
/// As JSON it is the body of `POST /admin/rules`, as TOML a `[[rule]]` of a rule file. What is not
/// named is as documented.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rule {
    /// The provider's name; the server's default where none is named.
    #[serde(default)]
    pub provider: Box<str>,
    /// The model; all of them where none is named.
    pub model: Option<Box<str>>,
    /// Seconds that a five-minute entry lives.
    pub life_5m: Option<f64>,
    /// Seconds that a half-hour entry lives.
    pub life_30m: Option<f64>,
    /// Seconds that an hour's entry lives.
    pub life_1h: Option<f64>,
    /// Whether a read renews.
    pub renews: Option<bool>,
    /// Whether reading a deep entry renews those below it.
    pub renews_below: Option<bool>,
    /// Seconds from the first byte of the answer until an entry can be read.
    pub delay: Option<f64>,
    /// Positions searched back.
    pub lookback: Option<usize>,
    /// The shortest prefix that is cached.
    pub min_tokens: Option<u64>,
    /// Whether an hour is granted.
    pub grants_hour: Option<bool>,
    /// What is lost before its time.
    pub loses: Option<Lost>,
    /// Whether a one-hour marker revives what stands before it.
    pub revives: Option<bool>,
    /// What happens to `max_tokens: 0`: `served`, `read_only` or `refused`.
    pub warming: Option<Warm>,
    /// Whether the class is part of what is matched.
    pub matches_class: Option<bool>,
    /// Whether a marker below what is read creates an entry for nothing.
    pub writes_below: Option<bool>,
    /// Whether exact places must be marked again to be found.
    pub resends: Option<bool>,
}

/// What is lost before its time.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Lost {
    /// How many of a thousand.
    pub per_mille: u32,
    /// Of prefixes of at least this many tokens.
    #[serde(default)]
    pub min_tokens: u64,
    /// Once unused for this many seconds.
    #[serde(default)]
    pub idle: f64,
}

/// What happens to requests with `max_tokens: 0`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth way")]
pub enum Warm {
    /// Served like any other.
    Served,
    /// Served, and nothing is renewed.
    ReadOnly,
    /// Refused.
    Refused,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Rule>,
}

impl Rule {
    /// Reads a rule file: TOML with a `[[rule]]` for each provider or model.
    ///
    /// # Errors
    /// Names the file, the line and what is wrong there.
    pub fn file(name: &str, text: &str) -> Result<Vec<Self>, Error> {
        let file = toml::from_str::<File>(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let before = text.get(..at).unwrap_or_default();
            let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
            Error::config(format!("{name}:{line}: {}", error.message()))
        })?;
        Ok(file.rule)
    }

    /// What it says to the simulator.
    pub(super) fn rules(&self) -> Rules {
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let mut rules = Rules::default();
        rules.life_5m = self.life_5m.map(seconds);
        rules.life_30m = self.life_30m.map(seconds);
        rules.life_1h = self.life_1h.map(seconds);
        rules.renews = self.renews.unwrap_or(rules.renews);
        rules.renews_below = self.renews_below.unwrap_or(rules.renews_below);
        rules.delay = self.delay.map_or(rules.delay, seconds);
        rules.lookback = self.lookback;
        rules.min_tokens = self.min_tokens;
        rules.grants_hour = self.grants_hour.unwrap_or(rules.grants_hour);
        rules.loses = self
            .loses
            .map(|lost| Loss::new(lost.per_mille, lost.min_tokens, seconds(lost.idle)));
        rules.revives = self.revives.unwrap_or(rules.revives);
        rules.warming = match self.warming {
            None | Some(Warm::Served) => Warming::Served,
            Some(Warm::ReadOnly) => Warming::ReadOnly,
            Some(Warm::Refused) => Warming::Refused,
        };
        rules.matches_class = self.matches_class.unwrap_or(rules.matches_class);
        rules.writes_below = self.writes_below.unwrap_or(rules.writes_below);
        rules.resends = self.resends.unwrap_or(rules.resends);
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_a_rule_is_and_where_it_is_wrong() {
        let text = "[[rule]]\nprovider = \"anthropic\"\nlife_5m = 240\nwarming = \"read_only\"\n";
        let rules = Rule::file("r.toml", text).unwrap();
        let one = rules[0].rules();
        assert_eq!(one.life_5m, Some(Duration::from_secs(240)));
        assert_eq!(one.warming, Warming::ReadOnly);
        assert!(one.renews);
        let error = Rule::file("r.toml", "[[rule]]\nlife5m = 1\n").unwrap_err();
        assert!(error.to_string().starts_with("r.toml:2: "), "{error}");
    }
}
