//! Which conversation is warm where, in bounded memory.
//!
//! Kept by tenant and route: what one tenant left warm is never foreseen for another. Offers are
//! known by backend and model rather than by their place, so that a changed configuration does not
//! mix them up.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::hold::{Hold, Left, Turn, hold};
use super::lesson::Lesson;
use super::shelves::{Kept, Shelves};
use super::{Ask, Network, Offer, Route};
use crate::model::{Digest, Timestamp};

/// Conversations that are remembered, at about 120 bytes each.
const TALKS: usize = 1 << 17;
/// Routes times tenants that are remembered.
const SERVICES: usize = 1 << 13;
/// Offers where one conversation is remembered to be warm.
const HOLDS: usize = 3;
/// Offers where the prefix of a route is remembered to be warm.
const SHARED: usize = 8;
/// Names of offers, of all configurations of a process; beyond them everything is forgotten.
const NAMES: usize = 4096;

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

/// Which conversation is warm where.
///
/// Where there is no room for another conversation, it takes the place of one of the tenant that has
/// the most of those nearby, so that no tenant displaces the others.
#[derive(Clone, Debug)]
pub struct Warmth {
    talks: Shelves<Talk>,
    services: Shelves<Service>,
    /// Backend and model's id of each offer that was learned of; holds name them by their place here,
    /// counted from one.
    names: Vec<(Box<str>, Box<str>)>,
    /// Services begun so far, of which each has its number.
    begun: u64,
}

/// What is known of one conversation.
#[derive(Clone, Debug, Default)]
struct Talk {
    conversation: Digest,
    /// The number of its service.
    service: u64,
    touched: Timestamp,
    turns: u32,
    /// Tokens counted per thousand foreseen; zero for unknown.
    density: u32,
    holds: [Hold; HOLDS],
}

/// What is known of the calls of one tenant on one route.
#[derive(Clone, Debug, Default)]
struct Service {
    tenant: Box<str>,
    route: Box<str>,
    /// Zero for one that has not begun.
    number: u64,
    touched: Timestamp,
    density: u32,
    /// Output tokens of an answer, decayed; `None` before the first.
    output: Option<u64>,
    holds: [Hold; SHARED],
}

/// What is known of one call's prompt, looked up once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    turns: u32,
    density: u32,
    output: Option<u64>,
    /// Place of an offer, and what it holds.
    own: [Option<(usize, u64, Timestamp)>; HOLDS],
    shared: [Option<(usize, u64, Timestamp)>; SHARED],
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
        Self::for_so_many(TALKS, SERVICES)
    }
}

impl Warmth {
    fn for_so_many(talks: usize, services: usize) -> Self {
        Self {
            talks: Shelves::new(talks),
            services: Shelves::new(services),
            names: Vec::new(),
            begun: 0,
        }
    }

    /// Where this call's prompt is warm: as far as its conversation went there, or the prefix that
    /// it shares with other conversations of the route and tenant.
    #[must_use]
    pub fn of(&self, network: &Network, route: &Route, ask: &Ask<'_>, now: Timestamp) -> Vec<Warm> {
        let known = self.known((network, route), ask, now);
        let offers = 0..route.offers.len();
        let warm = offers.filter_map(|offer| {
            let held = known.at(offer);
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
        let Some(place) = self.place(network, offer) else {
            return;
        };
        let place = (place, u16::try_from(lesson.offer).unwrap_or(u16::MAX));
        let Some(number) = self.begin(route, lesson) else {
            return;
        };
        let left = Left::of(lesson, &offer.facts.limits);
        let density = lesson.density(offer);
        let mut turn = Turn::First;
        if let Some(conversation) = lesson.ask.conversation {
            let is_it = |talk: &Talk| talk.conversation == conversation && talk.service == number;
            if let Some(talk) = self.talks.claim(spread(conversation, number), is_it) {
                if talk.turns > 0 {
                    turn = Turn::Later;
                }
                (talk.conversation, talk.service) = (conversation, number);
                talk.touched = talk.touched.max(lesson.at);
                talk.turns = talk.turns.saturating_add(1);
                talk.density = density.unwrap_or(talk.density);
                if let Some(hold) = hold(&mut talk.holds, place.0) {
                    hold.take(&left, place);
                }
            }
        }
        if let Some(service) = self.service_mut(route, &lesson.ask) {
            service.learn(lesson.usage.output, density);
            if let Some(hold) = hold(&mut service.holds, place.0) {
                let was = hold.expected(place.0, lesson.at);
                hold.take(&left.shared(lesson, was, turn), place);
            }
        }
    }

    /// What is known of this call's prompt.
    pub(super) fn known(
        &self,
        (network, route): (&Network, &Route),
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Known {
        let mut known = Known {
            turns: 0,
            density: 0,
            output: None,
            own: [None; HOLDS],
            shared: [None; SHARED],
        };
        let (hash, is_it) = service(route, ask);
        let Some(service) = self.services.find(hash, is_it) else {
            return known;
        };
        known.density = service.density;
        known.output = service.output;
        let live = |hold: &Hold| {
            let (tokens, until) = hold.live(now)?;
            Some((self.offer(network, route, hold)?, tokens, until))
        };
        for (held, hold) in known.shared.iter_mut().zip(&service.holds) {
            *held = live(hold);
        }
        let talk = ask.conversation.and_then(|conversation| {
            let number = service.number;
            let is_it = |talk: &Talk| talk.conversation == conversation && talk.service == number;
            self.talks.find(spread(conversation, number), is_it)
        });
        if let Some(talk) = talk {
            known.turns = talk.turns;
            known.density = if talk.density > 0 {
                talk.density
            } else {
                known.density
            };
            for (held, hold) in known.own.iter_mut().zip(&talk.holds) {
                *held = live(hold);
            }
        }
        known
    }

    /// The offer of this route that a hold names: most often where it stood.
    fn offer(&self, network: &Network, route: &Route, hold: &Hold) -> Option<usize> {
        let place = usize::from(hold.place).checked_sub(1)?;
        let (backend, id) = self.names.get(place)?;
        let is_it = |offer: &Offer| {
            let found = network.backends.get(offer.backend);
            offer.id == *id && found.is_some_and(|found| found.name == *backend)
        };
        let stood = usize::from(hold.offer);
        if route.offers.get(stood).is_some_and(is_it) {
            return Some(stood);
        }
        route.offers.iter().position(is_it)
    }

    /// The place among the names of an offer's, which is made where there is none.
    fn place(&mut self, network: &Network, offer: &Offer) -> Option<u16> {
        let backend = &network.backends.get(offer.backend)?.name;
        let is_it = |(name, id): &(Box<str>, Box<str>)| name == backend && *id == offer.id;
        let known = self.names.iter().position(is_it);
        let place = known.unwrap_or_else(|| {
            if self.names.len() >= NAMES {
                *self = Self::default();
            }
            self.names.push((backend.clone(), offer.id.clone()));
            self.names.len().saturating_sub(1)
        });
        u16::try_from(place.saturating_add(1)).ok()
    }

    fn service_mut(&mut self, route: &Route, ask: &Ask<'_>) -> Option<&mut Service> {
        let (hash, is_it) = service(route, ask);
        self.services.claim(hash, is_it)
    }

    /// The number of the service of this call.
    fn begin(&mut self, route: &Route, lesson: &Lesson<'_>) -> Option<u64> {
        let next = self.begun.saturating_add(1);
        let service = self.service_mut(route, &lesson.ask)?;
        service.touched = service.touched.max(lesson.at);
        if service.number == 0 {
            service.number = next;
            service.tenant = lesson.ask.tenant.into();
            service.route = route.name.clone();
            self.begun = next;
            return Some(next);
        }
        Some(service.number)
    }
}

impl Service {
    fn learn(&mut self, output: Option<u64>, density: Option<u32>) {
        self.density = match (self.density, density) {
            (was, None) => was,
            (0, Some(now)) => now,
            (was, Some(now)) => (was.saturating_mul(3).saturating_add(now)) / 4,
        };
        self.output = match (self.output, output) {
            (was, None) => was,
            (None, now) => now,
            (Some(was), Some(now)) => Some(was.saturating_mul(7).saturating_add(now) / 8),
        };
    }
}

impl Kept for Talk {
    fn owner(&self) -> u64 {
        self.service
    }

    fn touched(&self) -> Timestamp {
        self.touched
    }
}

impl Kept for Service {
    fn owner(&self) -> u64 {
        0
    }

    fn touched(&self) -> Timestamp {
        self.touched
    }
}

impl Known {
    /// What the offer at this place of the route holds.
    pub(super) fn at(&self, offer: usize) -> Held {
        let held = |all: &[Option<(usize, u64, Timestamp)>]| {
            let mut all = all.iter().flatten();
            let found = all.find(|(place, ..)| *place == offer);
            found.map(|(_, tokens, until)| (*tokens, *until))
        };
        Held {
            own: held(&self.own),
            shared: held(&self.shared),
        }
    }

    /// Turns of the conversation so far.
    pub(super) const fn turns(&self) -> u32 {
        self.turns
    }

    /// Tokens that were counted per thousand foreseen: of the conversation's last prompt, otherwise
    /// of the route's.
    pub(super) fn density(&self) -> Option<u64> {
        (self.density > 0).then_some(u64::from(self.density))
    }

    /// Output tokens of the route's answers, decayed.
    pub(super) const fn output(&self) -> Option<u64> {
        self.output
    }
}

/// The calls of one tenant on one route: their hash, and how they are told from others with it.
fn service(route: &Route, ask: &Ask<'_>) -> (u64, impl Fn(&Service) -> bool) {
    let (tenant, name) = (ask.tenant, &route.name);
    let hash = xxh3_64_with_seed(tenant.as_bytes(), xxh3_64(name.as_bytes()));
    (hash, move |service: &Service| {
        service.number > 0 && *service.tenant == *tenant && service.route == *name
    })
}

/// A hash of a conversation's digest, which is evenly spread already.
fn spread(conversation: Digest, service: u64) -> u64 {
    let (head, _) = conversation
        .as_bytes()
        .split_first_chunk::<8>()
        .unwrap_or((&[0; 8], &[]));
    let mixed = u64::from_le_bytes(*head) ^ service.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::Record;
    use crate::model::{Regime, Usage};
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
        sample.state.warmth = Warmth::for_so_many(64, 8);
        for number in 0_u32..2_000 {
            let mut flood = lesson(0, 0, [5, 0, 40_000, 0]);
            let mut digest = [0; 16];
            digest[..4].copy_from_slice(&number.to_le_bytes());
            flood.ask.conversation = Some(Digest::from_bytes(digest));
            let tenant = format!("tenant {number}");
            flood.ask.tenant = &tenant;
            flood.at = at(u64::from(number) / 100);
            learn(&mut sample, &flood);
            if number % 4 == 0 {
                let seconds = u64::from(number) / 100;
                learn(&mut sample, &lesson(0, seconds, [5, 0, 40_000, 0]));
            }
        }
        assert_eq!(warm(&sample, &ask(80_000), 20), [(0, 40_000)]);
        let Warmth {
            talks, services, ..
        } = &sample.state.warmth;
        assert!(talks.len() <= 64 && services.len() <= 8);
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
