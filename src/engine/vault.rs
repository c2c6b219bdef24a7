//! Explicit caches: prefixes that the provider keeps under a name, for rent by the hour.
//!
//! Opt-in, since it asks things of the provider that no call of the user's asked for. What is kept
//! is a service's tools and system prompt. Whether that pays is a matter of pace: with `n` requests
//! expected while it is rented, each of which would have had a share `h` of it from the provider's
//! own cache anyway, renting wins where `n · (1 − h) · (1 − r) > 1 + storage · time ÷ input`, and
//! what is rented is kept where `n · (1 − h) · (1 − r) > storage · time ÷ input`.
//!
//! `n` counts the requests of the last rent, faded, and not the one that asks: a prompt that comes
//! once is never rented, and what is rented has been paid for in vain about once before.

use std::time::Duration;

use bytes::Bytes;

use super::{Engine, Meta};
use crate::ledger::Record;
use crate::ledger::history::{Held, Learned, RENT_SECS};
use crate::model::{Digest, Member, Money, Plan, PriceTier, Section, Timestamp, Usage};
use crate::provider::Model;
use crate::wire::{Edit, Remembered, member_value, remove_members};

/// How long an explicit cache is rented at a time; it is extended while that pays. Vertex AI takes
/// no less than a minute (docs.cloud.google.com context-cache, 2026-09).
pub const RENT: Duration = Duration::from_secs(RENT_SECS as u64);

/// An entry that ends sooner than this is not used any more: the request must arrive before.
const MARGIN: Duration = Duration::from_secs(15);

/// While an errand may be out, no other is sent for the same prefix.
const OUT: Duration = Duration::from_secs(180);

/// After an errand that failed, none is sent for twice this time; after two, for twice that, and so
/// on.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the patience is doubled, at most: to an hour. A refusal takes it there at once.
const DOUBLINGS: u32 = 6;

/// Members that move into the cache.
const KEPT: [&str; 3] = ["systemInstruction", "system_instruction", "tools"];

/// Members with which a request cannot use a cache, or already does.
const EXCLUDED: [&str; 4] = [
    "cachedContent",
    "cached_content",
    "toolConfig",
    "tool_config",
];

/// Something to be asked of the provider beside the user's calls.
///
/// Its body holds prompt text, so that it is not shown.
#[derive(Clone)]
#[non_exhaustive]
pub struct Errand {
    /// What is asked.
    pub kind: ErrandKind,
    /// The body; empty where a name says all.
    pub body: Bytes,
    key: Digest,
    tokens: u64,
    /// Until when it is rented and paid for already.
    paid_until: Option<Timestamp>,
    model: Box<str>,
}

/// What is asked of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an adapter must know every errand")]
pub enum ErrandKind {
    /// Keep this prefix.
    Create,
    /// Keep the one of this name for longer.
    Extend(Box<str>),
    /// Keep the one of this name no longer.
    Delete(Box<str>),
}

impl ErrandKind {
    /// The name in labels.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Extend(_) => "extend",
            Self::Delete(_) => "delete",
        }
    }
}

/// What came of an errand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an adapter must tell one of these")]
pub enum Outcome {
    /// It is kept for one [`RENT`] from when that was asked.
    Kept {
        /// Under this name.
        name: Box<str>,
        /// Its tokens, if the provider says.
        tokens: Option<u64>,
        /// When that was asked.
        asked: Timestamp,
    },
    /// It is kept no longer.
    Deleted,
    /// The provider does not want to, and will not soon.
    Refused {
        /// The status of its answer.
        status: u16,
    },
    /// There was no answer, or none that says anything.
    Failed {
        /// The status of the answer; zero when there was none.
        status: u16,
    },
}

impl Errand {
    /// The errand that ends what this one has brought about: what is held, with so many tokens if the
    /// provider said so.
    #[must_use]
    pub fn undone(&self, held: &Held, tokens: Option<u64>) -> Self {
        Self {
            tokens: tokens.unwrap_or(self.tokens),
            kind: ErrandKind::Delete(held.name.clone()),
            body: Bytes::new(),
            paid_until: Some(held.until),
            ..self.clone()
        }
    }

    /// Tells prefixes apart.
    #[must_use]
    pub const fn key(&self) -> Digest {
        self.key
    }
}

impl std::fmt::Debug for Errand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Errand")
            .field("kind", &self.kind)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}

/// A prefix that could be rented.
#[derive(Clone, Debug)]
pub(super) struct Rented {
    /// Its tokens, estimated.
    pub(super) tokens: u64,
    /// The name under which it is rented, if it is and this request uses that.
    pub(super) used: Option<Box<str>>,
}

/// One request as far as explicit caches go.
pub(super) struct Vault<'a> {
    pub(super) engine: &'a Engine,
    pub(super) body: &'a Remembered,
    pub(super) model: &'a Model,
    pub(super) meta: &'a Meta<'a>,
    /// Digest of everything with the same tools and system prompt.
    pub(super) service: Digest,
    /// Estimated tokens of tools and system prompt.
    pub(super) tokens: u64,
    pub(super) now: Timestamp,
}

impl Vault<'_> {
    /// Whether the prefix of this request could be kept at all.
    pub(super) fn fits(&self) -> bool {
        let wishes = self.engine.settings.on(self.meta.route);
        wishes.explicit_caches
            && !self.meta.stored_as.is_empty()
            && self.body.prompt.end_of(Section::System) > 0
            && self.tokens >= self.model.storage_min
            && EXCLUDED
                .iter()
                .all(|name| member_value(self.body, name).is_none())
    }

    /// Uses the prefix if it is kept, and says under which name.
    pub(super) fn open(&self, plan: &mut Plan, edits: &mut Vec<Edit>) -> Rented {
        let held = self.held();
        if let Some(name) = &held {
            edits.extend(remove_members(self.body, &KEPT));
            let member = Member::new("cachedContent", format!("\"{name}\""));
            plan.members.push(member);
        }
        Rented {
            tokens: self.tokens,
            used: held,
        }
    }

    /// The name under which the prefix is kept, if it is and for long enough.
    fn held(&self) -> Option<Box<str>> {
        let mut held = None;
        let memory = &self.engine.memory;
        memory.learned(&self.service, &mut |learned| held.clone_from(&learned.held));
        let held = held.filter(|held| held.until.since(self.now) > MARGIN)?;
        Some(held.name)
    }

    /// What is worth asking of the provider now. Books the request's visit.
    pub(super) fn errand(&self) -> Option<Errand> {
        let mut errand = None;
        self.engine.memory.learn(self.service, &mut |learned| {
            errand = self.worth(learned);
            learned.visits.observe(self.now);
            if errand.is_some() {
                learned.errand_until = Some(self.now.plus(OUT));
            }
        });
        errand
    }

    fn worth(&self, learned: &Learned) -> Option<Errand> {
        if learned.errand_until.is_some_and(|until| self.now < until) {
            return None;
        }
        let (tier, storage) = prices(self.model, self.meta, self.tokens)?;
        let rent = rent(storage, self.tokens, RENT);
        let each = (tier.input - tier.read).times(self.tokens);
        let gain = gained(learned, each, self.now);
        let held = learned.held.as_ref().filter(|held| held.until > self.now);
        let kind = match held {
            None if gain > tier.input.times(self.tokens) + rent => ErrandKind::Create,
            Some(held) if held.until.since(self.now) < RENT / 2 && gain > rent => {
                ErrandKind::Extend(held.name.clone())
            }
            _ => return None,
        };
        Some(Errand {
            body: self.letter(&kind),
            paid_until: held.map(|held| held.until),
            kind,
            key: self.service,
            tokens: self.tokens,
            model: self.model.name.clone(),
        })
    }

    /// The body of an errand, in the caller's own bytes.
    fn letter(&self, kind: &ErrandKind) -> Bytes {
        let mut out = format!("{{\"ttl\":\"{}s\"", RENT.as_secs()).into_bytes();
        if *kind == ErrandKind::Create {
            let model = self.meta.stored_as;
            out.extend_from_slice(format!(",\"model\":\"{model}\"").as_bytes());
            for name in KEPT {
                if let Some(value) = member_value(self.body, name) {
                    out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                    out.extend_from_slice(value);
                }
            }
        }
        out.push(b'}');
        out.into()
    }
}

/// What tokens of a prefix of this length cost at this endpoint, and what they cost per hour.
fn prices(model: &Model, meta: &Meta<'_>, tokens: u64) -> Option<(PriceTier, Money)> {
    let percent = if meta.regional {
        model.regional_percent
    } else {
        0
    };
    let prices = model.prices?.dearer_by(percent);
    let storage = model.storage_hour?.as_pico();
    let storage = storage.saturating_mul(100 + i128::from(percent)) / 100;
    Some((*prices.tier(tokens), Money::from_pico(storage)))
}

/// What keeping so many tokens for so long costs.
fn rent(storage_hour: Money, tokens: u64, time: Duration) -> Money {
    let micros = i128::try_from(time.as_micros()).unwrap_or(i128::MAX);
    let hour = storage_hour.times(tokens).as_pico();
    Money::from_pico(hour.saturating_mul(micros) / 3_600_000_000)
}

/// What the requests of one rent are expected to save: those that the provider would not have
/// served from its own cache.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    reason = "an expectation decides what is tried, never what is booked; `as` saturates"
)]
fn gained(learned: &Learned, each: Money, now: Timestamp) -> Money {
    let requests = learned.visits.expected(now);
    let parts = (requests * (1.0 - learned.implicit.share()) * 1000.0) as i128;
    Money::from_pico(each.as_pico().saturating_mul(parts) / 1000)
}

/// Writes down what came of an errand, and what it cost: the prefix once as plain input where it
/// was created, the time that was added to its rent, and less than nothing where time that was paid
/// for is given back.
pub(super) fn done(
    engine: &Engine,
    now: Timestamp,
    meta: &Meta<'_>,
    errand: &Errand,
    outcome: &Outcome,
) -> Record {
    let tokens = match outcome {
        Outcome::Kept { tokens, .. } => tokens.unwrap_or(errand.tokens),
        Outcome::Deleted | Outcome::Refused { .. } | Outcome::Failed { .. } => errand.tokens,
    };
    let model = engine.catalog.model(meta.provider, &errand.model);
    let prices = prices(&model, meta, tokens);
    let rented = |time| prices.map(|(_, storage)| rent(storage, tokens, time));
    let paid = errand.paid_until.unwrap_or(now);
    let plain = Usage {
        plain: Some(tokens),
        ..Usage::default()
    };
    let (status, usage, cost) = match (&errand.kind, outcome) {
        (ErrandKind::Create, Outcome::Kept { .. }) => {
            let cost = prices.map(|(tier, _)| tier.input.times(tokens));
            let cost = cost.zip(rented(RENT)).map(|(input, rent)| input + rent);
            (200, Some(plain), cost)
        }
        (_, Outcome::Kept { asked, .. }) => {
            let added = asked.plus(RENT).since(paid.max(*asked));
            (200, None, rented(added))
        }
        (_, Outcome::Deleted) => {
            let back = rented(paid.since(now));
            (200, None, back.map(|back| Money::ZERO - back))
        }
        (_, Outcome::Refused { status } | Outcome::Failed { status }) => (*status, None, None),
    };
    engine.memory.learn(errand.key, &mut |learned| {
        remember(learned, now, &errand.kind, outcome);
    });
    Record {
        at: now,
        provider: meta.provider.into(),
        route: meta.route.into(),
        tenant: meta.tenant.into(),
        model: errand.model.clone(),
        model_known: model.limits.known,
        status,
        complete: status != 0,
        usage,
        cost,
        // Nobody would have asked for it.
        cost_without_caching: cost.map(|_| Money::ZERO),
        errand: true,
        errand_kind: errand.kind.as_str(),
        ..Record::default()
    }
}

fn remember(learned: &mut Learned, now: Timestamp, kind: &ErrandKind, outcome: &Outcome) {
    learned.errands_failed = match (kind, outcome) {
        (_, Outcome::Kept { name, asked, .. }) if is_plain(name) => {
            learned.held = Some(Held::new(name.clone(), asked.plus(RENT)));
            0
        }
        (_, Outcome::Deleted) => {
            learned.held = None;
            0
        }
        // It is gone; the next request may ask for a new one.
        (ErrandKind::Extend(_), Outcome::Refused { .. }) => {
            learned.held = None;
            0
        }
        (_, Outcome::Refused { .. } | Outcome::Kept { .. }) => DOUBLINGS,
        (_, Outcome::Failed { .. }) => (learned.errands_failed + 1).min(DOUBLINGS),
    };
    let patience = PATIENCE * 2_u32.saturating_pow(learned.errands_failed);
    let failed = learned.errands_failed > 0;
    learned.errand_until = failed.then(|| now.plus(patience));
}

/// Whether a name can go into bodies and paths as it is.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}
