//! What is asked for of keeping idle prefixes warm, in code and in a configuration file.

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::Builder;
use crate::adapter::keep::{Pinger, Retention};
use crate::adapter::units;
use crate::model::{KeepAlive, Money};

/// `true`, `false`, or a table that says more.
pub(super) enum Said<T> {
    No,
    Yes,
    So(T),
}

impl<T> Said<T> {
    /// Laid over what is known.
    pub(super) fn over(
        &self,
        known: KeepAlive,
        so: impl Fn(&T, KeepAlive) -> KeepAlive,
    ) -> KeepAlive {
        let known = known.allowed().unwrap_or_default();
        match self {
            Self::No => KeepAlive::OFF,
            Self::Yes => known,
            Self::So(told) => so(told, known),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Said<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
    type Value = Said<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, or a table such as { per_day = \"5 USD\" }")
    }

    fn visit_bool<E>(self, said: bool) -> Result<Said<T>, E> {
        Ok(if said { Said::Yes } else { Said::No })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Said<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Said::So)
    }
}

/// What may be spent, for how long.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budgets {
    per_ping: Option<Amount>,
    per_session: Option<Amount>,
    per_day: Option<Amount>,
    deadline: Option<Stretch>,
}

/// The same, and what is held in memory for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keeping {
    per_ping: Option<Amount>,
    per_session: Option<Amount>,
    per_day: Option<Amount>,
    deadline: Option<Stretch>,
    max_megabytes: Option<NonZeroU32>,
    max_sessions: Option<NonZeroU32>,
    send: Option<bool>,
}

impl Budgets {
    pub(super) fn over(&self, mut known: KeepAlive) -> KeepAlive {
        let amount = |said: &Option<Amount>| said.as_ref().map(|said| said.0);
        known.per_ping = amount(&self.per_ping).unwrap_or(known.per_ping);
        known.per_session = amount(&self.per_session).unwrap_or(known.per_session);
        known.per_day = amount(&self.per_day).unwrap_or(known.per_day);
        let deadline = self.deadline.as_ref().map(|said| said.0);
        known.deadline = deadline.unwrap_or(known.deadline);
        known
    }
}

impl Keeping {
    pub(super) fn over(&self, known: KeepAlive) -> KeepAlive {
        let budgets = Budgets {
            per_ping: self.per_ping,
            per_session: self.per_session,
            per_day: self.per_day,
            deadline: self.deadline,
        };
        budgets.over(known)
    }

    pub(super) fn retention(&self, mut known: Retention) -> Retention {
        let whole = |said: NonZeroU32| usize::try_from(said.get()).unwrap_or(usize::MAX);
        if let Some(megabytes) = self.max_megabytes {
            known.max_bytes = whole(megabytes).saturating_mul(1 << 20);
        }
        known.max_sessions = self.max_sessions.map_or(known.max_sessions, whole);
        known.pinger = match self.send {
            None => known.pinger,
            Some(true) => Pinger::Us,
            Some(false) => Pinger::Caller,
        };
        known
    }
}

/// An amount such as `0.50 USD`.
#[derive(Clone, Copy)]
pub(super) struct Amount(pub(super) Money);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        units::money(&text).map(Self).ok_or_else(|| {
            let fix = "write it as \"0.50 USD\" or \"$0.50\"";
            D::Error::custom(format!("`{text}` is no amount of money: {fix}"))
        })
    }
}

/// A time such as `24h`.
#[derive(Clone, Copy)]
struct Stretch(Duration);

impl<'de> Deserialize<'de> for Stretch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = units::duration(&text).filter(|time| !time.is_zero());
        read.map(Self).ok_or_else(|| {
            let fix = "write one such as \"90m\", \"8h\" or \"1d\"";
            D::Error::custom(format!("`{text}` is no deadline: {fix}"))
        })
    }
}

impl Builder {
    /// Has idle prefixes kept warm by pings, within these budgets, where it pays; somebody must run the
    /// errands, as in [`PromptCache::http_errands`](crate::adapter::tower::PromptCache::http_errands);
    /// the proxy does so by itself. Off by default: pings are requests that no call asked for, and
    /// what it takes to send one stays in memory meanwhile; see [`keep`](crate::adapter::keep).
    #[must_use]
    pub const fn with_keep_alive(mut self, budgets: KeepAlive) -> Self {
        self.settings.keep_alive = Some(budgets);
        self
    }

    /// Lets the engine ask providers again for what they did not grant, while little is known of it, for
    /// so much in a UTC day at most: one hour after a refusal, where it would be written if it were
    /// granted. Nothing is spent on that by default.
    #[must_use]
    pub const fn explore_per_day(mut self, most: Money) -> Self {
        self.settings.explore_per_day = Some(most);
        self
    }

    /// How much is held in memory to send pings, and who sends them.
    #[must_use]
    pub const fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// How much is held in memory to send pings, as far as it is set by now.
    #[must_use]
    pub const fn retains(&self) -> Retention {
        self.retention
    }
}

#[cfg(test)]
mod tests {
    use crate::adapter::handle::Cachewright;
    use crate::adapter::keep::{Pinger, Retention};
    use crate::engine::Settings;
    use crate::model::{KeepAlive, Money};
    use std::time::Duration;

    fn read(text: &str) -> Result<(Settings, Retention), String> {
        let builder = Cachewright::builder().config("a.toml", text);
        let builder = builder.map_err(|error| error.to_string())?;
        Ok((builder.settings().clone(), builder.retains()))
    }

    fn dollars(dollars: i128) -> Money {
        Money::from_pico(dollars * 1_000_000_000_000)
    }

    #[test]
    fn it_is_off_until_somebody_asks_for_it() {
        let (settings, _) = read("").unwrap();
        assert!(!settings.keeps_alive());
        let (settings, _) = read("keep_alive = false").unwrap();
        assert!(!settings.keeps_alive());
        let (settings, retention) = read("keep_alive = true").unwrap();
        assert_eq!(settings.on("").keep_alive, Some(KeepAlive::default()));
        assert_eq!(retention, Retention::default());
        assert_eq!(retention.pinger, Pinger::Us);
    }

    #[test]
    fn budgets_and_bounds_are_read_for_all_and_per_route() {
        let text = "[keep_alive]\nper_ping = \"$0.25\"\nper_session = \"3 USD\"\n\
            per_day = \"7 USD\"\ndeadline = \"8h\"\nmax_megabytes = 2\nmax_sessions = 9\n\
            send = false\n[routes.a]\nkeep_alive = false\n[routes.b]\n\
            keep_alive = { per_day = \"1 USD\" }\n[routes.c]\nkeep_alive = true\n";
        let (settings, retention) = read(text).unwrap();
        let general = settings.on("").keep_alive.unwrap();
        assert_eq!(general.per_ping, Money::from_pico(250_000_000_000));
        assert_eq!(
            (general.per_session, general.per_day),
            (dollars(3), dollars(7))
        );
        assert_eq!(general.deadline, Duration::from_secs(8 * 3600));
        assert_eq!((retention.max_bytes, retention.max_sessions), (2 << 20, 9));
        assert_eq!(retention.pinger, Pinger::Caller);
        assert_eq!(settings.on("a").keep_alive, None);
        let b = settings.on("b").keep_alive.unwrap();
        assert_eq!((b.per_day, b.per_session), (dollars(1), dollars(3)));
        assert_eq!(settings.on("c").keep_alive, Some(general));
        let only = "[routes.b]\nkeep_alive = { per_day = \"1 USD\" }";
        let (settings, _) = read(only).unwrap();
        assert_eq!(settings.on("").keep_alive, None);
        assert_eq!(settings.on("b").keep_alive.unwrap().per_day, dollars(1));
    }

    #[test]
    fn nothing_is_spent_on_exploring_until_somebody_says_how_much() {
        let (settings, _) = read("").unwrap();
        assert_eq!(settings.explore_per_day, None);
        let (settings, _) = read("explore_per_day = \"2 USD\"").unwrap();
        assert_eq!(settings.explore_per_day, Some(dollars(2)));
    }

    #[test]
    fn mistakes_name_the_line_and_the_fix() {
        for (text, line, fix) in [
            ("\n\nexplore_per_day = \"much\"", 3, "\"$0.50\""),
            (
                "explore_per_dya = \"1 USD\"",
                1,
                "did you mean `explore_per_day`",
            ),
            ("\nkeep_alive = 3", 2, "true, false, or a table"),
            ("[keep_alive]\nper_ping = \"5\"", 2, "\"$0.50\""),
            ("[keep_alive]\n\ndeadline = \"x\"", 3, "\"8h\""),
            (
                "[keep_alive]\nper_dya = \"1 USD\"",
                2,
                "did you mean `per_day`",
            ),
            ("[keep_alive]\nmax_sessions = 0", 2, "nonzero"),
            ("[routes.a]\nkeep_alive = { send = false }", 2, "per_ping"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.starts_with(&format!("a.toml:{line}: ")), "{said}");
            assert!(said.contains(fix), "{said}");
        }
    }
}
