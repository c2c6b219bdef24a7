//! What the user wants of requests of one route only, laid over the general settings.

use std::time::Duration;

use super::Settings;
use crate::canon::{History, Rules};
use crate::model::{KeepAlive, Markers, Mode, Ttl};

/// Settings of one route, over the general ones; what is `None` stays as it is in general.
///
/// ```
/// use cachewright::engine::{Overlay, Settings};
/// use cachewright::model::{Mode, Ttl};
///
/// let mut support = Overlay::default();
/// support.ttl = Some(Ttl::OneHour);
/// let mut settings = Settings::default();
/// settings.routes.insert("support".into(), support);
/// assert_eq!(settings.on("support").ttl, Some(Ttl::OneHour));
/// assert_eq!(settings.on("search").ttl, None);
/// assert_eq!(settings.on("support").mode, Mode::Place);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overlay {
    /// See [`Settings::mode`].
    pub mode: Option<Mode>,
    /// See [`Settings::markers`].
    pub markers: Option<Markers>,
    /// See [`Settings::ttl`].
    pub ttl: Option<Ttl>,
    /// See [`Settings::rules`]; the route's whole set, not an addition.
    pub rules: Option<Rules>,
    /// See [`Settings::history`].
    pub history: Option<History>,
    /// See [`Settings::clock_step`].
    pub clock_step: Option<Duration>,
    /// See [`Settings::nonces`]; the route's whole list, not an addition.
    pub nonces: Option<Vec<Box<str>>>,
    /// See [`Settings::stream_usage`].
    pub stream_usage: Option<bool>,
    /// See [`Settings::day_retention`].
    pub day_retention: Option<bool>,
    /// See [`Settings::explicit_caches`].
    pub explicit_caches: Option<bool>,
    /// See [`Settings::keep_alive`]; [`KeepAlive::OFF`] for no pings here.
    pub keep_alive: Option<KeepAlive>,
    /// See [`Settings::provider_diagnostics`].
    pub provider_diagnostics: Option<bool>,
    /// See [`Settings::excerpts`].
    pub excerpts: Option<bool>,
}

impl Overlay {
    /// Puts what it names into the general settings.
    pub fn apply(self, settings: &mut Settings) {
        settings.mode = self.mode.unwrap_or(settings.mode);
        settings.markers = self.markers.unwrap_or(settings.markers);
        settings.ttl = self.ttl.or(settings.ttl);
        settings.rules = self.rules.unwrap_or(settings.rules);
        settings.history = self.history.unwrap_or(settings.history);
        settings.clock_step = self.clock_step.unwrap_or(settings.clock_step);
        if let Some(nonces) = self.nonces {
            settings.nonces = nonces;
        }
        settings.stream_usage = self.stream_usage.unwrap_or(settings.stream_usage);
        settings.day_retention = self.day_retention.unwrap_or(settings.day_retention);
        settings.explicit_caches = self.explicit_caches.unwrap_or(settings.explicit_caches);
        settings.keep_alive = self.keep_alive.or(settings.keep_alive);
        settings.provider_diagnostics = self
            .provider_diagnostics
            .unwrap_or(settings.provider_diagnostics);
        settings.excerpts = self.excerpts.unwrap_or(settings.excerpts);
    }
}

/// What holds for one request: the general settings under those of its route. See [`Settings`] for
/// what each means.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[expect(
    missing_docs,
    clippy::struct_excessive_bools,
    reason = "the same members as in `Settings`, where they are described"
)]
pub struct Wishes<'a> {
    pub mode: Mode,
    pub markers: Markers,
    pub ttl: Option<Ttl>,
    pub rules: Rules,
    pub history: History,
    pub clock_step: Duration,
    pub nonces: &'a [Box<str>],
    pub stream_usage: bool,
    pub day_retention: bool,
    pub explicit_caches: bool,
    pub keep_alive: Option<KeepAlive>,
    pub provider_diagnostics: bool,
    pub excerpts: bool,
}

impl Settings {
    /// What holds for requests of this route.
    #[must_use]
    pub fn on(&self, route: &str) -> Wishes<'_> {
        let general = Wishes {
            mode: self.mode,
            markers: self.markers,
            ttl: self.ttl,
            rules: self.rules,
            history: self.history,
            clock_step: self.clock_step,
            nonces: &self.nonces,
            stream_usage: self.stream_usage,
            day_retention: self.day_retention,
            explicit_caches: self.explicit_caches,
            keep_alive: self.keep_alive.and_then(KeepAlive::allowed),
            provider_diagnostics: self.provider_diagnostics,
            excerpts: self.excerpts,
        };
        match self.routes.get(route) {
            Some(overlay) => general.under(overlay),
            None => general,
        }
    }

    /// Whether prefixes may be rented on any route.
    #[must_use]
    pub fn rents(&self) -> bool {
        let mut routes = self.routes.values();
        self.explicit_caches || routes.any(|overlay| overlay.explicit_caches == Some(true))
    }

    /// Whether idle prefixes may be kept warm on any route.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        let routes = self.routes.values().map(|overlay| overlay.keep_alive);
        let mut said = routes.chain([self.keep_alive]).flatten();
        said.any(|one| one.allowed().is_some())
    }
}

impl<'a> Wishes<'a> {
    fn under(self, overlay: &'a Overlay) -> Self {
        Self {
            mode: overlay.mode.unwrap_or(self.mode),
            markers: overlay.markers.unwrap_or(self.markers),
            ttl: overlay.ttl.or(self.ttl),
            rules: overlay.rules.unwrap_or(self.rules),
            history: overlay.history.unwrap_or(self.history),
            clock_step: overlay.clock_step.unwrap_or(self.clock_step),
            nonces: overlay.nonces.as_deref().unwrap_or(self.nonces),
            stream_usage: overlay.stream_usage.unwrap_or(self.stream_usage),
            day_retention: overlay.day_retention.unwrap_or(self.day_retention),
            explicit_caches: overlay.explicit_caches.unwrap_or(self.explicit_caches),
            keep_alive: overlay
                .keep_alive
                .or(self.keep_alive)
                .and_then(KeepAlive::allowed),
            provider_diagnostics: overlay
                .provider_diagnostics
                .unwrap_or(self.provider_diagnostics),
            excerpts: overlay.excerpts.unwrap_or(self.excerpts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canon::Rule;

    #[test]
    fn a_route_overlays_what_it_names_and_nothing_else() {
        let overlay = Overlay {
            mode: Some(Mode::Reshape),
            rules: Some(Rules::NONE.with(Rule::SplitVolatile)),
            stream_usage: Some(false),
            explicit_caches: Some(true),
            provider_diagnostics: Some(true),
            excerpts: Some(false),
            nonces: Some(vec!["x-one".into()]),
            ..Overlay::default()
        };
        let mut settings = Settings {
            stream_usage: true,
            excerpts: true,
            markers: Markers::Replace,
            ..Settings::default()
        };
        settings.routes.insert("support".into(), overlay);
        let (there, elsewhere) = (settings.on("support"), settings.on("Support"));
        assert_eq!(there.mode, Mode::Reshape);
        assert_eq!(there.rules, Rules::NONE.with(Rule::SplitVolatile));
        assert!(!there.stream_usage && there.explicit_caches);
        assert!(there.provider_diagnostics && !there.excerpts);
        assert!(!elsewhere.provider_diagnostics && elsewhere.excerpts);
        assert_eq!(there.nonces, [Box::from("x-one")]);
        assert_eq!(there.markers, Markers::Replace);
        assert_eq!(elsewhere.mode, Mode::Place);
        assert_eq!(elsewhere.rules, Rules::default());
        assert!(elsewhere.stream_usage && !elsewhere.explicit_caches);
        assert!(settings.rents() && !Settings::default().rents());
    }

    #[test]
    fn a_route_may_keep_nothing_alive_where_others_do() {
        let mut settings = Settings {
            keep_alive: Some(KeepAlive::default()),
            ..Settings::default()
        };
        let off = Overlay {
            keep_alive: Some(KeepAlive::OFF),
            ..Overlay::default()
        };
        settings.routes.insert("batch".into(), off.clone());
        assert_eq!(settings.on("batch").keep_alive, None);
        assert_eq!(settings.on("").keep_alive, Some(KeepAlive::default()));
        assert!(settings.keeps_alive());
        off.apply(&mut settings);
        assert!(!settings.keeps_alive() && !Settings::default().keeps_alive());
    }

    #[test]
    fn applied_to_the_general_settings_it_holds_everywhere() {
        let overlay = Overlay {
            ttl: Some(Ttl::OneHour),
            clock_step: Some(Duration::from_secs(60)),
            ..Overlay::default()
        };
        let mut settings = Settings::default();
        overlay.apply(&mut settings);
        assert_eq!(settings.on("any").ttl, Some(Ttl::OneHour));
        assert_eq!(settings.on("").clock_step, Duration::from_secs(60));
        assert_eq!(settings.mode, Mode::Place);
    }
}
