//! Explicit caches: prefixes that the provider keeps under a name, for rent by the hour.
//!
//! Opt-in, since it asks things of the provider that no call of the user's asked for. What is kept
//! is a service's tools and system prompt. Whether that pays is a matter of pace: with `n` requests
//! expected while it is rented, of which a share `h` would have been read from the provider's own
//! cache anyway, renting wins where `n · (1 − h) · (1 − r) > 1 + storage · time ÷ input`.

use std::time::Duration;

use bytes::Bytes;

use super::{Engine, Meta};
use crate::ledger::Record;
use crate::ledger::history::{Held, Learned};
use crate::model::{Digest, Member, Money, Plan, Prompt, Section, Timestamp, Usage};
use crate::provider::Model;
use crate::wire::{Edit, Remembered, member_value, remove_members};

/// How long an explicit cache is rented at a time; it is extended while that pays.
pub const RENT: Duration = Duration::from_secs(600);

/// An entry that ends sooner than this is not used any more: the request must arrive before.
const MARGIN: Duration = Duration::from_secs(15);

/// While an errand is out, no other is sent for the same prefix.
const PATIENCE: Duration = Duration::from_secs(60);

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
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Errand {
    /// What is asked.
    pub kind: ErrandKind,
    /// The body, whose model is still to be named by whoever knows the path.
    pub body: Bytes,
    key: Digest,
    tokens: u64,
    rent: Option<Money>,
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
}

/// A prefix that could be rented.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rented {
    /// Its tokens, estimated.
    pub(super) tokens: u64,
    /// Whether it is rented and this request uses that.
    pub(super) used: bool,
}

/// One request as far as explicit caches go.
pub(super) struct Vault<'a> {
    pub(super) engine: &'a Engine,
    pub(super) body: &'a Remembered,
    pub(super) model: &'a Model,
    /// Digest of everything with the same tools and system prompt.
    pub(super) service: Digest,
    /// Estimated tokens of tools and system prompt.
    pub(super) tokens: u64,
    pub(super) now: Timestamp,
}

impl<'a> Vault<'a> {
    /// What the engine knows of the prefix of this request, where it could be kept at all.
    pub(super) fn of(
        engine: &'a Engine,
        body: &'a Remembered,
        model: &'a Model,
        (service, tokens): (Digest, u64),
        now: Timestamp,
    ) -> Option<Self> {
        let vault = Self {
            engine,
            body,
            model,
            service,
            tokens,
            now,
        };
        let fits = engine.settings.explicit_caches
            && vault.prompt().end_of(Section::System) > 0
            && tokens >= model.limits.min_tokens
            && EXCLUDED
                .iter()
                .all(|name| member_value(body, name).is_none());
        fits.then_some(vault)
    }

    fn prompt(&self) -> &Prompt {
        &self.body.prompt
    }

    /// Uses the prefix if it is kept, and says whether it is.
    pub(super) fn open(&self, plan: &mut Plan, edits: &mut Vec<Edit>) -> Rented {
        let held = self.held();
        if let Some(name) = &held {
            edits.extend(self.edits());
            let member = Member::new("cachedContent", format!("\"{name}\""));
            plan.members.push(member);
        }
        Rented {
            tokens: self.tokens,
            used: held.is_some(),
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

    /// Edits that say the name instead of the prefix.
    fn edits(&self) -> Vec<Edit> {
        remove_members(self.body, &KEPT)
    }

    /// What is worth asking of the provider now. Books the request's visit.
    pub(super) fn errand(&self) -> Option<Errand> {
        let mut errand = None;
        self.engine.memory.learn(self.service, &mut |learned| {
            learned.pace.observe(self.now);
            errand = self.worth(learned);
            if errand.is_some() {
                learned.errand_until = Some(self.now.plus(PATIENCE));
            }
        });
        errand
    }

    fn worth(&self, learned: &Learned) -> Option<Errand> {
        if learned.errand_until.is_some_and(|until| self.now < until) {
            return None;
        }
        let prices = self.model.prices.as_ref()?;
        let tier = prices.tier(self.tokens);
        let storage = self.model.storage_hour?;
        let rent = share(storage.times(self.tokens), RENT.as_secs(), 3600);
        let gain = gained(
            learned,
            (tier.input - tier.read).times(self.tokens),
            self.now,
        );
        let held = learned.held.as_ref().filter(|held| held.until > self.now);
        let kind = match held {
            None if gain > tier.input.times(self.tokens) + rent => ErrandKind::Create,
            Some(held) if held.until.since(self.now) < RENT / 2 && gain > rent => {
                ErrandKind::Extend(held.name.clone())
            }
            _ => return None,
        };
        Some(Errand {
            body: self.letter(&kind)?,
            kind,
            key: self.service,
            tokens: self.tokens,
            rent: Some(rent),
            model: self.model.name.clone(),
        })
    }

    /// The body of an errand, in the caller's own bytes; the model's name is left to be added.
    fn letter(&self, kind: &ErrandKind) -> Option<Bytes> {
        let mut out = format!("{{\"ttl\":\"{}s\"", RENT.as_secs()).into_bytes();
        if *kind == ErrandKind::Create {
            for name in KEPT {
                if let Some(value) = member_value(self.body, name) {
                    out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                    out.extend_from_slice(value);
                }
            }
        }
        out.push(b'}');
        Some(out.into())
    }
}

/// What the requests of one rent are expected to save: those that the provider would not have
/// served from its own cache.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    reason = "an expectation decides what is tried, never what is booked; `as` saturates"
)]
fn gained(learned: &Learned, each: Money, now: Timestamp) -> Money {
    let requests = learned.pace.per_minute(now) * RENT.as_secs_f64() / 60.0;
    let parts = (requests * (1.0 - learned.implicit.share()) * 1000.0) as i128;
    Money::from_pico(each.as_pico().saturating_mul(parts) / 1000)
}

fn share(whole: Money, part: u64, of: u64) -> Money {
    Money::from_pico(whole.as_pico().saturating_mul(part.into()) / i128::from(of))
}

/// Writes down what came of an errand, and what it cost: the prefix once as plain input where it
/// was created, and its rent.
pub(super) fn done(
    engine: &Engine,
    now: Timestamp,
    meta: &Meta<'_>,
    errand: &Errand,
    held: Option<Held>,
) -> Option<Record> {
    // The name goes into bodies as it is.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte);
    let held = held.filter(|held| held.name.bytes().all(plain));
    engine.memory.learn(errand.key, &mut |learned| {
        if let Some(held) = &held {
            learned.held = Some(held.clone());
            learned.errand_until = None;
        }
    });
    held?;
    let model = engine.catalog.model(meta.provider, &errand.model);
    let tier = model.prices.map(|prices| *prices.tier(errand.tokens));
    let created = match errand.kind {
        ErrandKind::Create => errand.tokens,
        ErrandKind::Extend(_) => 0,
    };
    let mut usage = Usage::default();
    usage.plain = Some(created);
    let cost = tier.zip(errand.rent);
    let cost = cost.map(|(tier, rent)| tier.input.times(created) + rent);
    Some(Record {
        at: now,
        provider: meta.provider.into(),
        route: meta.route.into(),
        tenant: meta.tenant.into(),
        model: errand.model.clone(),
        model_known: model.limits.known,
        status: 200,
        complete: true,
        usage: Some(usage),
        cost,
        // Nobody would have asked for it.
        cost_without_caching: cost.map(|_| Money::ZERO),
        errand: true,
        ..Record::default()
    })
}
