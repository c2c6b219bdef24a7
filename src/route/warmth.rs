//! Which conversation is warm where, in bounded memory.
//!
//! Kept by tenant and route: what one tenant left warm is never foreseen for another. Offers are
//! known by backend and model rather than by their place, so that a changed configuration does not
//! mix them up.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::ages::Ages;
use super::price::foreseen;
use super::{Ask, Network, Offer, Route};
use crate::ledger::Record;
use crate::model::{Digest, Limits, Regime, Timestamp, Ttl, Usage};

/// Conversations of one generation; two are kept, at about 200 bytes each.
const TALKS: usize = 1 << 16;
/// Routes times tenants of one generation.
const SERVICES: usize = 1 << 12;
/// Offers where one conversation is remembered to be warm.
const HOLDS: usize = 3;
/// Offers where the prefix of a route is remembered to be warm.
const SHARED: usize = 8;
/// Tokens per thousand that were foreseen: none below the first nor above the last is believed.
const DENSITY: [u64; 2] = [20, 4000];

/// A prefix that a backend holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warm {
    /// Place of the offer in its route.
    pub offer: usize,
    /// Tokens that the next turn can read there, as the provider counted them.
    pub tokens: u64,
    /// Until when.
    pub until: Timestamp,
    /// Turns of the conversation seen so far, wherever they went.
    pub turns: u32,
}

/// What an exchange tells of the next ones.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Lesson<'a> {
    /// The call.
    pub ask: Ask<'a>,
    /// Place in the route of the offer that served it.
    pub offer: usize,
    /// When the request was sent: lifetimes count from then.
    pub at: Timestamp,
    /// What the provider reported.
    pub usage: Usage,
    /// Tokens of tools and system prompt: what other conversations of the route may read of it.
    pub shared: u64,
}

/// Which conversation is warm where.
#[derive(Clone, Debug)]
pub struct Warmth {
    talks: Ages<(Digest, Digest), Talk>,
    services: Ages<Digest, Service>,
}

/// What is known of one conversation.
#[derive(Clone, Copy, Debug, Default)]
struct Talk {
    turns: u32,
    /// Tokens counted per thousand foreseen; zero for unknown.
    density: u32,
    holds: [Hold; HOLDS],
}

/// What is known of the calls of one tenant on one route.
#[derive(Clone, Copy, Debug, Default)]
struct Service {
    density: u32,
    /// Output tokens of an answer, decayed; `None` before the first.
    output: Option<u64>,
    holds: [Hold; SHARED],
}

/// What one offer holds: a prefix of a short-lived class, and within it one of the one-hour class.
#[derive(Clone, Copy, Debug, Default)]
struct Hold {
    /// The offer; zero for none.
    spot: u64,
    at: Timestamp,
    tokens: u64,
    until: Timestamp,
    long: u64,
    long_until: Timestamp,
}

/// What is known of one call's prompt, looked up once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    talk: Option<&'a Talk>,
    service: Option<&'a Service>,
    now: Timestamp,
}

/// What an offer holds of one call's prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Of this very conversation, and until when.
    pub(super) own: Option<(u64, Timestamp)>,
    /// Of the prefix that conversations of the route share.
    pub(super) shared: Option<(u64, Timestamp)>,
}

impl Default for Warmth {
    fn default() -> Self {
        Self {
            talks: Ages::new(TALKS),
            services: Ages::new(SERVICES),
        }
    }
}

impl Warmth {
    /// Where this call's prompt is warm: as far as its conversation went there, or the prefix that
    /// it shares with other conversations of the route and tenant.
    #[must_use]
    pub fn of(&self, network: &Network, route: &Route, ask: &Ask<'_>, now: Timestamp) -> Vec<Warm> {
        let known = self.known(route, ask, now);
        let offers = 0..route.offers.len();
        let warm = offers.filter_map(|offer| {
            let held = known.at(spot(network, route.offers.get(offer)?)?);
            let (tokens, until) = held.own.max(held.shared)?;
            Some(Warm {
                offer,
                tokens,
                until,
                turns: known.turns(),
            })
        });
        warm.collect()
    }

    /// Takes in what an exchange left warm; to be told of each that has usage.
    pub fn learn(&mut self, network: &Network, route: &Route, lesson: &Lesson<'_>) {
        let Some(offer) = route.offers.get(lesson.offer) else {
            return;
        };
        let Some(spot) = spot(network, offer) else {
            return;
        };
        let key = key(route, &lesson.ask);
        let left = Left::of(lesson, &offer.facts.limits);
        let density = density(lesson, offer);
        let mut is_first = true;
        if let Some(conversation) = lesson.ask.conversation {
            let talk = self.talks.touch((conversation, key));
            is_first = talk.turns == 0;
            talk.turns = talk.turns.saturating_add(1);
            talk.density = density.unwrap_or(talk.density);
            if let Some(hold) = place(&mut talk.holds, spot) {
                hold.take(&left, spot);
            }
        }
        let service = self.services.touch(key);
        service.density = match (service.density, density) {
            (was, None) => was,
            (0, Some(now)) => now,
            (was, Some(now)) => (was.saturating_mul(3).saturating_add(now)) / 4,
        };
        service.output = match (service.output, lesson.usage.output) {
            (was, None) => was,
            (None, now) => now,
            (Some(was), Some(now)) => Some(was.saturating_mul(7).saturating_add(now) / 8),
        };
        if let Some(hold) = place(&mut service.holds, spot) {
            let shared = left.shared(
                lesson,
                hold.is_live(spot, lesson.at).then_some(hold.tokens),
                is_first,
            );
            hold.take(&shared, spot);
        }
    }

    /// What is known of this call's prompt.
    pub(super) fn known(&self, route: &Route, ask: &Ask<'_>, now: Timestamp) -> Known<'_> {
        let key = key(route, ask);
        let conversation = ask.conversation;
        Known {
            talk: conversation.and_then(|conversation| self.talks.get(&(conversation, key))),
            service: self.services.get(&key),
            now,
        }
    }
}

impl<'a> Lesson<'a> {
    /// What this call left warm at an offer, by what the provider reported of the request that was
    /// sent at `at`.
    #[must_use]
    pub const fn new(ask: Ask<'a>, offer: usize, at: Timestamp, usage: Usage) -> Self {
        Self {
            ask,
            offer,
            at,
            usage,
            shared: 0,
        }
    }

    /// What the exchange of this call at an offer left warm; `None` where no usage was reported.
    #[must_use]
    pub fn of(ask: Ask<'a>, offer: usize, record: &Record) -> Option<Self> {
        let usage = record.usage?;
        let input = usage.input()?;
        let [tools, system, _] = record.sections;
        // Estimated like the whole, so that the share is better known than the figure.
        let shared = u128::from(tools.saturating_add(system)) * u128::from(input);
        let shared = shared.checked_div(u128::from(record.estimated_input));
        let shared = shared.and_then(|tokens| u64::try_from(tokens).ok());
        Some(Self {
            shared: shared.unwrap_or(0).min(input),
            ..Self::new(ask, offer, record.at, usage)
        })
    }
}

impl Known<'_> {
    /// What the offer at this spot holds.
    pub(super) fn at(&self, spot: u64) -> Held {
        let live = |holds: &[Hold]| {
            let mut holds = holds.iter();
            holds.find(|hold| hold.spot == spot)?.live(self.now)
        };
        Held {
            own: self.talk.and_then(|talk| live(&talk.holds)),
            shared: self.service.and_then(|service| live(&service.holds)),
        }
    }

    /// Turns of the conversation so far.
    pub(super) fn turns(&self) -> u32 {
        self.talk.map_or(0, |talk| talk.turns)
    }

    /// Tokens that were counted per thousand foreseen: of the conversation's last prompt, otherwise
    /// of the route's.
    pub(super) fn density(&self) -> Option<u64> {
        let talk = self.talk.map_or(0, |talk| talk.density);
        let service = self.service.map_or(0, |service| service.density);
        let density = if talk > 0 { talk } else { service };
        (density > 0).then_some(u64::from(density))
    }

    /// Output tokens of the route's answers, decayed.
    pub(super) fn output(&self) -> Option<u64> {
        self.service.and_then(|service| service.output)
    }
}

/// What a request left in a provider's cache.
#[derive(Clone, Copy, Debug)]
struct Left {
    at: Timestamp,
    tokens: u64,
    until: Timestamp,
    /// Tokens of a prefix that was written with the one-hour class.
    long: u64,
    read: u64,
}

impl Left {
    fn of(lesson: &Lesson<'_>, limits: &Limits) -> Self {
        let usage = &lesson.usage;
        let read = usage.read.unwrap_or(0);
        let automatic = usage.input().filter(|_| limits.regime == Regime::Automatic);
        let cached = |input: &u64| *input >= limits.min_tokens && !limits.is_beyond(*input);
        let told = read.saturating_add(usage.written().unwrap_or(0));
        let class = match usage.write_30m {
            Some(1..) => Ttl::HalfHour,
            _ => limits.ttl,
        };
        let hours = usage.write_1h.filter(|tokens| *tokens > 0);
        Self {
            at: lesson.at,
            tokens: automatic.filter(cached).unwrap_or(0).max(told),
            until: lesson.at.plus(class.duration()),
            long: hours.map_or(0, |written| read.saturating_add(written)),
            read,
        }
    }

    /// The part that other conversations can read: `was` is what was expected of it before.
    fn shared(&self, lesson: &Lesson<'_>, was: Option<u64>, is_first: bool) -> Self {
        let most = lesson.shared.min(self.tokens);
        let tokens = match was {
            // What first turns do read is better than what they should: conversations of one route
            // need not have the same tools and system prompt.
            Some(was) if is_first => {
                let seen = match lesson.ask.conversation {
                    Some(_) => self.read.min(lesson.shared),
                    None => self.read,
                };
                was.saturating_mul(3).saturating_add(seen) / 4
            }
            Some(was) => was,
            None => most,
        };
        Self {
            tokens,
            long: self.long.min(tokens),
            read: self.read.min(tokens),
            ..*self
        }
    }
}

impl Hold {
    fn is_live(&self, spot: u64, now: Timestamp) -> bool {
        self.spot == spot && now < self.until.max(self.long_until)
    }

    /// Tokens that can be read, and until when.
    fn live(&self, now: Timestamp) -> Option<(u64, Timestamp)> {
        let whole = if self.long < self.tokens {
            self.until
        } else {
            self.until.max(self.long_until)
        };
        let whole = Some((self.tokens, whole)).filter(|(_, until)| now < *until);
        let held =
            whole.or_else(|| Some((self.long, self.long_until)).filter(|(_, until)| now < *until));
        held.filter(|(tokens, _)| *tokens > 0)
    }

    fn take(&mut self, left: &Left, spot: u64) {
        // A request that was sent before another may end after it.
        if left.at < self.at && self.is_live(spot, left.at) {
            return;
        }
        let before = if left.at < self.long_until && self.spot == spot {
            self.long
        } else {
            0
        };
        // Reading an entry of the one-hour class keeps it for an hour more.
        let long = left.long.max(before.min(left.read)).min(left.tokens);
        *self = Self {
            spot,
            at: left.at,
            tokens: left.tokens,
            until: left.until,
            long,
            long_until: if long > 0 {
                left.at.plus(Ttl::OneHour.duration())
            } else {
                Timestamp::default()
            },
        };
    }
}

/// The hold of this spot; otherwise the one that ends first, to be written over.
fn place(holds: &mut [Hold], spot: u64) -> Option<&mut Hold> {
    let holds = holds.iter_mut();
    holds.min_by_key(|hold| (hold.spot != spot, hold.until.max(hold.long_until)))
}

/// Tokens counted per thousand foreseen.
fn density(lesson: &Lesson<'_>, offer: &Offer) -> Option<u32> {
    let foreseen = foreseen(&lesson.ask, &offer.facts);
    let counted = lesson.usage.input()?.saturating_mul(1000);
    let [least, most] = DENSITY;
    let density = counted.checked_div(foreseen)?.clamp(least, most);
    u32::try_from(density).ok()
}

/// What names an offer beyond one configuration: its backend and the model's id there.
pub(super) fn spot(network: &Network, offer: &Offer) -> Option<u64> {
    let backend = network.backends.get(offer.backend)?;
    let name = xxh3_64(backend.name.as_bytes());
    Some(xxh3_64_with_seed(offer.id.as_bytes(), name).max(1))
}

/// The calls of one tenant on one route.
fn key(route: &Route, ask: &Ask<'_>) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for part in [ask.tenant, &*route.name] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let hash = hasher.finalize();
    Digest::from_bytes(hash.as_bytes().first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::route::samples::{Sample, ask};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default().plus(Duration::from_secs(seconds))
    }

    fn learn(sample: &mut Sample, lesson: &Lesson<'_>) {
        let Sample { network, state, .. } = sample;
        state.warmth.learn(network, &network.routes[0], lesson);
    }

    fn lesson(offer: usize, seconds: u64, counts: [u64; 4]) -> Lesson<'static> {
        let [plain, read, five, hour] = counts;
        let usage = Usage::reported(plain, read, five, hour, 100);
        Lesson::new(ask(80_000), offer, at(seconds), usage)
    }

    /// Offer and tokens of all that is warm for a call.
    fn warm(sample: &Sample, ask: &Ask<'_>, seconds: u64) -> Vec<(usize, u64)> {
        let Sample { network, state, .. } = sample;
        let warm = state
            .warmth
            .of(network, &network.routes[0], ask, at(seconds));
        warm.iter().map(|warm| (warm.offer, warm.tokens)).collect()
    }

    fn another() -> Ask<'static> {
        Ask {
            conversation: Some(Digest::from_bytes([8; 16])),
            ..ask(80_000)
        }
    }

    #[test]
    fn a_conversation_is_warm_where_it_went_and_as_long_as_its_class_lives() {
        let mut sample = Sample::new(&["a", "b"]);
        learn(&mut sample, &lesson(1, 10, [5, 0, 40_000, 0]));
        assert_eq!(warm(&sample, &ask(80_000), 309), [(1, 40_000)]);
        assert_eq!(warm(&sample, &ask(80_000), 310), []);
        // A read keeps it for as long again, counted from when the request was sent.
        learn(&mut sample, &lesson(1, 300, [5, 40_000, 1_000, 0]));
        assert_eq!(warm(&sample, &ask(80_000), 599), [(1, 41_000)]);
        learn(&mut sample, &lesson(0, 400, [5, 0, 41_000, 0]));
        assert_eq!(warm(&sample, &ask(80_000), 450), [(0, 41_000), (1, 41_000)]);
    }

    #[test]
    fn the_part_of_the_hour_outlives_the_rest() {
        let mut sample = Sample::new(&["a"]);
        learn(&mut sample, &lesson(0, 0, [5, 0, 30_000, 10_000]));
        assert_eq!(warm(&sample, &ask(80_000), 299), [(0, 40_000)]);
        assert_eq!(warm(&sample, &ask(80_000), 3_599), [(0, 10_000)]);
        // Its class is remembered where it is only read.
        learn(&mut sample, &lesson(0, 1_000, [5, 10_000, 30_000, 0]));
        assert_eq!(warm(&sample, &ask(80_000), 4_599), [(0, 10_000)]);
        assert_eq!(warm(&sample, &ask(80_000), 4_600), []);
        // Near miss: what was read then was less than that.
        learn(&mut sample, &lesson(0, 4_000, [5, 2_000, 38_000, 0]));
        assert_eq!(warm(&sample, &ask(80_000), 7_000), [(0, 2_000)]);
    }

    #[test]
    fn what_was_sent_earlier_and_ends_later_changes_nothing() {
        let mut sample = Sample::new(&["a"]);
        learn(&mut sample, &lesson(0, 100, [5, 0, 40_000, 0]));
        learn(&mut sample, &lesson(0, 90, [5, 0, 20_000, 0]));
        assert_eq!(warm(&sample, &ask(80_000), 395), [(0, 40_000)]);
    }

    #[test]
    fn other_conversations_of_the_route_share_tools_and_system_prompt() {
        let mut sample = Sample::new(&["a"]);
        let mut first = lesson(0, 0, [5, 0, 40_000, 0]);
        first.shared = 8_000;
        learn(&mut sample, &first);
        assert_eq!(warm(&sample, &another(), 299), [(0, 8_000)]);
        assert_eq!(warm(&sample, &another(), 300), []);
        // Near misses: another tenant, another route.
        let mut call = another();
        call.tenant = "acme2";
        assert_eq!(warm(&sample, &call, 10), []);
        call = ask(80_000);
        call.tenant = "";
        assert_eq!(warm(&sample, &call, 10), []);
        sample.route().name = "voice".into();
        assert_eq!(warm(&sample, &another(), 10), []);
    }

    #[test]
    fn first_turns_that_read_nothing_lower_what_is_expected() {
        let mut sample = Sample::new(&["a"]);
        let mut one = lesson(0, 0, [5, 0, 40_000, 0]);
        one.shared = 8_000;
        learn(&mut sample, &one);
        one.ask = another();
        learn(&mut sample, &one);
        let third = Ask {
            conversation: Some(Digest::from_bytes([9; 16])),
            ..ask(80_000)
        };
        assert_eq!(warm(&sample, &third, 10), [(0, 6_000)]);
        // A later turn says nothing of first ones.
        learn(&mut sample, &one);
        assert_eq!(warm(&sample, &third, 10), [(0, 6_000)]);
    }

    #[test]
    fn offers_are_known_by_name_and_not_by_place() {
        let mut sample = Sample::new(&["a", "b"]);
        learn(&mut sample, &lesson(1, 0, [5, 0, 40_000, 0]));
        sample.network.backends.swap(0, 1);
        assert_eq!(warm(&sample, &ask(80_000), 10), [(0, 40_000)]);
        sample.route().offers[0].id = "another-model".into();
        assert_eq!(warm(&sample, &ask(80_000), 10), []);
    }

    #[test]
    fn automatic_caches_hold_what_is_long_enough() {
        let mut sample = Sample::new(&["a"]);
        sample.route().offers[0].facts.limits.regime = Regime::Automatic;
        learn(&mut sample, &lesson(0, 0, [40_000, 0, 0, 0]));
        assert_eq!(warm(&sample, &ask(80_000), 10), [(0, 40_000)]);
        learn(&mut sample, &lesson(0, 1, [511, 0, 0, 0]));
        assert_eq!(warm(&sample, &ask(80_000), 10), []);
        sample.route().offers[0].facts.limits.regime = Regime::Breakpoints;
        learn(&mut sample, &lesson(0, 2, [40_000, 0, 0, 0]));
        assert_eq!(warm(&sample, &ask(80_000), 10), []);
    }

    #[test]
    fn memory_stays_bounded_and_a_talk_that_goes_on_is_kept() {
        let mut sample = Sample::new(&["a"]);
        sample.state.warmth = Warmth {
            talks: Ages::new(64),
            services: Ages::new(8),
        };
        for number in 0_u32..2_000 {
            let mut flood = lesson(0, 0, [5, 0, 40_000, 0]);
            let mut digest = [0; 16];
            digest[..4].copy_from_slice(&number.to_le_bytes());
            flood.ask.conversation = Some(Digest::from_bytes(digest));
            let tenant = format!("tenant {number}");
            flood.ask.tenant = &tenant;
            learn(&mut sample, &flood);
            if number % 16 == 0 {
                learn(&mut sample, &lesson(0, 0, [5, 0, 40_000, 0]));
            }
        }
        assert_eq!(warm(&sample, &ask(80_000), 10), [(0, 40_000)]);
        let Warmth { talks, services } = &sample.state.warmth;
        assert!(talks.len() <= 192 && services.len() <= 24);
    }

    #[test]
    fn a_record_says_what_is_shared_in_the_provider_s_tokens() {
        let mut record = Record::default();
        assert!(Lesson::of(ask(10), 0, &record).is_none());
        record.usage = Some(Usage::reported(100, 0, 10_900, 0, 5));
        record.sections = [1_000, 1_500, 7_500];
        record.estimated_input = 10_000;
        let lesson = Lesson::of(ask(10), 3, &record).unwrap();
        assert_eq!((lesson.shared, lesson.offer), (2_750, 3));
        record.estimated_input = 0;
        assert_eq!(Lesson::of(ask(10), 3, &record).unwrap().shared, 0);
    }
}
