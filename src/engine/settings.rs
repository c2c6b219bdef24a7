//! What the user asked of the engine, and what stands outside the body of a request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Overlay;
use crate::model::{
    CountTokens, Digest, FanOut, KeepAlive, Keyring, Markers, Mode, Money, Share, Ttl,
};

/// What the user asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent wishes")]
pub struct Settings {
    /// How far a request may be changed.
    pub mode: Mode,
    /// What happens to the caller's own markers.
    pub markers: Markers,
    /// The lifetime class to write with; `None` lets the gaps of the traffic decide.
    pub ttl: Option<Ttl>,
    /// The rules of [`Mode::Reshape`].
    pub rules: crate::canon::Rules,
    /// Whether every conversation is known to have been spelled by these rules since its first
    /// turn; without that promise, requests that may hold signed thinking are never reshaped.
    pub history: crate::canon::History,
    /// To what [`Rule::QuantiseClock`](crate::canon::Rule::QuantiseClock) rounds times down; it must
    /// divide a day.
    pub clock_step: Duration,
    /// How lines begin that [`Rule::DropNonce`](crate::canon::Rule::DropNonce) may remove; `*`
    /// stands for any text within the line.
    pub nonces: Vec<Box<str>>,
    /// Counts short prompts more closely than by length, off the request's path.
    pub counter: Option<Arc<dyn CountTokens>>,
    /// Whether a streamed chat that does not say so is made to report its usage, by one more chunk
    /// without choices at its end.
    pub stream_usage: bool,
    /// Whether models that can keep entries for a day without a fee are asked to. It changes how
    /// long the provider keeps data, so the user decides.
    pub day_retention: bool,
    /// Whether prefixes are rented from providers that keep them for a fee, where that pays. It asks
    /// things of the provider that no call asked for, so the user decides.
    pub explicit_caches: bool,
    /// What may be spent on keeping idle prefixes warm; `None` for no pings at all. Pings are
    /// requests that no call asked for, so the user decides.
    pub keep_alive: Option<KeepAlive>,
    /// What may be spent in a UTC day, over all that the engine sends, on asking providers again for
    /// what they did not grant, while little is known of it; `None` for nothing. Booked is the premium
    /// of one hour on the whole prompt, which is the most that it can cost.
    pub explore_per_day: Option<Money>,
    /// Whether a variant of the decisions takes over where it does better on the traffic than the
    /// policy; see [`leader`](crate::economy::leader).
    pub follow_leader: bool,
    /// Whether calls wait for one that is writing their prefix. It holds up calls, so the user
    /// decides.
    pub fan_out: FanOut,
    /// For how long a call waits at most.
    pub fan_out_wait: Duration,
    /// The share of conversations that pass untouched, to measure what the others save.
    pub holdout: Share,
    /// What differs for requests of one route; see [`Settings::on`].
    pub routes: BTreeMap<Box<str>, Overlay>,
    /// Whether the provider is asked why a prefix was not read, where it answers that. It adds a
    /// member to requests, so the user decides.
    pub provider_diagnostics: bool,
    /// Whether misses carry a line of the prompts' text around the place where they part. It puts
    /// prompt text into the ledger, so the user decides.
    pub excerpts: bool,
    /// Bodies longer than this many bytes go through untouched (32 MiB, Anthropic's own limit for
    /// the Messages API, platform.claude.com errors page, 2026-08).
    pub max_body: usize,
    /// The installation's secret: digests of two installations, or tenants, do not compare.
    pub keyring: Keyring,
}

/// What Claude Code waits at most before it lets a fan-out go (seen in its traffic, 2026-08).
const FAN_OUT_WAIT: Duration = Duration::from_secs(5);

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            markers: Markers::default(),
            ttl: None,
            rules: crate::canon::Rules::default(),
            history: crate::canon::History::default(),
            clock_step: crate::canon::CLOCK_STEP,
            nonces: Vec::new(),
            counter: None,
            stream_usage: false,
            day_retention: false,
            explicit_caches: false,
            keep_alive: None,
            explore_per_day: None,
            follow_leader: false,
            fan_out: FanOut::Off,
            fan_out_wait: FAN_OUT_WAIT,
            holdout: Share::NONE,
            routes: BTreeMap::new(),
            provider_diagnostics: false,
            excerpts: false,
            max_body: 32 << 20,
            keyring: Keyring::new(b"cachewright"),
        }
    }
}

/// Where a request goes and for whom: everything that separates caches but stands outside the body.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Meta<'a> {
    /// Name of the provider row, such as `anthropic`.
    pub provider: &'a str,
    /// Separates accounts: a digest of the key, or a name. Never stored in clear.
    pub account: &'a str,
    /// The user's own tenant.
    pub tenant: &'a str,
    /// The user's own name for this kind of call.
    pub route: &'a str,
    /// The user's own name for the session that the request belongs to, empty where nobody names
    /// it: its conversations take each other's place, and nobody returns to the one before.
    pub session: &'a str,
    /// The set of beta headers, which can change the prefix.
    pub betas: &'a str,
    /// The dialect of the body; empty for the provider's first.
    pub dialect: &'a str,
    /// The model, where the path names it and not the body.
    pub model: &'a str,
    /// Host, region, project: caches do not cross it.
    pub place: &'a str,
    /// Whether the endpoint is a regional one, which some providers charge more for.
    pub regional: bool,
    /// Whether a header of the caller's already steers the request to a machine.
    pub steered: bool,
    /// The model's full name where its prefixes are kept for rent; empty where they cannot be, or
    /// where nobody runs errands.
    pub stored_as: &'a str,
    /// Whether nobody waits for the answer: what the calls that follow will share is to be written,
    /// and no more than that.
    pub prewarm: bool,
}

impl<'a> Meta<'a> {
    /// A request to this provider, for nobody in particular.
    #[must_use]
    pub const fn of(provider: &'a str) -> Self {
        Self {
            provider,
            account: "",
            tenant: "",
            route: "",
            session: "",
            betas: "",
            dialect: "",
            model: "",
            place: "",
            regional: false,
            steered: false,
            stored_as: "",
            prewarm: false,
        }
    }

    /// The key of what is known of the cache of this provider, model and place, whoever asks.
    pub(super) fn behaviour(&self, keyring: &Keyring, model: &str) -> Digest {
        let parts = [self.provider, model, self.place].map(str::as_bytes);
        let [provider, model, place] = parts;
        keyring.scope(&[b"behaviour", provider, model, place])
    }

    /// Everything outside the body that separates caches, as one digest.
    pub(super) fn digest(&self, keyring: &Keyring) -> Digest {
        keyring.scope(&[
            self.provider.as_bytes(),
            self.account.as_bytes(),
            self.tenant.as_bytes(),
            self.betas.as_bytes(),
            self.place.as_bytes(),
            self.model.as_bytes(),
        ])
    }
}
