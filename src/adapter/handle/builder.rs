//! Configuration of a handle: by calls, or from a TOML text that names its mistakes.

use std::fmt;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::books::Books;
use super::config::Config;
use super::keeping::Said;
use super::{Cachewright, Callback, Observer, Shared};
use crate::adapter::clock::{Clock, SystemClock};
use crate::adapter::journal::{Journal, JournalOptions};
use crate::adapter::keep::{Keep, Retention};
use crate::adapter::memory::{Bounds, InProcess};
use crate::engine::{Engine, Overlay, Settings};
use crate::error::Error;
use crate::ledger::Record;
use crate::model::{CountTokens, Keyring, Markers, Mode, Ttl};
use crate::provider::Catalog;

/// A handle under construction. What is not set keeps its default.
pub struct Builder {
    catalog: Catalog,
    pub(super) settings: Settings,
    bounds: Bounds,
    by_length: bool,
    clock: Box<dyn Clock>,
    tenant: Box<str>,
    route: Box<str>,
    assume: Option<Box<str>>,
    observers: Vec<Arc<dyn Observer>>,
    journal: Option<JournalOptions>,
    pub(super) retention: Retention,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            catalog: Catalog::builtin(),
            settings: settings(),
            bounds: Bounds::default(),
            by_length: false,
            clock: Box::new(SystemClock),
            tenant: Box::default(),
            route: Box::default(),
            assume: None,
            observers: Vec::new(),
            journal: None,
            retention: Retention::default(),
        }
    }

    /// How far requests may be changed.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.settings.mode = mode;
        self
    }

    /// What happens to the caller's own markers.
    #[must_use]
    pub const fn markers(mut self, markers: Markers) -> Self {
        self.settings.markers = markers;
        self
    }

    /// The installation's secret, from which every digest is keyed; without one each process draws
    /// its own, and digests of two processes do not compare.
    #[must_use]
    pub fn secret(mut self, secret: &[u8]) -> Self {
        self.settings.keyring = Keyring::new(secret);
        self
    }

    /// How the tokens of short prompts are counted, off the request's path.
    #[must_use]
    pub fn counter(mut self, counter: Arc<dyn CountTokens>) -> Self {
        self.settings.counter = Some(counter);
        self
    }

    /// Tokens of prompts are estimated from their length alone: the vocabulary that exact counts
    /// need takes 48 MB.
    #[must_use]
    pub fn by_length(mut self) -> Self {
        self.by_length = true;
        self.settings.counter = None;
        self
    }

    /// Bodies longer than this many bytes go through untouched.
    #[must_use]
    pub const fn max_body(mut self, bytes: usize) -> Self {
        self.settings.max_body = bytes;
        self
    }

    /// The tenant of requests that name none.
    #[must_use]
    pub fn tenant(mut self, name: impl Into<Box<str>>) -> Self {
        self.tenant = name.into();
        self
    }

    /// The route of requests that name none.
    #[must_use]
    pub fn route(mut self, name: impl Into<Box<str>>) -> Self {
        self.route = name.into();
        self
    }

    /// What differs for requests of one route.
    #[must_use]
    pub fn overlay(mut self, route: impl Into<Box<str>>, overlay: Overlay) -> Self {
        self.settings.routes.insert(route.into(), overlay);
        self
    }

    /// The provider behind hosts that no row names: gateways, custom base URLs, test servers.
    #[must_use]
    pub fn assume(mut self, provider: impl Into<Box<str>>) -> Self {
        self.assume = Some(provider.into());
        self
    }

    /// How much is remembered between requests.
    #[must_use]
    pub const fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// The lifetime class to write with, instead of letting the gaps of the traffic decide.
    #[must_use]
    pub const fn ttl(mut self, ttl: Ttl) -> Self {
        self.settings.ttl = Some(ttl);
        self
    }

    /// Another clock than the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Asks streamed chats for their usage, which the provider then sends in one more chunk without
    /// choices. Off by default: a caller that looks into `choices[0]` unasked would break.
    #[must_use]
    pub const fn with_stream_usage(mut self) -> Self {
        self.settings.stream_usage = true;
        self
    }

    /// Asks models that can for entries that last a day. Off by default: it changes how long the
    /// provider keeps data.
    #[must_use]
    pub const fn with_day_retention(mut self) -> Self {
        self.settings.day_retention = true;
        self
    }

    /// Has prefixes kept for rent by providers that sell that, where it pays; somebody must run the
    /// errands, as in [`PromptCache::http_errands`](crate::adapter::tower::PromptCache::http_errands);
    /// the proxy does so by itself. Off by default: it asks things of the
    /// provider that no call asked for.
    #[must_use]
    pub const fn with_explicit_caches(mut self) -> Self {
        self.settings.explicit_caches = true;
        self
    }

    /// Asks providers that answer it why a prefix was not read, by a member of the request that the
    /// model does not read; what they say stands in [`Miss::reported`](crate::model::Miss). Off by
    /// default, and never in mode `observe`: it adds something to requests.
    #[must_use]
    pub const fn with_provider_diagnostics(mut self) -> Self {
        self.settings.provider_diagnostics = true;
        self
    }

    /// Has misses carry a line of text around the place where two prompts part. Off by default: it
    /// puts prompt text into the ledger and into reports.
    #[must_use]
    pub const fn with_excerpts(mut self) -> Self {
        self.settings.excerpts = true;
        self
    }

    /// Called once per finished exchange, on the task that finished it: keep it short.
    #[must_use]
    pub fn on_record(mut self, callback: impl Fn(&Record) + Send + Sync + 'static) -> Self {
        self.observers.push(Arc::new(Callback(callback)));
        self
    }

    /// Told of everything that is booked; several may be.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Keeps every request that is answered in a file, prompt text included, to be replayed and
    /// tuned with. Off by default.
    #[must_use]
    pub fn journal(mut self, options: JournalOptions) -> Self {
        self.journal = Some(options);
        self
    }

    /// The engine's settings as they are by now.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where requests are kept, if anywhere.
    #[must_use]
    pub const fn journals(&self) -> Option<&JournalOptions> {
        self.journal.as_ref()
    }

    /// Settings from a TOML text: `mode`, `markers`, `ttl`, `rules`, `reshaped_from_first_turn`,
    /// `clock_step`, `nonces`, `max_body`, `stream_usage`, `day_retention`, `explicit_caches`,
    /// `fan_out` (`"off"` or `"wait"`), `fan_out_wait`, `holdout` (such as `"5%"`),
    /// `keep_alive` (`true`, or a table with `per_ping`, `per_session`, `per_day`, `deadline`,
    /// `max_megabytes`, `max_sessions` and `send`), `explore_per_day` (such as `"0.50 USD"`),
    /// `provider_diagnostics`, `excerpts`, `tenant`, `route`, `assume`; a table `[journal]` with
    /// `path`, `max_megabytes` and `files`; and tables `[routes.NAME]`
    /// with what may differ per route: those up to `nonces`, and from `stream_usage` to `excerpts`.
    /// `file` is the name that errors carry.
    ///
    /// ```
    /// use cachewright::adapter::handle::Cachewright;
    ///
    /// let text = r#"
    /// markers = "replace"
    ///
    /// [routes.support]
    /// mode = "reshape"
    /// ttl = "1h"
    /// rules = ["tool_order", "split_volatile"]
    /// "#;
    /// let cache = Cachewright::builder().config("cachewright.toml", text)?.build()?;
    /// # Ok::<(), cachewright::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Names the file, the line and the fix when a key or a value is not known.
    pub fn config(mut self, file: &str, text: &str) -> Result<Self, Error> {
        let mut config = Config::read(file, text)?;
        self.tenant = config.tenant.take().unwrap_or(self.tenant);
        self.route = config.route.take().unwrap_or(self.route);
        self.assume = config.assume.take().or(self.assume);
        if let Some(Said::So(keeping)) = &config.keep_alive {
            self.retention = keeping.retention(self.retention);
        }
        let journal = config.journal.take().map(Into::into);
        self.journal = journal.or(self.journal);
        config.apply(&mut self.settings);
        Ok(self)
    }

    /// Settings from a TOML file; see [`Builder::config`].
    ///
    /// # Errors
    /// When the file cannot be read, or is not what it should be.
    pub fn config_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let (name, text) = read(path.as_ref())?;
        self.config(&name, &text)
    }

    /// The user's own rows of providers and models, as TOML text.
    ///
    /// # Errors
    /// Names the file, the line and the fix when the text is not what a row file should be.
    pub fn rows(mut self, file: &str, text: &str) -> Result<Self, Error> {
        self.catalog = self.catalog.with_toml(file, text)?;
        Ok(self)
    }

    /// The user's own rows of providers and models, as a TOML file.
    ///
    /// # Errors
    /// When the file cannot be read, or is not what it should be.
    pub fn rows_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let (name, text) = read(path.as_ref())?;
        self.rows(&name, &text)
    }

    /// The handle.
    ///
    /// # Errors
    /// When the assumed provider has no row, or the journal cannot be written.
    pub fn build(self) -> Result<Cachewright, Error> {
        match &self.assume {
            Some(name) if self.catalog.provider(name).is_none() => Err(Error::config(format!(
                "no provider row is named {name:?}: assume a built-in one such as \"anthropic\", \
                 or add a row for it"
            ))),
            Some(_) | None => {
                let journal = self.journal.clone().map(Journal::open).transpose()?;
                Ok(self.finish(journal))
            }
        }
    }

    pub(super) fn finish(mut self, journal: Option<Journal>) -> Cachewright {
        if !self.by_length {
            self.settings.counter = self.settings.counter.or_else(counter);
        }
        let clock: Arc<dyn Clock> = Arc::from(self.clock);
        let shared = Shared {
            keep: Keep::new(Arc::clone(&clock), self.retention),
            engine: Engine::new(Arc::new(self.catalog), self.settings)
                .remembering(Arc::new(InProcess::new(self.bounds))),
            clock,
            tenant: self.tenant,
            route: self.route,
            assume: self.assume,
            observers: self.observers,
            journal,
            run: draw() >> 1,
            flights: crate::adapter::fanout::Flights::default(),
            books: Mutex::new(Books::default()),
        };
        Cachewright {
            shared: Arc::new(shared),
        }
    }
}

/// A random number: the standard library seeds its hash maps from the system's randomness.
fn draw() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The default settings under a secret of this process.
fn settings() -> Settings {
    let secret = [draw(), draw(), draw(), draw()].map(u64::to_le_bytes);
    Settings {
        keyring: Keyring::new(&secret.concat()),
        ..Settings::default()
    }
}

/// Exact counts of short prompts, where the feature brings a tokenizer.
#[cfg(feature = "tiktoken")]
fn counter() -> Option<Arc<dyn CountTokens>> {
    Some(crate::adapter::tokens::Tiktoken::new().shared())
}

#[cfg(not(feature = "tiktoken"))]
fn counter() -> Option<Arc<dyn CountTokens>> {
    None
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("settings", &self.settings)
            .field("assume", &self.assume)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<(String, String), Error> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(Error::io(format!("cannot read {name}")).caused_by(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::canon::{History, Rule};
    use crate::model::{FanOut, Share};

    #[test]
    fn a_configuration_text_sets_what_it_names() {
        let text = "mode = \"observe\"\nmarkers = \"replace\"\nmax_body = 5\nttl = \"1h\"\ntenant = \"t\"\nexplicit_caches = true";
        let builder = Builder::new().route("r").config("a.toml", text).unwrap();
        assert_eq!(builder.settings.mode, Mode::Observe);
        assert_eq!(builder.settings.markers, Markers::Replace);
        assert_eq!(builder.settings.max_body, 5);
        assert!(builder.settings.explicit_caches && !Builder::new().settings.explicit_caches);
        assert_eq!(builder.settings.ttl, Some(Ttl::OneHour));
        assert_eq!((&*builder.tenant, &*builder.route), ("t", "r"));
    }

    #[test]
    fn rules_are_named_and_so_are_those_that_do_not_exist() {
        let text = "rules = [\"tool_order\"]\nreshaped_from_first_turn = true";
        let builder = Builder::new().config("a.toml", text).unwrap();
        let settings = &builder.settings;
        assert!(settings.rules.has(Rule::ToolOrder) && !settings.rules.has(Rule::ToolKeys));
        assert_eq!(settings.history, History::FromFirstTurn);
        let error = Builder::new().config("a.toml", "rules = [\"tool_odor\"]");
        let text = error.unwrap_err().to_string();
        for part in ["a.toml:1", "tool_odor", "tool_order"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_route_has_settings_of_its_own() {
        let text = "markers = \"replace\"\nclock_step = \"15m\"\n[routes.support]\nmode = \"reshape\"\n\
                    ttl = \"1h\"\nrules = [\"split_volatile\"]\nnonces = [\"x-id: *\"]\nclock_step = \"1d\"";
        let overlay = Overlay {
            mode: Some(Mode::Observe),
            ..Overlay::default()
        };
        let builder = Builder::new().overlay("quiet", overlay);
        let settings = builder.config("a.toml", text).unwrap().settings;
        let there = settings.on("support");
        assert_eq!((there.mode, there.ttl), (Mode::Reshape, Some(Ttl::OneHour)));
        assert_eq!(there.rules, [Rule::SplitVolatile].into_iter().collect());
        assert_eq!(there.markers, Markers::Replace);
        assert_eq!(there.nonces, [Box::from("x-id: *")]);
        assert_eq!(there.clock_step.as_secs(), 86_400);
        assert_eq!(settings.on("other").clock_step.as_secs(), 900);
        assert_eq!(settings.on("quiet").mode, Mode::Observe);
    }

    #[test]
    fn fan_outs_and_holdouts_are_set_in_general_and_per_route() {
        let text = "fan_out = \"wait\"\nfan_out_wait = \"1500ms\"\nholdout = \"5%\"\n\
                    [routes.quick]\nfan_out = \"off\"\nholdout = \"0%\"";
        let settings = Builder::new().config("a.toml", text).unwrap().settings;
        let (there, elsewhere) = (settings.on("quick"), settings.on("other"));
        assert_eq!((there.fan_out, there.holdout), (FanOut::Off, Share::NONE));
        assert_eq!(elsewhere.fan_out, FanOut::Wait);
        assert_eq!(elsewhere.fan_out_wait, Duration::from_millis(1500));
        assert_eq!(elsewhere.holdout, Share::hundredths(500));
        let default = Builder::new();
        assert_eq!(default.settings.fan_out, FanOut::Off);
        assert_eq!(default.settings.holdout, Share::NONE);
    }

    #[test]
    fn a_mistake_in_a_route_is_named_with_its_line() {
        for (text, parts) in [
            ("[routes.a]\nmoode = 1", ["a.toml:2", "moode", "`mode`?"]),
            (
                "[routes.a]\n\nrules = [\"split\"]",
                ["a.toml:3", "split", "split_volatile"],
            ),
            (
                "[routes.a]\nclock_step = \"7h\"",
                ["a.toml:2", "7h", "divides a day"],
            ),
            (
                "[routes.a]\nnonces = [\"x*\"]",
                ["a.toml:2", "x*", "too much"],
            ),
            (
                "[routes.a]\ntenant = \"t\"",
                ["a.toml:2", "tenant", "unknown field"],
            ),
            (
                "[routes.a]\nfan_out = \"queue\"",
                ["a.toml:2", "queue", "`wait`"],
            ),
            (
                "[routes.a]\nfan_out_wait = \"2m\"",
                ["a.toml:2", "2m", "\"60s\""],
            ),
            ("[routes.a]\nholdout = \"5\"", ["a.toml:2", "`5`", "\"5%\""]),
        ] {
            let error = Builder::new().config("a.toml", text).unwrap_err();
            let said = error.to_string();
            assert!(said.contains("a.toml"), "{said}");
            for part in parts {
                assert!(said.contains(part), "{part} in {said}");
            }
        }
    }

    #[test]
    fn a_mistake_is_named_with_file_line_and_choice() {
        let error = Builder::new()
            .config("a.toml", "\nmode = \"plaice\"")
            .unwrap_err();
        assert!(error.is_config());
        let text = error.to_string();
        for part in ["a.toml:2", "observe", "place", "reshape"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let text = Builder::new()
            .config("a.toml", "moode = 1")
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("moode") && text.contains("max_body"),
            "{text}"
        );
    }

    #[test]
    fn an_assumed_provider_must_have_a_row() {
        let error = Builder::new().assume("antropic").build().unwrap_err();
        assert!(error.to_string().contains("antropic"));
    }
}
