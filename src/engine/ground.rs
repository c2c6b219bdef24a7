//! What the survey of a request stands on: whom it belongs to, what it would cost, what may lead.

use std::cell::RefCell;

use super::keep::effective;
use super::kept::Kept;
use super::pauses::Pauses;
use super::prepare::Draft;
use super::survey::{Ground, Surveyed, survey};
use crate::economy::Stream;
use crate::economy::leader::Allowed;
use crate::model::{Digest, Section};
use crate::plan::Rates;

/// Digests of prefixes that there is room for at once; hardly any request asks for more.
const DIGESTS: usize = 64;

/// What a request is expected to bring, at which prices, whose pauses it belongs to, and what pings have
/// kept in the one that it ended.
type Weighing = (Rates, (Pauses, Option<Kept>), Surveyed);

impl Draft<'_> {
    /// Takes the request in, and says what is expected of it at which prices.
    pub(super) fn weigh(&self, keys: [Digest; 2], prefix_tokens: Vec<u64>) -> Weighing {
        let rates = self.rates(prefix_tokens.last().copied().unwrap_or(0));
        let (pauses, (mut stream, bout), kept) = self.note(keys, &prefix_tokens);
        let surveyed = self.survey((keys, &pauses, &stream), &rates, prefix_tokens);
        let (_, _, choice, _) = &surveyed;
        stream.class = choice.map(|choice| choice.ttl);
        let memory = &*self.engine.memory;
        pauses.judge(memory, &stream, (&bout, &rates));
        memory.put_stream(pauses.conversation, stream);
        (rates, (pauses, kept), surveyed)
    }

    /// The prices of so many tokens, where warm prefixes of this size are read as often as the provider
    /// was seen to.
    fn rates(&self, tokens: u64) -> Rates {
        let prices = self.model.prices.as_ref();
        let rates = prices.map_or(Rates::USUAL, |prices| Rates::of(prices.tier(tokens)));
        let seen = (&rates, self.now, tokens);
        effective(&*self.engine.memory, &self.behaviour(), seen)
    }

    /// The key of what is known of this provider's cache.
    pub(super) fn behaviour(&self) -> Digest {
        let keyring = &self.engine.settings.keyring;
        self.meta.behaviour(keyring, &self.model.name)
    }

    /// The chance that one hour is granted where it is asked for.
    fn granted(&self) -> f64 {
        let mut granted = 1.0;
        self.engine
            .memory
            .behaviour(&self.behaviour(), &mut |known| {
                granted = known.granted(self.now);
            });
        granted
    }

    /// Keys of what is learned: the scope, and within it the service, which has the same tools and
    /// system prompt in every request.
    pub(super) fn keys(&self) -> [Digest; 2] {
        let keyring = &self.engine.settings.keyring;
        let system = self.prompt().end_of(Section::System);
        let service = system.checked_sub(1).and_then(|at| self.prefix(at));
        [
            keyring.scope(&[b"scope", self.turn.root.as_bytes()]),
            keyring.scope(&[b"service", service.unwrap_or(self.turn.root).as_bytes()]),
        ]
    }

    fn survey(
        &self,
        (keys, pauses, stream): ([Digest; 2], &Pauses, &Stream),
        rates: &Rates,
        prefix_tokens: Vec<u64>,
    ) -> Surveyed {
        let settings = &self.engine.settings;
        let limits = &self.model.limits;
        let ground = Ground {
            nodes: &*self.engine.memory,
            prompt: self.prompt(),
            turn: &self.turn,
            keyring: &settings.keyring,
            keys,
            before: self.before.as_ref(),
            ttl: if self.can_have_an_hour() && self.sells(self.wishes.ttl) {
                self.wishes.ttl
            } else {
                Some(limits.ttl)
            },
            rates,
            lives: &limits.lives,
            stream,
            pauses,
            allowed: self.allowed(),
            granted: self.granted(),
            explores: self.exploration(prefix_tokens.last().copied().unwrap_or(0)),
            pings: self.wishes.keep_alive.is_some(),
            now: self.now,
            digests: RefCell::new(Vec::with_capacity(DIGESTS)),
        };
        self.promised(survey(&ground, prefix_tokens))
    }

    /// The variants that may lead here: none where the user or the provider has settled the class. With
    /// pings the policy decides by itself, as long as no variant knows which of them it sends.
    fn allowed(&self) -> Option<Allowed> {
        let decides = self.can_have_an_hour() && self.wishes.ttl.is_none();
        let follows = self.engine.settings.follow_leader;
        let is_free = follows && self.wishes.keep_alive.is_none();
        let among = || {
            if is_free {
                // How deep to write is settled by the chances of each prefix.
                Allowed::of(|variant| variant.pings == 0 && variant.tail.is_some())
            } else {
                Allowed::POLICY
            }
        };
        decides.then(among)
    }
}
